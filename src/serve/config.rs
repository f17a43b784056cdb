//! What the service can be set to: one struct, each field with its unit, and every default.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::access::{Origin, Token};
use super::dialects::vertex::VertexRoutes;
use crate::pixels::{DecodeLimits, Dihedral};
use crate::system;

/// How the service listens and where its limits are.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; with port 0 the operating system chooses one, which the log then names.
    pub listen: SocketAddr,
    /// Images that are decoded and classified at the same time, each on a thread of its own, and as many beside them of
    /// more than a million pixels, so that no other waits for one of these.
    pub threads: usize,
    /// Images that may wait for one of these threads; the next one is answered 503.
    pub queue: usize,
    /// Connections that may be open; the next one is answered 503 and closed.
    pub connections: usize,
    /// Images of one batch.
    pub batch: usize,
    /// Bytes of a request's body, the multipart framing included.
    pub max_body_bytes: usize,
    /// Bytes of all bodies and unsent answers that are in memory at the same time; what comes beyond is answered 503.
    pub upload_memory: usize,
    /// The turns and mirror images that the network is shown of each image, whose margins are averaged.
    pub views: &'static [Dihedral],
    /// How large an image may be before anything is decoded.
    pub limits: DecodeLimits,
    /// How long a client may take to send the headers of a request, and again for its body; and how long a connection
    /// may stay open without a request.
    pub read_timeout: Duration,
    /// Bytes of an answer that a client must take in each second, when it is slower than that for long.
    pub min_send_rate: usize,
    /// How long an image may wait for a thread.
    pub queue_timeout: Duration,
    /// How long a request may take as a whole.
    pub request_timeout: Duration,
    /// How long requests in flight may take once the shutdown has begun.
    pub shutdown_timeout: Duration,
    /// What a client must show before it is given predictions; `None` lets everybody in.
    pub token: Option<Token>,
    /// Whose scripts may read the answers in a browser, besides the service's own page.
    pub origins: Vec<Origin>,
    /// Where Vertex AI asks, if it runs the service.
    pub vertex: VertexRoutes,
}

/// What is taken for the memory where the system does not say: Cloud Run's default.
const UNKNOWN_MEMORY: usize = 512 << 20;

/// The least time that a client has to take what is sent to it.
const LEAST_SEND_TIME: Duration = Duration::from_secs(1);

/// The fewest pixels to which an image is limited by default, however small the machine is.
const LEAST_PIXELS: u64 = 1_000_000;

/// The defaults that no machine changes, and the bounds of the others.
impl Config {
    /// Default of [`Self::listen`].
    pub const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080);
    /// Default of [`Self::queue`] for each thread: a quarter of a second's work at 15 ms an image, so that a client
    /// that waits still gets a quick answer.
    pub const QUEUE_PER_THREAD: usize = 16;
    /// Default of [`Self::connections`].
    pub const CONNECTIONS: usize = 1024;
    /// Default of [`Self::batch`].
    pub const BATCH: usize = 64;
    /// Default of [`Self::max_body_bytes`]: what Cloud Run passes on in one HTTP/1 request.
    pub const MAX_BODY_BYTES: usize = 32 << 20;
    /// The most of [`Self::upload_memory`] by default.
    pub const MOST_UPLOAD_MEMORY: usize = 256 << 20;
    /// Default of [`Self::read_timeout`].
    pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
    /// Default of [`Self::min_send_rate`]: a slow mobile connection has more.
    pub const MIN_SEND_RATE: usize = 16 << 10;
    /// Default of [`Self::queue_timeout`].
    pub const QUEUE_TIMEOUT: Duration = Duration::from_secs(10);
    /// Default of [`Self::request_timeout`].
    pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
    /// Default of [`Self::shutdown_timeout`]: Cloud Run sends SIGTERM and, 10 s later, SIGKILL.
    pub const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);

    /// The defaults for so many threads (`None`: one for each core) on a machine with so many free bytes (`None`:
    /// unknown).
    ///
    /// Half of the memory is for images that are being decoded, a quarter for uploads; the network takes up to 60 MB of
    /// what is left.
    pub fn for_machine(threads: Option<usize>, memory: Option<usize>) -> Self {
        let threads = threads.unwrap_or_else(system::cores).max(1);
        let memory = memory.unwrap_or(UNKNOWN_MEMORY);
        let pixels = memory as u64 / 2 / threads as u64 / DecodeLimits::BYTES_PER_PIXEL;
        Self {
            listen: Self::LISTEN,
            threads,
            queue: Self::QUEUE_PER_THREAD * threads,
            connections: Self::CONNECTIONS,
            batch: Self::BATCH,
            max_body_bytes: Self::MAX_BODY_BYTES,
            upload_memory: (memory / 4).clamp(Self::MAX_BODY_BYTES, Self::MOST_UPLOAD_MEMORY),
            views: &Dihedral::ALL[..1],
            limits: DecodeLimits {
                max_bytes: Self::MAX_BODY_BYTES,
                max_pixels: DecodeLimits::default().max_pixels.min(pixels.max(LEAST_PIXELS)),
            },
            read_timeout: Self::READ_TIMEOUT,
            min_send_rate: Self::MIN_SEND_RATE,
            queue_timeout: Self::QUEUE_TIMEOUT,
            request_timeout: Self::REQUEST_TIMEOUT,
            shutdown_timeout: Self::SHUTDOWN_TIMEOUT,
            token: None,
            origins: Vec::new(),
            vertex: VertexRoutes::default(),
        }
    }

    /// How long a client may take for so many bytes of an answer: what they take at the least rate, at least a second
    /// for a network that stands still for a moment, and at most as long as a request.
    pub(super) fn time_to_send(&self, bytes: usize) -> Duration {
        let time = Duration::from_secs_f64(bytes as f64 / self.min_send_rate.max(1) as f64);
        time.min(self.request_timeout).max(LEAST_SEND_TIME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_machine_reads_smaller_images_and_a_large_one_no_larger_than_sense() {
        let small = Config::for_machine(Some(1), Some(512 << 20));
        assert_eq!((small.queue, small.limits.max_pixels, small.upload_memory), (16, 22_369_621, 128 << 20));
        let large = Config::for_machine(Some(8), Some(1 << 40));
        assert_eq!((large.queue, large.limits), (128, DecodeLimits::default()));
        let tiny = Config::for_machine(Some(64), Some(64 << 20));
        assert_eq!((tiny.limits.max_pixels, tiny.upload_memory), (1_000_000, 32 << 20));
    }
}
