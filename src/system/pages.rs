//! Memory that holds parts of the program's own file.

#![allow(unsafe_code, reason = "the call is the system's")]

/// Bytes of the smallest page of any system here.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const PAGE: usize = 4096;

/// Gives back the memory of a large constant that was read once. The system reads it from the program's file again where it
/// is needed again. Nothing happens to memory that is no part of a file, or that can be written.
pub fn give_back_constant(constant: &'static [u8]) {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let before = constant.as_ptr().align_offset(PAGE).min(constant.len());
        let whole = &constant[before..];
        let length = whole.len() / PAGE * PAGE;
        let (from, to) = (whole.as_ptr() as usize, whole.as_ptr() as usize + length);
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        if maps.lines().any(|line| is_part_of_file(line, from, to)) {
            // SAFETY: the pages lie wholly in a part of a file that cannot be written, so what is read again is the same.
            // Where pages are larger, or the system refuses for another reason, nothing happens.
            unsafe { libc::madvise(whole.as_ptr().cast_mut().cast(), length, libc::MADV_DONTNEED) };
        }
    }
    #[cfg(not(all(target_os = "linux", target_env = "gnu")))]
    let _ = constant;
}

/// Whether a line of `/proc/self/maps`, such as `5590-55a0 r--p 00000000 08:01 7304 /bin/lobule`, is that of a part of a file
/// which holds these addresses and cannot be written.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn is_part_of_file(line: &str, from: usize, to: usize) -> bool {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [range, permissions, _, _, inode, ..] = fields[..] else { return false };
    let ends = range.split_once('-').map(|(from, to)| [from, to].map(|end| usize::from_str_radix(end, 16)));
    let Some([Ok(first), Ok(last)]) = ends else { return false };
    first <= from && to <= last && permissions.starts_with("r-") && inode != "0"
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

    #[test]
    fn memory_that_is_no_part_of_a_file_stays_what_it_is() {
        let own: &'static [u8] = Vec::leak(vec![7; 100_000]);
        give_back_constant(own);
        assert!(own.iter().all(|byte| *byte == 7));
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn a_part_of_a_file_is_told_by_its_line() {
        let line = "55d0-55f0 r--p 00001000 fd:00 1321 /usr/bin/lobule (deleted)";
        assert!(is_part_of_file(line, 0x55d0, 0x55f0) && !is_part_of_file(line, 0x55d0, 0x55f1));
        assert!(!is_part_of_file(&line.replace("1321", "0"), 0x55d0, 0x55e0));
        assert!(!is_part_of_file(&line.replace("r--p", "rw-p"), 0x55d0, 0x55e0));
        assert!(!is_part_of_file("damaged", 0, 1));
    }
}
