//! The threads that judge images, and the bounded queue before them.
//!
//! Decoding and inference take milliseconds of a CPU, for which an event loop must never wait; so each image becomes
//! a job for one of a few threads. The queue is short: beyond it a client is told at once to come back, instead of
//! waiting for an answer that it will have given up on. Whoever goes away, or has waited too long, leaves the queue at
//! once and frees its place and its image.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use bytes::Bytes;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::timeout;

use crate::model::Prediction;
use crate::serve::error::HttpError;

/// What an image's bytes became, and how long each step took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judgement {
    pub(crate) prediction: Prediction,
    pub(crate) decode: Duration,
    pub(crate) inference: Duration,
}

/// From the bytes of an image to a judgement; runs on the threads of this file.
pub(crate) type Judge = dyn Fn(&Bytes) -> Result<Judgement, HttpError> + Send + Sync;

/// A judgement and the time that the image waited for it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Judged {
    pub(crate) judgement: Judgement,
    pub(crate) queue: Duration,
}

/// The way to the threads. They end when the last copy of it is dropped.
#[derive(Clone)]
pub(crate) struct Inference {
    line: Arc<Line>,
    _closes: Arc<Closes>,
    patience: Duration,
}

/// The queue as both sides see it.
struct Line {
    jobs: Mutex<Jobs>,
    arrived: Condvar,
    /// A permit for each image that waits or is being judged.
    places: Semaphore,
}

#[derive(Default)]
struct Jobs {
    waiting: VecDeque<Job>,
    next_number: u64,
    closed: bool,
}

struct Job {
    number: u64,
    image: Bytes,
    since: Instant,
    reply: oneshot::Sender<Result<Judged, HttpError>>,
}

impl Inference {
    /// Starts `threads` threads with `queue` places before them, counted for all of them together. No image waits
    /// longer than `patience`.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub(crate) fn start(judge: &Arc<Judge>, threads: usize, queue: usize, patience: Duration) -> io::Result<Self> {
        let places = Semaphore::new(threads.saturating_add(queue).min(Semaphore::MAX_PERMITS));
        let line = Arc::new(Line { jobs: Mutex::default(), arrived: Condvar::new(), places });
        for number in 1..=threads.max(1) {
            let (judge, line) = (Arc::clone(judge), Arc::clone(&line));
            thread::Builder::new().name(format!("inference-{number}")).spawn(move || work(&*judge, &line))?;
        }
        Ok(Self { _closes: Arc::new(Closes(Arc::clone(&line))), line, patience })
    }

    /// Whether an image that came now would be taken.
    ///
    /// # Errors
    /// 503 when it would not.
    pub(crate) fn has_room(&self) -> Result<(), HttpError> {
        if self.line.places.available_permits() > 0 { Ok(()) } else { Err(HttpError::overloaded()) }
    }

    /// Hands an image to the threads and waits for what they say.
    ///
    /// # Errors
    /// The judge's own, 503 when the queue is full or the image waited too long, and 500 when the judge panics.
    pub(crate) async fn judge(&self, image: Bytes) -> Result<Judged, HttpError> {
        let _place = self.line.places.try_acquire().map_err(|_| HttpError::overloaded())?;
        self.judge_in_place(image).await
    }

    /// As [`Self::judge`], but waits for a place in the queue as long as for a thread.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub(crate) async fn judge_when_there_is_room(&self, image: Bytes) -> Result<Judged, HttpError> {
        let place = timeout(self.patience, self.line.places.acquire()).await;
        let _place = place.map_err(|_| HttpError::overloaded())?;
        self.judge_in_place(image).await
    }

    async fn judge_in_place(&self, image: Bytes) -> Result<Judged, HttpError> {
        let (reply, mut answer) = oneshot::channel();
        let ticket = self.line.enter(image, reply);
        let answered = match timeout(self.patience, &mut answer).await {
            Ok(answered) => answered,
            Err(_) if ticket.withdraw() => return Err(HttpError::overloaded()),
            Err(_) => answer.await, // it is being judged by now
        };
        answered.unwrap_or_else(|_| Err(HttpError::internal("an inference thread ended within a job")))
    }

    /// Images that wait for a thread.
    pub(crate) fn waiting(&self) -> usize {
        self.line.lock().waiting.len()
    }
}

impl Line {
    /// What the lock guards is whole between any two of its statements.
    fn lock(&self) -> MutexGuard<'_, Jobs> {
        self.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, image: Bytes, reply: oneshot::Sender<Result<Judged, HttpError>>) -> Ticket<'_> {
        let mut jobs = self.lock();
        let number = jobs.next_number;
        jobs.next_number += 1;
        jobs.waiting.push_back(Job { number, image, since: Instant::now(), reply });
        drop(jobs);
        self.arrived.notify_one();
        Ticket { line: self, number }
    }

    /// The next job, once there is one; `None` when there will be none any more.
    fn next(&self) -> Option<Job> {
        let nothing = |jobs: &mut Jobs| jobs.waiting.is_empty() && !jobs.closed;
        self.arrived.wait_while(self.lock(), nothing).unwrap_or_else(PoisonError::into_inner).waiting.pop_front()
    }
}

/// A client's hold on its job: when the client goes, the job leaves the queue.
struct Ticket<'a> {
    line: &'a Line,
    number: u64,
}

impl Ticket<'_> {
    /// Takes the job out of the queue; `false` when it has left it by itself.
    fn withdraw(&self) -> bool {
        let mut jobs = self.line.lock();
        let place = jobs.waiting.binary_search_by_key(&self.number, |job| job.number);
        place.is_ok_and(|place| jobs.waiting.remove(place).is_some())
    }
}

impl Drop for Ticket<'_> {
    fn drop(&mut self) {
        self.withdraw();
    }
}

/// Lets the threads end.
struct Closes(Arc<Line>);

impl Drop for Closes {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.arrived.notify_all();
    }
}

fn work(judge: &Judge, line: &Line) {
    while let Some(Job { image, since, reply, .. }) = line.next() {
        let queue = since.elapsed();
        // A job owns nothing that another job sees, so nothing can be left half done.
        let outcome = catch_unwind(AssertUnwindSafe(|| judge(&image)));
        let answer = outcome.unwrap_or_else(|panic| Err(HttpError::internal(panic_message(&*panic))));
        // A client that has gone by now takes no answer.
        let _ = reply.send(answer.map(|judgement| Judged { judgement, queue }));
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a panic while judging an image: {}", text.unwrap_or("without a message"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};

    use super::*;
    use crate::diagnosis::Probability;
    use crate::serve::error::Code;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn judgement(margin: f64) -> Judgement {
        let prediction = Prediction { margin, probability_malignant: Probability::from_margin(margin) };
        Judgement { prediction, decode: Duration::ZERO, inference: Duration::ZERO }
    }

    /// A judge that tells when it begins and then waits to be let on, and how often it has begun.
    fn gated() -> (Arc<Judge>, Arc<Barrier>, mpsc::Receiver<()>, Arc<AtomicUsize>) {
        let (gate, begun) = (Arc::new(Barrier::new(2)), Arc::new(AtomicUsize::new(0)));
        let (started, has_started) = mpsc::channel();
        let judge: Arc<Judge> = {
            let (gate, begun) = (Arc::clone(&gate), Arc::clone(&begun));
            Arc::new(move |_: &Bytes| {
                begun.fetch_add(1, Ordering::SeqCst);
                started.send(()).unwrap();
                gate.wait();
                Ok(judgement(0.0))
            })
        };
        (judge, gate, has_started, begun)
    }

    #[tokio::test]
    async fn a_panic_answers_500_and_the_thread_goes_on() {
        let judge: Arc<Judge> = Arc::new(|image: &Bytes| {
            assert!(!image.is_empty(), "an empty image");
            Ok(judgement(1.0))
        });
        let inference = Inference::start(&judge, 1, 1, PATIENCE).unwrap();
        let error = inference.judge(Bytes::new()).await.unwrap_err();
        assert_eq!(error.code, Code::Internal);
        assert!(error.log.unwrap().contains("an empty image"));
        assert!(inference.judge(Bytes::from_static(b"x")).await.is_ok());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_queue_answers_503_and_whoever_goes_frees_its_place_at_once() {
        let (judge, gate, has_started, begun) = gated();
        let inference = Inference::start(&judge, 1, 1, PATIENCE).unwrap();
        let ask = || {
            let inference = inference.clone();
            tokio::spawn(async move { inference.judge(Bytes::from_static(b"x")).await })
        };

        let first = ask();
        has_started.recv().unwrap();
        inference.has_room().unwrap();
        let mut abandoned = Box::pin(inference.judge(Bytes::new()));
        assert!(timeout(Duration::from_millis(1), &mut abandoned).await.is_err(), "it waits in the queue's one place");
        let refused = inference.judge(Bytes::new()).await.unwrap_err();
        assert_eq!(refused.code, Code::Overloaded);
        assert!(refused.header.is_some() && inference.has_room().is_err());
        let mut patient = Box::pin(inference.judge_when_there_is_room(Bytes::new()));
        assert!(timeout(Duration::from_millis(1), &mut patient).await.is_err(), "it waits for the queue's one place");

        drop(abandoned);
        assert!(timeout(Duration::from_millis(1), &mut patient).await.is_err(), "it has the place and waits");
        assert_eq!(inference.waiting(), 1);
        drop(patient);
        assert_eq!(inference.waiting(), 0);
        let last = ask();
        gate.wait();
        assert!(first.await.unwrap().is_ok());
        has_started.recv().unwrap();
        gate.wait();
        assert!(last.await.unwrap().is_ok());
        assert_eq!(begun.load(Ordering::SeqCst), 2, "an abandoned job was begun");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn whoever_waits_too_long_is_answered_503_and_whoever_is_being_judged_is_not() {
        let (judge, gate, has_started, _) = gated();
        let inference = Inference::start(&judge, 1, 1, Duration::from_millis(20)).unwrap();
        let first = tokio::spawn({
            let inference = inference.clone();
            async move { inference.judge(Bytes::new()).await }
        });
        has_started.recv().unwrap();
        assert_eq!(inference.judge(Bytes::new()).await.unwrap_err().code, Code::Overloaded);
        gate.wait();
        assert!(first.await.unwrap().is_ok());
    }
}
