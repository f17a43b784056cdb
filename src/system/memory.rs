//! What this machine has, for every room whose limits depend on it.

use std::fs;
use std::thread;

/// Threads that can run at the same time.
pub fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Where a control group of version 2 and one of version 1 tell their limit and what they use.
const GROUPS: [[&str; 2]; 2] = [
    ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"],
    ["/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes"],
];

/// Bytes that this process can still have: the machine's, or its control group's where that is less. Linux tells.
pub fn available_memory() -> Option<usize> {
    let read = |path: &str| fs::read_to_string(path).ok();
    let meminfo = read("/proc/meminfo")?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()? << 10;
    let number = |path: &str| read(path)?.trim().parse::<usize>().ok();
    let group = GROUPS.iter().find_map(|[most, used]| number(most).zip(number(used)));
    Some(group.map_or(machine, |(most, used)| machine.min(most.saturating_sub(used))))
}
