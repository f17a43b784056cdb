//! The HTTP service and its page.
//!
//! In: HTTP requests with images. Out: predictions as JSON or as a page. [`run`] classifies a first image, and only
//! then binds the port, so that whoever reaches the service is answered.
//!
//! # Where things are
//!
//! | | |
//! |---|---|
//! | `config` | every limit and every default, and what is listened on |
//! | `server` | the listener with its connection permits, one connection with the time for its writes, the shutdown |
//! | `service` | what the requests share; the start with its first image |
//! | `routes` | which addresses there are and what answers at each; `decision` applies the threshold; `openapi.json` is the contract |
//! | `dialects` | what clients of other model servers send and expect |
//! | `access` | who may ask: tokens, and other sites' scripts |
//! | `upload` | from a body to the bytes of images: `form` reads multipart, `memory_limit` what all uploads and answers may take together |
//! | `pending_request` | around each request: its id (`trace`), the headers of every answer, the one log line |
//! | `outgoing` | an answer until it was sent |
//! | `error` | what can go wrong, its status, its code and how it is written |
//! | `page` | the text, style and script of the web page, and how they are filled in |
//! | `reply`, `metrics` | answers as bytes; what is counted |
//!
//! # What a deployer relies on
//!
//! - Everything has a limit: connections, bytes of a body and of all bodies and answers, pixels, time to send and to
//!   take an answer, images that wait and how long. See [`Config`].
//! - The event loop never waits for a CPU, a panic in one request is a 500 for that request alone, and a full queue is
//!   answered 503 at once.
//! - A shutdown is orderly: no new connections, idle ones closed, requests in flight finished.
//! - With a [`Token`], predictions are for those only who show it; without [`Origin`]s no other site's script gets any.
//! - The log says `listening on http://ADDRESS` with the actual port once requests are answered, and then has one line
//!   a request, with nothing of what was uploaded.

use std::io;

use crate::model::Classifier;

mod access;
mod config;
mod dialects;
mod error;
mod metrics;
mod outgoing;
mod page;
mod pending_request;
mod reply;
mod routes;
mod server;
mod service;
mod trace;
mod upload;

pub use access::{Origin, Token};
pub use config::Config;
pub use dialects::vertex::VertexRoutes;
pub use error::ServeError;
#[cfg(fuzzing)]
pub use upload::fuzzing;

/// Serves predictions of this network until a signal comes.
///
/// `signals` is called once, when the network has classified a first image. What it gives is waited for again and
/// again and names a signal each time: the first begins the shutdown, the second ends it at once. The process's own
/// signals are left alone here.
///
/// # Errors
/// When the network fails on a first image, the port cannot be bound, or the operating system refuses threads or
/// signals.
pub fn run<S>(config: Config, classifier: Classifier, signals: impl FnOnce() -> io::Result<S>) -> Result<(), ServeError>
where
    S: AsyncFnMut() -> &'static str,
{
    // Uploads are decoded by no more threads at a time than images are.
    let decoding_threads = config.threads.max(1);
    let service = service::Service::start(config, classifier)?;
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    let runtime = runtime.enable_all().max_blocking_threads(decoding_threads).build().map_err(ServeError::Start)?;
    let outcome = runtime.block_on(async { server::serve(service, signals().map_err(ServeError::Start)?).await });
    // Whatever still runs now has had its time.
    runtime.shutdown_background();
    outcome
}
