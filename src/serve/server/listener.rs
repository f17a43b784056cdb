//! The port: binding it, and taking connections in as far as the connection permits go.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::time::Duration;

use hyper_util::server::graceful::GracefulShutdown;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{sleep, timeout};

use super::connection;
use crate::serve::{error::ServeError, service::Service};

/// The answer to a client that comes when all connection permits are taken.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// How long a client may take to read that.
const REFUSAL_TIME: Duration = Duration::from_secs(1);

pub(super) struct Listener {
    port: TcpListener,
    connections: Connections,
}

/// The connections that are open, as many as there are permits.
pub(super) struct Connections {
    permits: Arc<Semaphore>,
    pub(super) open: GracefulShutdown,
    service: Arc<Service>,
}

impl Listener {
    pub(super) async fn bind(service: Arc<Service>) -> Result<Self, ServeError> {
        let address = service.config.listen;
        let bound = TcpListener::bind(address).await.and_then(|port| Ok((port.local_addr()?, port)));
        let (actual, port) = bound.map_err(|source| ServeError::Bind { address, source })?;
        tracing::info!(address = %actual, "listening on http://{actual}");
        let permits = Arc::new(Semaphore::new(service.config.connections));
        Ok(Self { port, connections: Connections { permits, open: GracefulShutdown::new(), service } })
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
        loop {
            match port.accept() {
                Ok((stream, _)) => {
                    let stream = stream.set_nonblocking(true).and_then(|()| TcpStream::from_std(stream));
                    stream.into_iter().for_each(|stream| connections.take_in(stream));
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return connections,
            }
        }
    }
}

impl Connections {
    /// Serves a connection, or refuses it.
    fn take_in(&self, stream: TcpStream) {
        let Ok(permit) = Arc::clone(&self.permits).try_acquire_owned() else {
            self.service.metrics.refused_connections.inc();
            tokio::spawn(timeout(REFUSAL_TIME, refuse(stream)));
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
