//! From the bound port to the end of the last connection: listening, and a shutdown that lets requests in flight
//! finish.
//!
//! HTTP/1 and HTTP/2 without TLS (h2c) come on one port. TLS is for the proxy before the service, as on Cloud Run.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::{error::ServeError, service::Service};
use listener::Listener;

mod connection;
mod listener;
mod open_requests;
mod timed_stream;

pub(super) use open_requests::OpenRequest;

/// How long a connection that is kept alive is left open after the shutdown began: a request may be on its way on it,
/// and would be lost. Its answer then closes the connection.
const LAST_CALL: Duration = Duration::from_secs(1);

/// Binds the port and serves until a signal comes; then lets requests in flight finish, unless a second one comes.
pub(super) async fn serve(service: Service, mut signal: impl AsyncFnMut() -> &'static str) -> Result<(), ServeError> {
    let service = Arc::new(service);
    let listener = Listener::bind(Arc::clone(&service))?;
    let first = loop {
        tokio::select! {
            () = listener.accept() => {}
            signal = signal() => break signal,
        }
    };

    service.shut_down();
    let open = listener.close().open;
    tracing::info!(signal = first, connections = open.count(), "stopping: letting requests in flight finish");
    if open.count() > 0 {
        sleep(LAST_CALL).await;
    }
    let time = service.config.shutdown_timeout;
    tokio::select! {
        () = open.shutdown() => tracing::info!("stopped"),
        () = sleep(time.saturating_sub(LAST_CALL)) => {
            tracing::warn!("stopped with requests in flight, after {} seconds", time.as_secs_f32());
        }
        signal = signal() => tracing::warn!(signal, "stopped with requests in flight, at the second signal"),
    }
    Ok(())
}
