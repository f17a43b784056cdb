//! The threads that judge pictures, and the bounded queue before them.
//!
//! Decoding and inference take milliseconds of a CPU, for which an event loop must never wait; so each picture becomes
//! a job for one of a few threads. The queue is short: beyond it a client is told at once to come back, instead of
//! waiting for an answer that it will have given up on. A job whose client has gone is dropped when its turn comes.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{io, thread};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::error::HttpError;
use crate::model::Prediction;

/// What a picture's bytes became, and how long each step took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judgement {
    pub(super) prediction: Prediction,
    pub(super) decode: Duration,
    pub(super) inference: Duration,
}

/// From the bytes of a picture to a judgement; runs on the threads of this file.
pub(super) type Judge = dyn Fn(&Bytes) -> Result<Judgement, HttpError> + Send + Sync;

/// A judgement and the time that the picture waited for it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) judgement: Judgement,
    pub(super) queue: Duration,
}

/// The way to the threads. They end when the last copy of it is dropped.
#[derive(Clone)]
pub(super) struct Inference {
    jobs: SyncSender<Job>,
}

struct Job {
    picture: Bytes,
    since: Instant,
    reply: oneshot::Sender<Result<Judged, HttpError>>,
}

impl Inference {
    /// Starts `threads` threads with `queue` places before them, counted for all of them together.
    ///
    /// # Errors
    /// When the operating system refuses a thread.
    pub(super) fn start(judge: &Arc<Judge>, threads: usize, queue: usize) -> io::Result<Self> {
        let (jobs, waiting) = sync_channel(queue);
        let waiting = Arc::new(Mutex::new(waiting));
        for number in 1..=threads.max(1) {
            let (judge, waiting) = (Arc::clone(judge), Arc::clone(&waiting));
            thread::Builder::new().name(format!("inference-{number}")).spawn(move || work(&*judge, &waiting))?;
        }
        Ok(Self { jobs })
    }

    /// Hands a picture to the threads and waits for what they say.
    ///
    /// # Errors
    /// The judge's own, 503 when the queue is full, and 500 when the judge panics.
    pub(super) async fn judge(&self, picture: Bytes) -> Result<Judged, HttpError> {
        let (reply, answer) = oneshot::channel();
        self.jobs.try_send(Job { picture, since: Instant::now(), reply }).map_err(|error| match error {
            TrySendError::Full(_) => HttpError::overloaded(),
            TrySendError::Disconnected(_) => HttpError::internal("all inference threads have ended"),
        })?;
        answer.await.unwrap_or_else(|_| Err(HttpError::internal("an inference thread ended within a job")))
    }
}

fn work(judge: &Judge, waiting: &Mutex<Receiver<Job>>) {
    loop {
        // The lock is held while waiting, so that one idle thread waits for a job and the others wait for the lock.
        let job = waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(Job { picture, since, reply }) = job else { return };
        if reply.is_closed() {
            continue;
        }
        let queue = since.elapsed();
        // A job owns nothing that another job sees, so nothing can be left half done.
        let outcome = catch_unwind(AssertUnwindSafe(|| judge(&picture)));
        let answer = outcome.unwrap_or_else(|panic| Err(HttpError::internal(panic_message(&*panic))));
        // A client that has gone by now takes no answer.
        let _ = reply.send(answer.map(|judgement| Judged { judgement, queue }));
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("a panic while judging a picture: {}", text.unwrap_or("without a message"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Barrier, mpsc};

    use tokio::time::timeout;

    use super::super::error::Code;
    use super::*;
    use crate::diagnosis::Probability;

    fn judgement(margin: f64) -> Judgement {
        let prediction = Prediction { margin, probability_malignant: Probability::from_margin(margin) };
        Judgement { prediction, decode: Duration::ZERO, inference: Duration::ZERO }
    }

    #[tokio::test]
    async fn a_panic_answers_500_and_the_thread_goes_on() {
        let judge: Arc<Judge> = Arc::new(|picture: &Bytes| {
            assert!(!picture.is_empty(), "an empty picture");
            Ok(judgement(1.0))
        });
        let inference = Inference::start(&judge, 1, 1).unwrap();
        let error = inference.judge(Bytes::new()).await.unwrap_err();
        assert_eq!(error.code, Code::Internal);
        assert!(error.log.unwrap().contains("an empty picture"));
        assert!(inference.judge(Bytes::from_static(b"x")).await.is_ok());
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_full_queue_answers_503_and_a_job_whose_client_has_gone_is_never_begun() {
        let gate = Arc::new(Barrier::new(2));
        let begun = Arc::new(AtomicUsize::new(0));
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
        let inference = Inference::start(&judge, 1, 1).unwrap();
        let ask = || {
            let inference = inference.clone();
            tokio::spawn(async move { inference.judge(Bytes::from_static(b"x")).await })
        };

        let first = ask();
        has_started.recv().unwrap();
        let mut abandoned = Box::pin(inference.judge(Bytes::new()));
        assert!(timeout(Duration::from_millis(1), &mut abandoned).await.is_err(), "it waits in the queue's one place");
        let refused = inference.judge(Bytes::new()).await.unwrap_err();
        assert_eq!(refused.code, Code::Overloaded);
        assert!(refused.header.is_some());

        drop(abandoned);
        gate.wait();
        assert!(first.await.unwrap().is_ok());
        let last = loop {
            let last = ask();
            if has_started.recv_timeout(Duration::from_millis(100)).is_ok() {
                break last; // and not refused, as it is until the abandoned job has left the queue
            }
        };
        gate.wait();
        assert!(last.await.unwrap().is_ok());
        assert_eq!(begun.load(Ordering::SeqCst), 2, "the abandoned job was begun");
    }
}
