//! A connection of HTTP/2 whose client writes its frames itself.

use std::io::{self, Write};
use std::net::TcpStream;

use crate::client::connect;
use crate::support::frames::{GOAWAY, PING, beginning, frame, read_frame};

/// A connection that knows its next stream.
pub(crate) struct Connection {
    stream: TcpStream,
    next_stream: u32,
}

impl Connection {
    pub(crate) fn open(address: &str, settings: &[(u16, u32)]) -> Self {
        let mut stream = connect(address);
        stream.write_all(&beginning(settings)).unwrap();
        Self { stream, next_stream: 1 }
    }

    /// The number of a new stream.
    pub(crate) fn new_stream(&mut self) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        stream
    }

    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends bytes and waits until they have been read: until a ping behind them is answered. What else is answered is
    /// thrown away.
    ///
    /// # Errors
    /// When the service closes the connection.
    pub(crate) fn exchange(&mut self, bytes: &[u8]) -> io::Result<()> {
        const MARK: &[u8; 8] = b"all read";
        self.send(&[bytes, &frame(PING, 0, 0, MARK)].concat())?;
        loop {
            match read_frame(&mut self.stream)? {
                (PING, _, payload) if payload == MARK => return Ok(()),
                (GOAWAY, ..) => return Err(io::ErrorKind::ConnectionAborted.into()),
                _ => {}
            }
        }
    }
}
