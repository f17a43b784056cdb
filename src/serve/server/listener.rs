//! The port: binding it, and taking connections in as far as the connection permits go.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::connection;
use super::timed_stream::SEND_BUFFER;
use crate::serve::{error::ServeError, service::Service};

/// The answer to a client that comes when all connection permits are taken.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How long a client may take to read that.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

/// How many clients at a time are told so; what comes beyond is closed without a word.
const MAX_REFUSALS: usize = 64;

/// Connections that the operating system accepts before the program sees them, and the most that a shutdown takes in: a
/// client that connects again and again does not keep it from ending.
const BACKLOG: u32 = 1024;

pub(super) struct Listener {
    port: TcpListener,
    connections: Connections,
}

/// The connections that are open and those that are refused, as many of each as there are permits.
pub(super) struct Connections {
    permits: Arc<Semaphore>,
    refusals: Arc<Semaphore>,
    pub(super) open: GracefulShutdown,
    service: Arc<Service>,
}

impl Listener {
    pub(super) fn bind(service: Arc<Service>) -> Result<Self, ServeError> {
        let address = service.config.listen;
        let bound = listen(address).and_then(|port| Ok((port.local_addr()?, port)));
        let (actual, port) = bound.map_err(|source| ServeError::Bind { address, source })?;
        tracing::info!(address = %actual, "listening on http://{actual}");
        let [permits, refusals] = [service.config.connections, MAX_REFUSALS].map(|most| Arc::new(Semaphore::new(most)));
        Ok(Self { port, connections: Connections { permits, refusals, open: GracefulShutdown::new(), service } })
    }

    /// Waits for a connection and takes it in.
    pub(super) async fn accept(&self) {
        match self.port.accept().await {
            Ok((stream, _)) => self.connections.take_in(stream),
            Err(error) => {
                // Out of file handles, for instance: some will be free again when requests have been answered.
                tracing::warn!(%error, "a connection could not be accepted");
                sleep(Duration::from_millis(100)).await;
            }
        }
    }

    /// Closes the port. The operating system has accepted connections that the program has not seen; it would reset
    /// them, though their requests may have been sent already, so they are taken in first.
    pub(super) fn close(self) -> Connections {
        let Self { port, connections } = self;
        let Ok(port) = port.into_std() else { return connections };
        for _ in 0..BACKLOG {
            match port.accept() {
                Ok((stream, _)) => {
                    let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                    stream.into_iter().for_each(|stream| connections.take_in(stream));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => break,
            }
        }
        connections
    }
}

/// A port on which connections inherit their [`SEND_BUFFER`].
fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // A port whose last connections have ended a moment ago can be bound again, where that needs to be said.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.set_send_buffer_size(SEND_BUFFER)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

impl Connections {
    /// Serves a connection, or refuses it.
    fn take_in(&self, stream: TcpStream) {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            self.service.metrics.refused_connections.inc();
            if let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() {
                tokio::spawn(async move {
                    let _ = timeout(REFUSAL_TIME, refuse(stream)).await;
                    drop(permit);
                });
            }
            return;
        };
        let watcher = self.open.watcher();
        self.service.metrics.connections.inc();
        let permit = ConnectionPermit { service: Arc::clone(&self.service), _permit: permit };
        tokio::spawn(async move {
            connection::serve(stream, Arc::clone(&permit.service), watcher).await;
            drop(permit);
        });
    }
}

/// A connection's permit, which the next one gets when it is dropped.
struct ConnectionPermit {
    service: Arc<Service>,
    _permit: OwnedSemaphorePermit,
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.service.metrics.connections.dec();
    }
}

/// Answers that there is no permit left, and waits until the client has read that: a connection that is closed with
/// unread bytes in it is reset, and the reset overtakes the answer.
async fn refuse(mut stream: TcpStream) -> io::Result<()> {
    stream.write_all(TOO_MANY).await?;
    stream.shutdown().await?;
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}
