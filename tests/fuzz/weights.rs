//! Any bytes as a file of weights of another program: it is read or refused, no panic comes out, and memory stays in
//! proportion to the file.

#![no_main]

use std::fs;

use libfuzzer_sys::fuzz_target;
use lobule::interchange::{Inspection, read_backbone};

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("lobule-fuzz-{}", std::process::id()));
    fs::write(&path, bytes).unwrap();
    let _ = read_backbone(&path);
    let _ = Inspection::of(&path);
});
