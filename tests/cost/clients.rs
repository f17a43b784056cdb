//! Every hostile client with its ceilings.

use super::client::Open;
use super::http2::{floods, streams};
use super::{connections, decoders, drip, uploads};

/// A client, what it is held to and where its ceilings are.
pub(crate) struct HostileClient {
    pub(crate) name: &'static str,
    pub(crate) open: Open,
    /// What its CPU time is told for.
    pub(crate) unit: &'static str,
    pub(crate) beside: Beside,
    /// How many times what it is held to a unit may cost.
    pub(crate) most_times: Option<f64>,
    /// Connections that it has open.
    pub(crate) connections: u32,
    /// KiB that each of these may take.
    pub(crate) most_kib: Option<f64>,
    /// The status that it is answered, where it reads an answer: what is refused by mistake would be cheap.
    pub(crate) status: Option<u16>,
}

/// What a client's cost is held to.
pub(crate) enum Beside {
    /// The same client at a server that reads and discards.
    PlainServer,
    /// An ordinary image of as many pixels at the service: a decoder's work is for the pixels and not for the bytes.
    OrdinaryImage,
    /// It costs memory, not CPU.
    Nothing,
}

pub(crate) const SLOW: u32 = 200;
pub(crate) const IDLE: u32 = 500;
pub(crate) const HALF_SENT: u32 = 200;
pub(crate) const WINDOWS: u32 = 32;
pub(crate) const HELD: u32 = 64;

/// KiB of an idle connection: 1,024 of them take 96 MiB at most.
const IDLE_KIB: Option<f64> = Some(96.0);

/// KiB of a connection with which 1,024 of them still fit into 512 MiB, beside the 90 that the service has at rest.
const FITS_KIB: Option<f64> = Some(400.0);

const fn sends(name: &'static str, open: Open, unit: &'static str, most_times: f64) -> HostileClient {
    let (beside, most_times) = (Beside::PlainServer, Some(most_times));
    HostileClient { name, open, unit, beside, most_times, connections: 1, most_kib: None, status: None }
}

const fn answers(status: u16, client: HostileClient) -> HostileClient {
    HostileClient { status: Some(status), ..client }
}

const fn decodes(name: &'static str, open: Open, most_times: f64) -> HostileClient {
    HostileClient { beside: Beside::OrdinaryImage, ..answers(200, sends(name, open, "image", most_times)) }
}

const fn holds(name: &'static str, open: Open, connections: u32, most_kib: Option<f64>) -> HostileClient {
    HostileClient { beside: Beside::Nothing, most_times: None, connections, most_kib, ..sends(name, open, "-", 0.0) }
}

/// The table. Behind each line stands what was measured, beside other work on both cores, and why the ceiling is where
/// it is. The service's whole memory has one too, whoever the client is.
#[rustfmt::skip] // a line each
pub(crate) const CLIENTS: &[HostileClient] = &[
    // Each byte wakes the service up: 20 to 30 us, of which the kernel takes most.
    sends("drip of a preamble", drip::preamble, "byte", 2.0), // 0.4 to 0.7; 25 to 32 when the buffer was scanned again at each byte
    sends("drip of part headers", drip::part_headers, "byte", 2.0), // 0.3 to 0.6; 30 to 32 then
    sends("drip of a form's content", drip::form_content, "byte", 2.0), // 1.0 to 1.5
    sends("drip of a raw body", drip::raw_body, "byte", 2.0), // 0.8 to 1.5
    HostileClient { // 0.6 to 1.7; 18 KiB
        connections: SLOW, most_kib: IDLE_KIB,
        ..sends("slow uploads", uploads::slow_uploads, "byte", 3.0)
    },
    // Bodies and forms in the smallest pieces.
    sends("one-byte chunks", uploads::one_byte_chunks, "byte", 3.0), // 1.5 to 1.6: each chunk is counted and kept
    holds("held one-byte chunks", uploads::held_one_byte_chunks, 4, Some(16384.0)), // 2,010; 79,865 when each chunk was kept by itself
    answers(413, sends("many parts", uploads::many_parts, "byte", 20.0)), // 1.2 to 2.7: refused at the 33rd, so 0.4 ns a byte
    answers(200, sends("many tiny files", uploads::many_tiny_files, "byte", 40.0)), // 18 to 23: 64 errors are written
    // JSON: samples become bytes, everything else is counted.
    answers(400, sends("JSON of samples", uploads::json_samples, "byte", 90.0)), // 34 to 60: 14 ns a sample
    answers(422, sends("JSON of escapes", uploads::json_escapes, "byte", 35.0)), // 8 to 21
    answers(413, sends("JSON of empty texts", uploads::json_texts, "byte", 20.0)), // 7 to 11, and 4 where the heap happens to hold so much free memory that no page of a body is new: refused at the 2,049th
    answers(400, sends("JSON of nesting", uploads::json_nesting, "byte", 20.0)), // 7 to 11, and 4 where the heap happens to hold so much free memory that no page of a body is new: refused at the 128th
    holds("unread answers", uploads::unread_answers, 4, Some(16384.0)), // 5,600
    // As many pixels as may be, beside a photograph of as many: 120 ms.
    decodes("flat PNG", decoders::flat_png, 2.0), // 0.6
    decodes("interlaced PNG", decoders::interlaced_png, 2.0), // 0.9 to 1.0
    decodes("turned PNG of 16 bits", decoders::turned_png_of_16_bits, 6.0), // 2.8: 8 bytes a pixel
    decodes("flat WebP", decoders::webp, 3.0), // 1.3 to 1.6
    answers(422, decodes("JPEG of fill bytes", decoders::jpeg_of_fill_bytes, 1.0)), // 0.1: each is looked at once
    decodes("JPEG of 64 scans", decoders::jpeg_of_64_scans, 4.0), // 1.4: each scan goes through all blocks
    answers(422, decodes("JPEG of 694 scans", decoders::jpeg_of_694_scans, 1.0)), // 0.02: refused at the 65th scan
    decodes("TIFF of 65,000 strips", decoders::tiff_of_65000_strips, 6.0), // 2.6 to 3.5
    decodes("TIFF of tiny tiles", decoders::tiff_of_tiny_tiles, 7.0), // 3.2 to 4.3: 87,616 of them
    decodes("TIFF of one-pixel strips", decoders::tiff_of_one_pixel_strips, 2.0), // 0.2: 3 us a strip
    answers(422, decodes("TIFF of a million strips", decoders::tiff_of_a_million_strips, 1.0)), // 0.02
    // Connections.
    holds("idle HTTP/1", connections::idle_http1, IDLE, IDLE_KIB), // 19
    holds("idle HTTP/2", connections::idle_http2, IDLE, IDLE_KIB), // 16
    holds("half-sent headers", connections::half_sent_headers, HALF_SENT, FITS_KIB), // 36 to 70, of which 30 were sent
    answers(200, sends("churn", connections::churn, "request", 3.0)), // 1.2 to 1.7: each has its line in the log
    sends("churn of silent ones", connections::churn_of_silent_ones, "connection", 3.0), // 1.0 to 1.2
    // HTTP/2. The library closes the connection at many small or empty frames; the client opens another.
    sends("HTTP/2 pings", floods::pings, "frame", 2.0), // 1.1
    sends("HTTP/2 settings", floods::settings, "frame", 2.0), // 1.1
    sends("HTTP/2 empty data", floods::empty_data, "frame", 2.5), // 1.0 to 1.3
    sends("HTTP/2 one-byte data", floods::one_byte_data, "frame", 3.0), // 1.2 to 1.4
    sends("HTTP/2 rapid resets", floods::rapid_resets, "request", 3.0), // 0.9 to 1.8: closed at the 20th
    sends("HTTP/2 patient resets", floods::patient_resets, "request", 5.0), // 2.0 to 3.9: each has its line in the log
    sends("HTTP/2 continuations", floods::continuations, "frame", 2.0), // 0.7 to 1.1
    sends("HTTP/2 header bombs", floods::header_bombs, "frame", 2.5), // 0.4 to 1.3: longer ones are read
    sends("HTTP/2 small windows", streams::small_windows, "frame", 2.0), // 1.0 to 1.5
    holds("HTTP/2 closed windows", streams::closed_windows, WINDOWS, FITS_KIB), // 270 to 335
    holds("HTTP/2 large headers", streams::large_headers, HELD, None), // 85 to 100: they are refused
    // What takes memory, together: within 512 MiB. It was 692.
    answers(200, holds("mix", uploads::mix, 8, None)),
];
