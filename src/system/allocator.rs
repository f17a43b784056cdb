//! How the heap treats memory that is free: what a program can ask of glibc's. Other allocators need no asking.

#![allow(unsafe_code, reason = "the allocator is C's")]

/// Gives free pages back. Loading a network takes twice its size in tensors that are gone afterwards; glibc keeps such
/// pages where a smaller allocation lies behind them, for as long as the process lives.
pub fn give_back() {
    // SAFETY: safe to call from any thread at any time; it touches free memory only.
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    unsafe {
        libc::malloc_trim(0)
    };
}

/// Lets threads share their free memory, from here on. Each has a heap of its own otherwise, and those of a service
/// grow for thousands of requests until each has seen its largest.
pub fn share_heap() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    set(libc::M_ARENA_MAX, 1);
}

/// Lets blocks of a mebibyte and more go back to the system as soon as they are free, from here on. Without it glibc
/// learns to keep such blocks from the first ones that it is given back, and what a few large uploads took stays taken.
/// An image of BreakHis is smaller, and decoded in memory that stays.
pub fn give_back_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    set(libc::M_MMAP_THRESHOLD, 1 << 20);
}

/// Lets the heap keep large blocks that are free, from here on: a training takes the same ones at each step, and to get
/// them from the system page by page takes a third of its time.
pub fn keep_large_blocks() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // The most that glibc takes.
        const LARGEST: libc::c_int = 32 << 20;
        set(libc::M_MMAP_THRESHOLD, LARGEST);
        set(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
    }
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn set(parameter: libc::c_int, value: libc::c_int) {
    // SAFETY: safe to call from any thread at any time; a refusal changes nothing.
    unsafe { libc::mallopt(parameter, value) };
}
