//! Clients that send 30 MiB at once and then a byte at a time: whoever looks through all that it has at each of them
//! spends milliseconds for a byte.

use std::io::Write;
use std::thread::sleep;
use std::time::Duration;

use super::client::{FORM, Round, Sent, connect, content_length, head};

/// What comes at once.
const BEGINNING: usize = 30 << 20;

/// What the requests announce: within the limit of a body, and never reached.
const ANNOUNCED: usize = 31 << 20;

/// The time between two bytes: the service has read the first before the second comes.
const PACE: Duration = Duration::from_micros(500);

pub(crate) fn preamble(address: &str) -> Round {
    drip(address, FORM, b"", b"x")
}

pub(crate) fn part_headers(address: &str) -> Round {
    drip(address, FORM, b"--frontier\r\nContent-Disposition: form-data; filename=\"", b"x")
}

/// The bytes are those of a boundary that never ends.
pub(crate) fn form_content(address: &str) -> Round {
    let field = b"--frontier\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n\r\n";
    drip(address, FORM, field, b"\r\n--frontie")
}

pub(crate) fn raw_body(address: &str) -> Round {
    drip(address, "Content-Type: image/png", b"", b"x")
}

fn drip(address: &str, kind: &str, first: &[u8], drops: &'static [u8]) -> Round {
    let mut beginning = head("/predict", &[kind, &content_length(ANNOUNCED)]);
    beginning.extend_from_slice(first);
    beginning.resize(beginning.len() + BEGINNING, b'x');
    let address = address.to_owned();
    let open = move || {
        let mut stream = connect(&address);
        let _ = stream.write_all(&beginning); // it may be refused before its end
        (stream, Sent::units(beginning.len()))
    };
    let mut drops = drops.chunks(1).cycle();
    let (mut stream, _) = open();
    Box::new(move || {
        sleep(PACE);
        if stream.write_all(drops.next().unwrap_or_default()).is_ok() {
            return Sent::units(1);
        }
        let (again, sent) = open();
        stream = again;
        sent
    })
}
