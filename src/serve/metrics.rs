//! What a monitoring system reads at `GET /metrics`, in the OpenMetrics text format that Prometheus scrapes.
//!
//! Every label is one of few values of this program's own: nothing that a client sent becomes one.

use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text::encode};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::{Family, MetricConstructor};
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

use super::error::HttpError;
use super::reply::{Reply, with_type};
use crate::diagnosis::{Decision, Flags, Label};
use crate::model::ModelId;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Upper ends of the buckets of times, in seconds: from a page that lies in memory to an image that waited long.
/// The limit for a request follows them.
const SECONDS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

/// How long the phases of a prediction took, those of a batch together: receiving the body, waiting for an inference
/// thread, from bytes to pixels, from pixels to a probability. A phase that was not reached has no time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Phases {
    pub(super) read: Option<Duration>,
    pub(super) queue: Option<Duration>,
    pub(super) decode: Option<Duration>,
    pub(super) inference: Option<Duration>,
}

impl Phases {
    pub(super) fn named(&self) -> [(&'static str, Option<Duration>); 4] {
        [("read", self.read), ("queue", self.queue), ("decode", self.decode), ("inference", self.inference)]
    }
}

pub(super) struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    durations: Family<RouteLabels, Histogram, Times>,
    phases: Family<PhaseLabels, Histogram, Times>,
    predictions: Family<PredictionLabels, Counter>,
    flags: Family<FlagLabels, Counter>,
    abstentions: Counter,
    waiting: Gauge,
    upload_bytes: Gauge,
    pub(super) in_flight: Gauge,
    pub(super) connections: Gauge,
    pub(super) refused_connections: Counter,
    /// Connections, and streams of HTTP/2, whose client did not take its answer in time.
    pub(super) slow_readers: Counter,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    route: &'static str,
    status: u16,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RouteLabels {
    route: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PhaseLabels {
    phase: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PredictionLabels {
    label: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct FlagLabels {
    flag: &'static str,
}

/// Makes histograms of times up to that of a request, and to that of a request whose answer is slowly taken.
#[derive(Clone, Copy)]
struct Times {
    request_timeout: Duration,
}

impl MetricConstructor<Histogram> for Times {
    fn new_metric(&self) -> Histogram {
        let limit = self.request_timeout.as_secs_f64();
        Histogram::new(SECONDS.into_iter().filter(|end| *end < limit).chain([limit, 2.0 * limit]))
    }
}

impl Metrics {
    pub(super) fn new(model: &ModelId, request_timeout: Duration) -> Self {
        let times = Times { request_timeout };
        let mut metrics = Self {
            registry: Registry::with_prefix("lobule"),
            requests: Family::default(),
            durations: Family::new_with_constructor(times),
            phases: Family::new_with_constructor(times),
            predictions: Family::default(),
            flags: Family::default(),
            abstentions: Counter::default(),
            waiting: Gauge::default(),
            upload_bytes: Gauge::default(),
            in_flight: Gauge::default(),
            connections: Gauge::default(),
            refused_connections: Counter::default(),
            slow_readers: Counter::default(),
        };
        metrics.register(model);
        metrics
    }

    fn register(&mut self, model: &ModelId) {
        let registry = &mut self.registry;
        let build = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("model", model.name.clone()),
            ("model_version", model.version.clone()),
            ("model_sha256", model.sha256.clone()),
            ("precision", model.precision.to_string()),
        ];
        registry.register("build", "Which program and which network answers", Info::new(build.to_vec()));
        registry.register("requests", "Requests that were answered, by route and status", self.requests.clone());
        let what = "Time from a request's headers until its answer was sent, by route";
        registry.register_with_unit("request_duration", what, Unit::Seconds, self.durations.clone());
        let what = "Time of a prediction's steps: read, queue, decode, inference";
        registry.register_with_unit("phase_duration", what, Unit::Seconds, self.phases.clone());
        registry.register("predictions", "Images that were classified, by label", self.predictions.clone());
        registry.register("flags", "Flags of images that were classified, by flag", self.flags.clone());
        let what = "Images that were classified and about which no decision was made";
        registry.register("abstentions", what, self.abstentions.clone());
        registry.register(
            "queue_waiting",
            "Images that wait for a thread, or for room in the queue",
            self.waiting.clone(),
        );
        registry.register("requests_in_flight", "Requests that are being answered", self.in_flight.clone());
        registry.register("connections", "Connections that are open", self.connections.clone());
        let what = "Connections that were closed because too many were open";
        registry.register("connections_refused", what, self.refused_connections.clone());
        let what = "Connections and HTTP/2 streams that were ended because their client did not take its answer";
        registry.register("slow_readers", what, self.slow_readers.clone());
        let what = "Memory that uploads and unsent answers take at the moment";
        registry.register_with_unit("upload_memory", what, Unit::Bytes, self.upload_bytes.clone());
    }

    pub(super) fn answered(&self, route: &'static str, status: u16, took: Duration, phases: &Phases) {
        self.requests.get_or_create(&RequestLabels { route, status }).inc();
        self.durations.get_or_create(&RouteLabels { route }).observe(took.as_secs_f64());
        for (phase, time) in phases.named().into_iter().filter_map(|(phase, time)| Some((phase, time?))) {
            self.phases.get_or_create(&PhaseLabels { phase }).observe(time.as_secs_f64());
        }
    }

    pub(super) fn classified(&self, label: Label, flags: Option<Flags>, decision: Decision) {
        self.predictions.get_or_create(&PredictionLabels { label: label.lower() }).inc();
        for flag in flags.unwrap_or_default().iter() {
            self.flags.get_or_create(&FlagLabels { flag: flag.key() }).inc();
        }
        if decision == Decision::Abstain {
            self.abstentions.inc();
        }
    }

    /// Answers `GET /metrics` with everything as it is now; `waiting` and `upload_bytes` are read only for that.
    pub(super) fn reply(&self, waiting: usize, upload_bytes: usize) -> Result<Reply, HttpError> {
        self.waiting.set(waiting as i64);
        self.upload_bytes.set(upload_bytes as i64);
        let mut text = String::new();
        encode(&mut text, &self.registry).map_err(|error| HttpError::internal(error.to_string()))?;
        Ok(with_type(OPEN_METRICS, text))
    }
}
