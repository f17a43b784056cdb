//! How much memory this process can have.

use std::fs;
use std::path::Path;

use crate::system::control_group::Hierarchy;

/// A version of Linux's control groups, and what its files are called.
struct Groups {
    hierarchy: Hierarchy,
    limit: &'static str,
    used: &'static str,
    /// The line of `memory.stat` with the page cache that the kernel drops first.
    inactive: &'static str,
}

const VERSIONS: [Groups; 2] = [
    Groups {
        hierarchy: Hierarchy { mount: "sys/fs/cgroup", controller: "" },
        limit: "memory.max",
        used: "memory.current",
        inactive: "inactive_file ",
    },
    Groups {
        hierarchy: Hierarchy { mount: "sys/fs/cgroup/memory", controller: "memory" },
        limit: "memory.limit_in_bytes",
        used: "memory.usage_in_bytes",
        inactive: "total_inactive_file ",
    },
];

/// Bytes that this process can still have: the machine's, or those of a control group around it where that has less.
/// `None` where the operating system is not Linux.
pub fn available_memory() -> Option<usize> {
    available_below(Path::new("/"))
}

fn available_below(root: &Path) -> Option<usize> {
    let meminfo = fs::read_to_string(root.join("proc/meminfo")).ok()?;
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let machine = line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()? << 10;
    Some(VERSIONS.iter().filter_map(|groups| groups.left(root)).fold(machine, usize::min))
}

impl Groups {
    /// The least that any group from the process's own up to the root has left.
    fn left(&self, root: &Path) -> Option<usize> {
        self.hierarchy.folders(root).iter().filter_map(|group| self.left_in(group)).min()
    }

    /// The limit without the working set, as Kubernetes calls what is used and cannot be dropped at once.
    fn left_in(&self, group: &Path) -> Option<usize> {
        let read = |name: &str| fs::read_to_string(group.join(name)).ok();
        let number = |text: &str| text.trim().parse::<usize>().ok();
        let (limit, used) = (number(&read(self.limit)?)?, number(&read(self.used)?)?);
        let statistics = read("memory.stat").unwrap_or_default();
        let inactive = statistics.lines().find_map(|line| number(line.strip_prefix(self.inactive)?)).unwrap_or(0);
        Some(limit.saturating_sub(used.saturating_sub(inactive)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::control_group::file_system;

    /// A file system with a machine of 1000 KiB and with these files.
    fn available(files: &[(&str, &str)]) -> Option<usize> {
        let machine = [("proc/meminfo", "MemTotal: 2000 kB\nMemAvailable:    1000 kB\n")];
        available_below(file_system(machine.iter().chain(files)).path())
    }

    #[test]
    fn without_a_control_group_or_a_limit_it_is_the_machines() {
        assert_eq!(available(&[]), Some(1000 << 10));
        let unlimited = [("sys/fs/cgroup/memory.max", "max\n"), ("sys/fs/cgroup/memory.current", "5000\n")];
        assert_eq!(available(&unlimited), Some(1000 << 10));
    }

    #[test]
    fn page_cache_counts_as_free_in_both_versions() {
        let second = [
            ("sys/fs/cgroup/memory.max", "9000\n"),
            ("sys/fs/cgroup/memory.current", "8000\n"),
            ("sys/fs/cgroup/memory.stat", "anon 900\nactive_file 100\ninactive_file 7000\n"),
        ];
        assert_eq!(available(&second), Some(8000));
        let first = [
            ("proc/self/cgroup", "5:cpu,cpuacct:/a\n4:memory:/docker/1234\n"),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9000\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", "8000\n"),
            ("sys/fs/cgroup/memory/memory.stat", "inactive_file 1\ntotal_inactive_file 6000\n"),
        ];
        assert_eq!(available(&first), Some(7000));
    }

    #[test]
    fn the_tightest_group_around_the_process_decides() {
        let group = |limits: [&str; 2]| {
            let [inner, outer] = limits;
            available(&[
                ("proc/self/cgroup", "0::/user.slice/run.scope\n"),
                ("sys/fs/cgroup/user.slice/run.scope/memory.max", inner),
                ("sys/fs/cgroup/user.slice/run.scope/memory.current", "100"),
                ("sys/fs/cgroup/user.slice/memory.max", outer),
                ("sys/fs/cgroup/user.slice/memory.current", "1000"),
                ("sys/fs/cgroup/other.slice/memory.max", "1"),
                ("sys/fs/cgroup/other.slice/memory.current", "1"),
            ])
        };
        assert_eq!(group(["500", "max"]), Some(400));
        assert_eq!(group(["500", "1200"]), Some(200));
        assert_eq!(group(["max", "max"]), Some(1000 << 10));
        let outside =
            [("proc/self/cgroup", "0::/../../other\n"), ("other/memory.max", "1"), ("other/memory.current", "1")];
        assert_eq!(available(&outside), Some(1000 << 10), "a group outside of what is mounted");
    }
}
