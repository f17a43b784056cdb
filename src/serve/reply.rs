//! Answers as bytes: JSON and pages, and which of them a client would rather read.

use std::time::Duration;

use bytes::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response};
use serde::Serialize;

use super::error::HttpError;

/// An answer, whole in memory.
pub(super) type Reply = Response<Bytes>;

pub(super) fn html(page: String) -> Reply {
    with_type("text/html; charset=utf-8", page)
}

pub(super) fn json(value: &impl Serialize) -> Result<Reply, HttpError> {
    let text = serde_json::to_string(value).map_err(|error| HttpError::internal(error.to_string()))?;
    Ok(with_type("application/json", text + "\n"))
}

pub(super) fn with_type(content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(body.into());
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// A time in milliseconds, to the microsecond, as answers and the log have it.
pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_micros() as f64 / 1000.0
}

/// Whether `Accept` names text/html, and does not rather have JSON.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
    let (mut html, mut json) = (0.0_f32, 0.0_f32);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_gets_a_page_and_a_program_json() {
        let page = |accept| wants_page(&HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(accept))]));
        assert!(page("text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"));
        assert!(page("Text/HTML"));
        for program in ["*/*", "application/json", "application/json, text/html;q=0.5", "text/html;q=0"] {
            assert!(!page(program), "{program}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }
}
