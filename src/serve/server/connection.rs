//! One connection: HTTP/1 or HTTP/2 by its first bytes, with limits on what a client may leave hanging.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use tokio::{net::TcpStream, time::timeout};

use super::open_requests::{OpenRequest, OpenRequests, StreamExecutor};
use super::timed_stream::TimedStream;
use crate::serve::{routes, service::Service};

/// Bytes of a request's headers on HTTP/1, and the most that is read at a time: a connection keeps that buffer.
const MAX_HEADERS: usize = 32 << 10;

/// Requests that one HTTP/2 connection may have open at a time. Each takes some 6 KiB until its client has taken its
/// answer, so that 1,024 connections with as many as they may have still fit into a small instance.
const MAX_STREAMS: u32 = 48;

/// Bytes of a request's headers on HTTP/2, where h2 reads up to four times as many before it closes the connection, and
/// counts the CONTINUATION frames that they come in. Those of browsers have a few thousand.
const MAX_HEADER_LIST: u32 = 16 << 10;

/// Bytes that an HTTP/2 client may send before they are read here, for one request and for all of a connection: what
/// keeps a fast upload going at a distance of 100 ms. They are in memory, and of a form that is being read they are
/// counted with its upload.
const MAX_UNREAD: u32 = 1 << 20;

/// Streams that an HTTP/2 client may reset before a request of theirs was begun, and streams that we may reset for a
/// client's mistakes. Beyond either the connection is closed: such a client makes work for the sake of work
/// (CVE-2023-44487 and CVE-2025-8671). Pings and settings need no number: h2 answers each before it reads the next.
const MAX_RESETS: usize = 20;
const MAX_MISTAKES: usize = 64;

/// How often a silent HTTP/2 connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Answers a connection's requests until it ends, or has had none for long.
pub(super) async fn serve(stream: TcpStream, service: Arc<Service>, watcher: Watcher) {
    // An answer is written as a whole; there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let read_timeout = service.config.read_timeout;
    let stream = TimedStream::new(stream, Arc::clone(&service));
    let open = OpenRequests::new(stream.client());
    let (mut busy, client) = (open.count.subscribe(), Arc::clone(&open));
    let stream = TokioIo::new(stream);
    let mut builder = auto::Builder::new(StreamExecutor { open: Arc::clone(&open), service: Arc::clone(&service) });
    let answer = service_fn(move |request: Request<Incoming>| {
        let (service, request_is_open) = (Arc::clone(&service), OpenRequest::one_of(&open));
        // hyper keeps the room of this future until the answer was taken, which may be long after it was given.
        let answering = Box::pin(routes::answer(service, request, request_is_open));
        async move { Ok::<_, Infallible>(answering.await) }
    });

    builder.http1().timer(TokioTimer::new()).header_read_timeout(read_timeout).max_buf_size(MAX_HEADERS);
    // A client may close its sending side when its request is sent, as `nc -N` does. Until something is sent to it, one
    // that has closed both sides looks the same, so that its request is answered too, within the time for a request.
    builder.http1().half_close(true);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS).max_header_list_size(MAX_HEADER_LIST);
    builder.http2().keep_alive_interval(PING_EVERY).keep_alive_timeout(read_timeout);
    builder.http2().initial_stream_window_size(MAX_UNREAD).initial_connection_window_size(MAX_UNREAD);
    builder.http2().max_pending_accept_reset_streams(MAX_RESETS).max_local_error_reset_streams(MAX_MISTAKES);
    let connection = watcher.watch(builder.serve_connection(stream, answer).into_owned());

    // hyper's own limit begins once HTTP/1 and HTTP/2 are distinguished, which a client can put off for ever; nor has
    // it one for an HTTP/2 connection without requests.
    let silence = async {
        loop {
            let requests = *busy.borrow_and_update();
            match timeout(read_timeout, busy.changed()).await {
                Err(_) if requests == 0 => return,
                Ok(Err(_)) => return std::future::pending().await, // the connection has ended
                _ => {}
            }
        }
    };
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(error, "a connection ended early");
            }
        }
        () = silence => tracing::debug!("a connection was closed that had no request for long"),
        // hyper itself does not look while a request is being answered, unless half-closed connections end at once.
        () = client.reset() => tracing::debug!("a connection was reset by its client"),
    }
}
