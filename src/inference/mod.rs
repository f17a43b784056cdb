//! The threads that classify images, and the bounded queue before them.
//!
//! Decoding and inference take milliseconds of a CPU, for which an event loop must never wait; so each image becomes
//! a job for one of a few threads. The queue is short: beyond it an image is refused at once, instead of waiting for an
//! answer that nobody will wait for. A client that goes away, or whose image has waited too long, takes its entry out
//! of the queue at once, and with it the image.
//!
//! An image of many million pixels takes tenths of a second to decode, and who sends an ordinary one would wait for it.
//! So large images have threads of their own, as many, and the
//! operating system shares the cores among all of them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};
use std::{io, thread};

use bytes::Bytes;
use tokio::sync::{SemaphorePermit, oneshot};
use tokio::time::timeout;

use crate::explain::{Heatmap, classify_views, explain_views, overlay};
use crate::model::{Classifier, Prediction};
use crate::pixels::{self, DecodeLimits, Decoded, Dihedral, Note, PixelsError};

mod error;
mod queue;
#[cfg(test)]
mod tests;

pub(crate) use error::InferenceError;
use queue::{ClosesQueue, Job, Queue, Size, WaitsForRoom};

/// What the threads for ordinary images leave to those for large ones: images of more pixels, whose decoding would take
/// longer than an inference does (one of BreakHis has 0.3 million), and longer files.
const ORDINARY: DecodeLimits = DecodeLimits { max_bytes: 2 << 20, max_pixels: 1_000_000 };

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
type Classify = dyn Fn(EncodedImage, Size, Duration) -> Result<Outcome, TooLarge> + Send + Sync;

/// An image that a thread for ordinary ones has not decoded.
struct TooLarge(EncodedImage);

/// The way to the threads. They end when its last copy is dropped.
#[derive(Clone)]
pub(crate) struct Inference {
    queue: Arc<Queue>,
    _closes: Arc<ClosesQueue>,
    wait_timeout: Duration,
}

impl Inference {
    /// Starts `threads` threads that decode and classify, and as many for large images, with a queue before them in which
    /// `queue` images may wait, counted for all threads together. No image waits longer than `wait_timeout`.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub(crate) fn start(
        classifier: Arc<Classifier>,
        limits: DecodeLimits,
        views: &'static [Dihedral],
        threads: usize,
        queue: usize,
        wait_timeout: Duration,
    ) -> io::Result<Self> {
        let classify = move |image: EncodedImage, size, queue| {
            let began = Instant::now();
            let decoded = match size {
                Size::Ordinary => pixels::decode(&image.content, &limits.and(&ORDINARY)),
                Size::Large => pixels::decode(&image.content, &limits),
            };
            if size == Size::Ordinary && decoded.as_ref().is_err_and(PixelsError::is_of_size) {
                return Err(TooLarge(image));
            }
            let EncodedImage { content, wants_thumbnail, wants_heatmap } = image;
            drop(content);
            let decode = began.elapsed();
            let classified = |Decoded { image, notes }| {
                let (prediction, heatmap) = if wants_heatmap {
                    let (prediction, heatmap) = explain_views(&classifier, &image, views)?;
                    (prediction, Some(heatmap))
                } else {
                    (classify_views(&classifier, &image, views)?, None)
                };
                let inference = began.elapsed() - decode;
                let drawn = |heatmap: Heatmap| {
                    let png = overlay(&image, &heatmap)?.into();
                    Ok::<_, InferenceError>(HeatmapPng { png, range: heatmap.range() })
                };
                let heatmap = heatmap.map(drawn).transpose()?;
                let thumbnail = if wants_thumbnail { pixels::thumbnail(&image).map(Bytes::from) } else { None };
                Ok(Classification { prediction, notes, thumbnail, heatmap, queue, decode, inference })
            };
            Ok(decoded.map_err(InferenceError::from).and_then(classified))
        };
        Self::start_with(Arc::new(classify), threads, queue, wait_timeout)
    }

    fn start_with(classify: Arc<Classify>, threads: usize, queue: usize, wait_timeout: Duration) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(threads.saturating_add(queue)));
        for size in Size::ALL {
            for number in 1..=threads.max(1) {
                let (classify, queue) = (Arc::clone(&classify), Arc::clone(&queue));
                let name = format!("{}-{number}", size.thread_name());
                thread::Builder::new().name(name).spawn(move || work(&*classify, &queue, size))?;
            }
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
        let waiting = WaitsForRoom::counted_in(&self.queue);
        let permit = timeout(self.wait_timeout, self.queue.permits.acquire()).await;
        drop(waiting);
        match permit {
            Ok(Ok(permit)) => self.classify_with(permit, image).await,
            _ => Err(InferenceError::WaitTimeout),
        }
    }

    async fn classify_with(&self, _: SemaphorePermit<'_>, image: EncodedImage) -> Outcome {
        let (reply, mut answer) = oneshot::channel();
        let entry = self.queue.enter(Size::Ordinary, image, reply);
        let answered = match timeout(self.wait_timeout, &mut answer).await {
            Ok(answered) => answered,
            Err(_) if entry.withdraw() => return Err(InferenceError::WaitTimeout),
            Err(_) => answer.await, // it is being classified by now
        };
        answered.unwrap_or(Err(InferenceError::ThreadEnded))
    }

    /// Images that wait for a thread, in the queue or for room in it.
    pub(crate) fn waiting(&self) -> usize {
        self.queue.waiting()
    }
}

fn work(classify: &Classify, queue: &Queue, size: Size) {
    while let Some(Job { image, since, reply, number }) = queue.next(size) {
        // A job owns nothing that another job sees, so nothing can be left half done.
        let outcome = catch_unwind(AssertUnwindSafe(|| classify(image, size, since.elapsed())));
        let outcome = match outcome {
            Ok(Err(TooLarge(image))) => {
                queue.push(Size::Large, Job { image, since, reply, number });
                continue;
            }
            Ok(Ok(outcome)) => outcome,
            Err(panic) => Err(InferenceError::Panicked(panic_message(&*panic))),
        };
        let _ = reply.send(outcome); // a client that has gone by now takes no answer
    }
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    text.unwrap_or("without a message").to_owned()
}
