//! Bodies as hostile clients make them. What is checked is that each is refused for what it is, soon and without much
//! memory, and that the next client is served.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use image::ImageFormat;
use proptest::prelude::*;

use super::client::{FormField, READY, READY_AND_CLOSE, form, predict_head, raw, read_answer, read_to_the_end};
use super::drawn::{flat_png_with_text, grey, jpeg_that_says, noise, tiff_with_offset};
use super::service::Service;

fn good(service: &Service) {
    assert_eq!(service.predict().image(noise(16)).send().status, 200, "{}", service.log());
}

#[test]
fn forms_that_are_made_to_cost_much_are_refused() {
    let service = Service::start(&[]);
    let image = noise(16);
    let huge_header = format!("X-Filler: {}\r\n", "a".repeat(1 << 20));
    let header = [b"--frontier\r\n".as_slice(), huge_header.as_bytes(), b"\r\nx\r\n--frontier--\r\n"].concat();
    let many_headers = format!("--frontier\r\n{}\r\nx\r\n--frontier--\r\n", "X-A: b\r\n".repeat(10_000));
    let inner = form(&[FormField::file("image", "a.png", &image)]);
    let nested = [
        b"--outer\r\nContent-Disposition: form-data; name=\"a\"\r\nContent-Type: multipart/mixed; boundary=frontier\r\n\r\n"
            .as_slice(),
        &inner,
        b"\r\n--outer--\r\n",
    ]
    .concat();
    let frontier = "multipart/form-data; boundary=frontier";
    let fields = |count: usize| (0..count).map(|_| FormField::text("a", "b")).collect::<Vec<_>>();
    let files = |count: usize| (0..count).map(|_| FormField::file("a", "b", b"c")).collect::<Vec<_>>();
    let images = |count: usize| (0..count).map(|_| FormField::file("a", "b", &image)).collect::<Vec<_>>();
    let pairs = |count: usize| "a=b&".repeat(count).into_bytes();
    for (what, content_type, body, status, code) in [
        ("10,000 fields", frontier, form(&fields(10_000)), 413, "too_large"),
        ("10,000 files", frontier, form(&files(10_000)), 413, "too_large"),
        ("10,000 images", frontier, form(&images(10_000)), 400, "several_images"),
        ("10,000 fields of the old kind", "application/x-www-form-urlencoded", pairs(10_000), 413, "too_large"),
        ("a preamble of 1 MB", frontier, vec![b'a'; 1 << 20], 400, "bad_multipart"),
        ("a header of 1 MB", frontier, header, 400, "bad_multipart"),
        ("10,000 headers", frontier, many_headers.into_bytes(), 400, "bad_multipart"),
        ("a form in a form", "multipart/form-data; boundary=outer", nested, 400, "no_image"),
        ("a boundary of nothing", "multipart/form-data; boundary=", inner.clone(), 400, "bad_multipart"),
        ("another boundary", "multipart/form-data; boundary=other", inner.clone(), 400, "bad_multipart"),
        ("no boundary", "multipart/form-data", inner.clone(), 400, "bad_multipart"),
        ("no end", frontier, inner[..inner.len() - 20].to_vec(), 400, "bad_multipart"),
        ("boundaries alone", frontier, b"--frontier\r\n".repeat(10_000), 400, "bad_multipart"),
    ] {
        assert_eq!(service.predict().body(content_type, body).send().problem(), (status, code.into()), "{what}");
    }
    good(&service);
}

#[test]
fn images_that_are_made_to_cost_much_are_refused() {
    let service = Service::start(&["--max-pixels", "1000000"]);
    for (what, image, status, code) in [
        ("a JPEG of 65,500x65,500", jpeg_that_says(65_500, 65_500), 413, "too_large"),
        ("a JPEG of no size", jpeg_that_says(0, 0), 422, "undecodable_image"),
        ("a TIFF whose directory is behind its end", tiff_with_offset(u32::MAX), 422, "undecodable_image"),
        ("a TIFF whose directory is itself", tiff_with_offset(0), 422, "undecodable_image"),
        ("a TIFF whose directory is its header", tiff_with_offset(4), 422, "undecodable_image"),
    ] {
        assert_eq!(service.predict().body("image/*", image).send().problem(), (status, code.into()), "{what}");
    }
    let texts = flat_png_with_text(64 << 20);
    assert!(texts.len() < 1 << 20, "64 MB of text in {} bytes", texts.len());
    let answer = service.predict().image(texts).send();
    assert_eq!(answer.status, 200, "text is passed over: {answer:?}");
    good(&service);
}

#[test]
fn lengths_that_contradict_each_other_are_refused_and_nothing_is_smuggled() {
    let service = Service::start(&[]);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    let long = smuggled.len() + 5;
    for (what, head) in [
        ("two lengths", format!("Content-Length: 5\r\nContent-Length: {long}\r\n")),
        ("a length in two", format!("Content-Length: 5, {long}\r\n")),
        ("a length with a sign", "Content-Length: +5\r\n".to_owned()),
        ("an unknown coding", "Transfer-Encoding: xchunked\r\n".to_owned()),
        ("chunked and then another", "Transfer-Encoding: chunked, identity\r\n".to_owned()),
        ("a space before the colon", "Transfer-Encoding : chunked\r\n".to_owned()),
        ("an invalid length of a chunk", "Transfer-Encoding: chunked\r\n\r\nzz\r\n".to_owned()),
    ] {
        let text = format!("POST /predict HTTP/1.1\r\nHost: x\r\n{head}\r\n0\r\n\r\n{smuggled}");
        let answer = read_to_the_end(raw(&service.address, text.as_bytes()));
        assert!(answer.starts_with("HTTP/1.1 400"), "{what}: {answer}");
    }
    // What the chunks hold is compressed, and is not taken for the image, nor for the next request.
    let image = noise(8);
    let chunks = [format!("{:x}\r\n", image.len()).as_bytes(), &image, b"\r\n0\r\n\r\n", READY_AND_CLOSE].concat();
    let head = "POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n";
    let answer = read_to_the_end(raw(&service.address, &[head.as_bytes(), &chunks].concat()));
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("A Transfer-Encoding other than"), "{answer}");
    assert!(answer.contains("HTTP/1.1 200"), "the connection goes on: {answer}");
    // With both, chunked counts (RFC 9112, 6.3), and the connection must not go on as if nothing had been.
    let both = format!(
        "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: {long}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
    );
    let answer = read_to_the_end(raw(&service.address, both.as_bytes()));
    assert!(answer.starts_with("HTTP/1.1 400") && !answer.contains("HTTP/1.1 404"), "{answer}");
    good(&service);
}

#[test]
fn many_slow_clients_keep_nobody_else_out() {
    let service = Service::start(&[]);
    let head = predict_head(30_000_000);
    let mut slow: Vec<TcpStream> = (0..200).map(|_| raw(&service.address, head.as_bytes())).collect();
    for _ in 0..3 {
        slow.iter_mut().for_each(|stream| stream.write_all(b"x").unwrap());
        good(&service);
    }
}

#[test]
fn one_connection_more_than_may_be_is_refused_and_the_others_go_on() {
    let service = Service::start(&["--connections", "3"]);
    let mut open: Vec<TcpStream> = (0..3).map(|_| raw(&service.address, READY)).collect();
    open.iter_mut().for_each(|stream| assert!(read_answer(stream).starts_with("HTTP/1.1 200")));
    let refused = read_to_the_end(raw(&service.address, READY));
    assert!(refused.starts_with("HTTP/1.1 503") && refused.contains("Retry-After: 1"), "{refused}");
    open[0].write_all(READY).unwrap();
    assert!(read_answer(&mut open[0]).starts_with("HTTP/1.1 200"));
    open.pop();
    let deadline = Instant::now() + Duration::from_secs(5);
    while read_to_the_end(raw(&service.address, READY_AND_CLOSE)).contains("HTTP/1.1 503") {
        assert!(Instant::now() < deadline, "a permit is free again");
    }
}

#[test]
fn uploads_share_a_memory_and_beyond_it_are_asked_to_come_back() {
    let service = Service::start(&["--max-bytes", "1000000", "--upload-memory", "1500000"]);
    let head = predict_head(1_000_000);
    let mut first = raw(&service.address, &[head.as_bytes(), &[b'x'; 900_000]].concat());
    // Before all of it has come, the second could be the one that is given the memory.
    let deadline = Instant::now() + Duration::from_secs(10);
    while !service.get("/metrics").send().body.contains("lobule_upload_memory_bytes 900000") {
        assert!(Instant::now() < deadline, "the first upload does not arrive");
    }
    let answer = read_answer(&mut raw(&service.address, &[head.as_bytes(), &[b'x'; 1_000_000]].concat()));
    assert!(answer.contains("\"code\":\"overloaded\""), "{answer}");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"), "{answer}");
    first.write_all(&[b'x'; 100_000]).unwrap();
    assert!(read_answer(&mut first).starts_with("HTTP/1.1 415"), "the first one is answered");
    good(&service);
}

#[test]
fn a_request_that_takes_too_long_is_asked_to_come_back() {
    let service = Service::start(&["--request-timeout", "1"]);
    let answer = read_answer(&mut raw(&service.address, (predict_head(1000) + "begin").as_bytes()));
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after"), "{answer}");
}

fn cases() -> ProptestConfig {
    ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() }
}

#[test]
fn an_image_in_any_form_is_the_same_image() {
    let service = Service::start(&[]);
    let text = "[ -~]{0,40}";
    let name = "[a-zA-Z0-9 _.-]{1,20}";
    proptest!(cases(), |(before in prop::collection::vec(text, 0..4), field in name, name in name, level in 0u8..=255)| {
        let image = grey(level, ImageFormat::Png);
        let mut fields: Vec<_> = before.iter().map(|text| FormField::text("note", text)).collect();
        fields.push(FormField::file(&field, &name, &image));
        let packed = service.predict().form(&fields).send();
        let alone = service.predict().image(image).send();
        prop_assert_eq!(&packed.json()["confidence"], &alone.json()["confidence"]);
    });
}

#[test]
fn a_damaged_image_is_classified_or_refused_and_never_an_error_of_ours() {
    let service = Service::start(&["--max-pixels", "100000"]);
    let formats = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Bmp];
    let format = prop::sample::select(formats.to_vec());
    let damage = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8);
    proptest!(cases(), |(format in format, damage in damage, keep in 0.2f64..=1.0)| {
        let mut image = grey(128, format);
        image.truncate((image.len() as f64 * keep) as usize);
        for (at, byte) in damage {
            let at = at.index(image.len());
            image[at] = byte;
        }
        let answer = service.predict().body("image/*", image).send();
        prop_assert!([200, 413, 415, 422].contains(&answer.status.as_u16()), "{:?}", answer);
    });
}

#[test]
fn a_form_of_any_bytes_is_refused_as_the_clients_mistake() {
    let service = Service::start(&[]);
    proptest!(cases(), |(body in prop::collection::vec(any::<u8>(), 0..400))| {
        let body = [b"--frontier\r\n".as_slice(), &body].concat();
        let answer = service.predict().body("multipart/form-data; boundary=frontier", body).send();
        prop_assert!([400, 413, 415, 422].contains(&answer.status.as_u16()), "{:?}", answer);
    });
}
