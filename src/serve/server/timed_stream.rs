//! A TCP connection whose client must take what is written to it.
//!
//! hyper waits for ever for a client that does not read, and the client's answer and everything of its connection wait
//! with it. Here a write has its time: what its bytes take at the least rate that a client may have, at least a second.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker, ready};

use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::{Sleep, sleep};

use crate::serve::service::Service;

/// Bytes that the operating system may hold of what a client has not taken, for each connection. It would let this grow
/// to megabytes of which no limit of ours knows; this is enough for 640 kB/s at a distance of 100 ms.
pub(super) const SEND_BUFFER: u32 = 64 << 10;

pub(super) struct TimedStream {
    /// Shared with those who wait for the client to go.
    client: Arc<Client>,
    writing: OwnedWriteHalf,
    service: Arc<Service>,
    /// The end of the time for what is to be written, from when the operating system first took nothing of it until
    /// it has taken all.
    end: Option<Pin<Box<Sleep>>>,
}

/// The side that the client sends on.
pub(super) struct Client {
    reading: OwnedReadHalf,
    /// The end of what it sends was read. The operating system may tell of it later than it is met.
    has_stopped_sending: AtomicBool,
}

impl Client {
    pub(super) fn has_stopped_sending(&self) -> bool {
        self.has_stopped_sending.load(Ordering::Relaxed) || {
            let state = pin!(self.reading.ready(Interest::READABLE));
            let state = state.poll(&mut Context::from_waker(Waker::noop()));
            matches!(state, Poll::Ready(Ok(state)) if state.is_read_closed())
        }
    }

    /// Waits until the client resets its connection, as a program that ends does, or its system when something comes
    /// for one that has gone.
    pub(super) async fn reset(&self) {
        let _ = self.reading.ready(Interest::ERROR).await;
    }
}

impl TimedStream {
    pub(super) fn new(stream: TcpStream, service: Arc<Service>) -> Self {
        let (reading, writing) = stream.into_split();
        let client = Arc::new(Client { reading, has_stopped_sending: AtomicBool::new(false) });
        Self { client, writing, service, end: None }
    }

    /// To see what becomes of the client.
    pub(super) fn client(&self) -> Arc<Client> {
        Arc::clone(&self.client)
    }

    /// What a write of so many bytes came to, unless its time is up. That a client takes a byte now and then gains it
    /// nothing.
    fn in_time(
        &mut self,
        context: &mut Context<'_>,
        asked: usize,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            if written.as_ref().is_ok_and(|&written| written == asked) {
                self.end = None;
            }
            return Poll::Ready(written);
        }
        // What the operating system holds goes before these bytes.
        let time = || self.service.config.time_to_send(asked + SEND_BUFFER as usize);
        let end = self.end.get_or_insert_with(|| Box::pin(sleep(time())));
        ready!(end.as_mut().poll(context));
        self.service.metrics.slow_readers.inc();
        // Closed in order, the operating system would go on to offer the client what it holds.
        let _ = self.writing.as_ref().set_zero_linger();
        Poll::Ready(Err(io::Error::new(ErrorKind::TimedOut, "the client does not read")))
    }
}

impl AsyncRead for TimedStream {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream: &TcpStream = self.client.reading.as_ref();
        let has_room = into.remaining() > 0;
        loop {
            ready!(stream.poll_read_ready(context))?;
            match stream.try_read_buf(into) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                read => {
                    if matches!(read, Ok(0)) && has_room {
                        self.client.has_stopped_sending.store(true, Ordering::Relaxed);
                    }
                    return Poll::Ready(read.map(|_| ()));
                }
            }
        }
    }
}

impl AsyncWrite for TimedStream {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.writing).poll_write(context, bytes);
        self.in_time(context, bytes.len(), written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.writing).poll_write_vectored(context, slices);
        self.in_time(context, slices.iter().map(|slice| slice.len()).sum(), written)
    }

    fn is_write_vectored(&self) -> bool {
        self.writing.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writing).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.writing).poll_shutdown(context)
    }
}
