//! Memory that is free but still held by the heap, given back to the system.

#![allow(unsafe_code)]

/// Gives free pages back. Loading a network takes twice its size in tensors that are gone afterwards; glibc keeps such
/// pages where a smaller allocation lies behind them, for as long as the process lives. Other allocators let go by
/// themselves.
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
