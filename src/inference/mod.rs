//! The threads that classify images, and the bounded queue before them.
//!
//! Decoding and inference take milliseconds of a CPU, for which an event loop must never wait; so each image becomes
//! a job for one of a few threads. The queue is short: beyond it an image is refused at once, instead of waiting for an
//! answer that nobody will wait for. A client that goes away, or whose image has waited too long, takes its entry out
//! of the queue at once, and with it the image.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit, oneshot};
use tokio::time::timeout;

use crate::explain::{Heatmap, overlay};
use crate::model::{Classifier, Explanation, Prediction};
use crate::pixels::{self, DecodeLimits, Decoded, Note};

mod error;
#[cfg(test)]
mod tests;

pub(crate) use error::InferenceError;

/// An image that is to be classified.
pub(crate) struct EncodedImage {
    /// The bytes of its file; they are dropped as soon as they have been decoded.
    pub(crate) content: Bytes,
    /// Whether a small copy of it is wanted with its classification.
    pub(crate) wants_thumbnail: bool,
    /// Whether it is to be shown where the network looked.
    pub(crate) wants_heatmap: bool,
}

/// Where the network looked.
#[derive(Clone, Debug)]
pub(crate) struct HeatmapPng {
    /// The image under the colours of its heatmap, as [`overlay`] makes it.
    pub(crate) png: Bytes,
    /// What the ends of its scale are: [`Heatmap::range`].
    pub(crate) range: f64,
}

/// What a network says of an image, and how long each step took.
#[derive(Clone, Debug)]
pub(crate) struct Classification {
    pub(crate) prediction: Prediction,
    pub(crate) notes: Vec<Note>,
    /// A JPEG of at most 20 kB, where it was wanted.
    pub(crate) thumbnail: Option<Bytes>,
    /// Where it was wanted.
    pub(crate) heatmap: Option<HeatmapPng>,
    pub(crate) queue: Duration,
    pub(crate) decode: Duration,
    pub(crate) inference: Duration,
}

type Outcome = Result<Classification, InferenceError>;

/// From an image that has waited so long to its classification; runs on the threads of this room.
type Classify = dyn Fn(EncodedImage, Duration) -> Outcome + Send + Sync;

/// The way to the threads. They end when its last copy is dropped.
#[derive(Clone)]
pub(crate) struct Inference {
    queue: Arc<Queue>,
    _closes: Arc<ClosesQueue>,
    wait_timeout: Duration,
}

struct Queue {
    jobs: Mutex<Jobs>,
    arrived: Condvar,
    /// A permit for each image that waits or is being classified.
    permits: Semaphore,
    /// Images that wait for a permit, as those of batches may.
    before_it: AtomicUsize,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    next_number: u64,
    closed: bool,
}

struct Job {
    number: u64,
    image: EncodedImage,
    since: Instant,
    reply: oneshot::Sender<Outcome>,
}

impl Inference {
    /// Starts `threads` threads that decode and classify, with a queue before them in which `queue` images may wait,
    /// counted for all threads together. No image waits longer than `wait_timeout`.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub(crate) fn start(
        classifier: Arc<Classifier>,
        limits: DecodeLimits,
        threads: usize,
        queue: usize,
        wait_timeout: Duration,
    ) -> io::Result<Self> {
        let classify = move |EncodedImage { content, wants_thumbnail, wants_heatmap }: EncodedImage, queue| {
            let began = Instant::now();
            let Decoded { image, notes } = pixels::decode(&content, &limits)?;
            drop(content);
            let decode = began.elapsed();
            let explanation = if wants_heatmap { Some(classifier.explain(&image)?) } else { None };
            let prediction = match &explanation {
                Some(explanation) => explanation.prediction,
                None => classifier.classify(&image)?,
            };
            let inference = began.elapsed() - decode;
            let drawn = |explanation: Explanation| {
                let heatmap = Heatmap::of(&explanation);
                Ok::<_, InferenceError>(HeatmapPng { png: overlay(&image, &heatmap)?.into(), range: heatmap.range() })
            };
            let heatmap = explanation.map(drawn).transpose()?;
            let thumbnail = if wants_thumbnail { pixels::thumbnail(&image).map(Bytes::from) } else { None };
            Ok(Classification { prediction, notes, thumbnail, heatmap, queue, decode, inference })
        };
        Self::start_with(Arc::new(classify), threads, queue, wait_timeout)
    }

    fn start_with(classify: Arc<Classify>, threads: usize, queue: usize, wait_timeout: Duration) -> io::Result<Self> {
        let permits = Semaphore::new(threads.saturating_add(queue).min(Semaphore::MAX_PERMITS));
        let queue = Arc::new(Queue {
            jobs: Mutex::default(),
            arrived: Condvar::new(),
            permits,
            before_it: AtomicUsize::new(0),
        });
        for number in 1..=threads.max(1) {
            let (classify, queue) = (Arc::clone(&classify), Arc::clone(&queue));
            thread::Builder::new().name(format!("inference-{number}")).spawn(move || work(&*classify, &queue))?;
        }
        Ok(Self { _closes: Arc::new(ClosesQueue(Arc::clone(&queue))), queue, wait_timeout })
    }

    /// Says [`InferenceError::QueueFull`] when an image that came now would be refused.
    pub(crate) fn has_room(&self) -> Result<(), InferenceError> {
        if self.queue.permits.available_permits() > 0 { Ok(()) } else { Err(InferenceError::QueueFull) }
    }

    /// Hands an image to the threads and waits for its classification; a full queue refuses it at once.
    pub(crate) async fn classify(&self, image: EncodedImage) -> Outcome {
        let permit = self.queue.permits.try_acquire().map_err(|_| InferenceError::QueueFull)?;
        self.classify_with(permit, image).await
    }

    /// As [`Self::classify`], but waits for room in the queue as long as for a thread.
    pub(crate) async fn classify_when_there_is_room(&self, image: EncodedImage) -> Outcome {
        let waiting = WaitsForRoom::counted_in(&self.queue.before_it);
        let permit = timeout(self.wait_timeout, self.queue.permits.acquire()).await;
        drop(waiting);
        match permit {
            Ok(Ok(permit)) => self.classify_with(permit, image).await,
            _ => Err(InferenceError::WaitTimeout),
        }
    }

    async fn classify_with(&self, _: SemaphorePermit<'_>, image: EncodedImage) -> Outcome {
        let (reply, mut answer) = oneshot::channel();
        let entry = self.queue.enter(image, reply);
        let answered = match timeout(self.wait_timeout, &mut answer).await {
            Ok(answered) => answered,
            Err(_) if entry.withdraw() => return Err(InferenceError::WaitTimeout),
            Err(_) => answer.await, // it is being classified by now
        };
        answered.unwrap_or(Err(InferenceError::ThreadEnded))
    }

    /// Images that wait for a thread, in the queue or for room in it.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.lock().waiting.len() + self.queue.before_it.load(Ordering::Relaxed)
    }
}

impl Queue {
    /// What the lock guards is whole between any two of its statements.
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, image: EncodedImage, reply: oneshot::Sender<Outcome>) -> QueueEntry<'_> {
        let mut jobs = self.lock();
        let number = jobs.next_number;
        jobs.next_number += 1;
        jobs.waiting.push_back(Job { number, image, since: Instant::now(), reply });
        drop(jobs);
        self.arrived.notify_one();
        QueueEntry { queue: self, number }
    }

    /// The next job, once there is one; `None` when there will be none any more.
    fn next(&self) -> Option<Job> {
        let nothing = |jobs: &mut Jobs| jobs.waiting.is_empty() && !jobs.closed;
        self.arrived.wait_while(self.lock(), nothing).unwrap_or_else(PoisonError::into_inner).waiting.pop_front()
    }
}

/// A client's hold on its job: when the client goes, the job leaves the queue.
struct QueueEntry<'a> {
    queue: &'a Queue,
    number: u64,
}

impl QueueEntry<'_> {
    /// Takes the job out of the queue; `false` when it has left it by itself.
    fn withdraw(&self) -> bool {
        let mut jobs = self.queue.lock();
        let index = jobs.waiting.binary_search_by_key(&self.number, |job| job.number);
        index.is_ok_and(|index| jobs.waiting.remove(index).is_some())
    }
}

impl Drop for QueueEntry<'_> {
    fn drop(&mut self) {
        self.withdraw();
    }
}

/// An image that waits for room in the queue.
struct WaitsForRoom<'a>(&'a AtomicUsize);

impl<'a> WaitsForRoom<'a> {
    fn counted_in(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for WaitsForRoom<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lets the threads end when it is dropped.
struct ClosesQueue(Arc<Queue>);

impl Drop for ClosesQueue {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.arrived.notify_all();
    }
}

fn work(classify: &Classify, queue: &Queue) {
    while let Some(Job { image, since, reply, .. }) = queue.next() {
        // A job owns nothing that another job sees, so nothing can be left half done.
        let outcome = catch_unwind(AssertUnwindSafe(|| classify(image, since.elapsed())));
        // A client that has gone by now takes no answer.
        let _ = reply.send(outcome.unwrap_or_else(|panic| Err(InferenceError::Panicked(panic_message(&*panic)))));
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}
