//! Connections: binding the port, accepting, and an end that lets requests in flight finish.
//!
//! HTTP/1 and HTTP/2 without TLS (h2c) come on one port, told apart by their first bytes. TLS is for the proxy before
//! the service, as on Cloud Run.

use std::convert::Infallible;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::Request;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::{ServeError, Service, router};

/// Requests that one HTTP/2 connection may have open at a time.
const MAX_STREAMS: u32 = 64;

/// Bytes of a request's headers.
const MAX_HEADERS: u32 = 64 << 10;

/// How often a silent HTTP/2 connection is asked whether it is still there.
const PING_EVERY: Duration = Duration::from_secs(30);

/// How long a connection that is kept alive is left open after the signal to stop: a request may be on its way on it,
/// and would be lost. Its answer then closes the connection.
const LAST_CALL: Duration = Duration::from_secs(1);

/// What a client is told that comes when there are as many connections as may be.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How long a client may take to read that.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

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

    let door = Door {
        places: Arc::new(Semaphore::new(service.config.connections)),
        open: GracefulShutdown::new(),
        service: Arc::new(service),
    };
    let signal = loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => door.enter(stream),
                Err(error) => pause(&error).await,
            },
            signal = stop.signal() => break signal,
        }
    };
    door.service.stop();
    door.let_in_who_waits(listener);
    tracing::info!(signal, connections = door.open.count(), "stopping: letting requests in flight finish");
    if door.open.count() > 0 {
        sleep(LAST_CALL).await;
    }
    tokio::select! {
        () = door.open.shutdown() => tracing::info!("stopped"),
        () = sleep(stop_timeout.saturating_sub(LAST_CALL)) => {
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

/// Where connections come in, as many as there are places.
struct Door {
    places: Arc<Semaphore>,
    open: GracefulShutdown,
    service: Arc<Service>,
}

impl Door {
    /// Serves a connection, or refuses it.
    fn enter(&self, stream: TcpStream) {
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else {
            self.service.metrics.refused_connections.inc();
            tokio::spawn(timeout(REFUSAL_TIME, refuse(stream)));
            return;
        };
        let service = Arc::clone(&self.service);
        let watcher = self.open.watcher();
        service.metrics.connections.inc();
        tokio::spawn(async move {
            let guard = Place { service: Arc::clone(&service), _permit: place };
            connection(stream, service, watcher).await;
            drop(guard);
        });
    }

    /// Closes the port. The operating system has accepted connections that the program has not seen; it would reset
    /// them, though their requests may have been sent already.
    fn let_in_who_waits(&self, listener: TcpListener) {
        let Ok(listener) = listener.into_std() else { return };
        loop {
            match listener.accept() {
                Ok((stream, _)) => {
                    let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                    stream.into_iter().for_each(|stream| self.enter(stream));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
}

/// A connection's place, free again when it is dropped.
struct Place {
    service: Arc<Service>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.service.metrics.connections.dec();
    }
}

/// Tells a client that there is no place for it, and waits until it has read that: a connection that is closed with
/// unread bytes in it is reset, and the reset overtakes the answer.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(TOO_MANY).await?;
    stream.shutdown().await?;
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

async fn connection(stream: TcpStream, service: Arc<Service>, watcher: Watcher) {
    // An answer is written as a whole; there is nothing to wait for.
    let _ = stream.set_nodelay(true);
    let read_timeout = service.config.read_timeout;
    let (requests, mut busy) = watch::channel(0_usize);
    let requests = Arc::new(requests);
    let answer = service_fn(move |request: Request<Incoming>| {
        let (service, open) = (Arc::clone(&service), OpenRequest::one_of(&requests));
        async move {
            let reply = router::answer(&service, request).await;
            drop(open);
            Ok::<_, Infallible>(reply)
        }
    });

    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(read_timeout).max_buf_size(MAX_HEADERS as usize);
    builder.http2().timer(TokioTimer::new()).max_concurrent_streams(MAX_STREAMS).max_header_list_size(MAX_HEADERS);
    builder.http2().keep_alive_interval(PING_EVERY).keep_alive_timeout(read_timeout);
    let connection = watcher.watch(builder.serve_connection(TokioIo::new(stream), answer).into_owned());

    // hyper's own limit begins once HTTP/1 or HTTP/2 has been told apart, which a client can put off for ever; nor has
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
