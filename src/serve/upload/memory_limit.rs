//! The memory that uploads and answers may take together: beyond it a client is asked to come back, instead of all
//! being killed.
//!
//! It is taken by what has arrived and not by what was announced, so that a client that announces much and sends little
//! keeps nobody else out. An image gives its part back when it has been decoded, an answer when it has been sent.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Bytes that all uploads and answers together may take.
#[derive(Clone, Debug)]
pub(in crate::serve) struct MemoryLimit {
    limit: usize,
    taken: Arc<AtomicUsize>,
}

impl MemoryLimit {
    pub(in crate::serve) fn new(limit: usize) -> Self {
        Self { limit, taken: Arc::default() }
    }

    pub(in crate::serve) fn taken(&self) -> usize {
        self.taken.load(Ordering::Relaxed)
    }

    pub(in crate::serve) fn reservation(&self) -> Reservation {
        Reservation { memory: self.clone(), taken: AtomicUsize::new(0) }
    }
}

/// What one upload or answer has taken; it is given back when this is dropped.
#[derive(Debug)]
pub(in crate::serve) struct Reservation {
    memory: MemoryLimit,
    taken: AtomicUsize,
}

impl Reservation {
    /// Takes more; `false` when there is not so much.
    pub(in crate::serve) fn take(&self, bytes: usize) -> bool {
        let more = |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= self.memory.limit);
        let took = self.memory.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_ok();
        if took {
            self.taken.fetch_add(bytes, Ordering::Relaxed);
        }
        took
    }

    /// Takes more whether there is so much or not, for what must be said even then.
    pub(in crate::serve) fn take_anyway(&self, bytes: usize) {
        self.memory.taken.fetch_add(bytes, Ordering::Relaxed);
        self.taken.fetch_add(bytes, Ordering::Relaxed);
    }

    /// These bytes, which keep their part of this reservation until the last copy of them is dropped.
    pub(in crate::serve) fn keep(&self, bytes: Bytes) -> Bytes {
        let part = bytes.len().min(self.taken.load(Ordering::Relaxed));
        self.taken.fetch_sub(part, Ordering::Relaxed);
        Bytes::from_owner(Kept { bytes, _part: Self { memory: self.memory.clone(), taken: AtomicUsize::new(part) } })
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.memory.taken.fetch_sub(*self.taken.get_mut(), Ordering::Relaxed);
    }
}

/// Bytes with their part of a reservation.
struct Kept {
    bytes: Bytes,
    _part: Reservation,
}

impl AsRef<[u8]> for Kept {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// A body whose bytes are added to a reservation as they arrive.
pub(super) struct Counted<B> {
    pub(super) body: B,
    pub(super) reservation: Arc<Reservation>,
}

#[derive(Debug, thiserror::Error)]
#[error("the memory for uploads is used up")]
pub(super) struct MemoryUsedUp;

pub(super) type BoxedError = Box<dyn Error + Send + Sync>;

impl<B: Body<Data = Bytes, Error: Into<BoxedError>> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = BoxedError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let frame = match ready!(Pin::new(&mut self.body).poll_frame(context)) {
            Some(Ok(frame)) => frame,
            other => return Poll::Ready(other.map(|outcome| outcome.map_err(Into::into))),
        };
        let bytes = frame.data_ref().map_or(0, Bytes::len);
        Poll::Ready(Some(if self.reservation.take(bytes) { Ok(frame) } else { Err(MemoryUsedUp.into()) }))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::{BodyExt, Full};

    use super::*;

    #[tokio::test]
    async fn what_arrives_is_taken_until_the_upload_is_dropped_and_beyond_the_limit_nothing_is() {
        let limit = MemoryLimit::new(10);
        let upload = || {
            let reservation = Arc::new(limit.reservation());
            (
                Counted { body: Full::new(Bytes::from_static(b"123456")), reservation: Arc::clone(&reservation) },
                reservation,
            )
        };
        let (body, reservation) = upload();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "123456");
        assert_eq!(limit.taken(), 6);
        let (body, second) = upload();
        assert!(body.collect().await.unwrap_err().is::<MemoryUsedUp>());
        drop(second);
        assert_eq!(limit.taken(), 6, "what was not taken is not given back");
        drop(reservation);
        assert_eq!(limit.taken(), 0);
    }

    #[test]
    fn bytes_keep_their_part_and_what_must_be_said_is_taken_beyond_the_limit() {
        let limit = MemoryLimit::new(10);
        let reservation = limit.reservation();
        assert!(reservation.take(8) && !reservation.take(3));
        let image = reservation.keep(Bytes::from_static(b"12345"));
        let copy = image.slice(1..);
        drop(reservation);
        assert_eq!(limit.taken(), 5, "the form around the image is given back");
        drop(image);
        assert_eq!(limit.taken(), 5);
        drop(copy);
        assert_eq!(limit.taken(), 0);
        let reservation = limit.reservation();
        reservation.take_anyway(12);
        assert!(limit.taken() == 12 && !limit.reservation().take(1));
    }
}
