//! Threads that compute one image together, a piece of a layer at a time.
//!
//! The way of an image is cut into steps, each of which needs the one before, and a step into pieces that need each
//! other not at all. A thread takes the pieces that are its own, then those that nobody has taken, and goes on when all
//! are done. Beside other work the operating system takes a thread's processor away for milliseconds, while a piece
//! takes tens of microseconds. So a thread that does not run is missed only where it holds a piece, the caller's does
//! what no helper does, and nobody waits for a helper that has not come. Who has to wait looks for a moment and then
//! sleeps: the time that a thread spends on looking is taken from it when it has work.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{fmt, hint, mem, thread};

/// A fixed number of threads: the caller's own, which computes, and helpers.
#[derive(Debug)]
pub(crate) struct Team {
    pub(crate) size: usize,
    image: Arc<Latest>,
}

/// One thread of a team at work.
pub(crate) struct Worker<'a> {
    /// From 0, the caller's own, up to, but not, `count`.
    pub(crate) index: usize,
    pub(crate) count: usize,
    /// The step that comes next.
    step: usize,
    /// None for a thread that is alone.
    progress: Option<&'a Progress>,
}

/// Runs `work` on the caller's thread alone.
pub(crate) fn alone(work: impl FnOnce(Worker<'_>)) {
    work(Worker { index: 0, count: 1, step: 0, progress: None });
}

impl Team {
    /// A team of `size` threads; a smaller one when the operating system refuses them.
    pub(crate) fn new(size: usize) -> Self {
        let image = Arc::new(Latest::default());
        let start = |index: &usize| {
            let (image, index) = (image.clone(), *index);
            thread::Builder::new().name(format!("team-{index}")).spawn(move || image.help(index)).is_ok()
        };
        let size = 1 + (1..size).take_while(start).count();
        Self { size, image }
    }

    /// Runs `work`, which has so many steps, on the caller's thread and on each helper that comes before it is done. A
    /// helper that comes late finds nothing to do; it may drop `work` only after this has returned.
    ///
    /// # Panics
    /// When a helper has panicked that held a piece.
    pub(crate) fn run(&self, steps: usize, work: impl Fn(Worker<'_>) + Send + Sync + 'static) {
        let (count, progress) = (self.size, Progress::new(steps));
        let work = Arc::new(move |index| {
            // A thread that panics would leave the others waiting for ever.
            let broken = BreakWhenDropped(&progress);
            work(Worker { index, count, step: 0, progress: Some(&progress) });
            mem::forget(broken);
        });
        let number = self.image.begin(work.clone());
        work(0);
        self.image.end(number);
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        self.image.lock().closed = true;
        self.image.changed.notify_all();
    }
}

/// The image that helpers look for.
#[derive(Default)]
struct Latest {
    posted: Mutex<Posted>,
    changed: Condvar,
}

#[derive(Default)]
struct Posted {
    /// How many images there have been.
    number: u64,
    /// What a thread of an index does for the last of them; none when its caller is done with it.
    work: Option<Arc<dyn Fn(usize) + Send + Sync>>,
    /// No more will come.
    closed: bool,
}

impl Latest {
    fn lock(&self) -> MutexGuard<'_, Posted> {
        self.posted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls the helpers; gives the image's number.
    fn begin(&self, work: Arc<dyn Fn(usize) + Send + Sync>) -> u64 {
        let mut posted = self.lock();
        posted.number += 1;
        posted.work = Some(work);
        let number = posted.number;
        drop(posted);
        self.changed.notify_all();
        number
    }

    fn end(&self, number: u64) {
        let mut posted = self.lock();
        if posted.number == number {
            posted.work = None;
        }
    }

    /// What a helper does as long as there is the team.
    fn help(&self, index: usize) {
        let mut seen = 0;
        while let Some(work) = self.next(&mut seen) {
            // The image's caller learns of a panic from its progress, and the helper is there for the next image.
            let _ = catch_unwind(AssertUnwindSafe(|| work(index)));
        }
    }

    /// Waits for an image that this helper has not seen.
    fn next(&self, seen: &mut u64) -> Option<Arc<dyn Fn(usize) + Send + Sync>> {
        let mut posted = self.lock();
        while !posted.closed {
            if let Some(work) = posted.work.as_ref().filter(|_| posted.number != *seen) {
                *seen = posted.number;
                return Some(work.clone());
            }
            posted = self.changed.wait(posted).unwrap_or_else(PoisonError::into_inner);
        }
        None
    }
}

impl fmt::Debug for Latest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latest").finish_non_exhaustive()
    }
}

impl Worker<'_> {
    /// Does the next step: those of its pieces that no other thread does; returns when all are done. Every thread comes
    /// to the same steps in the same order. Pieces are at most [`MOST_PIECES`].
    ///
    /// # Panics
    /// When another thread has panicked, and so will never be done.
    pub(crate) fn step(&mut self, pieces: usize, mut work: impl FnMut(usize)) {
        let Some(progress) = self.progress else { return (0..pieces).for_each(work) };
        let step = &progress.steps[self.step];
        self.step += 1;
        // A thread keeps to the same part of all steps where it can: what it needs is in its cache.
        let own = self.index * pieces / self.count;
        for piece in (own..pieces).chain(0..own) {
            if step.take(piece) {
                work(piece);
                progress.finish(step, pieces);
            }
        }
        progress.wait(step, pieces);
    }
}

/// The most pieces of a step.
pub(crate) const MOST_PIECES: usize = u64::BITS as usize;

/// How far an image is.
struct Progress {
    steps: Box<[Step]>,
    /// A thread has panicked.
    broken: AtomicBool,
    /// Threads that sleep until a step is done.
    sleepers: AtomicUsize,
    asleep: Mutex<()>,
    changed: Condvar,
}

/// A step has a cache line of its own.
#[derive(Default)]
#[repr(align(64))]
struct Step {
    /// A bit for each piece that a thread has taken.
    taken: AtomicU64,
    /// How many pieces are done.
    done: AtomicUsize,
}

impl Step {
    /// Takes a piece for this thread, unless another one has it.
    fn take(&self, piece: usize) -> bool {
        let bit = 1 << piece;
        self.taken.load(Ordering::Relaxed) & bit == 0 && self.taken.fetch_or(bit, Ordering::Relaxed) & bit == 0
    }
}

/// How long a thread looks before it sleeps: longer than threads that run differ in a step, and far shorter than other
/// work keeps a processor.
const LOOK: Duration = Duration::from_micros(50);

impl Progress {
    fn new(steps: usize) -> Self {
        Self {
            steps: (0..steps).map(|_| Step::default()).collect(),
            broken: AtomicBool::new(false),
            sleepers: AtomicUsize::new(0),
            asleep: Mutex::new(()),
            changed: Condvar::new(),
        }
    }

    /// A piece of the step is done.
    fn finish(&self, step: &Step, pieces: usize) {
        // One order of all four: of this and the look behind it, and of a sleeper's count and the look behind that. So
        // either this thread sees the sleeper, or the sleeper sees that the step is done.
        if step.done.fetch_add(1, Ordering::SeqCst) + 1 == pieces && self.sleepers.load(Ordering::SeqCst) > 0 {
            self.wake();
        }
    }

    fn wake(&self) {
        // A sleeper holds the lock from its last look until it sleeps, and must not miss the call between.
        drop(self.asleep.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
    }

    /// Waits until all pieces of the step are done.
    fn wait(&self, step: &Step, pieces: usize) {
        let is_over = || step.done.load(Ordering::SeqCst) == pieces || self.broken.load(Ordering::SeqCst);
        if !is_over() {
            let since = Instant::now();
            while !is_over() && since.elapsed() < LOOK {
                hint::spin_loop();
            }
            let asleep = self.asleep.lock().unwrap_or_else(PoisonError::into_inner);
            self.sleepers.fetch_add(1, Ordering::SeqCst);
            drop(self.changed.wait_while(asleep, |()| !is_over()));
            self.sleepers.fetch_sub(1, Ordering::SeqCst);
        }
        assert!(!self.broken.load(Ordering::SeqCst), "another thread of the team has panicked");
    }
}

struct BreakWhenDropped<'a>(&'a Progress);

impl Drop for BreakWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.broken.store(true, Ordering::SeqCst);
        self.0.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Barrier, mpsc};

    use super::*;

    /// How long a test lets a thread wait for what never comes if the team is wrong.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// Pieces that were done, step by step.
    fn counts(steps: usize) -> Arc<Vec<AtomicUsize>> {
        Arc::new((0..steps).map(|_| AtomicUsize::new(0)).collect())
    }

    #[test]
    fn every_piece_is_done_once_and_behind_all_of_the_step_before() {
        for (size, pieces) in [(1, 3), (2, 2), (3, 8), (5, 3), (2, MOST_PIECES)] {
            let team = Team::new(size);
            for _ in 0..20 {
                let done = counts(100);
                let counted = done.clone();
                team.run(100, move |mut worker| {
                    for step in 0..100 {
                        worker.step(pieces, |_| {
                            assert!(step == 0 || counted[step - 1].load(Ordering::SeqCst) == pieces, "went ahead");
                            counted[step].fetch_add(1, Ordering::SeqCst);
                        });
                        assert_eq!(counted[step].load(Ordering::SeqCst), pieces);
                    }
                });
                assert!(done.iter().all(|count| count.load(Ordering::SeqCst) == pieces));
            }
        }
    }

    #[test]
    fn a_thread_that_is_stalled_in_a_piece_holds_up_that_piece_alone() {
        const PIECES: usize = 12;
        let team = Team::new(2);
        for stalled in 0..2 {
            let (done, meanwhile) = (counts(1), counts(1));
            let (count, seen, both) = (done.clone(), meanwhile.clone(), Barrier::new(2));
            team.run(1, move |mut worker| {
                let is_stalled = worker.index == stalled;
                let mut is_first = true;
                worker.step(PIECES, |_| {
                    if mem::take(&mut is_first) {
                        both.wait();
                        let since = Instant::now();
                        while is_stalled && count[0].load(Ordering::SeqCst) < PIECES - 1 && since.elapsed() < PATIENCE {
                            thread::sleep(Duration::from_millis(1));
                        }
                    }
                    let others = count[0].fetch_add(1, Ordering::SeqCst);
                    if is_stalled {
                        seen[0].store(others, Ordering::SeqCst);
                    }
                });
            });
            assert_eq!(meanwhile[0].load(Ordering::SeqCst), PIECES - 1, "pieces that the other thread has done");
            assert_eq!(done[0].load(Ordering::SeqCst), PIECES);
        }
    }

    #[test]
    fn nobody_waits_for_a_helper_that_holds_no_piece() {
        let team = Team::new(2);
        let (come, arrival) = mpsc::channel();
        let (leave, departure) = mpsc::channel::<()>();
        let (arrival, departure) = (Mutex::new(arrival), Mutex::new(departure));
        let began = Instant::now();
        team.run(3, move |mut worker| {
            match worker.index {
                0 => arrival.lock().unwrap().recv().unwrap(),
                _ => {
                    come.send(()).unwrap();
                    let _ = departure.lock().unwrap().recv_timeout(PATIENCE);
                }
            }
            (0..3).for_each(|_| worker.step(4, |_| {}));
        });
        team.run(1, |mut worker| worker.step(4, |_| {}));
        assert!(began.elapsed() < PATIENCE);
        leave.send(()).unwrap();
    }

    #[test]
    fn a_panic_of_one_thread_ends_the_work_and_not_the_team() {
        let team = Team::new(3);
        for guilty in 0..3 {
            let work = move |mut worker: Worker<'_>| {
                for _ in 0..10 {
                    worker.step(3, |piece| assert_ne!(piece, guilty, "the guilty one"));
                }
            };
            assert!(catch_unwind(AssertUnwindSafe(|| team.run(10, work))).is_err());
        }
        let done = counts(1);
        let counted = done.clone();
        team.run(1, move |mut worker| {
            worker.step(3, |_| {
                counted[0].fetch_add(1, Ordering::SeqCst);
            });
        });
        assert_eq!(done[0].load(Ordering::SeqCst), 3);
    }
}
