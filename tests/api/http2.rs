//! HTTP/2 as hostile clients speak it.

use std::collections::BTreeSet;
use std::io::Write;
use std::net::TcpStream;

use super::client::raw;
use super::frames::{
    CONTINUATION, DATA, GOAWAY, HEADERS, INITIAL_WINDOW_SIZE, PING, RST_STREAM, SETTINGS, beginning, frame, get_page,
    headers, post, read_frame, wait_for, window,
};
use super::service::Service;

const ENHANCE_YOUR_CALM: u32 = 11;

#[test]
fn a_stream_whose_window_stays_shut_ends_and_the_others_go_on() {
    let service = Service::start(&["--min-send-rate", "50000"]);
    let mut connection = raw(&service.address, &beginning(&[(INITIAL_WINDOW_SIZE, 0)]));
    connection.write_all(&[get_page(1, "/"), get_page(3, "/"), window(3, 1)].concat()).unwrap();
    assert_eq!(wait_for(&mut connection, DATA, 3).len(), 1, "one byte is sent");
    assert!(service.metric("lobule_upload_memory_bytes") > 30_000.0, "two pages are held");
    connection.write_all(&[get_page(5, "/ready"), window(5, 1000)].concat()).unwrap();
    assert!(wait_for(&mut connection, DATA, 5).starts_with(b"{"), "another stream flows");

    let mut shut = BTreeSet::from([1, 3]);
    while !shut.is_empty() {
        let (kind, stream, _) = read_frame(&mut connection).expect("the connection stays");
        assert!(kind != RST_STREAM || shut.remove(&stream), "stream {stream} was reset");
    }
    service.wait_for_metric("lobule_slow_readers_total", |left| left == 2.0);
    service.wait_for_metric("lobule_upload_memory_bytes", |held| held == 0.0);
    connection.write_all(&[get_page(7, "/ready"), window(7, 1000)].concat()).unwrap();
    assert!(wait_for(&mut connection, DATA, 7).starts_with(b"{"), "the connection goes on");
}

/// The error with which the service says goodbye, if it does so before the connection ends.
fn goodbye(mut connection: TcpStream) -> Option<u32> {
    loop {
        let (kind, _, payload) = read_frame(&mut connection).ok()?;
        if kind == GOAWAY {
            return Some(u32::from_be_bytes(payload[4..8].try_into().unwrap()));
        }
    }
}

#[test]
fn a_client_that_makes_work_for_its_own_sake_is_left() {
    let service = Service::start(&[]);
    let opened = |flood: &[u8]| {
        let mut connection = raw(&service.address, &beginning(&[(INITIAL_WINDOW_SIZE, 65_535)]));
        wait_for(&mut connection, SETTINGS, 0);
        let _ = connection.write_all(flood); // it may be closed before all is written
        connection
    };
    let cancel = 8_u32.to_be_bytes();
    let resets = |stream| [get_page(stream, "/ready"), frame(RST_STREAM, 0, stream, &cancel)].concat();
    let resets: Vec<u8> = (0..200).flat_map(|index| resets(2 * index + 1)).collect();
    assert_eq!(goodbye(opened(&resets)), Some(ENHANCE_YOUR_CALM), "streams that are reset at once");
    // A window that grows over its limit makes the service reset the stream (CVE-2025-8671).
    let mistakes = |stream| [get_page(stream, "/"), window(stream, i32::MAX as u32)].concat();
    let mistakes: Vec<u8> = (0..200).flat_map(|index| mistakes(2 * index + 1)).collect();
    assert_eq!(goodbye(opened(&mistakes)), Some(ENHANCE_YOUR_CALM), "streams that we must reset");
    let endless = [frame(HEADERS, 1, 1, &[0x82]), frame(CONTINUATION, 0, 1, &[0x82]).repeat(10_000)].concat();
    assert!(goodbye(opened(&endless)).is_some(), "headers without an end");
    assert_eq!(service.get("/ready").send().status, 200);
}

#[test]
fn pings_and_settings_are_answered_one_after_the_other() {
    let service = Service::start(&[]);
    let mut connection = raw(&service.address, &beginning(&[(INITIAL_WINDOW_SIZE, 65_535)]));
    let before = service.resident_bytes();
    let flood = [frame(PING, 0, 0, &[7; 8]), frame(SETTINGS, 0, 0, &[])].concat().repeat(1000);
    for _ in 0..20 {
        connection.write_all(&flood).unwrap();
        for _ in 0..1000 {
            wait_for(&mut connection, PING, 0);
        }
    }
    connection.write_all(&get_page(1, "/ready")).unwrap();
    assert!(wait_for(&mut connection, DATA, 1).starts_with(b"{"));
    let grown = service.resident_bytes().saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes more are resident");
}

#[test]
fn a_stream_that_is_reset_while_its_body_comes_is_a_client_that_has_gone() {
    let service = Service::start(&[]);
    let mut connection = raw(&service.address, &beginning(&[]));
    let begin = [headers(1, 0, &post("/predict")), frame(DATA, 0, 1, b"half")].concat();
    connection.write_all(&begin).unwrap();
    service.wait_for_metric("lobule_upload_memory_bytes", |bytes| bytes > 0.0);
    connection.write_all(&frame(RST_STREAM, 0, 1, &8_u32.to_be_bytes())).unwrap();
    service.wait_for_metric("lobule_requests_total{route=\"/predict\",status=\"499\"}", |count| count == 1.0);
}
