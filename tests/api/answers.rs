//! What becomes of an answer: the memory that it takes until it was sent, clients that do not take it, and that the log
//! and the metrics say so.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use super::client::{FormField, form, predict_head, raw};
use super::drawn::noise;
use super::service::Service;

/// A connection on which this text has been sent, and on which the operating system takes little that is not read.
fn reluctant(address: &str, text: &[u8]) -> TcpStream {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut stream = runtime.block_on(async {
        let socket = tokio::net::TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(4096).unwrap();
        socket.connect(address.parse().unwrap()).await.unwrap().into_std().unwrap()
    });
    stream.set_nonblocking(false).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(text).unwrap();
    stream
}

/// A batch of the same image so many times, sent by a browser's form.
fn batch_for_a_page(images: usize, more_headers: &str) -> Vec<u8> {
    let image = noise(330);
    let body = form(&(0..images).map(|_| FormField::file("image", "a.png", &image)).collect::<Vec<_>>());
    let head = format!(
        "POST /predict/batch HTTP/1.1\r\nHost: x\r\nAccept: text/html\r\n{more_headers}Content-Type: \
         multipart/form-data; boundary=frontier\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), &body].concat()
}

/// Whether the other side has ended the connection, however; what is still to be read does not matter.
fn has_ended(mut stream: TcpStream) -> bool {
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == ErrorKind::ConnectionReset,
    }
}

#[test]
fn a_client_that_does_not_read_its_page_is_left_and_the_memory_is_given_back() {
    let service = Service::start(&["--min-send-rate", "200000"]);
    let request = batch_for_a_page(29, "");
    let before = service.resident_bytes();
    let clients: Vec<_> = (0..4).map(|_| reluctant(&service.address, &request)).collect();
    // Each page has 29 thumbnails; the operating system takes some of them.
    let (mut most, mut resident) = (0.0_f64, 0);
    service.wait_for_metric("lobule_slow_readers_total", |left| {
        let classified: f64 = ["benign", "malignant"]
            .map(|label| service.metric(&format!("lobule_predictions_total{{label=\"{label}\"}}")))
            .iter()
            .sum();
        if classified == 4.0 * 29.0 {
            most = most.max(service.metric("lobule_upload_memory_bytes"));
        }
        resident = resident.max(service.resident_bytes());
        left == 4.0
    });
    assert!(most > 200_000.0 && most < 4.0 * 29.0 * 32_000.0, "of the pages {most} bytes are held, of uploads nothing");
    assert!(resident - before < 160 << 20, "{} bytes more are resident", resident - before);
    service.wait_for_metric("lobule_upload_memory_bytes", |held| held == 0.0);
    assert!(clients.into_iter().all(has_ended));
    let line = service.wait_for_log("status=499");
    assert!(line.contains("the client has not taken its answer") && line.contains("inference_ms"), "{line}");
    assert_eq!(service.metric("lobule_requests_total{route=\"/predict/batch\",status=\"499\"}"), 4.0);
}

#[test]
fn a_client_that_reads_slowly_but_reads_gets_its_whole_page() {
    let service = Service::start(&["--min-send-rate", "20000"]);
    let mut client = reluctant(&service.address, &batch_for_a_page(12, "Connection: close\r\n"));
    let (mut page, mut piece) = (Vec::new(), [0; 8192]);
    loop {
        let length = client.read(&mut piece).unwrap();
        if length == 0 {
            break;
        }
        page.extend_from_slice(&piece[..length]);
        thread::sleep(Duration::from_millis(20));
    }
    assert!(page.ends_with(b"</html>\n"), "{} bytes", page.len());
    let line = service.wait_for_log("status=200");
    let (_, rest) = line.split_once("total_ms=").unwrap();
    let total: f64 = rest.split(' ').next().unwrap().parse().unwrap();
    assert!(total > 500.0, "the time ends when the answer was taken: {line}");
}

#[test]
fn an_answer_for_which_there_is_no_memory_says_so_in_few_words() {
    let service = Service::start(&["--max-bytes", "100000", "--upload-memory", "100000"]);
    let _held = raw(&service.address, &[predict_head(100_000).as_bytes(), &[b'x'; 99_000]].concat());
    // A page that is on its way while the upload still comes would leave no room for that.
    thread::sleep(Duration::from_secs(2));
    let page = service.get("/").header("accept", "text/html").send();
    assert_eq!(page.status, 503, "the upload takes all of the memory");
    let page = page.body;
    assert!(page.contains("Too busy just now") && !page.contains("--paper"), "{page}");
    assert_eq!(service.get("/").send().status, 200, "a small answer is always sent");
    assert_eq!(service.get("/openapi.json").send().status, 503);
}
