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

const fn sends(name: &'static str, open: Open, unit: &'static str, most_times: f64) -> HostileClient {
    let (beside, most_times) = (Beside::PlainServer, Some(most_times));
    HostileClient { name, open, unit, beside, most_times, connections: 1, most_kib: None }
}

const fn decodes(name: &'static str, open: Open, most_times: f64) -> HostileClient {
    HostileClient { beside: Beside::OrdinaryImage, ..sends(name, open, "image", most_times) }
}

const fn holds(name: &'static str, open: Open, connections: u32, most_kib: f64) -> HostileClient {
    let (beside, most_kib) = (Beside::Nothing, Some(most_kib));
    HostileClient { name, open, unit: "-", beside, most_times: None, connections, most_kib }
}

/// The table.
pub(crate) const CLIENTS: &[HostileClient] = &[
    sends("drip of a preamble", drip::preamble, "byte", 2.0),
    sends("drip of part headers", drip::part_headers, "byte", 2.0),
    sends("drip of a form's content", drip::form_content, "byte", 2.0),
    sends("drip of a raw body", drip::raw_body, "byte", 2.0),
    HostileClient {
        connections: SLOW,
        most_kib: Some(96.0),
        ..sends("slow uploads", uploads::slow_uploads, "byte", 2.0)
    },
    sends("one-byte chunks", uploads::one_byte_chunks, "byte", 2.0),
    holds("held one-byte chunks", uploads::held_one_byte_chunks, 4, 16384.0),
    sends("many parts", uploads::many_parts, "byte", 2.0),
    sends("many tiny files", uploads::many_tiny_files, "byte", 100.0),
    holds("unread answers", uploads::unread_answers, 4, 16384.0),
    decodes("flat PNG", decoders::flat_png, 4.0),
    decodes("interlaced PNG", decoders::interlaced_png, 4.0),
    decodes("turned PNG of 16 bits", decoders::turned_png_of_16_bits, 4.0),
    decodes("flat WebP", decoders::webp, 4.0),
    decodes("JPEG of 95 scans", decoders::jpeg_of_95_scans, 4.0),
    decodes("JPEG of 694 scans", decoders::jpeg_of_694_scans, 4.0),
    decodes("TIFF of 65,000 strips", decoders::tiff_of_65000_strips, 4.0),
    decodes("TIFF of tiny tiles", decoders::tiff_of_tiny_tiles, 4.0),
    decodes("TIFF of one-pixel strips", decoders::tiff_of_one_pixel_strips, 4.0),
    holds("idle HTTP/1", connections::idle_http1, IDLE, 96.0),
    holds("idle HTTP/2", connections::idle_http2, IDLE, 96.0),
    holds("half-sent headers", connections::half_sent_headers, HALF_SENT, 192.0),
    sends("churn", connections::churn, "request", 3.0),
    sends("churn of silent ones", connections::churn_of_silent_ones, "connection", 3.0),
    sends("HTTP/2 pings", floods::pings, "frame", 2.0),
    sends("HTTP/2 settings", floods::settings, "frame", 2.0),
    sends("HTTP/2 empty data", floods::empty_data, "frame", 2.0),
    sends("HTTP/2 one-byte data", floods::one_byte_data, "frame", 2.0),
    sends("HTTP/2 rapid resets", floods::rapid_resets, "request", 4.0),
    sends("HTTP/2 patient resets", floods::patient_resets, "request", 4.0),
    sends("HTTP/2 continuations", floods::continuations, "frame", 2.0),
    sends("HTTP/2 header bombs", floods::header_bombs, "frame", 2.0),
    sends("HTTP/2 small windows", streams::small_windows, "frame", 2.0),
    holds("HTTP/2 closed windows", streams::closed_windows, WINDOWS, 1024.0),
    holds("HTTP/2 large headers", streams::large_headers, HELD, 6144.0),
    holds("mix", uploads::mix, 8, 65536.0),
];
