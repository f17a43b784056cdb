//! Threads that compute one image together, half a layer at a time.
//!
//! Half a layer takes tens of microseconds, so threads that are done wait for the others by looking, not by sleeping.

use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::{hint, thread};

use crate::kernels::densenet::inference::gemm::Aligned;

/// A fixed number of threads, the caller's own among them.
#[derive(Debug)]
pub(crate) struct Team {
    /// All but the caller's own thread; the lock lets one image in at a time. None for a team of one.
    helpers: Option<Mutex<rayon::ThreadPool>>,
    pub(crate) size: usize,
}

/// One thread of a team at work.
#[derive(Clone, Copy)]
pub(crate) struct Worker<'a> {
    /// From 0 up to, but not, `count`.
    pub(crate) index: usize,
    pub(crate) count: usize,
    barrier: Option<&'a Barrier>,
}

impl Team {
    /// A team of `size` threads; when the operating system refuses them, a team of one.
    pub(crate) fn new(size: usize) -> Self {
        let name = |index| format!("team-{}", index + 1);
        let pool = || rayon::ThreadPoolBuilder::new().num_threads(size - 1).thread_name(name).build();
        let helpers = if size > 1 { pool().ok().map(Mutex::new) } else { None };
        Self { size: if helpers.is_some() { size } else { 1 }, helpers }
    }

    /// Runs `work` on every thread of the team and waits for all.
    pub(crate) fn run(&self, work: impl Fn(Worker<'_>) + Sync) {
        let Some(helpers) = &self.helpers else { return alone(work) };
        // A pool whose image panicked is as good as before: its threads wait for the next job.
        let pool = helpers.lock().unwrap_or_else(PoisonError::into_inner);
        let barrier = Barrier::new(self.size);
        let work = |index| {
            // A thread that panics would leave the others waiting for ever.
            let open = OpenWhenDropped(&barrier);
            work(Worker { index, count: self.size, barrier: Some(&barrier) });
            std::mem::forget(open);
        };
        // As many jobs as threads, and one image at a time: all of them run at once, so none waits for one that
        // cannot begin.
        pool.in_place_scope(|scope| {
            for index in 1..self.size {
                let work = &work;
                scope.spawn(move |_| work(index));
            }
            work(0);
        });
    }
}

/// Runs `work` on the caller's thread alone.
pub(crate) fn alone(work: impl Fn(Worker<'_>)) {
    work(Worker { index: 0, count: 1, barrier: None });
}

impl Worker<'_> {
    /// Waits until every thread of the team has come here.
    ///
    /// # Panics
    /// When another thread has panicked, and so will never come.
    pub(crate) fn wait(&self) {
        if let Some(barrier) = self.barrier {
            barrier.wait();
        }
    }

    /// This thread's share of `count` things in a row.
    pub(crate) fn share(&self, count: usize) -> Range<usize> {
        self.index * count / self.count..(self.index + 1) * count / self.count
    }
}

struct Barrier {
    size: usize,
    arrived: AtomicUsize,
    round: AtomicUsize,
    broken: AtomicBool,
}

/// Looks before a thread lets others have its processor: longer than half a layer, which only a team on too few
/// processors exceeds.
const LOOKS: u32 = 20_000;

impl Barrier {
    fn new(size: usize) -> Self {
        Self { size, arrived: AtomicUsize::new(0), round: AtomicUsize::new(0), broken: AtomicBool::new(false) }
    }

    fn wait(&self) {
        let round = self.round.load(Ordering::Acquire);
        if self.arrived.fetch_add(1, Ordering::AcqRel) + 1 == self.size {
            self.arrived.store(0, Ordering::Relaxed);
            self.round.store(round.wrapping_add(1), Ordering::Release);
            return;
        }
        let mut looks = 0;
        while self.round.load(Ordering::Acquire) == round {
            assert!(!self.broken.load(Ordering::Relaxed), "another thread of the team has panicked");
            looks += 1;
            if looks < LOOKS {
                hint::spin_loop();
            } else {
                thread::yield_now();
            }
        }
    }
}

struct OpenWhenDropped<'a>(&'a Barrier);

impl Drop for OpenWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.broken.store(true, Ordering::Relaxed);
    }
}

/// A buffer that the threads of a team read and write, each its own range between two [`Worker::wait`]s.
#[derive(Debug)]
pub(crate) struct Shared {
    /// Holds the memory that `start` points into; never touched otherwise.
    _data: Aligned<f32>,
    start: *mut f32,
    length: usize,
}

// SAFETY: the buffer is reached only through the unsafe methods below, whose callers keep writers apart from everyone
// else; `start` points into the buffer, which never moves.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn zeros(length: usize) -> Self {
        let mut data = Aligned::zeros(length);
        let start = data.as_mut_ptr();
        Self { _data: data, start, length }
    }

    pub(crate) fn all(&self) -> Range<usize> {
        0..self.length
    }

    /// # Safety
    /// Until the next wait of the team, no thread may write to the range.
    #[inline(always)]
    pub(crate) unsafe fn read(&self, range: Range<usize>) -> &[f32] {
        assert!(range.start <= range.end && range.end <= self.length, "a range of a buffer");
        // SAFETY: the range lies in the buffer, and the caller vouches that nobody writes to it.
        unsafe { std::slice::from_raw_parts(self.start.add(range.start), range.len()) }
    }

    /// # Safety
    /// Until the next wait of the team, no other thread may read or write the range, nor this one by another borrow.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)] // that is what this type is for
    pub(crate) unsafe fn write(&self, range: Range<usize>) -> &mut [f32] {
        assert!(range.start <= range.end && range.end <= self.length, "a range of a buffer");
        // SAFETY: the range lies in the buffer, and the caller vouches that it is this thread's alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_pass_every_wait_together() {
        for size in [1, 2, 3, 5] {
            let team = Team::new(size);
            let counts: Vec<AtomicUsize> = (0..100).map(|_| AtomicUsize::new(0)).collect();
            for _ in 0..3 {
                counts.iter().for_each(|count| count.store(0, Ordering::SeqCst));
                team.run(|worker| {
                    for count in &counts {
                        count.fetch_add(1, Ordering::SeqCst);
                        worker.wait();
                        assert_eq!(count.load(Ordering::SeqCst), size, "a thread went ahead");
                    }
                });
            }
        }
    }

    #[test]
    fn a_panic_of_one_thread_ends_the_work_and_not_the_team() {
        let team = Team::new(3);
        for guilty in 0..3 {
            let work = |worker: Worker<'_>| {
                assert_ne!(worker.index, guilty, "the guilty one");
                worker.wait();
            };
            assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| team.run(work))).is_err());
        }
        team.run(|worker| worker.wait());
    }

    #[test]
    fn shares_cover_everything_once() {
        for (size, count) in [(1, 5), (2, 8), (3, 8), (5, 3)] {
            let shares: Vec<_> =
                (0..size).flat_map(|index| Worker { index, count: size, barrier: None }.share(count)).collect();
            assert_eq!(shares, (0..count).collect::<Vec<_>>());
        }
    }
}
