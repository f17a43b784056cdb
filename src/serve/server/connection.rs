//! One connection: HTTP/1 or HTTP/2 by its first bytes, with limits on what a client may leave hanging.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::Watcher;
use tokio::{net::TcpStream, sync::watch, time::timeout};

use crate::serve::{routes, service::Service};

/// Requests that one HTTP/2 connection may have open at a time.
const MAX_STREAMS: u32 = 64;

/// Bytes of a request's headers.
const MAX_HEADERS: u32 = 64 << 10;

/// How often a silent HTTP/2 connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Answers a connection's requests until it ends, or has had none for long.
pub(super) async fn serve(stream: TcpStream, service: Arc<Service>, watcher: Watcher) {
    // An answer is written as a whole; there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let read_timeout = service.config.read_timeout;
    let (requests, mut busy) = watch::channel(0_usize);
    let requests = Arc::new(requests);
    let answer = service_fn(move |request: Request<Incoming>| {
        let (service, open) = (Arc::clone(&service), OpenRequest::one_of(&requests));
        async move {
            let reply = routes::answer(&service, request).await;
            drop(open);
            Ok::<_, Infallible>(reply)
        }
    });

    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(read_timeout).max_buf_size(MAX_HEADERS as usize);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS).max_header_list_size(MAX_HEADERS);
    builder.http2().keep_alive_interval(PING_EVERY).keep_alive_timeout(read_timeout);
    let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), answer).into_owned());

    // hyper's own limit begins once HTTP/1 and HTTP/2 are distinguished, which a client can put off for ever; nor has
    // it one for an HTTP/2 connection without requests, or for a client that does not read its answer.
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
    }
}

/// One of a connection's open requests, until it is dropped.
struct OpenRequest(Arc<watch::Sender<usize>>);

impl OpenRequest {
    fn one_of(requests: &Arc<watch::Sender<usize>>) -> Self {
        requests.send_modify(|requests| *requests += 1);
        Self(Arc::clone(requests))
    }
}

impl Drop for OpenRequest {
    fn drop(&mut self) {
        self.0.send_modify(|requests| *requests -= 1);
    }
}
