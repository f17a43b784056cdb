//! How the heap treats memory that is free: what a program can ask of glibc's. Other allocators need no asking.

#![allow(unsafe_code)]

/// Gives free pages back. Loading a network takes twice its size in tensors that are gone afterwards; glibc keeps such
/// pages where a smaller allocation lies behind them, for as long as the process lives.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        unsafe extern "C" {
            fn malloc_trim(pad: usize) -> std::ffi::c_int;
        }
        // SAFETY: glibc's own function, safe to call from any thread at any time; it touches free memory only.
        unsafe { malloc_trim(0) };
    }
}

/// Lets threads share their free memory, from here on. Each has a heap of its own otherwise, and those of a service
/// grow for thousands of requests until each has seen its largest.
pub fn share_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        const M_ARENA_MAX: std::ffi::c_int = -8;
        unsafe extern "C" {
            fn mallopt(parameter: std::ffi::c_int, value: std::ffi::c_int) -> std::ffi::c_int;
        }
        // SAFETY: glibc's own function, safe to call from any thread at any time; a refusal changes nothing.
        unsafe { mallopt(M_ARENA_MAX, 1) };
    }
}
