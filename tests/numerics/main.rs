//! Holds the numbers of the program to those of TensorFlow and Keras, which fixtures keep: no test needs Python.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a helper of a test may fail as a test does")]

mod decoded;
#[path = "../fixtures/draw.rs"]
mod draw;
mod drawing;
mod exported;
mod formula;
mod heatmap;
mod inference_walk;
mod keras_callbacks;
mod keras_forward;
mod keras_import;
mod keras_training;
mod oracle;
mod resize;
mod training_walk;

use std::path::PathBuf;

use serde::de::DeserializeOwned;

/// A file of tests/fixtures.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The real images, which the tests that are ignored by default need.
fn originals() -> Vec<PathBuf> {
    let folder = std::env::var_os("LOBULE_BREAKHIS").map_or_else(|| "../shared/breakhis".into(), PathBuf::from);
    let entries = std::fs::read_dir(folder.join("originals")).expect("LOBULE_BREAKHIS names the folder of real images");
    entries.map(|entry| entry.unwrap().path()).collect()
}

/// What a file of tests/fixtures says that Python computed.
fn golden<T: DeserializeOwned>(name: &str) -> T {
    serde_json::from_str(&std::fs::read_to_string(fixture(name)).unwrap()).unwrap()
}

/// Holds our numbers to others, one by one.
fn assert_close(ours: &[f32], others: &[f32], tolerance: f32, what: &str) {
    assert_eq!(ours.len(), others.len(), "{what}");
    for (index, (ours, other)) in ours.iter().zip(others).enumerate() {
        assert!((ours - other).abs() <= tolerance, "{what}, number {index}: {ours} instead of {other}");
    }
}
