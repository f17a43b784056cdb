//! How many files a process may have open.

use std::fs;

/// Files, connections among them, that this process may have open at the same time. `None` where the operating system
/// does not say, as on others than Linux, or sets no limit.
pub fn open_files_limit() -> Option<usize> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_whitespace().next()?.parse().ok()
}
