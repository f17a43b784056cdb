//! What a client reads when it sent something wrong: every code, and that each arrives.

use std::io::Write;
use std::thread;

use super::client::{Call, FormField, READY_AND_CLOSE, predict_head, raw, read_answer, read_to_the_end};
use super::drawn::{bomb, grey, large, noise, truncated};
use super::service::Service;

/// A form with the boundary x whose one file does not end.
const CUT_FORM: &[u8] = b"--x\r\nContent-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n\r\ncut";

#[test]
fn what_is_not_there_is_404_and_what_is_not_taken_405_with_allow() {
    let service = Service::start(&[]);
    assert_eq!(service.get("/no/such/address").send().problem(), (404, "not_found".into()));
    for (method, path, allow) in [
        ("GET", "/predict", "POST"),
        ("POST", "/", "GET, HEAD"),
        ("DELETE", "/ready", "GET, HEAD"),
        ("PUT", "/health", "GET, HEAD"),
    ] {
        let answer = service.call(method, path).send();
        assert_eq!(answer.problem(), (405, "method_not_allowed".into()), "{method} {path}");
        assert_eq!(answer.header("allow"), allow);
    }
}

#[test]
fn each_mistake_has_its_status_and_its_code() {
    let service = Service::start(&[]);
    let predict = || service.predict();
    let image = grey(90, image::ImageFormat::Png);
    let two = [FormField::file("image", "a.png", &image), FormField::file("image", "b.png", &image)];
    let form = |body: &'static [u8]| predict().body("multipart/form-data; boundary=x", body);
    let threshold = |query: &str| predict().query(query).image("not looked at");
    for (what, call, status, code) in [
        ("nothing at all", predict(), 400, "no_image"),
        ("an empty image", predict().image(""), 400, "no_image"),
        ("a form with no field", predict().form(&[]), 400, "no_image"),
        ("a form with text alone", predict().form(&[FormField::text("image", "hello")]), 400, "no_image"),
        ("what a browser sends when nothing was chosen", predict().file("image", "", b""), 400, "no_image"),
        ("an empty file", predict().file("image", "a.png", b""), 400, "no_image"),
        ("an empty body as curl sends it", predict().body("application/x-www-form-urlencoded", ""), 400, "no_image"),
        ("two images", predict().form(&two), 400, "several_images"),
        ("a form without a boundary", predict().body("multipart/form-data", "--x--\r\n"), 400, "bad_multipart"),
        ("a form of nothing", form(b""), 400, "bad_multipart"),
        ("a form of something else", form(b"no boundary in sight"), 400, "bad_multipart"),
        ("a form that is cut", form(CUT_FORM), 400, "bad_multipart"),
        ("a form with an invalid header", form(b"--x\r\n\xff\xfe: \x00\r\n\r\n--x--\r\n"), 400, "bad_multipart"),
        ("no boundary for a long time", form(&[b'a'; 5000]), 400, "bad_multipart"),
        ("a threshold of words", threshold("threshold=high"), 400, "bad_threshold"),
        ("a threshold over 1", threshold("threshold=1.01"), 400, "bad_threshold"),
        ("a threshold of nothing", threshold("threshold="), 400, "bad_threshold"),
        ("a threshold of NaN", threshold("threshold=NaN"), 400, "bad_threshold"),
        ("two thresholds", threshold("threshold=.2&threshold=.3"), 400, "bad_threshold"),
        ("a parameter that is not known", threshold("treshold=.7"), 400, "bad_request"),
        ("one more of a batch", service.batch().query("threshold=.7&x=1").image("not looked at"), 400, "bad_request"),
        ("text that is named as an image", predict().file("image", "slide.png", b"text"), 415, "not_an_image"),
        ("JSON", predict().body("application/json", "{\"image\": 1}"), 415, "unsupported_media_type"),
        ("half an image", predict().file("image", "slide.png", &truncated()), 422, "undecodable_image"),
    ] {
        assert_eq!(call.send().problem(), (status, code.into()), "{what}");
    }
}

#[test]
fn too_many_pixels_or_fields_are_413() {
    let service = Service::start(&["--max-pixels", "4000"]);
    assert_eq!(service.predict().image(noise(63)).send().status, 200);
    let fields: Vec<_> = (0..40).map(|_| FormField::text("a", "b")).collect();
    let text = |bytes: usize| FormField::text("a", &"b".repeat(bytes));
    let image = FormField::file("image", "a.png", &noise(8));
    assert_eq!(service.predict().form(&[text(65_500), text(30), text(6), image]).send().status, 200);
    for (what, call) in [
        ("64x64 pixels, one row more than allowed", service.predict().image(noise(64))),
        ("60,000x60,000 pixels in a header", service.predict().image(bomb())),
        ("40 fields", service.predict().form(&fields)),
        ("much text", service.predict().form(&[FormField::text("a", &"b".repeat(70_000))])),
        ("a little more text than may be", service.predict().form(&[text(65_500), text(30), text(7)])),
    ] {
        assert_eq!(call.send().problem(), (413, "too_large".into()), "{what}");
    }
}

#[test]
fn too_many_bytes_are_413_and_the_client_sees_it() {
    let service = Service::start(&["--max-bytes", "100000"]);
    assert_eq!(service.predict().image(vec![0; 100_001]).send().problem(), (413, "too_large".into()));
    let h2c = service.predict().file("image", "a", &vec![0; 30_000_000]).send_h2c();
    assert_eq!(h2c.problem(), (413, "too_large".into()), "h2c");

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
        stream.write_all(READY_AND_CLOSE).unwrap();
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
    let mut stream = raw(&service.address, (predict_head(1000) + "begin").as_bytes());
    let answer = read_answer(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("\"code\":\"timeout\""), "{answer}");
    assert_eq!(read_to_the_end(stream), "", "and the connection ends");
}

#[test]
fn a_full_queue_is_503_with_retry_after_and_the_others_are_answered() {
    let service = Service::start(&["--threads", "1", "--queue", "1"]);
    let image = large();
    let answers: Vec<_> = thread::scope(|scope| {
        let ask = || service.predict().image(image.clone()).send();
        let clients: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    let (answered, refused): (Vec<_>, Vec<_>) = answers.into_iter().partition(|answer| answer.status == 200);
    assert!(!answered.is_empty() && !refused.is_empty(), "{} answered, {} refused", answered.len(), refused.len());
    for answer in refused {
        assert_eq!(answer.problem(), (503, "overloaded".into()));
        assert_eq!(answer.header("retry-after"), "1");
    }
    assert_eq!(service.predict().image(noise(8)).send().status, 200, "and later ones");
}

#[test]
fn the_log_has_a_request_and_nothing_of_an_upload() {
    let service = Service::start(&[]);
    let name = "SOB_M_DC-14-Jane_Doe.png";
    let named = |call: Call, content: &[u8]| call.file("Jane_Doe", name, content).send();
    let cut = format!("--x\r\nContent-Disposition: form-data; name=\"Jane_Doe\"; filename=\"{name}\"\r\n\r\nJane_Doe");
    let answers = [
        named(service.predict().query("threshold=Jane_Doe"), &noise(8)),
        named(service.predict(), b"Jane_Doe"),
        named(service.predict(), &truncated()),
        named(service.call("POST", "/predict/Jane_Doe"), &noise(8)),
        service.predict().body("multipart/form-data; boundary=x", cut).send(),
        named(service.predict(), &noise(8)),
    ];
    // A line is written when its answer was sent, and the client may be the first to know that.
    let lines = answers.map(|answer| service.wait_for_log(answer.header("x-request-id")));
    let line = &lines[5];
    for part in ["method=POST", "route=\"/predict\"", "status=200", "decode_ms=", "queue_ms=", "inference_ms="] {
        assert!(line.contains(part), "{part} is missing in {line}");
    }
    let log = service.log();
    assert_eq!(log.matches(" request ").count(), 6, "one line a request:\n{log}");
    assert!(!log.contains("Jane"), "{log}");
}
