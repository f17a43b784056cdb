//! One request and its answer: the id that ties them together, the headers that every answer has, and what is counted
//! and logged of it once the answer was sent.
//!
//! The log line holds the route and never the path or the query, which a client may have put anything into.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use bytes::Bytes;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH,
    CONTENT_SECURITY_POLICY, HeaderValue, ORIGIN, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::{Method, Response, StatusCode, Version, http::request::Parts};
use prometheus_client::metrics::gauge::Gauge;
use tokio::runtime::Handle;
use tokio::time::{Instant, timeout};

use super::error::{HttpError, PlainError, Problem};
use super::metrics::Phases;
use super::outgoing::OutgoingBody;
use super::page;
use super::reply::{Reply, html, json, milliseconds, wants_page, with_type};
use super::server::OpenRequest;
use super::service::Service;
use super::trace::{Trace, X_REQUEST_ID, request_id};
use super::upload::content_length;

/// An answer of so few bytes is sent however full the memory is, for it may be the one that says so.
const ALWAYS_SENT: usize = 2 << 10;

/// What another site's script may read of an answer's headers, beside what all may.
const EXPOSED: &str = "retry-after, x-request-id, inference-header-content-length, x-lobule-notice, x-lobule-decision, \
                       x-lobule-flags";

/// How long the system of a client that has gone may take to say so when it is sent an answer.
const RESET_TIME: Duration = Duration::from_secs(1);

/// Counts a request among those in flight, for as long as it lives.
struct InFlight(Gauge);

impl InFlight {
    fn count(requests: &Gauge) -> Self {
        requests.inc();
        Self(requests.clone())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// A request that is being answered. Dropped before its answer was sent, it counts and logs that the client has gone.
pub(super) struct PendingRequest {
    service: Arc<Service>,
    in_flight: Option<InFlight>,
    pub(super) open: OpenRequest,
    pub(super) request_id: String,
    /// Whether the client would rather read a page than JSON.
    pub(super) wants_page: bool,
    /// Whether it is one of another server, and reads errors in that one's shape.
    is_of_dialect: bool,
    pub(super) phases: Phases,
    trace: Option<Trace>,
    origin: Option<HeaderValue>,
    method: Method,
    version: Version,
    route: &'static str,
    request_bytes: Option<u64>,
    began: Instant,
    /// Its answer's status and length, and what the log says beyond them; once there is an answer.
    answer: Option<(StatusCode, u64, Option<String>)>,
    /// How long it took until the operating system had all of the answer; once it has.
    took: Option<Duration>,
}

impl PendingRequest {
    /// Begins to answer a request on a route, by the name that the log shall have.
    pub(super) fn begin(
        service: Arc<Service>,
        request: &Parts,
        route: &'static str,
        is_of_dialect: bool,
        open: OpenRequest,
    ) -> Self {
        let headers = &request.headers;
        let is_allowed = |named: &&HeaderValue| service.config.origins.iter().any(|origin| origin.is(named));
        Self {
            in_flight: Some(InFlight::count(&service.metrics.in_flight)),
            open,
            request_id: request_id(headers),
            wants_page: !is_of_dialect && wants_page(headers),
            is_of_dialect,
            phases: Phases::default(),
            trace: Trace::of(headers),
            origin: headers.get(ORIGIN).filter(is_allowed).cloned(),
            method: request.method.clone(),
            version: request.version,
            route,
            request_bytes: content_length(headers),
            began: Instant::now(),
            answer: None,
            took: None,
            service,
        }
    }

    /// The time since the request's headers were read.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// When the time for the request is up.
    pub(super) fn deadline(&self) -> Instant {
        self.began + self.service.config.request_timeout
    }

    /// Whether the request comes from a script of another site that may read the answer.
    pub(super) fn is_from_allowed_origin(&self) -> bool {
        self.origin.is_some()
    }

    /// Finishes the answer and puts it on its way.
    pub(super) fn finish(mut self, outcome: Result<Reply, HttpError>) -> Response<OutgoingBody> {
        let (mut reply, mut note) = match outcome {
            Ok(reply) => (reply, None),
            Err(error) => (self.problem(&error, page::problem), error.log),
        };
        let reservation = self.service.memory.reservation();
        if !reservation.take(reply.body().len()) {
            if reply.body().len() > ALWAYS_SENT {
                reply = self.problem(&HttpError::overloaded(), page::bare_problem);
                note = Some("there was no memory for the answer".into());
            }
            reservation.take_anyway(reply.body().len());
        }
        let bytes = self.complete(&mut reply);
        self.answer = Some((reply.status(), bytes, note));
        reply.map(|body| OutgoingBody::new(body, self, reservation))
    }

    /// An error as problem+json (RFC 9457), or with the same sentence as a page or as another server has it.
    fn problem(&self, error: &HttpError, page: impl Fn(StatusCode, &str, &str) -> String) -> Reply {
        let status = error.code.status();
        // A struct of strings and numbers can always be written.
        let mut reply = if self.wants_page {
            html(page(status, &error.detail, &self.request_id))
        } else if self.is_of_dialect {
            json(&PlainError::of(error, &self.request_id)).unwrap_or_default()
        } else {
            let text = serde_json::to_string(&Problem::of(error, &self.request_id)).unwrap_or_default();
            with_type("application/problem+json", text + "\n")
        };
        *reply.status_mut() = status;
        if let Some((name, value)) = &error.header {
            reply.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        reply
    }

    /// What every answer has; gives the length of its body.
    fn complete(&self, reply: &mut Reply) -> u64 {
        let length = reply.body().len() as u64;
        let has_body = !reply.status().is_informational() && reply.status() != 204;
        let headers = reply.headers_mut();
        if has_body {
            headers.insert(CONTENT_LENGTH, length.into());
        }
        headers.insert(CONTENT_SECURITY_POLICY, page::POLICY.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(VARY, HeaderValue::from_static("accept, origin"));
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            headers.insert(X_REQUEST_ID, id);
        }
        if let Some(origin) = &self.origin {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(EXPOSED));
        }
        // A client that reads this opens a new connection, to another instance; HTTP/2 has its own way to say so.
        if self.service.is_shutting_down() && self.version <= Version::HTTP_11 {
            headers.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if self.method == Method::HEAD {
            *reply.body_mut() = Bytes::new();
        }
        length
    }

    /// Says what became of the answer: whether all of it was sent. The operating system takes it also for a client
    /// that has closed its connection, whose system then resets that. A client that has closed its sending side alone
    /// resets nothing. One whose system is out of reach cannot be told from it.
    pub(super) fn end(mut self, was_sent: bool) {
        self.took = was_sent.then(|| self.began.elapsed());
        self.in_flight = None; // what follows is no work for it
        if was_sent
            && self.open.client_has_stopped_sending()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(async move {
                if timeout(RESET_TIME, self.open.reset()).await.is_ok() {
                    self.answer.take();
                }
            });
        }
    }

    /// Logs what became of the request.
    fn log_end(&mut self) {
        match self.answer.take() {
            Some((status, bytes, note)) if self.took.is_some() => {
                self.log(status.as_u16(), Some(bytes), note.as_deref());
            }
            // The status that proxies log for this.
            Some(_) => self.log(499, None, Some("the client has not taken its answer")),
            None if thread::panicking() => self.log(500, None, Some("a panic while the answer was finished")),
            None => self.log(499, None, Some("the client has gone")),
        }
    }

    /// Counts the request and logs its one line.
    fn log(&mut self, status: u16, response_bytes: Option<u64>, note: Option<&str>) {
        let Self { service, method, route, request_id, phases, trace, request_bytes, .. } = self;
        let total = self.took.unwrap_or_else(|| self.began.elapsed());
        service.metrics.answered(route, status, total, phases);
        let [read_ms, queue_ms, decode_ms, inference_ms] = phases.named().map(|(_, time)| time.map(milliseconds));
        let (trace, sampled) = (trace.as_ref(), trace.as_ref().map(|trace| trace.sampled));
        let (span, trace) = (trace.and_then(|trace| trace.span.as_deref()), trace.map(|trace| trace.id.as_str()));
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    %method, route, status, request_id,
                    total_ms = milliseconds(total),
                    read_ms, queue_ms, decode_ms, inference_ms,
                    request_bytes, response_bytes,
                    trace, span, sampled,
                    note,
                    "request"
                )
            };
        }
        match status {
            503 => line!(warn),
            500.. => line!(error),
            _ => line!(info),
        }
    }
}

impl Drop for PendingRequest {
    fn drop(&mut self) {
        self.log_end();
    }
}
