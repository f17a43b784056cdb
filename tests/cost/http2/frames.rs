//! HTTP/2 (RFC 9113) and HPACK (RFC 7541) as bytes, as far as the hostile clients need them.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use crate::client::connect;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

/// The most bytes of a frame's payload, if nothing else was agreed on.
const MOST_PAYLOAD: usize = 16 << 10;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// What a connection begins with; a setting is its identifier and its value.
pub(crate) fn beginning(settings: &[(u16, u32)]) -> Vec<u8> {
    let settings: Vec<u8> = settings.iter().flat_map(|(id, value)| setting(*id, *value)).collect();
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".as_slice(), &frame(SETTINGS, 0, 0, &settings)].concat()
}

pub(crate) fn setting(identifier: u16, value: u32) -> Vec<u8> {
    [identifier.to_be_bytes().as_slice(), &value.to_be_bytes()].concat()
}

/// The headers of a request: `:method`, `:scheme`, `:authority` and `:path` by their places in HPACK's static table.
pub(crate) fn get(path: &str) -> Vec<u8> {
    request(0x82, path)
}

pub(crate) fn post(path: &str) -> Vec<u8> {
    let content_type = [&[0x0F, 0x10, 9], b"image/png".as_slice()].concat();
    [request(0x83, path), content_type].concat()
}

fn request(method: u8, path: &str) -> Vec<u8> {
    [&[method, 0x86, 0x01, 1, b'x', 0x04, path.len() as u8], path.as_bytes()].concat()
}

/// A header that enters no table; its value has so many bytes.
pub(crate) fn literal(length: usize) -> Vec<u8> {
    [&[0x00, 1, b'a'], hpack_length(length).as_slice(), &vec![b'x'; length]].concat()
}

/// A header that enters the dynamic table, where it is then number [`NEWEST`].
pub(crate) fn indexed(length: usize) -> Vec<u8> {
    [&[0x40, 1, b'a'], hpack_length(length).as_slice(), &vec![b'x'; length]].concat()
}

/// The header that entered the dynamic table last, as one byte.
pub(crate) const NEWEST: u8 = 0x80 | 62;

/// An integer with a prefix of seven bits.
fn hpack_length(length: usize) -> Vec<u8> {
    if length < 127 {
        return vec![length as u8];
    }
    let (mut bytes, mut rest) = (vec![127], length - 127);
    while rest >= 128 {
        bytes.push(rest as u8 | 128);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    bytes
}

/// A block of headers as a HEADERS frame and as many CONTINUATIONs as it needs.
pub(crate) fn headers(stream: u32, flags: u8, block: &[u8]) -> Vec<u8> {
    let mut pieces = block.chunks(MOST_PAYLOAD).peekable();
    let (mut kind, mut flags, mut frames) = (HEADERS, flags, Vec::new());
    while let Some(piece) = pieces.next() {
        let end = if pieces.peek().is_none() { END_HEADERS } else { 0 };
        frames.extend(frame(kind, flags | end, stream, piece));
        (kind, flags) = (CONTINUATION, 0);
    }
    frames
}

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
            let mut head = [0; 9];
            self.stream.read_exact(&mut head)?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.stream.read_exact(&mut payload)?;
            match head[3] {
                PING if payload == MARK => return Ok(()),
                GOAWAY => return Err(io::ErrorKind::ConnectionAborted.into()),
                _ => {}
            }
        }
    }
}
