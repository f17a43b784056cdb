//! Clients that only hold connections, or only open and close them.

use std::io::Write;
use std::net::TcpStream;

use super::client::{Round, Sent, connect, exchange, hold};
use super::clients::{HALF_SENT, IDLE};
use super::support::client::{READY, READY_AND_CLOSE, read_answer};
use super::support::frames;

/// Connections of HTTP/1 that have had an answer and ask no more.
pub(crate) fn idle_http1(address: &str) -> Round {
    hold_many(IDLE, || {
        let mut stream = connect(address);
        stream.write_all(READY).unwrap();
        read_answer(&mut stream);
        stream
    })
}

/// Connections of HTTP/2 without a request.
pub(crate) fn idle_http2(address: &str) -> Round {
    hold_many(IDLE, || {
        let mut stream = connect(address);
        stream.write_all(&frames::beginning(&[])).unwrap();
        stream
    })
}

/// Connections that have sent nearly all that a request's headers may have.
pub(crate) fn half_sent_headers(address: &str) -> Round {
    let headers = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Filler: {}", "x".repeat(30 << 10));
    hold_many(HALF_SENT, || {
        let mut stream = connect(address);
        stream.write_all(headers.as_bytes()).unwrap();
        stream
    })
}

fn hold_many(count: u32, open: impl Fn() -> TcpStream) -> Round {
    hold((0..count).map(|_| open()).collect())
}

/// A connection for each request.
pub(crate) fn churn(address: &str) -> Round {
    let address = address.to_owned();
    Box::new(move || Sent { units: 1, status: exchange(&address, READY_AND_CLOSE) })
}

/// Connections that are closed as soon as they are open.
pub(crate) fn churn_of_silent_ones(address: &str) -> Round {
    let address = address.to_owned();
    Box::new(move || {
        drop(connect(&address));
        Sent::units(1)
    })
}
