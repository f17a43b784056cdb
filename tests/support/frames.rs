//! HTTP/2 frame by frame, for clients that no library would be.

use std::io::Read;
use std::net::TcpStream;

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GO_AWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// What a connection begins with, with one setting.
pub(crate) fn preface(setting: u16, value: u32) -> Vec<u8> {
    let settings = [&setting.to_be_bytes()[..], &value.to_be_bytes()].concat();
    [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), frame(SETTINGS, 0, 0, &settings)].concat()
}

/// The setting of the window that a stream begins with.
pub(crate) const INITIAL_WINDOW: u16 = 4;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = &(payload.len() as u32).to_be_bytes()[1..];
    [length, &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A GET of a page for a browser.
pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    let literal = |name: &[u8], value: &str| [name, &[value.len() as u8], value.as_bytes()].concat();
    let path = literal(&[0x04], path);
    let headers = [&[0x82, 0x86], &path[..], &literal(&[0x01], "x"), &literal(&[0x0f, 0x04], "text/html")].concat();
    frame(HEADERS, 5, stream, &headers)
}

/// Opens a stream's window, or with stream 0 the connection's.
pub(crate) fn window(stream: u32, bytes: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &bytes.to_be_bytes())
}

/// The kind of the next frame, its stream and its payload; nothing when the connection has ended.
pub(crate) fn read_frame(connection: &mut TcpStream) -> Option<(u8, u32, Vec<u8>)> {
    let mut head = [0; 9];
    connection.read_exact(&mut head).ok()?;
    let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
    connection.read_exact(&mut payload).ok()?;
    Some((head[3], u32::from_be_bytes(head[5..].try_into().unwrap()), payload))
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
