//! What is open on one connection, and the end of an HTTP/2 stream whose client does not take its answer.
//!
//! On HTTP/1 a client that does not read stops the whole connection, which `timed_stream` sees. On HTTP/2 it can keep
//! one stream's window shut while others flow, and hyper and h2 would hold that answer as long as the connection lives.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hyper::rt::Executor;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::timed_stream::{Client, SEND_BUFFER};
use crate::serve::service::Service;

/// The open requests of a connection, and how many bytes of their answers are not sent yet.
pub(super) struct OpenRequests {
    pub(super) count: watch::Sender<usize>,
    unsent: AtomicUsize,
    client: Arc<Client>,
}

impl OpenRequests {
    pub(super) fn new(client: Arc<Client>) -> Arc<Self> {
        Arc::new(Self { count: watch::Sender::new(0), unsent: AtomicUsize::new(0), client })
    }

    /// As [`Client::reset`].
    pub(super) async fn reset(&self) {
        self.client.reset().await;
    }
}

/// One of a connection's open requests, until its answer was sent and this is dropped.
pub(in crate::serve) struct OpenRequest {
    open: Arc<OpenRequests>,
    unsent: usize,
}

impl OpenRequest {
    pub(super) fn one_of(open: &Arc<OpenRequests>) -> Self {
        open.count.send_modify(|count| *count += 1);
        Self { open: Arc::clone(open), unsent: 0 }
    }

    /// Its answer begins to be sent, which has so many bytes.
    pub(in crate::serve) fn answered(&mut self, bytes: usize) {
        self.unsent += bytes;
        self.open.unsent.fetch_add(bytes, Ordering::Relaxed);
        // On HTTP/1 there is no stream of its own.
        let _ = ANSWERED.try_with(|answered| answered.notify_one());
    }

    /// So many bytes of it were taken by the operating system.
    pub(in crate::serve) fn sent(&mut self, bytes: usize) {
        self.unsent -= bytes;
        self.open.unsent.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Whether the client sends nothing more on this connection: it has gone, or only waits for its answers.
    pub(in crate::serve) fn client_has_stopped_sending(&self) -> bool {
        self.open.client.has_stopped_sending()
    }

    /// Waits until the client resets its connection.
    pub(in crate::serve) async fn reset(&self) {
        self.open.reset().await;
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.sent(self.unsent);
        self.open.count.send_modify(|count| *count -= 1);
    }
}

tokio::task_local! {
    /// Says that the answer of the stream that this task runs begins to be sent.
    static ANSWERED: Arc<Notify>;
}

/// Runs the streams of one HTTP/2 connection, each for as long as its answer may take to be sent.
#[derive(Clone)]
pub(super) struct StreamExecutor {
    pub(super) open: Arc<OpenRequests>,
    pub(super) service: Arc<Service>,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, stream: F) {
        let (Self { open, service }, answered) = (self.clone(), Arc::new(Notify::new()));
        let stream = ANSWERED.scope(Arc::clone(&answered), stream);
        tokio::spawn(async move {
            tokio::select! {
                () = stream => {}
                // Dropped, it is reset, and what was to be sent is dropped with it.
                () = too_slow(&answered, &open, &service) => {
                    service.metrics.slow_readers.inc();
                }
            }
        });
    }
}

/// Waits until an answer has taken longer than it may. What else is to be sent on its connection may go before it.
async fn too_slow(answered: &Notify, open: &OpenRequests, service: &Service) {
    answered.notified().await;
    let began = Instant::now();
    loop {
        let unsent = open.unsent.load(Ordering::Relaxed) + SEND_BUFFER as usize;
        let end = began + service.config.time_to_send(unsent);
        if Instant::now() >= end {
            return;
        }
        sleep_until(end).await;
    }
}
