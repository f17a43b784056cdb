//! The memory that uploads may take together: beyond it a client is told to come back, instead of all being killed.
//!
//! It is taken by what has arrived and not by what was announced, so that a client that announces much and sends little
//! keeps nobody else out.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};

/// Bytes that all uploads together may still take.
#[derive(Clone, Debug)]
pub(super) struct Budget {
    left: Arc<AtomicUsize>,
}

impl Budget {
    pub(super) fn new(bytes: usize) -> Self {
        Self { left: Arc::new(AtomicUsize::new(bytes)) }
    }

    /// Bytes that nobody has taken.
    pub(super) fn left(&self) -> usize {
        self.left.load(Ordering::Relaxed)
    }

    /// A share with nothing in it yet.
    pub(super) fn share(&self) -> Share {
        Share { left: Arc::clone(&self.left), taken: AtomicUsize::new(0) }
    }
}

/// What one upload has taken; it is given back when the upload is dropped.
#[derive(Debug)]
pub(super) struct Share {
    left: Arc<AtomicUsize>,
    taken: AtomicUsize,
}

impl Share {
    /// Takes more; `false` when there is not so much.
    fn take(&self, bytes: usize) -> bool {
        let took = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes)).is_ok();
        if took {
            self.taken.fetch_add(bytes, Ordering::Relaxed);
        }
        took
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.left.fetch_add(*self.taken.get_mut(), Ordering::Relaxed);
    }
}

/// A body whose bytes are taken from a budget as they arrive.
pub(super) struct Budgeted<B> {
    pub(super) body: B,
    pub(super) share: Arc<Share>,
}

/// Why a budgeted body ended before its end.
#[derive(Debug, thiserror::Error)]
#[error("the memory for uploads is used up")]
pub(super) struct NoRoom;

type BoxedError = Box<dyn Error + Send + Sync>;

impl<B> Body for Budgeted<B>
where
    B: Body<Data = Bytes, Error: Into<BoxedError>> + Unpin,
{
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
        Poll::Ready(Some(if self.share.take(bytes) { Ok(frame) } else { Err(NoRoom.into()) }))
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
    async fn what_arrives_is_taken_until_the_upload_is_dropped_and_beyond_there_is_none() {
        let budget = Budget::new(10);
        let upload = || {
            let share = Arc::new(budget.share());
            (Budgeted { body: Full::new(Bytes::from_static(b"123456")), share: Arc::clone(&share) }, share)
        };
        let (body, share) = upload();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "123456");
        assert_eq!(budget.left(), 4);
        let (body, second) = upload();
        assert!(body.collect().await.unwrap_err().is::<NoRoom>());
        drop(second);
        assert_eq!(budget.left(), 4, "what was not given is not given back");
        drop(share);
        assert_eq!(budget.left(), 10);
    }
}
