//! Clients that send frames as fast as they are read; where the service closes the connection, they open another.

use super::connection::Connection;
use crate::client::{Round, Sent};
use crate::support::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, NEWEST, PING, RST_STREAM, SETTINGS, frame, get, headers,
    indexed, literal, post, setting,
};

/// Frames of a round.
const FRAMES: usize = 256;

const CANCEL: [u8; 4] = 8_u32.to_be_bytes();

pub(crate) fn pings(address: &str) -> Round {
    flood(address, |_| Vec::new(), FRAMES, |_| frame(PING, 0, 0, &[0; 8]).repeat(FRAMES))
}

pub(crate) fn settings(address: &str) -> Round {
    const MAX_FRAME_SIZE: u16 = 5;
    let settings = frame(SETTINGS, 0, 0, &setting(MAX_FRAME_SIZE, 16 << 10)).repeat(FRAMES);
    flood(address, |_| Vec::new(), FRAMES, move |_| settings.clone())
}

/// A body of frames that hold nothing.
pub(crate) fn empty_data(address: &str) -> Round {
    flood(address, upload, FRAMES, |_| frame(DATA, 0, 1, b"").repeat(FRAMES))
}

/// A body of frames of a byte each: whoever keeps them as they come keeps an object for each byte.
pub(crate) fn one_byte_data(address: &str) -> Round {
    flood(address, upload, FRAMES, |_| frame(DATA, 0, 1, b"x").repeat(FRAMES))
}

fn upload(connection: &mut Connection) -> Vec<u8> {
    headers(connection.new_stream(), 0, &post("/predict"))
}

/// Requests that are taken back at once, more than the service can have begun.
pub(crate) fn rapid_resets(address: &str) -> Round {
    flood(address, |_| Vec::new(), FRAMES, |connection| resets(connection, FRAMES))
}

/// The same, as few at a time as HTTP/2 libraries let pass.
pub(crate) fn patient_resets(address: &str) -> Round {
    const FEW: usize = 8;
    flood(address, |_| Vec::new(), FEW, |connection| resets(connection, FEW))
}

fn resets(connection: &mut Connection, count: usize) -> Vec<u8> {
    let reset = |_| {
        let stream = connection.new_stream();
        [headers(stream, 0, &post("/predict")), frame(RST_STREAM, 0, stream, &CANCEL)].concat()
    };
    (0..count).flat_map(reset).collect()
}

/// Headers that never end, in small frames.
pub(crate) fn continuations(address: &str) -> Round {
    let begin = |connection: &mut Connection| frame(HEADERS, END_STREAM, connection.new_stream(), &get("/ready"));
    flood(address, begin, FRAMES, |_| frame(CONTINUATION, 0, 1, &literal(8)).repeat(FRAMES))
}

/// Headers of 4,000 bytes that are said 12,000 times in a byte each.
pub(crate) fn header_bombs(address: &str) -> Round {
    let block = [get("/ready"), indexed(4000), vec![NEWEST; 12_000]].concat();
    flood(
        address,
        |_| Vec::new(),
        1,
        move |connection| frame(HEADERS, END_HEADERS | END_STREAM, connection.new_stream(), &block),
    )
}

/// Sends `begin` on each new connection, and then `more`, which has so many units.
fn flood(
    address: &str,
    begin: fn(&mut Connection) -> Vec<u8>,
    units: usize,
    mut more: impl FnMut(&mut Connection) -> Vec<u8> + 'static,
) -> Round {
    let address = address.to_owned();
    let mut open = None;
    Box::new(move || {
        let mut connection = open.take().unwrap_or_else(|| {
            let mut connection = Connection::open(&address, &[]);
            let bytes = begin(&mut connection);
            connection.send(&bytes).unwrap();
            connection
        });
        let bytes = more(&mut connection);
        open = connection.exchange(&bytes).is_ok().then_some(connection);
        Sent::units(units)
    })
}
