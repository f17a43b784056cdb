//! The ids that tie a request to what others say of it: its own, and its place in a distributed trace.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use hyper::{HeaderMap, header::HeaderName};

/// The header that carries a request's id both ways.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The W3C's header for a trace, which proxies and clients send.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Google's own header for the same, which Cloud Run's front end sends too.
const X_CLOUD_TRACE_CONTEXT: HeaderName = HeaderName::from_static("x-cloud-trace-context");

/// The client's id for its request if it can stand in a log and a header as it is, otherwise a new one.
pub(super) fn request_id(headers: &HeaderMap) -> String {
    let sent = headers.get(X_REQUEST_ID).and_then(|id| id.to_str().ok()).filter(|id| {
        (1..=64).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    });
    sent.map_or_else(new_request_id, str::to_owned)
}

/// A short id that no two requests of the world are likely to share.
fn new_request_id() -> String {
    static RANDOM: LazyLock<RandomState> = LazyLock::new(RandomState::new);
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("{:016x}", RANDOM.hash_one(COUNT.fetch_add(1, Ordering::Relaxed)))
}

/// A request's place in a distributed trace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Trace {
    /// 32 hexadecimal digits; the span has 16.
    pub(super) id: String,
    pub(super) span: Option<String>,
    /// Whether somebody keeps this trace.
    pub(super) sampled: bool,
}

impl Trace {
    /// What the headers say, W3C's before Google's.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let text = |name| headers.get(name)?.to_str().ok();
        text(TRACEPARENT).and_then(Self::w3c).or_else(|| text(X_CLOUD_TRACE_CONTEXT).and_then(Self::google))
    }

    /// `VERSION-TRACE-SPAN-FLAGS`, all hexadecimal; later versions may append more.
    fn w3c(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, id, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if version == "ff" || version.len() != 2 || flags.len() != 2 {
            return None;
        }
        let sampled = u8::from_str_radix(flags, 16).ok()? & 1 == 1;
        Some(Self { id: hexadecimal(id, 32)?, span: Some(hexadecimal(span, 16)?), sampled })
    }

    /// `TRACE/SPAN;o=OPTIONS`, where the span is a decimal number and all but the trace may be missing.
    fn google(text: &str) -> Option<Self> {
        let (rest, options) = text.split_once(";o=").unwrap_or((text, "0"));
        let (id, span) = rest.split_once('/').unwrap_or((rest, ""));
        let span = span.parse::<u64>().ok().map(|span| format!("{span:016x}"));
        Some(Self { id: hexadecimal(id, 32)?, span, sampled: options == "1" })
    }
}

/// So many lower-case hexadecimal digits that are not all zero.
fn hexadecimal(text: &str, digits: usize) -> Option<String> {
    let fits = text.len() == digits && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (fits && text.bytes().any(|byte| byte != b'0')).then(|| text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use hyper::header::HeaderValue;

    use super::*;

    #[test]
    fn a_request_id_from_outside_is_kept_only_if_it_is_harmless() {
        let kept = |id: &str| {
            let sent = HeaderMap::from_iter([(X_REQUEST_ID, HeaderValue::from_str(id).unwrap())]);
            request_id(&sent) == id
        };
        assert!(kept("7f3a-1.b_C") && kept(&"x".repeat(64)));
        for harmful in ["", "a b", "<script>", &"x".repeat(65)] {
            assert!(!kept(harmful), "{harmful}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }

    #[test]
    fn a_trace_is_read_from_either_header_and_from_nothing_else() {
        const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
        let of = |name: HeaderName, value: &str| {
            Trace::of(&HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]))
        };
        let trace = |span: Option<&str>, sampled| Some(Trace { id: ID.into(), span: span.map(str::to_owned), sampled });
        let w3c = |rest: &str| of(TRACEPARENT, &format!("00-{ID}-{rest}"));
        assert_eq!(w3c("00f067aa0ba902b7-01"), trace(Some("00f067aa0ba902b7"), true));
        assert_eq!(w3c("00f067aa0ba902b7-00"), trace(Some("00f067aa0ba902b7"), false));
        for bad in ["0000000000000000-01", "00f067aa0ba902b7", "00f067aa0ba902b-01", "zz", ""] {
            assert_eq!(w3c(bad), None, "{bad}");
        }
        assert_eq!(of(TRACEPARENT, &format!("00-{}-00f067aa0ba902b7-01", "0".repeat(32))), None);
        let google = |rest: &str| of(X_CLOUD_TRACE_CONTEXT, &format!("{ID}{rest}"));
        assert_eq!(google("/255;o=1"), trace(Some("00000000000000ff"), true));
        assert_eq!(google("/255"), trace(Some("00000000000000ff"), false));
        assert_eq!(google(""), trace(None, false));
        assert_eq!(google("0"), None);
        assert_eq!(Trace::of(&HeaderMap::new()), None);
    }
}
