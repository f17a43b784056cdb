//! The memory that uploads may take together: beyond it a client is asked to come back, instead of all being killed.
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

/// Bytes that all uploads together may take.
#[derive(Clone, Debug)]
pub(in crate::serve) struct MemoryLimit {
    limit: usize,
    left: Arc<AtomicUsize>,
}

impl MemoryLimit {
    pub(in crate::serve) fn new(limit: usize) -> Self {
        Self { limit, left: Arc::new(AtomicUsize::new(limit)) }
    }

    pub(in crate::serve) fn taken(&self) -> usize {
        self.limit.saturating_sub(self.left.load(Ordering::Relaxed))
    }

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
    pub(super) fn take(&self, bytes: usize) -> bool {
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

/// A body whose bytes are added to a share as they arrive.
pub(super) struct Counted<B> {
    pub(super) body: B,
    pub(super) share: Arc<Share>,
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
        Poll::Ready(Some(if self.share.take(bytes) { Ok(frame) } else { Err(MemoryUsedUp.into()) }))
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
            let share = Arc::new(limit.share());
            (Counted { body: Full::new(Bytes::from_static(b"123456")), share: Arc::clone(&share) }, share)
        };
        let (body, share) = upload();
        assert_eq!(body.collect().await.unwrap().to_bytes(), "123456");
        assert_eq!(limit.taken(), 6);
        let (body, second) = upload();
        assert!(body.collect().await.unwrap_err().is::<MemoryUsedUp>());
        drop(second);
        assert_eq!(limit.taken(), 6, "what was not taken is not given back");
        drop(share);
        assert_eq!(limit.taken(), 0);
    }
}
