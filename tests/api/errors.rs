//! What a client reads when it sent something wrong: every code, and that each arrives.

use std::io::Write;
use std::thread;

use super::client::{FormField, call, get, post, raw, read_answer, read_to_the_end};
use super::drawn::{bomb, grey, large, noise, truncated};
use super::service::Service;

#[test]
fn what_is_not_there_is_404_and_what_is_not_taken_405_with_allow() {
    let service = Service::start(&[]);
    let missing = get(&service.address, "/no/such/address").send();
    assert_eq!(missing.problem(), (404, "not_found".into()));
    for (method, path, allow) in [
        ("GET", "/predict", "POST"),
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/ready", "GET, HEAD"),
        ("PUT", "/health", "GET, HEAD"),
    ] {
        let answer = call(method, &service.address, path).send();
        assert_eq!(answer.problem(), (405, "method_not_allowed".into()), "{method} {path}");
        assert_eq!(answer.header("allow"), allow);
    }
}

#[test]
fn a_request_without_an_image_is_400() {
    let service = Service::start(&[]);
    let predict = || post(&service.address, "/predict");
    let without = [
        ("nothing at all", predict()),
        ("an empty image", predict().body("image/png", "")),
        ("a form with no field", predict().form(&[])),
        ("a form with text alone", predict().form(&[FormField::text("image", "hello")])),
        ("what a browser sends when nothing was chosen", predict().file("image", "", b"")),
        ("an empty file", predict().file("image", "a.png", b"")),
    ];
    for (what, call) in without {
        let answer = call.send();
        assert_eq!(answer.problem(), (400, "no_image".into()), "{what}");
    }
    let image = grey(90, image::ImageFormat::Png);
    let two = [FormField::file("image", "a.png", &image), FormField::file("image", "b.png", &image)];
    assert_eq!(predict().form(&two).send().code(), "several_images");
}

#[test]
fn a_broken_form_is_400() {
    let service = Service::start(&[]);
    let bodies: [(&str, &[u8]); 5] = [
        ("multipart/form-data", b"--x--\r\n"),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", b"no boundary in sight"),
        (
            "multipart/form-data; boundary=x",
            b"--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n\r\ncut",
        ),
        ("multipart/form-data; boundary=x", b"--x\r\n\xff\xfe: \x00\r\n\r\n--x--\r\n"),
    ];
    for (content_type, body) in bodies {
        let answer = post(&service.address, "/predict").body(content_type, body).send();
        let text = String::from_utf8_lossy(body);
        assert_eq!(answer.problem(), (400, "bad_multipart".into()), "{content_type}: {text:?}");
    }
}

#[test]
fn an_invalid_threshold_is_400_before_the_image_is_looked_at() {
    let service = Service::start(&[]);
    for query in ["threshold=high", "threshold=1.01", "threshold=", "threshold=NaN", "threshold=.2&threshold=.3"] {
        let answer = post(&service.address, &format!("/predict?{query}")).body("image/png", "no image").send();
        assert_eq!(answer.problem(), (400, "bad_threshold".into()), "{query}");
    }
}

#[test]
fn what_is_not_an_image_is_415_and_a_broken_one_422() {
    let service = Service::start(&[]);
    let predict = || post(&service.address, "/predict");
    let text = predict().file("image", "slide.png", b"This is text in a file that is named as an image.").send();
    assert_eq!(text.problem(), (415, "not_an_image".into()));
    let typed = predict().body("application/json", "{\"image\": 1}").send();
    assert_eq!(typed.problem(), (415, "unsupported_media_type".into()));
    for form in ["image=1&threshold=0.5", ""] {
        let form = predict().body("application/x-www-form-urlencoded", form).send();
        assert_eq!(form.problem(), (415, "unsupported_media_type".into()));
        assert!(form.json()["detail"].as_str().unwrap().contains("curl: -F"), "{form:?}");
    }
    let cut = predict().file("image", "slide.png", &truncated()).send();
    assert_eq!(cut.problem(), (422, "undecodable_image".into()));
}

#[test]
fn too_many_pixels_or_fields_are_413() {
    let service = Service::start(&["--max-pixels", "4000"]);
    let predict = || post(&service.address, "/predict");
    assert_eq!(predict().body("image/png", noise(63)).send().status, 200);
    for (what, answer) in [
        ("64x64 pixels, one row more than allowed", predict().body("image/png", noise(64)).send()),
        ("60,000x60,000 pixels in a header", predict().body("image/png", bomb()).send()),
        ("40 fields", predict().form(&(0..40).map(|_| FormField::text("a", "b")).collect::<Vec<_>>()).send()),
    ] {
        assert_eq!(answer.problem(), (413, "too_large".into()), "{what}");
    }
}

#[test]
fn too_many_bytes_are_413_and_the_client_sees_it() {
    let service = Service::start(&["--max-bytes", "100000"]);
    let answer = post(&service.address, "/predict").body("image/png", vec![0; 100_001]).send();
    assert_eq!(answer.problem(), (413, "too_large".into()));
    let answer = post(&service.address, "/predict").file("image", "a", &vec![0; 30_000_000]).send_h2c();
    assert_eq!(answer.problem(), (413, "too_large".into()), "h2c");

    // Clients that send everything before they look for an answer: were the connection closed, they would see a reset.
    let length = 20_000_000;
    let chunk = [b"10000\r\n".as_slice(), &[b'x'; 0x10000], b"\r\n"].concat();
    let announced = format!("Content-Length: {length}\r\n");
    for (what, head, body) in [
        ("announced", announced.as_str(), vec![b'x'; length]),
        ("chunked", "Transfer-Encoding: chunked\r\n", [chunk.repeat(300), b"0\r\n\r\n".to_vec()].concat()),
    ] {
        let head = format!("POST /predict HTTP/1.1\r\nHost: x\r\n{head}Content-Type: image/png\r\n\r\n");
        let mut stream = raw(&service.address, head.as_bytes());
        stream.write_all(&body).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(read_answer(&mut stream).contains("\"code\":\"too_large\""), "{what}");
        stream.write_all(b"GET /ready HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        assert!(read_to_the_end(stream).starts_with("HTTP/1.1 200"), "{what}: the connection can be used again");
    }
}

#[test]
fn a_client_that_asks_first_is_refused_before_it_sends_anything() {
    let service = Service::start(&["--max-bytes", "100000"]);
    let head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 20000000\r\nExpect: 100-continue\r\n\r\n";
    let answer = read_to_the_end(raw(&service.address, head.as_bytes()));
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[test]
fn a_body_that_does_not_arrive_is_408() {
    let service = Service::start(&["--read-timeout", "1"]);
    let head = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Type: image/png\r\nContent-Length: 1000\r\n\r\nbegin";
    let mut stream = raw(&service.address, head.as_bytes());
    let answer = read_answer(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"code\":\"timeout\""), "{answer}");
    assert_eq!(read_to_the_end(stream), "", "and the connection ends");
}

#[test]
fn a_full_queue_is_503_with_retry_after_and_the_others_are_answered() {
    let service = Service::start(&["--threads", "1", "--queue", "1"]);
    let image = large();
    let answers: Vec<_> = thread::scope(|scope| {
        let ask = || post(&service.address, "/predict").body("image/png", image.clone()).send();
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let (answered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert!(!answered.is_empty() && !refused.is_empty(), "{} answered, {} refused", answered.len(), refused.len());
    for answer in refused {
        assert_eq!(answer.problem(), (503, "overloaded".into()));
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(post(&service.address, "/predict").body("image/png", noise(8)).send().status, 200, "and later ones");
}

#[test]
fn the_log_has_a_request_and_nothing_of_an_upload() {
    let service = Service::start(&[]);
    let name = "SOB_M_DC-14-Jane_Doe.png";
    let predict = |path: &str| post(&service.address, path);
    predict("/predict?threshold=Jane_Doe").file("Jane_Doe", name, &noise(8)).send();
    predict("/predict").file("Jane_Doe", name, b"Jane_Doe").send();
    predict("/predict").file("Jane_Doe", name, &truncated()).send();
    predict("/predict/Jane_Doe").file("Jane_Doe", name, &noise(8)).send();
    let cut = format!("--x\r\nContent-Disposition: form-data; name=\"Jane_Doe\"; filename=\"{name}\"\r\n\r\nJane_Doe");
    predict("/predict").body("multipart/form-data; boundary=x", cut).send();
    let last = predict("/predict").file("Jane_Doe", name, &noise(8)).send();

    let line = service.wait_for_log(last.header("x-request-id"));
    for part in ["method=POST", "route=\"/predict\"", "status=200", "decode_ms=", "queue_ms=", "inference_ms="] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
    let log = service.log();
    assert_eq!(log.matches(" request ").count(), 6, "one line a request:\n{log}");
    assert!(!log.contains("Jane"), "{log}");
}
