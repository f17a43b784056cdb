//! Memory that holds parts of the program's own file.

#![allow(unsafe_code, reason = "the call is the system's")]

/// Bytes of the smallest page of any system here.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const PAGE: usize = 4096;

/// Gives back the memory of a large constant that was read once. The system reads it from the program's file again where it
/// is needed again.
pub fn give_back_constant(constant: &'static [u8]) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let before = constant.as_ptr().align_offset(PAGE).min(constant.len());
        let whole = &constant[before..];
        let length = whole.len() / PAGE * PAGE;
        // SAFETY: the pages lie wholly in a constant, which nobody can have written to, so what is read again is the same.
        // Where pages are larger, or the system refuses for another reason, nothing happens.
        unsafe { libc::madvise(whole.as_ptr().cast_mut().cast(), length, libc::MADV_DONTNEED) };
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = constant;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_stays_what_it_is() {
        static SOURCE: &[u8] = include_bytes!("../../Cargo.lock");
        let before = SOURCE.to_vec();
        give_back_constant(SOURCE);
        assert_eq!(SOURCE, before);
        give_back_constant(b"short");
    }
}
