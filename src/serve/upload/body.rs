//! A request's body that is read to its end even when the answer comes early.
//!
//! Whoever closes a TCP connection with unread bytes in it makes the kernel send a reset, and the reset overtakes the
//! answer: the client sees "connection reset by peer" where a 413 was meant. HTTP/2 has its own reset, to the same
//! effect. So a body that is dropped unread is read on behind the answer and thrown away, within limits; a client that
//! listens stops sending long before those.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Request;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::EXPECT;
use hyper::http::request::Parts;
use tokio::{runtime::Handle, time::timeout};

/// How much of an unwanted body is read, in bytes.
const DRAIN_BYTES: u64 = 256 << 20;

/// For how long an unwanted body is read.
const DRAIN_TIME: Duration = Duration::from_secs(5);

/// A request's body; what is left of it when it is dropped is drained in the background.
pub(in crate::serve) struct RequestBody {
    incoming: Option<Incoming>,
    drains: bool,
}

impl RequestBody {
    /// Takes a request and its body apart.
    pub(in crate::serve) fn split(request: Request<Incoming>) -> (Parts, Self) {
        let (parts, incoming) = request.into_parts();
        // A client that asked for "100 Continue" waits for it with the body, until that is polled here for the first time.
        let expects = parts.headers.get(EXPECT);
        let drains = expects.is_none_or(|value| !value.as_bytes().eq_ignore_ascii_case(b"100-continue"));
        (parts, Self { incoming: Some(incoming), drains })
    }
}

impl Body for RequestBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        self.drains = true;
        match &mut self.incoming {
            Some(incoming) => Pin::new(incoming).poll_frame(context),
            None => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for RequestBody {
    fn drop(&mut self) {
        let Some(incoming) = self.incoming.take() else { return };
        if !self.drains || incoming.is_end_stream() {
            return;
        }
        // While the program ends there is no runtime to drain on, and nobody to drain for.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(timeout(DRAIN_TIME, drain(incoming)));
        }
    }
}

async fn drain(mut incoming: Incoming) {
    let mut left = DRAIN_BYTES;
    while let Some(Ok(frame)) = incoming.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len) as u64;
        let Some(rest) = left.checked_sub(length) else { return };
        left = rest;
    }
}
