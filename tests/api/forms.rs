//! Forms as clients write them, and what counts as the image in one.

use image::ImageFormat;
use serde_json::Value;

use super::client::{Answer, Call, FormField, form};
use super::drawn::{grey, noise, truncated};
use super::service::Service;

/// The headers of a file, as different clients write them, and the name that it has.
const CLIENTS: [(&str, &[u8], &str); 21] = [
    ("curl", b"Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png", "a.png"),
    (
        "curl, with a quotation mark in the name",
        b"Content-Disposition: form-data; name=\"image\"; filename=\"a\\\"b.png\"\r\nContent-Type: image/png",
        "a\"b.png",
    ),
    (
        "a browser",
        "Content-Disposition: form-data; name=\"image\"; filename=\"â;b.png\"\r\nContent-Type: image/png".as_bytes(),
        "â;b.png",
    ),
    (
        "a page in Latin-1",
        b"Content-Disposition: form-data; name=\"image\"; filename=\"\xe2.png\"\r\nContent-Type: image/png",
        "â.png",
    ),
    (
        "an old Internet Explorer",
        b"Content-Disposition: form-data; name=\"image\"; filename=\"C:\\new\\a.png\"\r\nContent-Type: image/pjpeg",
        "C:\\new\\a.png",
    ),
    ("requests of Python", b"Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"", "a.png"),
    (
        "requests of Python before 2019",
        b"Content-Disposition: form-data; name=\"image\"; filename*=utf-8''%C3%A2.png",
        "â.png",
    ),
    (
        "aiohttp",
        b"Content-Type: application/octet-stream\r\n\
          Content-Disposition: form-data; name=\"image\"; filename=\"%C3%A2.png\"; filename*=utf-8''%C3%A2.png",
        "â.png",
    ),
    (
        "OkHttp",
        b"Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\
          Content-Length: 7\r\nContent-Transfer-Encoding: binary",
        "a.png",
    ),
    (
        ".NET",
        b"Content-Disposition: form-data; name=image; filename=\"=?utf-8?B?w6IucG5n?=\"; filename*=utf-8''%C3%A2.png",
        "â.png",
    ),
    (".NET, without a type", b"Content-Disposition: form-data; name=image; filename=a.png; filename*=utf-8''a.png", "a.png"),
    (
        "Go",
        b"Content-Disposition: form-data; name=\"image\"; filename=\"a\\\\b.png\"\r\nContent-Type: application/octet-stream",
        "a\\b.png",
    ),
    (
        "Postman",
        b"Content-Disposition: form-data; name=\"\"; filename=\"a.png\"\r\nContent-Type: image/png",
        "a.png",
    ),
    (
        "axios",
        b"Content-Disposition: form-data; name=\"image\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n",
        "a.png",
    ),
    (
        "a charset of the standard",
        b"content-disposition: Form-Data; Name=\"image\"; FileName*=ISO-8859-1'en'%E2.png",
        "â.png",
    ),
    (
        "an extended name that cannot be read",
        b"Content-Disposition: form-data; name=\"image\"; filename*=koi8-r''%C1; filename=\"a.png\"",
        "a.png",
    ),
    ("a type and no name", b"Content-Disposition: form-data; name=\"image\"\r\nContent-Type: image/png", ""),
    ("a general type", b"Content-Disposition: form-data; name=\"image\"\r\nContent-Type: application/octet-stream", ""),
    ("the old general type", b"Content-Disposition: form-data; name=\"image\"\r\nContent-Type: binary/octet-stream", ""),
    ("neither name nor type", b"Content-Disposition: form-data; name=\"image\"", ""),
    ("a type alone", b"Content-Type: image/png", ""),
];

/// A form with one part of these headers.
fn one(head: &[u8], content: &[u8]) -> Vec<u8> {
    let head = head.strip_suffix(b"\r\n").unwrap_or(head);
    [b"--frontier\r\n", head, b"\r\n\r\n", content, b"\r\n--frontier--\r\n"].concat()
}

const FORM: &str = "multipart/form-data; boundary=frontier";

fn code(answer: &Answer) -> String {
    if answer.status == 200 { "200".to_owned() } else { answer.problem().1 }
}

#[test]
fn a_file_is_found_as_each_client_writes_it() {
    let service = Service::start(&[]);
    let image = noise(8);
    for (client, head, name) in CLIENTS {
        let answer = service.batch().body(FORM, one(head, &image)).send();
        assert_eq!(answer.status, 200, "{client}: {answer:?}");
        let entry = &answer.json()["predictions"][0];
        assert!(entry["label"].is_string(), "{client}: {entry}");
        assert_eq!(entry["filename"].as_str().unwrap_or_default(), name, "{client}");
    }
    for boundary in ["=_a:b/c?d", "\"=_a:b/c?d\"", "=_a:b/c?d; charset=utf-8"] {
        let form = [b"--=_a:b/c?d\r\n", CLIENTS[0].1, b"\r\n\r\n", &image, b"\r\n--=_a:b/c?d--"].concat();
        let answer = service.predict().body(&format!("multipart/form-data; boundary={boundary}"), form).send();
        assert_eq!(answer.status, 200, "{boundary}: {answer:?}");
    }
}

#[test]
fn the_image_is_found_among_what_a_program_sends_beside_it() {
    let service = Service::start(&[]);
    let image = FormField::file("image", "a.png", &noise(8));
    let json = || FormField::typed("metadata", Some("blob"), "application/json", b"{\"stain\": \"H&E\"}");
    let note = || FormField::typed("note", Some("BMI.txt"), "text/plain", b"BMI: 24");
    let nameless = || FormField::text("metadata", "BMI: 24 and more text than the beginning of an image has");
    let text = || FormField::file("other", "text.bin", b"no image");
    let predict = |fields: &[FormField]| code(&service.predict().form(fields).send());
    assert_eq!(predict(&[json(), note(), nameless(), image, text()]), "200");
    assert_eq!(predict(&[json()]), "not_an_image");
    assert_eq!(predict(&[json(), text()]), "not_an_image");
    assert_eq!(predict(&[nameless()]), "no_image");
    let two = [FormField::file("a", "a.png", &noise(8)), json(), FormField::file("b", "b.png", &truncated())];
    assert_eq!(predict(&two), "several_images");

    let fields = [json(), FormField::file("a", "a.png", &noise(8)), note(), text()];
    let answer = service.batch().form(&fields).send().json();
    let found: Vec<_> = (answer["predictions"].as_array().unwrap().iter())
        .map(|entry| (entry["filename"].as_str().unwrap().to_owned(), entry["error"]["code"].as_str()))
        .collect();
    assert_eq!(found, [("a.png".to_owned(), None), ("text.bin".to_owned(), Some("not_an_image"))]);
    let alone = service.batch().form(&[json()]).send().json();
    assert_eq!(alone["predictions"][0]["error"]["code"], "not_an_image", "nothing is lost in silence");
}

#[test]
fn an_image_as_text_is_decoded_where_that_is_plainly_meant() {
    use base64::prelude::{BASE64_STANDARD, Engine};
    let service = Service::start(&[]);
    let image = grey(90, ImageFormat::Png);
    let expected = service.predict().image(image.clone()).send().json()["confidence"].clone();
    let plain = BASE64_STANDARD.encode(&image);
    let lines = plain.as_bytes().chunks(76).map(|line| [line, b"\r\n"].concat()).collect::<Vec<_>>().concat();
    let data = format!("data:image/png;base64,{plain}");
    let encoded = plain.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let base64 = b"Content-Disposition: form-data; name=\"a\"; filename=\"a\"\r\nContent-Transfer-Encoding: base64";
    let predict = || service.predict();
    let old = "application/x-www-form-urlencoded";
    for (what, call) in [
        ("a part in base64", predict().body(FORM, one(base64, &lines))),
        ("a file of base64", predict().file("image", "a.b64", plain.as_bytes())),
        ("a data: URL in a field", predict().form(&[FormField::text("image", &data)])),
        ("base64 in a field", predict().form(&[FormField::text("image", &plain)])),
        ("a data: URL", predict().body("text/plain", data.clone())),
        ("a data: URL as curl sends it", predict().body(old, data.clone())),
        ("base64", predict().body("image/png", plain.clone())),
        ("a form of the old kind", predict().body(old, format!("image=data:image/png;base64,{encoded}&x=1"))),
        ("the same, hardly encoded", predict().body(old, format!("x=1&image={plain}"))),
    ] {
        let answer = call.send();
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        assert_eq!(answer.json()["confidence"], expected, "{what}");
    }
    for (damage, said) in [("!", "a character after 200 letters"), (" ", "a space after 200 letters")] {
        let damaged = plain[..200].to_owned() + damage + &plain[200..];
        let answer = predict().body("text/plain", damaged.clone()).send();
        assert_eq!(answer.problem(), (422, "undecodable_image".into()));
        assert!(detail(&answer).contains(said), "{answer:?}");
        let fields = [FormField::text("a", &plain), FormField::text("b", &damaged), FormField::text("c", &plain)];
        let answer = service.batch().form(&fields).send().json();
        let entries = answer["predictions"].as_array().unwrap();
        assert!(entries[0]["label"].is_string() && entries[2]["label"].is_string(), "{answer}");
        assert!(entries[1]["error"]["detail"].as_str().unwrap().contains(said), "{answer}");
    }
    let lines = plain.as_bytes().chunks(60).map(|line| [line, b"\n"].concat()).collect::<Vec<_>>().concat();
    assert_eq!(predict().body("text/plain", lines).send().status, 200);
}

#[test]
fn encodings_that_are_not_read_are_named() {
    let service = Service::start(&[]);
    let image = noise(8);
    for (call, coding) in [
        (service.predict().image(image.clone()), "gzip"),
        (service.predict().file("image", "a.png", &image), "br"),
        (service.batch().file("image", "a.png", &image), "zstd"),
    ] {
        let answer = call.header("content-encoding", coding).send();
        assert_eq!(answer.problem(), (415, "unsupported_media_type".into()));
        assert_eq!(answer.header("accept-encoding"), "identity");
        assert!(detail(&answer).contains(coding), "{answer:?}");
    }
    assert_eq!(service.predict().image(image.clone()).header("content-encoding", "identity").send().status, 200);
    let part = |header: &str| {
        let head = format!("Content-Disposition: form-data; name=\"a\"; filename=\"a\"\r\n{header}");
        service.predict().body(FORM, one(head.as_bytes(), &image)).send()
    };
    for (header, named) in
        [("Content-Transfer-Encoding: quoted-printable", "quoted-printable"), ("Content-Encoding: gzip", "gzip")]
    {
        let answer = part(header);
        assert_eq!(answer.problem(), (415, "unsupported_media_type".into()), "{header}");
        assert!(detail(&answer).contains(named), "{answer:?}");
    }
    for header in ["Content-Transfer-Encoding: BINARY", "Content-Transfer-Encoding: 8bit", "Content-Encoding: identity"]
    {
        assert_eq!(part(header).status, 200, "{header}");
    }
}

fn detail(answer: &Answer) -> String {
    answer.json()["detail"].as_str().unwrap().to_owned()
}

#[test]
fn who_stumbles_is_told_how_to_send_an_image() {
    let service = Service::start(&[]);
    let (json, old) = ("application/json", "application/x-www-form-urlencoded");
    let png = grey(90, ImageFormat::Png);
    let without_line_breaks: Vec<u8> = png.iter().copied().filter(|byte| !b"\r\n\0".contains(byte)).collect();
    let body = |content_type: &str, body: &[u8]| service.predict().body(content_type, body.to_vec());
    let calls: [(&str, Call, &str, &str); 6] = [
        ("JSON", body(json, b"{\"image\": \"iVBORw0KGgo\"}"), "unsupported_media_type", "JSON"),
        ("text as curl sends it", body(old, b"some text\nof two lines"), "not_an_image", "text"),
        ("a form of the old kind", body(old, b"image=a.png&threshold=0.5"), "not_an_image", "text"),
        ("text", body("text/plain", b"some text"), "not_an_image", "text"),
        ("a PNG that curl -d has sent", body(old, &without_line_breaks), "not_an_image", "curl -d"),
        ("GET", service.get("/predict"), "method_not_allowed", "takes POST"),
    ];
    for (what, call, expected, named) in calls {
        let answer = call.send();
        assert_eq!(code(&answer), expected, "{what}");
        assert!(detail(&answer).contains(named) && detail(&answer).contains("curl: -F"), "{what}: {answer:?}");
    }
    let nowhere = service.get("/prediction").send();
    assert_eq!(nowhere.problem(), (404, "not_found".into()));
    assert!(detail(&nowhere).contains("/, /predict, /predict/batch, /model"), "{nowhere:?}");
    for (call, status) in [
        (service.call("POST", "/predict/").image(noise(8)), 200),
        (service.call("POST", "/predict/batch/").image(noise(8)), 200),
        (service.get("/ready/"), 200),
        (service.call("POST", "/predict//").image(noise(8)), 404),
    ] {
        assert_eq!(call.send().status, status);
    }
}

#[test]
fn the_threshold_may_be_a_field_of_the_form() {
    let service = Service::start(&[]);
    let fields = |value: &str| [FormField::text("threshold", value), FormField::file("image", "a.png", &noise(8))];
    let ask = |value: &str, query: &str| service.predict().query(query).form(&fields(value)).send();
    assert_eq!(ask("0.25", "").json()["threshold"], 0.25);
    assert_eq!(ask("0.25", "threshold=.25").json()["threshold"], 0.25);
    let batch = service.batch().form(&fields("1")).send().json();
    assert_eq!(batch["predictions"][0]["threshold"], 1.0);
    for (value, query) in [("0.25", "threshold=0.5"), ("high", ""), ("", ""), ("1.01", "threshold=1")] {
        assert_eq!(ask(value, query).problem(), (400, "bad_threshold".into()), "{value:?} {query}");
    }
    let twice = service.predict().form(&[&fields("0.5")[..], &fields("0.5")[..1]].concat());
    assert_eq!(twice.send().problem(), (400, "bad_threshold".into()));
    let old = format!("threshold=0.25&image={}", {
        use base64::prelude::{BASE64_STANDARD, Engine};
        BASE64_STANDARD.encode(noise(8))
    });
    let answer = service.predict().body("application/x-www-form-urlencoded", old).send();
    assert_eq!(answer.json()["threshold"], Value::from(0.25));
}

#[test]
fn a_name_that_is_too_long_is_refused_and_a_long_one_given_back() {
    let service = Service::start(&[]);
    let batch = |name: &str| service.batch().body(FORM, form(&[FormField::file("image", name, &noise(8))])).send();
    let long = "ä".repeat(512);
    assert_eq!(batch(&long).json()["predictions"][0]["filename"], long.as_str());
    assert_eq!(batch(&(long + "b")).problem(), (413, "too_large".into()));
}
