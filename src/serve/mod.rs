//! The hyper service and its page.
//!
//! In: HTTP requests with images. Out: predictions as JSON or as a page. [`run`] loads the network, judges a first
//! image with it, and only then binds the port, so that whoever reaches the service is answered.
//!
//! # The way of a request
//!
//! `server` accepts the connection; `router` finds the route and `access` who may ask; `exchange` stands around it, from
//! the request's id (`trace`) to the answer's headers, the one log line and what `metrics` counts; `predict` answers:
//! `upload` gets the images' bytes out of the body, as far as the `budget` of memory goes, `inference` queues them for
//! a thread that decodes and judges, and `reply` or `page` writes the answer for a program or a browser. Whatever goes
//! wrong on this way is an `error::HttpError`.
//!
//! # What a deployer relies on
//!
//! - Everything has a limit: connections, bytes of a body and of all bodies, pixels, time to send, images that wait and
//!   how long. See [`Config`].
//! - The event loop never waits for a CPU, a panic in one request is a 500 for that request alone, and a full queue is
//!   answered 503 at once.
//! - SIGTERM ends it in order: no new connections, idle ones closed, requests in flight finished, exit code 0.
//! - With a [`Token`], predictions are for those only who show it; without [`Origin`]s no other site's script gets any.
//! - The log says `listening on http://ADDRESS` with the actual port once requests are answered, and then one line a
//!   request, with nothing of what was uploaded.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use image::{Rgb, RgbImage};

use crate::model::{Classifier, LoadTimes, ModelError};
use crate::pixels;
use crate::system::allocator::share_heap;

mod access;
mod body;
mod budget;
mod config;
pub(crate) mod error;
mod exchange;
#[cfg(fuzzing)]
pub mod fuzzing;
mod metrics;
mod page;
mod predict;
mod reply;
mod router;
mod server;
mod status;
mod trace;
mod upload;

use crate::inference::{Inference, Judge, Judgement};
pub use access::{Origin, Token};
use budget::Budget;
pub use config::Config;
use error::HttpError;
use metrics::Metrics;

/// What ends the service, or keeps it from starting.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The network could not be loaded, or failed on a first image.
    #[error("the network cannot be used")]
    Model(#[from] ModelError),
    /// The address could not be bound.
    #[error("cannot listen on {address}: {}", why_not_bound(.source))]
    Bind {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the operating system says.
        source: io::Error,
    },
    /// The operating system refused a thread or a signal handler.
    #[error("the service cannot start")]
    Start(#[source] io::Error),
}

fn why_not_bound(error: &io::Error) -> String {
    const OTHER: &str = "choose another with --listen ADDRESS:PORT or the variable PORT";
    match error.kind() {
        io::ErrorKind::AddrInUse => format!("another program listens there already; end it, or {OTHER}"),
        io::ErrorKind::PermissionDenied => format!("this user may not; {OTHER}, with a port of 1024 or more"),
        io::ErrorKind::AddrNotAvailable => format!("this machine does not have that address; {OTHER}"),
        _ => OTHER.to_owned(),
    }
}

/// What the requests share. It exists only once the network has judged a first image.
struct Service {
    config: Config,
    classifier: Arc<Classifier>,
    inference: Inference,
    uploads: Budget,
    metrics: Metrics,
    stopping: AtomicBool,
}

impl Service {
    fn start(config: Config) -> Result<Self, ServeError> {
        let began = Instant::now();
        let classifier = Classifier::load(config.weights.as_deref(), config.threads)?;
        let loaded = began.elapsed();
        warm_up(&classifier)?;
        tell_start(&classifier, loaded, began.elapsed());

        let classifier = Arc::new(classifier);
        let judge = judge(Arc::clone(&classifier), config.limits);
        let inference = Inference::start(&judge, config.threads, config.queue, config.queue_timeout);
        let inference = inference.map_err(ServeError::Start)?;
        let (uploads, metrics) = (Budget::new(config.upload_memory), Metrics::new(classifier.id()));
        tell_limits(&config);
        Ok(Self { config, classifier, inference, uploads, metrics, stopping: AtomicBool::new(false) })
    }

    /// Bytes of uploads that are in memory.
    fn upload_bytes(&self) -> usize {
        self.config.upload_memory.saturating_sub(self.uploads.left())
    }

    /// From here on the service says that it is not ready, and closes each connection with its next answer.
    fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// Tells how long the start took, phase by phase.
fn tell_start(classifier: &Classifier, loaded: Duration, ready: Duration) {
    let (card, LoadTimes { weights, layout, hash }) = (classifier.id(), classifier.load_times());
    let [ready, weights, layout, hash, warm_up] =
        [ready, weights, layout, hash, ready - loaded].map(|time| time.as_secs_f64() * 1e3);
    tracing::info!(
        model = card.name,
        version = card.version,
        sha256 = card.sha256,
        "model ready in {ready:.0} ms: weights {weights:.0}, layout {layout:.0}, hash {hash:.0} (beside), \
         warm-up {warm_up:.0}"
    );
}

/// Tells the limits, which depend on the machine where no flag says otherwise.
fn tell_limits(config: &Config) {
    let mib = |bytes: usize| bytes >> 20;
    tracing::info!(
        threads = config.threads,
        queue = config.queue,
        connections = config.connections,
        batch = config.batch,
        max_body_mib = mib(config.max_body_bytes),
        upload_memory_mib = mib(config.upload_memory),
        max_pixels = config.limits.max_pixels,
        read_timeout_s = config.read_timeout.as_secs(),
        queue_timeout_s = config.queue_timeout.as_secs(),
        request_timeout_s = config.request_timeout.as_secs(),
        token = config.token.is_some(),
        origins = config.origins.len(),
        "limits"
    );
}

/// The first inference allocates and starts threads; no client should wait for that.
fn warm_up(classifier: &Classifier) -> Result<(), ModelError> {
    let side = classifier.preprocess().size;
    classifier.classify(&RgbImage::from_pixel(side, side, Rgb([128, 128, 128]))).map(drop)
}

fn judge(classifier: Arc<Classifier>, limits: pixels::DecodeLimits) -> Arc<Judge> {
    Arc::new(move |image: &Bytes| {
        let began = Instant::now();
        let image = pixels::decode(image, &limits)?;
        let decode = began.elapsed();
        let prediction = classifier.classify(&image).map_err(HttpError::from)?;
        Ok(Judgement { prediction, decode, inference: began.elapsed() - decode })
    })
}

/// Serves until SIGTERM or Ctrl-C.
///
/// # Errors
/// When the network cannot be loaded, the port cannot be bound, or the operating system refuses threads.
pub fn run(config: Config) -> Result<(), ServeError> {
    // Before there are threads: a thread keeps the heap that it began with.
    share_heap();
    let service = Service::start(config)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(ServeError::Start)?;
    let outcome = runtime.block_on(server::serve(service));
    // Whatever still runs now has had its time.
    runtime.shutdown_background();
    outcome
}

/// A time in milliseconds, to the microsecond.
fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}
