//! Any bytes as a file of weights of another program: it is read or refused, no panic comes out, and memory stays in
//! proportion to the file.

#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use libfuzzer_sys::fuzz_target;
use lobule::interchange::{ImportOptions, Inspection, import, read_backbone};

/// Memory that any file may take: tables of the readers, tensors of zeros that are shorter in the file, a small graph;
/// and the room for 65,535 messages that the HDF5 reader reserves, and gives back untouched, when a header declares them.
const ANY: usize = 18 << 20;

/// Counts what is allocated.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

// SAFETY: it is the system's allocator, with counters beside it. `realloc` is the default's: allocate, copy, free.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        PEAK.fetch_max(LIVE.fetch_add(layout.size(), Relaxed) + layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// Checks what a way of reading costs.
fn measured<T>(bytes: &[u8], read: impl FnOnce() -> T) {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    let _ = read();
    let peak = PEAK.load(Relaxed) - before;
    assert!(peak <= 4 * bytes.len() + ANY, "{peak} bytes for a file of {}", bytes.len());
}

fuzz_target!(|bytes: &[u8]| {
    let path = std::env::temp_dir().join(format!("lobule-fuzz-{}", std::process::id()));
    fs::write(&path, bytes).unwrap();
    measured(bytes, || read_backbone(&path));
    measured(bytes, || Inspection::of(&path));
    measured(bytes, || import(&path, &ImportOptions::default()));
});
