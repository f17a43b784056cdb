//! Answers as bytes: JSON, pages and problems, and which of them a client would rather read.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Response};
use serde::Serialize;

use super::error::{Code, HttpError};

/// An answer, whole in memory.
pub(super) type Reply = Response<Full<Bytes>>;

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

/// An answer of a given content type.
pub(super) fn with_type(content_type: &'static str, body: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(body.into()));
    reply.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    reply
}

/// A problem of RFC 9457.
#[derive(Serialize)]
pub(super) struct Problem<'a> {
    /// "about:blank" says that the status tells the kind; `code` tells it more precisely.
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: &'a str,
    code: Code,
    request_id: &'a str,
}

impl<'a> Problem<'a> {
    /// What the client is told of an error.
    pub(super) fn of(error: &'a HttpError, request_id: &'a str) -> Self {
        let status = error.code.status();
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or_default(),
            status: status.as_u16(),
            detail: &error.detail,
            code: error.code,
            request_id,
        }
    }

    /// It as an answer.
    pub(super) fn reply(&self) -> Reply {
        // A struct of strings and numbers can always be written.
        let text = serde_json::to_string(self).unwrap_or_default();
        with_type("application/problem+json", text + "\n")
    }
}

/// Whether `Accept` names text/html, and does not rather have JSON.
pub(super) fn wants_page(headers: &HeaderMap) -> bool {
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
}
