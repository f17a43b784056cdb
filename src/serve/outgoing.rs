//! An answer on its way to its client: until it was sent it holds its part of the memory, and what became of it is
//! known, counted and logged only then.
//!
//! hyper and h2 copy nothing of it: they hold the one [`OutgoingBytes`] and advance it by what the operating system has
//! taken. When it is dropped, with nothing left in it the answer was sent, and otherwise it was not.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

use super::pending_request::PendingRequest;
use super::upload::Reservation;

/// The body of an answer.
pub(super) struct OutgoingBody {
    /// Until hyper takes it.
    bytes: Option<OutgoingBytes>,
    /// Comes when that was dropped.
    dropped: oneshot::Receiver<Infallible>,
    ended: bool,
}

/// The bytes of an answer that are not sent yet.
pub(super) struct OutgoingBytes {
    bytes: Bytes,
    /// Until this is dropped.
    request: Option<PendingRequest>,
    _reservation: Reservation,
    _dropped: oneshot::Sender<Infallible>,
}

impl OutgoingBody {
    /// The answer to a request, which has its status and takes this reservation of the memory.
    pub(super) fn new(bytes: Bytes, mut request: PendingRequest, reservation: Reservation) -> Self {
        request.open.answered(bytes.len());
        let (sender, dropped) = oneshot::channel();
        let ended = bytes.is_empty();
        Self {
            bytes: Some(OutgoingBytes { bytes, request: Some(request), _reservation: reservation, _dropped: sender }),
            dropped,
            ended,
        }
    }
}

impl Body for OutgoingBody {
    type Data = OutgoingBytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<OutgoingBytes>, Infallible>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        if let Some(bytes) = self.bytes.take() {
            return Poll::Ready(Some(Ok(Frame::data(bytes))));
        }
        // An HTTP/2 stream whose body has ended cannot be reset any more, and would keep bytes that its client does
        // not take; so the body ends when they were sent.
        let _ = ready!(Pin::new(&mut self.dropped).poll(context));
        self.ended = true;
        Poll::Ready(None)
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.bytes.as_ref().map_or(0, |bytes| bytes.remaining() as u64))
    }
}

impl Buf for OutgoingBytes {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        if let Some(request) = &mut self.request {
            request.open.sent(count);
        }
    }
}

impl Drop for OutgoingBytes {
    fn drop(&mut self) {
        if let Some(request) = self.request.take() {
            request.end(self.bytes.is_empty());
        }
    }
}
