use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use http_body_util::BodyExt;
use hyper::body::Frame;

use super::selection::Selection;
use super::*;

const HEAD: &str = "--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n";

/// A body into which a test puts frames while it is read.
#[derive(Clone, Default)]
struct Feed(Arc<Mutex<VecDeque<Bytes>>>);

impl Body for Feed {
    type Data = Bytes;
    type Error = BoxedError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxedError>>> {
        let frame = self.0.lock().unwrap().pop_front();
        frame.map_or(Poll::Pending, |bytes| Poll::Ready(Some(Ok(Frame::data(bytes)))))
    }
}

/// Counts how often a reader asks to be polled again.
#[derive(Default)]
struct Wakes(Mutex<usize>);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        *self.0.lock().unwrap() += 1;
    }
}

type Reader<'a> = Pin<&'a mut dyn Future<Output = Result<Selection, HttpError>>>;

/// Gives a reader a frame and polls it as often as it asks for, which is at most twice.
fn give(reader: &mut Reader<'_>, feed: &Feed, frame: &[u8]) -> Poll<Result<Selection, HttpError>> {
    feed.0.lock().unwrap().push_back(Bytes::copy_from_slice(frame));
    let wakes = Arc::new(Wakes::default());
    let waker = Waker::from(Arc::clone(&wakes));
    for polls in 1.. {
        let outcome = reader.as_mut().poll(&mut Context::from_waker(&waker));
        if outcome.is_ready() || *wakes.0.lock().unwrap() < polls {
            return outcome;
        }
        assert!(polls <= 4, "a frame is looked at again and again");
    }
    unreachable!()
}

fn config() -> Config {
    Config::for_machine(Some(1), None)
}

#[test]
fn framing_that_comes_byte_by_byte_is_refused_at_its_limit() {
    let parts = "--x\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n";
    let text = "Content-Disposition: form-data; name=\"a\"\r\n\r\n";
    for (what, begin, drip, most, code) in [
        ("a preamble", String::new(), "a", 4 << 10, Code::BadMultipart),
        ("a preamble of almost boundaries", String::new(), "\r\n--", 4 << 10, Code::BadMultipart),
        ("a header", HEAD.to_owned() + "X-A: ", "a", 8 << 10, Code::BadMultipart),
        ("headers", HEAD.to_owned(), "X-A: b\r\n", 8 << 10, Code::BadMultipart),
        ("spaces behind a boundary", "--x".to_owned(), " ", 1 << 10, Code::BadMultipart),
        ("spaces behind the last boundary", HEAD.to_owned() + "\r\na\r\n--x--", " ", 1 << 10, Code::BadMultipart),
        ("spaces behind a later boundary", HEAD.to_owned() + "\r\na\r\n--x", " ", 1 << 10, Code::BadMultipart),
        ("a field that is no file", format!("--x\r\n{text}"), "a", 64 << 10, Code::TooLarge),
        ("many fields", String::new(), parts, 33 * parts.len(), Code::TooLarge),
    ] {
        let (config, feed) = (config(), Feed::default());
        let mut reader = pin!(form::select(feed.clone(), "x".to_owned(), Expected::One, &config));
        let mut reader: Reader<'_> = reader.as_mut();
        let bytes = begin.bytes().chain(drip.bytes().cycle());
        let (taken, refused) = bytes
            .enumerate()
            .find_map(|(taken, byte)| match give(&mut reader, &feed, &[byte]) {
                Poll::Ready(outcome) => Some((taken + 1, outcome.unwrap_err())),
                Poll::Pending => None,
            })
            .unwrap();
        assert_eq!(refused.code, code, "{what}");
        assert!((most..most + 300).contains(&taken), "{what} was refused after {taken} bytes");
    }
}

#[test]
fn a_form_is_read_when_its_last_boundary_is_there_and_what_follows_is_not_waited_for() {
    let (config, feed) = (config(), Feed::default());
    let mut reader = pin!(form::select(feed.clone(), "x".to_owned(), Expected::One, &config));
    let mut reader: Reader<'_> = reader.as_mut();
    assert!(give(&mut reader, &feed, format!("{HEAD}\r\n\x01\r\n--x--").as_bytes()).is_pending());
    assert!(give(&mut reader, &feed, b"\r\n epilogue").is_ready());
}

/// Whether work is left to another thread: a first look at its future finds it not done.
fn is_left_to_others<T>(work: impl Future<Output = T>) -> bool {
    pin!(work).poll(&mut Context::from_waker(Waker::noop())).is_pending()
}

#[tokio::test]
async fn much_base64_is_decoded_by_another_thread() {
    use ::base64::prelude::{BASE64_STANDARD, Engine};
    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n";
    let memory = MemoryLimit::new(1 << 26);
    for (bytes, expected) in [(30_000, false), (2_000_000, true)] {
        let text = BASE64_STANDARD.encode([PNG, &vec![7; bytes]].concat());
        let form = format!("{HEAD}Content-Transfer-Encoding: base64\r\n\r\n{text}\r\n--x--\r\n");
        let fields = format!("image={}", text.replace('+', "%2B"));
        for (content, kind) in [(text, raw::Kind::Text), (fields, raw::Kind::OldForm)] {
            let reservation = memory.reservation();
            let selecting = raw::select(content.into(), kind, Expected::One, &reservation);
            assert_eq!(is_left_to_others(selecting), expected, "{bytes} {kind:?}");
        }
        let (config, body) = (config(), http_body_util::Full::from(form).map_err(BoxedError::from));
        assert_eq!(is_left_to_others(form::select(body, "x".to_owned(), Expected::One, &config)), expected, "{bytes}");
    }
}

#[tokio::test]
async fn a_form_of_the_old_kind_counts_for_what_it_takes_while_it_is_decoded() {
    let body = b"image=iVBORw0KGgo".to_vec();
    for (memory, expected) in [(2 * body.len() - 1, Some(Code::Overloaded)), (2 * body.len(), None)] {
        let reservation = MemoryLimit::new(memory).reservation();
        let selected = raw::select(body.clone(), raw::Kind::OldForm, Expected::One, &reservation).await;
        assert_eq!(selected.err().map(|error| error.code), expected);
    }
}

#[tokio::test]
async fn json_counts_for_what_it_takes_while_it_is_read_and_then_for_its_images() {
    let take = |body: &[u8], _: &Reservation| {
        let json::Json::Text(text) = json::Json::read(body, 1)? else { unreachable!() };
        let (content, damage) = decode_text(text.into_owned());
        Ok((vec![File { name: None, content: content.into(), damage }], Fields::new(), ()))
    };
    for (body, times) in [(r#""iVBORw0KGgo=""#, 2), (r#""iVBORw0K\/w==""#, 3)] {
        for (memory, expected) in [(times * body.len() - 1, Some(Code::Overloaded)), (times * body.len(), None)] {
            let (memory, config) = (MemoryLimit::new(memory), config());
            let full = http_body_util::Full::from(body).map_err(BoxedError::from);
            let read = read_whole(&HeaderMap::new(), full, &memory, &config, take).await;
            assert_eq!(read.as_ref().err().map(|error| error.code), expected, "{body}");
            assert_eq!(memory.taken(), read.as_ref().map_or(0, |(upload, ())| upload.files[0].content.len()), "{body}");
            drop(read);
            assert_eq!(memory.taken(), 0);
        }
    }
}

#[test]
fn what_is_compressed_in_its_chunks_is_refused() {
    let read = |lines: &[(&'static str, &str)]| refuse_transfer_encoding(&headers(lines)).map_err(|error| error.code);
    assert_eq!(read(&[]), Ok(()));
    assert_eq!(read(&[("transfer-encoding", "Chunked ")]), Ok(()));
    for coding in ["gzip, chunked", "chunked, chunked", "gzip"] {
        assert_eq!(read(&[("transfer-encoding", coding)]), Err(Code::BadRequest), "{coding}");
    }
}

fn headers(lines: &[(&'static str, &str)]) -> HeaderMap {
    let value = |value: &&str| HeaderValue::from_str(value).unwrap();
    lines.iter().map(|(name, its)| (hyper::header::HeaderName::from_static(name), value(its))).collect()
}

#[test]
fn what_is_compressed_is_refused_with_its_name_and_the_header_that_says_what_is_read() {
    let refused = |lines: &[(&'static str, &str)]| {
        refuse_content_encoding(headers(lines).get_all(CONTENT_ENCODING)).map_err(|error| (error.header, error.detail))
    };
    for coding in ["gzip", "deflate", "br", "zstd", "compress"] {
        for value in [coding.to_owned(), coding.to_uppercase(), format!("identity, {coding}")] {
            let (header, detail) = refused(&[("content-encoding", &value)]).unwrap_err();
            assert_eq!(header, Some((ACCEPT_ENCODING, "identity")));
            assert!(detail.contains(&format!("has {coding}.")), "{detail}");
        }
    }
    let (_, detail) = refused(&[("content-encoding", "Jane-Doe")]).unwrap_err();
    assert!(!detail.contains("ane"), "{detail}");
    for fine in ["identity", "", "Identity, identity"] {
        assert_eq!(refused(&[("content-encoding", fine)]), Ok(()));
    }
}

#[test]
fn a_boundary_is_read_as_clients_write_it() {
    let boundary = |value: &str| form::boundary(&HeaderValue::from_str(value).unwrap()).map_err(|error| error.code);
    for (content_type, expected) in [
        (
            "multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
            "----WebKitFormBoundary7MA4YWxkTrZu0gW",
        ),
        ("multipart/form-data; boundary=\"a=b:c/d?e f\"; charset=utf-8", "a=b:c/d?e f"),
        ("multipart/form-data;charset=utf-8;BOUNDARY= =_Part:1/2?3=", "=_Part:1/2?3="),
        ("multipart/form-data; boundary=\"\\\"\"", "\""),
    ] {
        assert_eq!(boundary(content_type).unwrap(), expected);
    }
    let long = format!("multipart/form-data; boundary={}", "a".repeat(71));
    for bad in ["multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\"", &long] {
        assert_eq!(boundary(bad), Err(Code::BadMultipart), "{bad}");
    }
}
