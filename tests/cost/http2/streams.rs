//! Clients that keep as many streams open as they may.

use super::connection::Connection;
use crate::client::{Round, Sent, hold};
use crate::clients::{HELD, WINDOWS};
use crate::support::frames::{END_STREAM, INITIAL_WINDOW_SIZE, get, headers, literal, post, window};

/// Streams that a connection may have open at a time.
const STREAMS: u32 = 48;

/// Documents that are asked for byte by byte: a frame each.
pub(crate) fn small_windows(address: &str) -> Round {
    /// Bytes that are asked for of each document, before the connection is given up for another.
    const BYTES: u32 = 4000;
    let address = address.to_owned();
    let (mut connection, mut left) = (ask_without_a_window(&address), BYTES);
    let updates: Vec<u8> = (0..STREAMS).flat_map(|index| window(2 * index + 1, 1)).collect();
    Box::new(move || {
        if left == 0 || connection.exchange(&updates).is_err() {
            (connection, left) = (ask_without_a_window(&address), BYTES);
        }
        left -= 1;
        Sent::units(STREAMS as usize)
    })
}

/// Documents that are asked for and never taken.
pub(crate) fn closed_windows(address: &str) -> Round {
    hold((0..WINDOWS).map(|_| ask_without_a_window(address)).collect())
}

fn ask_without_a_window(address: &str) -> Connection {
    let mut connection = Connection::open(address, &[(INITIAL_WINDOW_SIZE, 0)]);
    let mut requests = window(0, 1 << 30);
    for _ in 0..STREAMS {
        let stream = connection.new_stream();
        requests.extend(headers(stream, END_STREAM, &get("/openapi.json")));
    }
    connection.send(&requests).unwrap();
    connection
}

/// Requests with 60 KiB of headers each, whose bodies never come.
pub(crate) fn large_headers(address: &str) -> Round {
    let block = [post("/predict"), literal(60 << 10)].concat();
    let open = |_| {
        let mut connection = Connection::open(address, &[]);
        for _ in 0..STREAMS {
            let stream = connection.new_stream();
            connection.send(&headers(stream, 0, &block)).unwrap();
        }
        connection
    };
    hold((0..HELD).map(open).collect())
}
