//! How many threads this process can run at the same time.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::thread;

use crate::system::control_group::Hierarchy;

/// Threads that can run at the same time: the CPUs that the process may use, or as many as the control groups around it
/// grant the time of, rounded up, where that is less. At least one.
pub fn cores() -> usize {
    // The standard library rounds a grant down, and does not find it where a container sees its group's path on the
    // host; so it is asked only where the operating system has no such files.
    cores_below(Path::new("/")).unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

/// The CPU controller of version 2, and the places where version 1 has it.
const HIERARCHIES: [Hierarchy; 3] = [
    Hierarchy { mount: "sys/fs/cgroup", controller: "" },
    Hierarchy { mount: "sys/fs/cgroup/cpu", controller: "cpu" },
    Hierarchy { mount: "sys/fs/cgroup/cpu,cpuacct", controller: "cpu" },
];

fn cores_below(root: &Path) -> Option<usize> {
    let status = fs::read_to_string(root.join("proc/self/status")).ok()?;
    let allowed = cpus(status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?)?;
    // What is allowed may name CPUs that this machine does not have.
    let online = cpus(&fs::read_to_string(root.join("sys/devices/system/cpu/online")).ok()?)?;
    let cpus = allowed.intersection(&online).count();
    let grants = HIERARCHIES.iter().flat_map(|hierarchy| hierarchy.folders(root)).filter_map(|group| grant(&group));
    Some(grants.fold(cpus, usize::min).max(1))
}

/// The CPUs of a list such as `0-3,8`.
fn cpus(list: &str) -> Option<BTreeSet<usize>> {
    let mut cpus = BTreeSet::new();
    for part in list.trim().split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        cpus.extend(first.parse::<usize>().ok()?..=last.parse().ok()?);
    }
    Some(cpus)
}

/// CPUs whose time a group grants, rounded up; none where it sets no limit.
fn grant(group: &Path) -> Option<usize> {
    let read = |name: &str| fs::read_to_string(group.join(name)).ok();
    let limits = read("cpu.max").or_else(|| Some(read("cpu.cfs_quota_us")? + " " + &read("cpu.cfs_period_us")?))?;
    // Instead of a number version 2 says `max`, and version 1 -1.
    let mut numbers = limits.split_whitespace().map(|number| number.parse::<usize>().ok());
    let (quota, period) = (numbers.next()??, numbers.next()??);
    (period > 0).then(|| quota.div_ceil(period))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::system::control_group::file_system;

    /// A file system with a machine of these CPUs, of which the process may use 0 to 7, and with these files.
    fn cores(online: &str, files: &[(&str, &str)]) -> Option<usize> {
        let machine = [
            ("proc/self/status", "Name:\tlobule\nCpus_allowed:\tff\nCpus_allowed_list:\t0-5,6-7\n"),
            ("sys/devices/system/cpu/online", online),
        ];
        cores_below(file_system(machine.iter().chain(files)).path())
    }

    #[test]
    fn without_a_limit_they_are_the_cpus_that_the_process_may_use_and_the_machine_has() {
        assert_eq!(cores("0-15\n", &[]), Some(8));
        assert_eq!(cores("0-1,4\n", &[]), Some(3));
        assert_eq!(cores("0-15\n", &[("sys/fs/cgroup/cpu.max", "max 100000\n")]), Some(8));
        let first =
            [("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n"), ("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n")];
        assert_eq!(cores("0-15\n", &first), Some(8));
        assert_eq!(cores("nonsense", &[]), None);
    }

    #[test]
    fn a_part_of_a_cpu_counts_as_one() {
        for (limit, want) in [("1000", 1), ("100000", 1), ("100001", 2), ("250000", 3), ("900000", 8)] {
            let second = [("sys/fs/cgroup/cpu.max", format!("{limit} 100000\n"))];
            assert_eq!(
                cores("0-15\n", &second.each_ref().map(|(path, text)| (*path, text.as_str()))),
                Some(want),
                "{limit}"
            );
        }
    }

    #[test]
    fn the_tightest_group_around_the_process_decides_in_both_versions() {
        let group = |own: &str, outer: &str| {
            let files = [
                ("proc/self/cgroup", "0::/pods/one\n"),
                ("sys/fs/cgroup/pods/one/cpu.max", own),
                ("sys/fs/cgroup/pods/cpu.max", outer),
                ("sys/fs/cgroup/other/cpu.max", "1 100000"),
            ];
            cores("0-15\n", &files)
        };
        assert_eq!(group("200000 100000", "max 100000"), Some(2));
        assert_eq!(group("200000 100000", "75000 50000"), Some(2));
        assert_eq!(group("max 100000", "300000 100000"), Some(3));
        let first = [
            ("proc/self/cgroup", "3:memory:/b\n2:cpu,cpuacct:/a\n0::/\n"),
            ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_quota_us", "150000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/a/cpu.cfs_period_us", "100000\n"),
            ("sys/fs/cgroup/cpu,cpuacct/b/cpu.cfs_quota_us", "1\n"),
            ("sys/fs/cgroup/cpu,cpuacct/b/cpu.cfs_period_us", "100000\n"),
        ];
        assert_eq!(cores("0-15\n", &first), Some(2));
        let outside = [("proc/self/cgroup", "0::/../other\n"), ("sys/fs/other/cpu.max", "1 100000\n")];
        assert_eq!(cores("0-15\n", &outside), Some(8), "a group outside of what is mounted");
    }
}
