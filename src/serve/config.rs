//! What the service can be told: one struct, each field with its unit, and defaults that fit the machine.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::access::{Origin, Token};
use crate::pixels::DecodeLimits;
use crate::system;

/// How the service listens, what it loads and where its limits are.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen; port 0 lets the operating system choose one, which the log then tells.
    pub listen: SocketAddr,
    /// A weights file; `None` takes the network that is built in.
    pub weights: Option<PathBuf>,
    /// Images that are decoded and judged at the same time, each on a thread of its own.
    pub threads: usize,
    /// Images that may wait for one of these threads; the next one is answered 503.
    pub queue: usize,
    /// Connections that may be open; the next one is answered 503 and closed.
    pub connections: usize,
    /// Images of one batch.
    pub batch: usize,
    /// Bytes of a request's body, the multipart framing included.
    pub max_body_bytes: usize,
    /// Bytes of all bodies that are in memory at the same time; what comes beyond is answered 503.
    pub upload_memory: usize,
    /// How large an image may be before anything is decoded.
    pub limits: DecodeLimits,
    /// How long a client may take to send the headers of a request, and again for its body; and how long a connection
    /// may stay open without a request.
    pub read_timeout: Duration,
    /// How long an image may wait for a thread.
    pub queue_timeout: Duration,
    /// How long a request may take as a whole.
    pub request_timeout: Duration,
    /// How long requests in flight may take after the signal to stop.
    pub stop_timeout: Duration,
    /// What a client must show before it is given predictions; `None` lets everybody in.
    pub token: Option<Token>,
    /// Whose scripts may read the answers in a browser, besides the service's own page.
    pub origins: Vec<Origin>,
}

/// Bytes that a decoded image takes for each pixel, at most: 16 bits of four channels, and its 8-bit copy.
const BYTES_PER_PIXEL: u64 = 12;

/// What is taken for the memory where the system does not tell: Cloud Run's default.
const UNKNOWN_MEMORY: usize = 512 << 20;

impl Config {
    /// Limits for so many threads (`None`: one for each core) on a machine with so many free bytes (`None`: unknown).
    ///
    /// Half of the memory is for images that are being decoded, a quarter for uploads; the network takes 60 MB.
    pub fn for_machine(threads: Option<usize>, memory: Option<usize>) -> Self {
        let threads = threads.unwrap_or_else(system::cores).max(1);
        let memory = memory.unwrap_or(UNKNOWN_MEMORY);
        let usual = DecodeLimits::default();
        let pixels = memory as u64 / 2 / threads as u64 / BYTES_PER_PIXEL;
        Self {
            listen: SocketAddr::from((Ipv4Addr::UNSPECIFIED, 8080)),
            weights: None,
            threads,
            // A quarter of a second's work at 15 ms an image, so that who waits still gets a quick answer.
            queue: 16 * threads,
            connections: 1024,
            batch: 64,
            // What Cloud Run passes on in one HTTP/1 request.
            max_body_bytes: usual.max_bytes,
            upload_memory: (memory / 4).clamp(usual.max_bytes, 256 << 20),
            limits: DecodeLimits { max_pixels: usual.max_pixels.min(pixels.max(1_000_000)), ..usual },
            read_timeout: Duration::from_secs(60),
            queue_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(120),
            // Cloud Run sends SIGTERM and, 10 s later, SIGKILL.
            stop_timeout: Duration::from_secs(8),
            token: None,
            origins: Vec::new(),
        }
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
