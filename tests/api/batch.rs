//! `POST /predict/batch`: several images, each with a result or an error of its own.

use std::io::Write;

use image::ImageFormat;

use super::client::{FormField, form, raw, read_answer};
use super::drawn::{grey, large, noise, truncated};
use super::service::Service;

#[test]
fn each_image_of_a_batch_has_its_own_result_or_error_in_the_order_in_which_they_came() {
    let service = Service::start(&["--max-pixels", "1000000"]);
    let fields = [
        FormField::file("image", "dark.png", &grey(40, ImageFormat::Png)),
        FormField::text("comment", "no image"),
        FormField::file("image", "text.png", b"This is no image."),
        FormField::file("other", "cut.png", &truncated()),
        FormField::file("image", "", b""),
        FormField::file("image", "empty.png", b""),
        FormField::file("image", "large.png", &large()),
        FormField::file("image", "light.png", &grey(220, ImageFormat::Png)),
    ];
    let answer = service.batch().query("threshold=0.3").form(&fields).send();
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, "application/json"));
    let answer = answer.json();
    let entries = answer["predictions"].as_array().unwrap();
    let found: Vec<_> = entries
        .iter()
        .map(|entry| {
            let name = entry["filename"].as_str().unwrap();
            (entry["index"].as_u64().unwrap(), name, entry["error"]["code"].as_str(), entry["error"]["status"].as_u64())
        })
        .collect();
    let expected = [
        (0, "dark.png", None, None),
        (1, "text.png", Some("not_an_image"), Some(415)),
        (2, "cut.png", Some("undecodable_image"), Some(422)),
        (3, "empty.png", Some("not_an_image"), Some(415)),
        (4, "large.png", Some("too_large"), Some(413)),
        (5, "light.png", None, None),
    ];
    assert_eq!(found, expected);
    for (index, level) in [(0, 40), (5, 220)] {
        let alone = service.predict().image(grey(level, ImageFormat::Png)).send().json();
        for field in ["label", "confidence", "probability_malignant"] {
            assert_eq!(entries[index][field], alone[field], "{field} is as in the answer for the image alone");
        }
        assert_eq!(entries[index]["threshold"], 0.3);
    }
}

#[test]
fn a_batch_has_a_limit_and_needs_an_image() {
    let service = Service::start(&["--batch", "3"]);
    let batch = |count: usize| {
        let fields: Vec<_> = (0..count).map(|_| FormField::file("image", "a.png", &noise(8))).collect();
        service.batch().form(&fields).send()
    };
    assert_eq!(batch(3).json()["predictions"].as_array().unwrap().len(), 3);
    assert_eq!(batch(4).problem(), (413, "too_large".into()));
    assert_eq!(batch(0).problem(), (400, "no_image".into()));
    let raw = service.batch().image(noise(8)).send();
    assert_eq!(raw.json()["predictions"][0]["filename"], serde_json::Value::Null, "a body is a batch of one");
}

#[test]
fn a_batch_that_is_larger_than_the_queue_waits_for_it() {
    let service = Service::start(&["--threads", "2", "--queue", "0"]);
    let fields: Vec<_> = (0..24).map(|i| FormField::file("image", "a.png", &grey(i * 10, ImageFormat::Png))).collect();
    let answer = service.batch().form(&fields).send().json();
    let entries = answer["predictions"].as_array().unwrap();
    assert!(entries.iter().all(|entry| entry["label"].is_string()), "{answer}");
    assert_eq!(entries.len(), 24);
}

#[test]
fn batches_that_come_together_are_as_many_as_there_is_room_for_and_each_of_these_is_answered_whole() {
    let service = Service::start(&["--threads", "1", "--queue", "1"]);
    let image = large();
    let body = form(&(0..4).map(|_| FormField::file("image", "a.png", &image)).collect::<Vec<_>>());
    let head = format!(
        "POST /predict/batch HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=frontier\r\n\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    // All of them are let in while nothing waits, and then all of them have come.
    let (most, rest) = body.split_at(body.len() - 6);
    let mut clients: Vec<_> = (0..5).map(|_| raw(&service.address, &[head.as_bytes(), most].concat())).collect();
    service.wait_for_metric("lobule_upload_memory_bytes", |bytes| bytes == 5.0 * most.len() as f64);
    clients.iter_mut().for_each(|client| client.write_all(rest).unwrap());
    let answers: Vec<_> = clients.iter_mut().map(read_answer).collect();
    let (answered, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.starts_with("HTTP/1.1 200"));
    assert_eq!((answered.len(), refused.len()), (2, 3), "{answers:?}");
    assert!(answered.iter().all(|answer| answer.matches("\"label\"").count() == 4), "{answers:?}");
    assert!(refused.iter().all(|answer| answer.contains("503") && answer.contains("retry-after: 1")), "{answers:?}");
}

#[test]
fn of_a_batch_that_takes_too_long_what_is_done_is_answered_and_the_rest_has_an_error_of_its_own() {
    let service = Service::start(&["--threads", "1", "--request-timeout", "2"]);
    let (small, long) = (noise(32), large());
    let images = std::iter::once(&small).chain(std::iter::repeat_n(&long, 39));
    let fields: Vec<_> = images.map(|image| FormField::file("image", "a.png", image)).collect();
    let answer = service.batch().form(&fields).send();
    assert_eq!(answer.status, 200, "{answer:?}");
    let answer = answer.json();
    let entries = answer["predictions"].as_array().unwrap();
    assert_eq!(entries.len(), 40);
    assert!(entries[0]["label"].is_string() && entries[39]["label"].is_null(), "{answer}");
    for entry in entries.iter().filter(|entry| !entry["label"].is_string()) {
        assert_eq!((&entry["error"]["code"], &entry["error"]["status"]), (&"overloaded".into(), &503.into()));
        let detail = entry["error"]["detail"].as_str().unwrap();
        assert!(detail.starts_with("The time that a request may take was up before this image"), "{detail}");
    }
}

#[test]
fn a_browser_gets_a_page_with_a_section_for_each_image() {
    let service = Service::start(&[]);
    let fields = [
        FormField::file("image", "one.png", &noise(32)),
        FormField::file("image", "<two>.png", b"This is no image."),
        FormField::file("image", "", b""),
    ];
    let page = service.batch().header("accept", "text/html").form(&fields).send();
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    for part in [
        "one.png",
        "&#60;two&#62;.png",
        "The file is text and not an image",
        "data-field=\"json\"",
        "At a threshold of 0.5 ",
        "data:image/jpeg",
    ] {
        assert!(page.body.contains(part), "{part} is missing");
    }
    assert_eq!(page.body.matches("<article").count(), 2);
    assert!(page.body.contains(lobule::diagnosis::RESEARCH_USE) && !page.body.contains("<two>"));
}
