//! What the service can be told: one struct with defaults, each with its unit.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;

use crate::pixels::DecodeLimits;

/// How the service listens, what it loads and where its limits are.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 lets the operating system choose one, which the log then tells.
    pub listen: SocketAddr,
    /// A weights file; `None` takes the network that is built in.
    pub weights: Option<PathBuf>,
    /// Pictures that are decoded and judged at the same time, each on a thread of its own.
    pub threads: usize,
    /// Pictures that may wait for one of these threads; the next one is answered 503.
    pub queue: usize,
    /// Bytes of a request's body, the multipart framing included.
    pub max_body_bytes: usize,
    /// How large a picture may be before anything is decoded.
    pub limits: DecodeLimits,
    /// How long a client may take to send the headers of a request, and again for its body.
    pub read_timeout: Duration,
    /// How long requests in flight may take after the signal to stop.
    pub stop_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            weights: None,
            threads: thread::available_parallelism().map_or(1, usize::from),
            queue: 32,
            // What Cloud Run passes on in one HTTP/1 request.
            max_body_bytes: 32 << 20,
            limits: DecodeLimits::default(),
            read_timeout: Duration::from_secs(60),
            // Cloud Run sends SIGTERM and, 10 s later, SIGKILL.
            stop_timeout: Duration::from_secs(8),
        }
    }
}
