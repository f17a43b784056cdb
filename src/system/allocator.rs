//! How the heap treats memory that is free: what a program can ask of glibc's. Other allocators need no asking.

#![allow(unsafe_code)]

use std::ffi::c_int;

/// Gives free pages back. Loading a network takes twice its size in tensors that are gone afterwards; glibc keeps such
/// pages where a smaller allocation lies behind them, for as long as the process lives.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> c_int;
        }
        // SAFETY: glibc's own function, safe to call from any thread at any time; it touches free memory only.
        unsafe { malloc_trim(0) };
    }
}

/// Lets threads share their free memory, from here on. Each has a heap of its own otherwise, and those of a service
/// grow for thousands of requests until each has seen its largest.
pub fn share_heap() {
    const M_ARENA_MAX: c_int = -8;
    option(M_ARENA_MAX, 1);
}

/// Lets the heap keep large blocks that are free, from here on: a training takes the same ones at each step, and to get
/// them from the system page by page takes a third of its time.
pub fn keep_large_blocks() {
    const M_TRIM_THRESHOLD: c_int = -1;
    const M_MMAP_THRESHOLD: c_int = -3;
    // The most that glibc takes.
    const LARGEST: c_int = 32 << 20;
    option(M_MMAP_THRESHOLD, LARGEST);
    option(M_TRIM_THRESHOLD, c_int::MAX);
}

fn option(parameter: c_int, value: c_int) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn mallopt(parameter: c_int, value: c_int) -> c_int;
        }
        // SAFETY: glibc's own function, safe to call from any thread at any time; a refusal changes nothing.
        unsafe { mallopt(parameter, value) };
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = (parameter, value);
}
