//! The bounded queue before the threads: jobs in the order in which they came, large images apart.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tokio::sync::{Semaphore, oneshot};

use super::{EncodedImage, Outcome};

/// Which threads an image is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    Ordinary,
    Large,
}

impl Size {
    pub(super) const ALL: [Self; 2] = [Self::Ordinary, Self::Large];

    pub(super) fn thread_name(self) -> &'static str {
        match self {
            Self::Ordinary => "inference",
            Self::Large => "large-image",
        }
    }
}

pub(super) struct Queue {
    jobs: Mutex<Jobs>,
    /// By [`Size`].
    arrived: [Condvar; 2],
    /// A permit for each image that waits or is being classified.
    pub(super) permits: Semaphore,
    /// Images that wait for a permit, as those of batches may.
    before_it: AtomicUsize,
}

#[derive(Default)]
struct Jobs {
    /// By [`Size`].
    waiting: [VecDeque<Job>; 2],
    next_number: u64,
    closed: bool,
}

pub(super) struct Job {
    pub(super) number: u64,
    pub(super) image: EncodedImage,
    pub(super) since: Instant,
    pub(super) reply: oneshot::Sender<Outcome>,
}

impl Queue {
    pub(super) fn new(permits: usize) -> Self {
        Self {
            jobs: Mutex::default(),
            arrived: Default::default(),
            permits: Semaphore::new(permits.min(Semaphore::MAX_PERMITS)),
            before_it: AtomicUsize::new(0),
        }
    }

    /// Images that wait, here or for room here.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.iter().map(VecDeque::len).sum::<usize>() + self.before_it.load(Ordering::Relaxed)
    }

    /// What the lock guards is whole between any two of its statements.
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an image wait among those of its size, until what this returns is dropped.
    pub(super) fn enter(&self, size: Size, image: EncodedImage, reply: oneshot::Sender<Outcome>) -> QueueEntry<'_> {
        let mut jobs = self.lock();
        let number = jobs.next_number;
        jobs.next_number += 1;
        drop(jobs);
        self.push(size, Job { number, image, since: Instant::now(), reply });
        QueueEntry { queue: self, number }
    }

    pub(super) fn push(&self, size: Size, job: Job) {
        self.lock().waiting[size as usize].push_back(job);
        self.arrived[size as usize].notify_one();
    }

    /// The next job of a size, once there is one; `None` when there will be none any more.
    pub(super) fn next(&self, size: Size) -> Option<Job> {
        let nothing = |jobs: &mut Jobs| jobs.waiting[size as usize].is_empty() && !jobs.closed;
        let jobs = self.arrived[size as usize].wait_while(self.lock(), nothing);
        jobs.unwrap_or_else(PoisonError::into_inner).waiting[size as usize].pop_front()
    }
}

/// A client's hold on its job: when the client goes, the job leaves the queue.
pub(super) struct QueueEntry<'a> {
    queue: &'a Queue,
    number: u64,
}

impl QueueEntry<'_> {
    /// Takes the job out of the queue; `false` when it has left it by itself.
    pub(super) fn withdraw(&self) -> bool {
        let mut jobs = self.queue.lock();
        jobs.waiting.iter_mut().any(|jobs| {
            let index = jobs.iter().position(|job| job.number == self.number);
            index.is_some_and(|index| jobs.remove(index).is_some())
        })
    }
}

impl Drop for QueueEntry<'_> {
    fn drop(&mut self) {
        self.withdraw();
    }
}

/// An image that waits for room in the queue.
pub(super) struct WaitsForRoom<'a>(&'a AtomicUsize);

impl<'a> WaitsForRoom<'a> {
    pub(super) fn counted_in(queue: &'a Queue) -> Self {
        queue.before_it.fetch_add(1, Ordering::Relaxed);
        Self(&queue.before_it)
    }
}

impl Drop for WaitsForRoom<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets the threads end when it is dropped.
pub(super) struct ClosesQueue(pub(super) Arc<Queue>);

impl Drop for ClosesQueue {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.arrived.iter().for_each(Condvar::notify_all);
    }
}
