//! HTTP/2 (RFC 9113) and HPACK (RFC 7541) as bytes, frame by frame, for clients that no library would be.

use std::io::{self, Read};
use std::net::TcpStream;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// The setting of the window that a stream begins with.
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

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

/// A GET of a page for a browser, as a frame.
pub(crate) fn get_page(stream: u32, path: &str) -> Vec<u8> {
    let accept = [&[0x0F, 0x04, 9], b"text/html".as_slice()].concat();
    headers(stream, END_STREAM, &[get(path), accept].concat())
}

/// Opens a stream's window, or with stream 0 the connection's.
pub(crate) fn window(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

/// The kind of the next frame, its stream and its payload.
///
/// # Errors
/// When the connection has ended.
pub(crate) fn read_frame(connection: &mut TcpStream) -> io::Result<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    connection.read_exact(&mut head)?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    connection.read_exact(&mut payload)?;
    Ok((head[3], u32::from_be_bytes(head[5..].try_into().unwrap()), payload))
}

/// Waits for a frame of this kind on a stream, whatever comes before.
pub(crate) fn wait_for(connection: &mut TcpStream, kind: u8, stream: u32) -> Vec<u8> {
    loop {
        let (its_kind, its_stream, payload) = read_frame(connection).expect("a frame");
        if (its_kind, its_stream) == (kind, stream) {
            return payload;
        }
    }
}
