//! What a process takes, as the kernel counts it.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::time::clock_getcpuclockid;
use nix::unistd::Pid;

/// A process takes nothing when it took less than this share of a core for [`GLANCE`].
const IDLE: f64 = 0.03;
const GLANCE: Duration = Duration::from_millis(30);

#[derive(Clone, Copy)]
pub(crate) struct Process(u32);

impl Process {
    pub(crate) fn new(id: u32) -> Self {
        Self(id)
    }

    /// CPU time of all its threads, ended ones too, in user and kernel mode, to the nanosecond: getrusage's figure,
    /// which may be asked for one's own process only.
    pub(crate) fn cpu(self) -> Duration {
        let clock = clock_getcpuclockid(Pid::from_raw(self.0.cast_signed())).unwrap();
        clock.now().unwrap().into()
    }

    /// Resident memory at this moment, in KiB.
    pub(crate) fn resident(self) -> u64 {
        self.status("VmRSS:")
    }

    /// The most that was resident at any moment, in KiB.
    pub(crate) fn peak(self) -> u64 {
        self.status("VmHWM:")
    }

    fn status(self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(key)).unwrap();
        line.trim().strip_suffix(" kB").unwrap().parse().unwrap()
    }

    /// Waits until it has done what it was sent, for so long at most.
    pub(crate) fn wait_until_idle(self, at_most: Duration) {
        let deadline = Instant::now() + at_most;
        while Instant::now() < deadline {
            let before = self.cpu();
            sleep(GLANCE);
            if (self.cpu() - before).div_duration_f64(GLANCE) < IDLE {
                return;
            }
        }
    }
}
