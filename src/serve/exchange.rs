//! One request and its answer: the id that ties them together, the form the client reads, the headers that every answer
//! has, and the one line that the log gets.
//!
//! The log line holds the route and never the path or the query, which a client may have put anything into.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Body;
use hyper::header::{
    ACCEPT, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, HeaderValue,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use hyper::http::request::Parts;
use hyper::{HeaderMap, Method, Response};
use serde::Serialize;

use super::error::{Code, HttpError};
use super::{milliseconds, page};

/// An answer, whole in memory.
pub(super) type Reply = Response<Full<Bytes>>;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// How long the steps of a prediction took; a step that was not reached has no time.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Phases {
    /// Receiving the body.
    pub(super) read: Option<Duration>,
    /// Waiting for an inference thread.
    pub(super) queue: Option<Duration>,
    /// From bytes to pixels.
    pub(super) decode: Option<Duration>,
    /// From pixels to a probability.
    pub(super) inference: Option<Duration>,
}

/// A request that is being answered. Dropped without an answer, it logs that the client has gone.
#[derive(Debug)]
pub(super) struct Exchange {
    /// The client's own id where it sent a sane one, otherwise ours.
    pub(super) request_id: String,
    /// Whether the client would rather read a page than JSON.
    pub(super) wants_page: bool,
    /// Filled in on the way.
    pub(super) phases: Phases,
    method: Method,
    route: &'static str,
    began: Instant,
    logged: bool,
}

impl Exchange {
    /// Begins to answer a request on a route, which is given as the log shall name it.
    pub(super) fn begin(request: &Parts, route: &'static str) -> Self {
        Self {
            request_id: client_request_id(&request.headers).unwrap_or_else(new_request_id),
            wants_page: wants_page(&request.headers),
            phases: Phases::default(),
            method: request.method.clone(),
            route,
            began: Instant::now(),
            logged: false,
        }
    }

    /// The time since the request's headers were read.
    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    /// Finishes the answer and logs it.
    pub(super) fn finish(mut self, outcome: Result<Reply, HttpError>) -> Reply {
        let (mut reply, note) = match outcome {
            Ok(reply) => (reply, None),
            Err(error) => (self.problem(&error), error.log),
        };
        self.complete(&mut reply);
        self.log(reply.status().as_u16(), note.as_deref());
        reply
    }

    /// An error as problem+json (RFC 9457), or as a page with the same sentence.
    fn problem(&self, error: &HttpError) -> Reply {
        let status = error.code.status();
        let mut reply = if self.wants_page {
            html(page::problem(status, &error.detail, &self.request_id))
        } else {
            problem_json(error, &self.request_id)
        };
        *reply.status_mut() = status;
        if let Some((name, value)) = &error.header {
            reply.headers_mut().insert(name, HeaderValue::from_static(value));
        }
        reply
    }

    /// What every answer has.
    fn complete(&self, reply: &mut Reply) {
        let length = reply.body().size_hint().exact().unwrap_or_default();
        let headers = reply.headers_mut();
        headers.insert(CONTENT_LENGTH, length.into());
        headers.insert(CONTENT_SECURITY_POLICY, page::POLICY.clone());
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(VARY, HeaderValue::from_static("accept"));
        if let Ok(id) = HeaderValue::from_str(&self.request_id) {
            headers.insert(X_REQUEST_ID, id);
        }
        if self.method == Method::HEAD {
            *reply.body_mut() = Full::default();
        }
    }

    fn log(&mut self, status: u16, note: Option<&str>) {
        self.logged = true;
        let Self { method, route, request_id, phases, began, .. } = self;
        let milliseconds = |time: Option<Duration>| time.map(milliseconds);
        macro_rules! line {
            ($level:ident) => {
                tracing::$level!(
                    %method, route, status, request_id,
                    total_ms = milliseconds(Some(began.elapsed())),
                    read_ms = milliseconds(phases.read),
                    queue_ms = milliseconds(phases.queue),
                    decode_ms = milliseconds(phases.decode),
                    inference_ms = milliseconds(phases.inference),
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

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.logged {
            // The status that proxies log for it; nobody is there to be sent it.
            self.log(499, Some("the client has gone"));
        }
    }
}

/// A page as an answer.
pub(super) fn html(page: String) -> Reply {
    with_type("text/html; charset=utf-8", page)
}

/// A value as an answer.
///
/// # Errors
/// When it cannot be written as JSON.
pub(super) fn json(value: &impl Serialize) -> Result<Reply, HttpError> {
    let text = serde_json::to_string(value).map_err(|error| HttpError::internal(error.to_string()))?;
    Ok(with_type("application/json", text + "\n"))
}

/// A problem of RFC 9457.
#[derive(Serialize)]
struct Problem<'a> {
    /// "about:blank" says that the status tells the kind; `code` tells it more precisely.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: Code,
    request_id: &'a str,
}

fn problem_json(error: &HttpError, request_id: &str) -> Reply {
    let status = error.code.status();
    let problem = Problem {
        r#type: "about:blank",
        title: status.canonical_reason().unwrap_or_default(),
        status: status.as_u16(),
        detail: &error.detail,
        code: error.code,
        request_id,
    };
    // A struct of strings and numbers can always be written.
    let text = serde_json::to_string(&problem).unwrap_or_default();
    with_type("application/problem+json", text + "\n")
}

fn with_type(content_type: &'static str, body: String) -> Reply {
    let mut reply = Response::new(Full::from(body));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// Whether `Accept` names text/html, and does not rather have JSON.
fn wants_page(headers: &HeaderMap) -> bool {
    let mut html: f32 = 0.0;
    let mut json: f32 = 0.0;
    let ranges =
        headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    for range in ranges {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse().ok()).unwrap_or(1.0);
        match kind.as_str() {
            "text/html" => html = html.max(weight),
            "application/json" | "application/problem+json" => json = json.max(weight),
            _ => {}
        }
    }
    html > 0.0 && html >= json
}

/// The client's `X-Request-Id`, if it can stand in a log and a header as it is.
fn client_request_id(headers: &HeaderMap) -> Option<String> {
    let id = headers.get(X_REQUEST_ID)?.to_str().ok()?;
    let sane =
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte));
    sane.then(|| id.to_owned())
}

/// A short id that no two requests of the world are likely to share.
fn new_request_id() -> String {
    static RANDOM: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}", RANDOM.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepting(accept: &'static str) -> bool {
        wants_page(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]))
    }

    #[test]
    fn a_browser_gets_a_page_and_a_program_json() {
        assert!(accepting("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"));
        assert!(accepting("Text/HTML"));
        assert!(!accepting("*/*"));
        assert!(!accepting("application/json"));
        assert!(!accepting("application/json, text/html;q=0.5"));
        assert!(!accepting("text/html;q=0"));
        assert!(!wants_page(&HeaderMap::new()));
    }

    #[test]
    fn a_request_id_from_outside_is_kept_only_if_it_is_harmless() {
        let id = |value: &'static str| {
            client_request_id(&HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_static(value))]))
        };
        assert_eq!(id("7f3a-1.b_C").as_deref(), Some("7f3a-1.b_C"));
        assert_eq!(id(""), None);
        assert_eq!(id("a b"), None);
        assert_eq!(id("<script>"), None);
        let long: &'static str = "x".repeat(65).leak();
        assert_eq!(id(long), None);
        assert_ne!(new_request_id(), new_request_id());
    }
}
