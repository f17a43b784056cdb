//! Connections as hostile or broken clients make them.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::client::{READY, predict_head, raw, read_answer, read_to_the_end};
use super::drawn::{large, noise};
use super::service::Service;

#[test]
fn one_connection_answers_many_requests() {
    let service = Service::start(&[]);
    let mut stream = raw(&service.address, b"");
    let image = noise(16);
    for _ in 0..3 {
        stream.write_all(&[predict_head(image.len()).as_bytes(), &image].concat()).unwrap();
        assert!(read_answer(&mut stream).starts_with("HTTP/1.1 200"));
        stream.write_all(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n12345").unwrap();
        assert!(read_answer(&mut stream).starts_with("HTTP/1.1 404"), "an answer that does not read the body");
    }
}

#[test]
fn a_client_that_sends_no_request_is_not_waited_for() {
    let service = Service::start(&["--read-timeout", "1"]);
    let beginnings: [(&str, &[u8]); 5] = [
        ("nothing", b""),
        ("half of what HTTP/2 begins with", b"PRI * HTTP"),
        ("all of what HTTP/2 begins with", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("half a line", b"GET / HT"),
        ("half of the headers", b"GET / HTTP/1.1\r\nHost: x\r\n"),
    ];
    for (what, beginning) in beginnings {
        let mut stream = raw(&service.address, beginning);
        // What comes before the end does not matter, and a reset is an end too; that the client gives up is none.
        let end = stream.read_to_end(&mut Vec::new()).map_err(|error| error.kind());
        assert!(!matches!(end, Err(ErrorKind::WouldBlock | ErrorKind::TimedOut)), "{what}");
    }
    assert_eq!(service.get("/ready").send().status, 200);
}

#[test]
fn of_many_connections_that_are_refused_a_few_are_told_and_the_others_closed() {
    let service = Service::start(&["--connections", "1"]);
    let mut kept = raw(&service.address, READY);
    assert!(read_answer(&mut kept).starts_with("HTTP/1.1 200"));
    let refused: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(&service.address).unwrap()).collect();
    let told = (refused.into_iter()).filter(|stream| {
        let mut answer = Vec::new();
        let mut stream = stream;
        // A reset is how one ends that was closed without a word.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 503"));
        !answer.is_empty()
    });
    let told = told.count();
    assert!((1..200).contains(&told), "{told}");
    kept.write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    let metrics = read_answer(&mut kept);
    assert!(metrics.contains("\nlobule_connections_refused_total 200\n"), "{metrics}");
}

#[test]
fn nonsense_is_refused_and_harms_nobody_else() {
    let service = Service::start(&[]);
    for nonsense in [b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".as_slice(), b"\0\0\0\0\r\n\r\n", b"GET\r\n\r\n"] {
        let answer = read_to_the_end(raw(&service.address, nonsense));
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400"), "{answer}");
    }
    let length = b"POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n";
    assert!(read_to_the_end(raw(&service.address, length)).starts_with("HTTP/1.1 400"));
    assert_eq!(service.get("/ready").send().status, 200);
}

#[test]
fn a_client_that_goes_is_logged_and_its_waiting_image_is_not_classified() {
    let service = Service::start(&["--threads", "1"]);
    let send = |image: &[u8], id: &str| {
        let head = predict_head(image.len()).replace("Host: x", &format!("Host: x\r\nX-Request-Id: {id}"));
        raw(&service.address, &[head.as_bytes(), image].concat())
    };
    // A reset throws away what its system has not handed over yet, so the request is on its way before.
    let large = large();
    let (but_for_one, last) = large.split_at(large.len() - 1);
    let head = predict_head(large.len()).replace("Host: x", "Host: x\r\nX-Request-Id: second");
    let mut second = raw(&service.address, &[head.as_bytes(), but_for_one].concat());
    service.wait_for_metric("lobule_upload_memory_bytes", |bytes| bytes > 0.0);
    let mut firsts: Vec<_> = (0..6).map(|_| send(&large, "first")).collect();
    service.wait_for_metric("lobule_queue_waiting", |waiting| waiting >= 2.0);
    second.write_all(last).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    reset(second);
    let line = service.wait_for_log("second");
    assert!(line.contains("status=499") && !line.contains("inference_ms"), "{line}");
    // Until it is sent something, a client that closes in order may be one that waits for its answer.
    let third = send(&large, "third");
    third.shutdown(Shutdown::Both).unwrap();
    let line = service.wait_for_log("third");
    assert!(line.contains("status=499") && line.contains("the client has gone"), "{line}");
    assert!(firsts.iter_mut().all(|first| read_answer(first).starts_with("HTTP/1.1 200")));
}

/// Ends a connection as a program does that is killed before it has read everything.
fn reset(stream: TcpStream) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    stream.set_nonblocking(true).unwrap();
    runtime.block_on(async { tokio::net::TcpStream::from_std(stream).unwrap().set_zero_linger().unwrap() });
}

#[test]
fn a_client_that_sends_no_more_gets_its_answers() {
    let service = Service::start(&[]);
    let image = noise(16);
    let predict = [predict_head(image.len()).as_bytes(), &image].concat();
    for (what, requests, statuses) in [
        ("one request", predict.clone(), ["200"].as_slice()),
        ("two requests", [&predict[..], READY].concat(), &["200", "200"]),
        ("a request that takes a while", [predict_head(large().len()).as_bytes(), &large()].concat(), &["200"]),
        ("half of a body", predict[..predict.len() - 9].to_vec(), &["400"]),
    ] {
        let stream = raw(&service.address, &requests);
        stream.shutdown(Shutdown::Write).unwrap();
        let answers = read_to_the_end(stream);
        let found: Vec<_> = answers.split("HTTP/1.1 ").skip(1).map(|answer| &answer[..3]).collect();
        assert_eq!(found, statuses, "{what}: {answers}");
    }
    service.wait_for_metric("lobule_requests_total{route=\"/predict\",status=\"400\"}", |count| count == 1.0);
    assert_eq!(service.metric("lobule_requests_total{route=\"/predict\",status=\"499\"}"), 0.0);
}

#[test]
fn a_client_that_goes_while_it_sends_is_no_mistake_of_its_own() {
    let service = Service::start(&[]);
    let chunked = "POST /predict HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n10\r\nhalf";
    let form = "POST /predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\nContent-Type: multipart/form-data; \
                boundary=x\r\n\r\n--x\r\nContent-Disposition: form-data; name=a; filename=a\r\n\r\nhalf";
    let mut gone = 0.0;
    for begin in [predict_head(1000) + "half", chunked.to_owned(), form.to_owned()] {
        for go in [reset as fn(TcpStream), drop] {
            let stream = raw(&service.address, begin.as_bytes());
            service.wait_for_metric("lobule_upload_memory_bytes", |bytes| bytes > 0.0);
            go(stream);
            gone += 1.0;
            service.wait_for_metric("lobule_requests_total{route=\"/predict\",status=\"499\"}", |count| count == gone);
        }
    }
    assert!(!service.log().contains("status=400"), "{}", service.log());
}
