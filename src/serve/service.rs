//! What all requests share, and the start of the service: a first image is classified before anybody can ask.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use image::{Rgb, RgbImage};
use tokio::sync::Semaphore;

use super::error::{Code, HttpError, ServeError};
use super::{config::Config, metrics::Metrics, upload::MemoryLimit};
use crate::inference::Inference;
use crate::model::{Classifier, LoadTimes};
use crate::system::open_files_limit;

/// Open files besides connections: those that are refused, the port, the event loop, the log, and some to spare.
const OTHER_FILES: usize = 128;

/// What the requests share. It exists only once the network has classified a first image.
pub(super) struct Service {
    pub(super) config: Config,
    pub(super) classifier: Arc<Classifier>,
    pub(super) inference: Inference,
    /// A permit for each batch that is being classified. Of each as many images as there are threads wait for room in
    /// the queue, so that all of them together are no more than may wait in it, and one batch's more.
    pub(super) batches: Semaphore,
    /// What uploads and unsent answers take together.
    pub(super) memory: MemoryLimit,
    pub(super) metrics: Metrics,
    shutting_down: AtomicBool,
}

impl Service {
    pub(super) fn start(mut config: Config, classifier: Classifier) -> Result<Self, ServeError> {
        let began = Instant::now();
        let side = classifier.preprocess().size;
        // The first inference allocates and starts threads; no client should wait for that.
        classifier.classify(&RgbImage::from_pixel(side, side, Rgb([128; 3])))?;
        log_start(&classifier, began.elapsed());

        limit_connections(&mut config, open_files_limit());
        let classifier = Arc::new(classifier);
        let Config { limits, views, threads, queue, queue_timeout, .. } = config;
        let inference = Inference::start(Arc::clone(&classifier), limits, views, threads, queue, queue_timeout);
        let inference = inference.map_err(ServeError::Start)?;
        let batches = Semaphore::new((1 + queue / threads.max(1)).min(Semaphore::MAX_PERMITS));
        let memory = MemoryLimit::new(config.upload_memory);
        let metrics = Metrics::new(classifier.id(), config.request_timeout);
        log_limits(&config);
        Ok(Self { config, classifier, inference, batches, memory, metrics, shutting_down: AtomicBool::new(false) })
    }

    /// From here on the service says that it is not ready, and closes each connection with its next answer.
    pub(super) fn shut_down(&self) {
        self.shutting_down.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_shutting_down(&self) -> bool {
        self.shutting_down.load(Ordering::Relaxed)
    }

    /// Says that it is not ready once the shutdown has begun: before its network has classified a first image there is no
    /// service.
    ///
    /// # Errors
    /// 503.
    pub(super) fn check_ready(&self) -> Result<(), HttpError> {
        if !self.is_shutting_down() {
            return Ok(());
        }
        Err(HttpError::new(Code::Stopping, "The service is stopping. Send requests to another instance."))
    }
}

fn log_start(classifier: &Classifier, warm_up: Duration) {
    let (model, LoadTimes { weights, layout, hash, total }) = (classifier.id(), classifier.load_times());
    let [ready, weights, layout, hash, warm_up] =
        [total + warm_up, weights, layout, hash, warm_up].map(|time| time.as_secs_f64() * 1e3);
    tracing::info!(
        model = model.name,
        version = model.version,
        sha256 = model.sha256,
        precision = %model.precision,
        simd = %classifier.level(),
        "model ready in {ready:.0} ms: weights {weights:.0}, layout {layout:.0}, hash {hash:.0} (beside), \
         warm-up {warm_up:.0}"
    );
}

/// A connection needs a file, and so does what is refused; without one nobody could even be told so.
fn limit_connections(config: &mut Config, open_files: Option<usize>) {
    let Some(open_files) = open_files else { return };
    let most = open_files.saturating_sub(OTHER_FILES).max(1);
    if config.connections > most {
        tracing::warn!(
            connections = most,
            "this process may open {open_files} files, so it takes fewer connections than the {} that it was set to; \
             raise the limit with ulimit -n",
            config.connections
        );
        config.connections = most;
    }
}

/// Logs the limits, which depend on the machine where no flag says otherwise.
fn log_limits(config: &Config) {
    let mib = |bytes: usize| bytes >> 20;
    tracing::info!(
        threads = config.threads,
        queue = config.queue,
        connections = config.connections,
        batch = config.batch,
        max_body_mib = mib(config.max_body_bytes),
        upload_memory_mib = mib(config.upload_memory),
        max_pixels = config.limits.max_pixels,
        min_send_rate_kib_s = config.min_send_rate >> 10,
        read_timeout_s = config.read_timeout.as_secs(),
        queue_timeout_s = config.queue_timeout.as_secs(),
        request_timeout_s = config.request_timeout.as_secs(),
        token = config.token.is_some(),
        origins = config.origins.len(),
        "limits"
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_files_for_what_else_is_open() {
        for (open_files, expected) in [(None, 1024), (Some(1152), 1024), (Some(1024), 896), (Some(64), 1)] {
            let mut config = Config::for_machine(None, None);
            limit_connections(&mut config, open_files);
            assert_eq!(config.connections, expected, "{open_files:?}");
        }
    }
}
