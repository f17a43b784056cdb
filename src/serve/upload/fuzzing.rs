//! A way for the fuzzers to the upload's parser, which nothing else outside needs. It is built only for them.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame};
use hyper::header::{CONTENT_TYPE, HeaderValue};

use super::{Expected, MemoryLimit};
use crate::serve::config::Config;

/// Bytes that a body may have here: more than every limit inside of it, and few enough for a fuzzer to go beyond.
pub const MAX_BYTES: usize = 128 << 10;

/// Reads an upload whose body comes in these pieces; the contents of its files, or the status of the refusal.
///
/// # Panics
/// When the parser breaks one of its promises, among them that it looks at each piece twice at most.
pub fn read_upload(content_type: &[u8], pieces: Vec<Vec<u8>>, several: bool) -> Result<Vec<Vec<u8>>, u16> {
    let mut config = Config::for_machine(Some(1), None);
    (config.max_body_bytes, config.batch) = (MAX_BYTES, 8);
    let memory = MemoryLimit::new(3 * MAX_BYTES); // a form of the old kind is decoded beside itself, in two steps
    let headers = HeaderValue::from_bytes(content_type).map(|value| HeaderMap::from_iter([(CONTENT_TYPE, value)]));
    let expected = if several { Expected::AtMost(config.batch) } else { Expected::One };
    let most_polls = 2 * pieces.len() + 8;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let outcome = runtime.unwrap_or_else(|error| unreachable!("{error}")).block_on(async {
        let body = Pieces(pieces.into_iter());
        let headers = headers.unwrap_or_default();
        let mut reading = pin!(super::read(&headers, body, expected, &memory, &config));
        let mut polls = 0;
        let counted = poll_fn(|context| {
            polls += 1;
            assert!(polls <= most_polls, "{polls} polls");
            reading.as_mut().poll(context)
        });
        let upload = counted.await;
        // Copies, for the files themselves keep their part of the memory.
        upload.map(|upload| upload.files.iter().map(|file| file.content.to_vec()).collect::<Vec<_>>())
    });
    assert_eq!(memory.taken(), 0, "what was taken is given back");
    let outcome = outcome.map_err(|error| error.code.status().as_u16());
    match &outcome {
        Ok(files) => {
            assert!(!files.is_empty() && files.len() <= if several { config.batch } else { 1 });
            assert!(files.iter().map(Vec::len).sum::<usize>() <= MAX_BYTES);
        }
        Err(status) => assert!((400..500).contains(status), "{status}"),
    }
    outcome
}

struct Pieces(std::vec::IntoIter<Vec<u8>>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.next().map(|piece| Ok(Frame::data(piece.into()))))
    }
}
