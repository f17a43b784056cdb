//! Connections: binding the port, accepting, and an end that lets requests in flight finish.
//!
//! HTTP/1 and HTTP/2 without TLS (h2c) come on one port, told apart by their first bytes. TLS is for the proxy before
//! the service, as on Cloud Run.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::{ServeError, Service, router};

/// Requests that one HTTP/2 connection may have open at a time.
const MAX_STREAMS: u32 = 64;

/// Bytes of a request's headers.
const MAX_HEADERS: u32 = 64 << 10;

/// How often a silent HTTP/2 connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(30);

/// Binds the port and serves until a signal to stop comes; then lets requests in flight finish.
///
/// # Errors
/// When the port cannot be bound or signals cannot be received.
pub(super) async fn serve(service: Service) -> Result<(), ServeError> {
    let mut stop = Stop::new().map_err(ServeError::Start)?;
    let listen = service.config.listen;
    let stop_timeout = service.config.stop_timeout;
    let (listener, address) = bind(listen).await.map_err(|source| ServeError::Bind { address: listen, source })?;
    tracing::info!(%address, "listening on http://{address}");

    let connections = GracefulShutdown::new();
    let service = Arc::new(service);
    let signal = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    tokio::spawn(connection(stream, Arc::clone(&service), connections.watcher()));
                }
                Err(error) => pause(&error).await,
            },
            signal = stop.signal() => break signal,
        }
    };
    drop(listener);

    tracing::info!(signal, connections = connections.count(), "stopping: letting requests in flight finish");
    tokio::select! {
        () = connections.shutdown() => tracing::info!("stopped"),
        () = sleep(stop_timeout) => {
            tracing::warn!("stopped with requests in flight, after {} seconds", stop_timeout.as_secs_f32());
        }
        signal = stop.signal() => tracing::warn!(signal, "stopped with requests in flight, at the second signal"),
    }
    Ok(())
}

async fn bind(address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// Out of file handles, for instance: some will be free again when requests have been answered.
async fn pause(error: &io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    sleep(Duration::from_millis(100)).await;
}

async fn connection(stream: TcpStream, service: Arc<Service>, watcher: Watcher) {
    // An answer is written as a whole; there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let read_timeout = service.config.read_timeout;
    let first_request = Arc::new(Notify::new());
    let answer = {
        let first_request = Arc::clone(&first_request);
        service_fn(move |request: Request<Incoming>| {
            first_request.notify_one();
            let service = Arc::clone(&service);
            async move { Ok::<_, Infallible>(router::answer(&service, request).await) }
        })
    };

    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(read_timeout);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS).max_header_list_size(MAX_HEADERS);
    builder.http2().keep_alive_interval(PING_EVERY).keep_alive_timeout(read_timeout);
    let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), answer).into_owned());

    // hyper's own limit begins once HTTP/1 or HTTP/2 has been told apart, which a client can put off for ever.
    let silence = async {
        if timeout(read_timeout, first_request.notified()).await.is_ok() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        ended = connection => {
            if let Err(error) = ended {
                tracing::debug!(error, "a connection ended early");
            }
        }
        () = silence => tracing::debug!("a connection was closed that sent no request"),
    }
}

/// The signals that mean stop: SIGTERM and Ctrl-C.
struct Stop {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Stop {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn signal(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

#[cfg(not(unix))]
impl Stop {
    fn new() -> io::Result<Self> {
        Ok(Self {})
    }

    async fn signal(&mut self) -> &'static str {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        "Ctrl-C"
    }
}
