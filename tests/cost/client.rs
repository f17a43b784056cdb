//! What a hostile client is.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::thread::sleep;
use std::time::Duration;

/// Connects to an address, sends what must come first and gives what goes on: each call of it is a round.
pub(crate) type Open = fn(&str) -> Round;

/// One more round of the client's work.
pub(crate) type Round = Box<dyn FnMut() -> Sent>;

/// What a client sent in a round.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sent {
    /// Bytes, frames, images: whatever the client's cost is told for.
    pub(crate) units: u64,
    /// The status of the answer, where the client reads one.
    pub(crate) status: Option<u16>,
}

impl Sent {
    pub(crate) fn units(units: usize) -> Self {
        Self { units: units as u64, status: None }
    }
}

/// For how long a client waits for the service before it takes the connection for closed.
const PATIENCE: Duration = Duration::from_secs(20);

/// A connection whose small writes are packets of their own.
pub(crate) fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Does nothing with connections that are open.
pub(crate) fn hold<T: 'static>(connections: Vec<T>) -> Round {
    Box::new(move || {
        sleep(Duration::from_millis(20));
        Sent::units(connections.len())
    })
}

/// The head of a POST with `Connection: close` and these further lines.
pub(crate) fn head(path: &str, lines: &[&str]) -> Vec<u8> {
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{lines}\r\n").into_bytes()
}

pub(crate) const FORM: &str = "Content-Type: multipart/form-data; boundary=frontier";

pub(crate) fn content_length(length: usize) -> String {
    format!("Content-Length: {length}")
}

/// Sends a whole request and reads its answer to the end; the status, if there was an answer.
pub(crate) fn exchange(address: &str, request: &[u8]) -> Option<u16> {
    let mut stream = connect(address);
    // Whoever is refused early may find the connection closed while it still writes; its answer is there all the same.
    let _ = stream.write_all(request);
    status(&mut stream).ok().flatten()
}

fn status(stream: &mut TcpStream) -> io::Result<Option<u16>> {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let status = answer.strip_prefix(b"HTTP/1.1 ").and_then(|rest| rest.get(..3));
    Ok(status.and_then(|status| str::from_utf8(status).ok()?.parse().ok()))
}
