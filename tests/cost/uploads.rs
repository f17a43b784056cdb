//! Clients whose uploads cost more than their bytes, or whose answers stay unread.

use std::io::Write;
use std::net::TcpStream;
use std::thread::{self, sleep};
use std::time::Duration;

use super::client::{FORM, Round, Sent, connect, content_length, exchange, head, hold};
use super::decoders::deep_rgba_turned;
use super::support::client::{Call, FormField, form};
use super::support::drawn::noise;

/// Clients that send a byte each, ten times a second.
pub(crate) fn slow_uploads(address: &str) -> Round {
    let head = head("/predict", &["Content-Type: image/png", &content_length(30 << 20)]);
    let open = |_| {
        let mut stream = connect(address);
        stream.write_all(&head).unwrap();
        stream
    };
    let mut streams: Vec<TcpStream> = (0..super::clients::SLOW).map(open).collect();
    Box::new(move || {
        sleep(Duration::from_millis(100));
        Sent::units(streams.iter_mut().filter_map(|stream| stream.write_all(b"x").ok()).count())
    })
}

/// A body in chunks of a byte each: whoever keeps them as they come keeps an object for each byte.
pub(crate) fn one_byte_chunks(address: &str) -> Round {
    const CHUNKS: usize = 4096;
    let head = head("/predict", &["Content-Type: image/png", "Transfer-Encoding: chunked"]);
    let chunks = b"1\r\nx\r\n".repeat(CHUNKS);
    let address = address.to_owned();
    let mut stream = None;
    Box::new(move || {
        let open = stream.get_or_insert_with(|| {
            let mut stream = connect(&address);
            stream.write_all(&head).unwrap();
            stream
        });
        if open.write_all(&chunks).is_err() {
            stream = None;
        }
        Sent::units(CHUNKS)
    })
}

/// Four such bodies of 2 MiB that do not end.
pub(crate) fn held_one_byte_chunks(address: &str) -> Round {
    let head = head("/predict", &["Content-Type: image/png", "Transfer-Encoding: chunked"]);
    let body = [head, b"1\r\nx\r\n".repeat(2 << 20)].concat();
    let open = |_| {
        let mut stream = connect(address);
        let _ = stream.write_all(&body); // it may be refused before its end
        stream
    };
    hold((0..4).map(open).collect())
}

/// A form of 50,000 fields.
pub(crate) fn many_parts(address: &str) -> Round {
    let fields: Vec<_> = (0..50_000).map(|_| FormField::text("a", "b")).collect();
    post(address, "/predict", FORM, form(&fields))
}

/// A batch of 64 files of a byte.
pub(crate) fn many_tiny_files(address: &str) -> Round {
    let files: Vec<_> = (0..64).map(|_| FormField::file("a", "b", b"c")).collect();
    post(address, "/predict/batch", FORM, form(&files))
}

/// A tensor of 4 million samples that say another shape.
pub(crate) fn json_samples(address: &str) -> Round {
    let begin = "{\"inputs\":[{\"datatype\":\"UINT8\",\"shape\":[1,1,1,3],\"data\":[";
    post_json(address, "/v2/models/lobule/infer", begin, "0,", "0]}]}")
}

/// Base64 of which each letter is an escape.
pub(crate) fn json_escapes(address: &str) -> Round {
    post_json(address, "/huggingface", "{\"inputs\":\"", "\\u0041", "\"}")
}

/// Texts without number where one would do.
pub(crate) fn json_texts(address: &str) -> Round {
    post_json(address, "/v2/models/lobule/infer", "{\"inputs\":[", "\"\",", "\"\"]}")
}

/// Lists within lists.
pub(crate) fn json_nesting(address: &str) -> Round {
    post_json(address, "/huggingface", "", "[", "")
}

/// Posts JSON of 8 MiB whose middle is repeated.
fn post_json(address: &str, path: &str, begin: &str, part: &str, end: &str) -> Round {
    let body = [begin, &part.repeat((8 << 20) / part.len()), end].concat().into_bytes();
    post(address, path, "Content-Type: application/json", body)
}

/// Posts a body whole, again and again.
fn post(address: &str, path: &str, content_type: &str, body: Vec<u8>) -> Round {
    let request = [head(path, &[content_type, &content_length(body.len())]), body].concat();
    let address = address.to_owned();
    Box::new(move || Sent { units: request.len() as u64, status: exchange(&address, &request) })
}

/// Four batches of 29 images of a mebibyte each whose pages nobody reads.
pub(crate) fn unread_answers(address: &str) -> Round {
    hold(leave_answers_unread(address))
}

fn leave_answers_unread(address: &str) -> Vec<TcpStream> {
    let image = noise(590);
    let files: Vec<_> = (0..29).map(|index| FormField::file("a", &format!("{index}.png"), &image)).collect();
    let form = form(&files);
    let request = [head("/predict/batch", &["Accept: text/html", FORM, &content_length(form.len())]), form].concat();
    let send = || {
        let mut stream = connect(address);
        let _ = stream.write_all(&request);
        stream
    };
    thread::scope(|scope| {
        let sending: Vec<_> = (0..4).map(|_| scope.spawn(send)).collect();
        sending.into_iter().map(|sending| sending.join().unwrap()).collect()
    })
}

/// Four such batches, four bodies of 31 MiB that are held open, and the image that takes the most memory.
pub(crate) fn mix(address: &str) -> Round {
    let unread = leave_answers_unread(address);
    wait_for_the_last_prediction(address);
    let mut body = head("/predict", &["Content-Type: image/png", &content_length((31 << 20) + 1)]);
    body.resize(body.len() + (31 << 20), b'x');
    let hold = |_| {
        let mut stream = connect(address);
        let _ = stream.write_all(&body);
        stream
    };
    let held: Vec<TcpStream> = (0..4).map(hold).collect();
    let image = deep_rgba_turned();
    let request = [head("/predict", &["Content-Type: image/png", &content_length(image.len())]), image].concat();
    let address = address.to_owned();
    Box::new(move || {
        let _held_open = (&unread, &held);
        Sent { units: 1, status: exchange(&address, &request) }
    })
}

/// Waits until no image waits and none has been classified for a second.
fn wait_for_the_last_prediction(address: &str) {
    let metrics = || Call::new("GET", address, "/metrics").send().body;
    let predictions = |metrics: &str| {
        let lines: Vec<_> = metrics.lines().filter(|line| line.starts_with("lobule_predictions_total")).collect();
        lines.concat()
    };
    let (mut before, mut now) = (String::new(), metrics());
    while predictions(&before) != predictions(&now) || !now.contains("\nlobule_queue_waiting 0\n") {
        sleep(Duration::from_secs(1));
        (before, now) = (now, metrics());
    }
}
