//! What clients of other servers send wrong, by mistake or to do harm: each is refused for what it is, in their own shape.

use std::time::{Duration, Instant};

use base64::prelude::{BASE64_STANDARD, Engine};
use serde_json::{Value, json};

use super::client::Answer;
use super::dialects::{INFER, inference, instances};
use super::drawn::{noise, truncated};
use super::service::Service;
use super::support::contract::VERTEX;

const VERTEX_PREDICT: &str = VERTEX[1].1;

fn text() -> String {
    BASE64_STANDARD.encode(noise(8))
}

/// Checks that each body has this status and code, and a sentence.
fn assert_refused(send: impl Fn(&Value) -> Answer, mistakes: &[(Value, u16, &str)]) {
    for (body, status, code) in mistakes {
        let answer = send(body);
        assert_eq!(answer.code(), (*status, (*code).to_owned()), "{body}: {answer:?}");
        let error = answer.json()["error"].as_str().unwrap().to_owned();
        assert!(error.ends_with('.') && error.starts_with(char::is_uppercase), "{body}: {error}");
    }
}

#[test]
fn what_vertex_ai_cannot_mean_is_refused_in_a_sentence() {
    let service = Service::start_with(&VERTEX, &["--batch", "3"]);
    let text = text();
    let one = |instance: Value| json!({ "instances": [instance] });
    let with = |parameters: Value| json!({ "instances": [text], "parameters": parameters });
    assert_refused(
        |body| service.call("POST", VERTEX_PREDICT).json(body).send(),
        &[
            (json!([]), 400, "bad_request"),
            (json!({}), 400, "bad_request"),
            (json!({ "instances": text }), 400, "bad_request"),
            (json!({ "instances": null }), 400, "bad_request"),
            (json!({ "instances": [] }), 400, "no_image"),
            (json!({ "instances": [text, text, text, text] }), 413, "too_large"),
            (one(json!(1)), 400, "bad_request"),
            (one(json!([1, 2, 3])), 400, "bad_request"),
            (one(json!(null)), 400, "bad_request"),
            (one(json!({})), 400, "bad_request"),
            (one(json!({ "image": 3 })), 400, "bad_request"),
            (one(json!({ "picture": text })), 400, "bad_request"),
            (one(json!({ "b64": text, "content": text })), 400, "several_images"),
            (with(json!(0.5)), 400, "bad_request"),
            (with(json!({ "treshold": 0.5 })), 400, "bad_request"),
            (with(json!({ "threshold": 2 })), 400, "bad_threshold"),
            (with(json!({ "threshold": [0.5] })), 400, "bad_threshold"),
            (with(json!({ "threshold": "x".repeat(1000) })), 400, "bad_threshold"),
        ],
    );
    for (body, part) in [
        ("", "EOF"),
        ("{", "line 1 column 1"),
        ("{\"instances\": [\"a\"]} x", "trailing"),
        ("\u{feff}{}", "line 1 column 1"),
    ] {
        let answer = service.call("POST", VERTEX_PREDICT).body("application/json", body).send();
        assert_eq!(answer.code(), (400, "bad_request".into()), "{body}");
        assert!(answer.body.contains(part), "{answer:?}");
    }
    for query in ["treshold=.5", "heatmap=true"] {
        let answer = service.call("POST", VERTEX_PREDICT).query(query).json(&one(json!(text))).send();
        assert_eq!(answer.code(), (400, "bad_request".into()), "{query}");
    }
    // Lines may be broken and an address may stand before it; anything else is damage, with its place.
    for (damaged, part) in [("iVBO Rw0K", "a space after 4 letters"), ("http://x/a.png", "after 4 letters that base64")]
    {
        let answer = service.call("POST", VERTEX_PREDICT).json(&one(json!(damaged))).send().json();
        let error = &answer["predictions"][0]["error"];
        assert_eq!(error["code"], "undecodable_image");
        assert!(error["detail"].as_str().unwrap().contains(part), "{answer}");
    }
}

#[test]
fn tensors_that_are_none_are_refused_in_a_sentence() {
    let service = Service::start(&["--batch", "3", "--max-pixels", "4000"]);
    let text = text();
    let tensor = |datatype: &str, shape: Value, data: Value| json!({ "inputs": [{ "name": "x", "datatype": datatype, "shape": shape, "data": data }] });
    let pixels = |shape: Value, data: Value| tensor("UINT8", shape, data);
    let with = |name: &str, value: Value| {
        let mut body = inference(&[noise(8)]);
        body[name] = value;
        body
    };
    let mut binary = tensor("BYTES", json!([1]), Value::Null);
    binary["inputs"][0]["parameters"] = json!({ "binary_data_size": 10 });
    assert_refused(
        |body| service.call("POST", INFER).json(body).send(),
        &[
            (json!({}), 400, "bad_request"),
            (json!({ "inputs": [] }), 400, "bad_request"),
            (json!({ "inputs": [{}, {}] }), 400, "bad_request"),
            (json!({ "inputs": [1] }), 400, "bad_request"),
            (json!({ "inputs": [{ "datatype": "BYTES", "shape": [1] }] }), 400, "bad_request"),
            (json!({ "inputs": [{ "shape": [1], "data": [text] }] }), 400, "bad_request"),
            (tensor("FP32", json!([1, 1, 1, 3]), json!([0.5, 0.5, 0.5])), 400, "bad_request"),
            (tensor("BYTES", json!("1"), json!([text])), 400, "bad_request"),
            (tensor("BYTES", json!([-1]), json!([text])), 400, "bad_request"),
            (tensor("BYTES", json!([1.5]), json!([text])), 400, "bad_request"),
            (tensor("BYTES", json!([0]), json!([])), 400, "no_image"),
            (tensor("BYTES", json!([2]), json!([text])), 400, "bad_request"),
            (tensor("BYTES", json!([1]), json!([text, text])), 400, "bad_request"),
            (tensor("BYTES", json!([4]), json!([text, text, text, text])), 413, "too_large"),
            (tensor("BYTES", json!([9e15, 9e14, 9e14]), json!([text])), 400, "bad_request"),
            (tensor("BYTES", json!([8e15, 8e14, 8e14]), json!([text])), 413, "too_large"),
            (tensor("BYTES", json!([1]), json!([1])), 400, "bad_request"),
            (tensor("BYTES", json!([1]), json!({ "b64": text })), 400, "bad_request"),
            (tensor("BYTES", json!([1]), json!(["dGV4dA=="])), 415, "not_an_image"),
            (tensor("BYTES", json!([1]), json!([BASE64_STANDARD.encode(truncated())])), 422, "undecodable_image"),
            (tensor("BYTES", json!([1]), json!([BASE64_STANDARD.encode(noise(64))])), 413, "too_large"),
            (binary, 400, "bad_request"),
            (pixels(json!([1, 1, 3]), json!([1, 2, 3])), 400, "bad_request"),
            (pixels(json!([1, 1, 1, 4]), json!([1, 2, 3, 4])), 400, "bad_request"),
            (pixels(json!([1, 1, 2, 3]), json!([1, 2, 3])), 400, "bad_request"),
            (pixels(json!([1, 1, 1, 3]), json!([1, 2, 3, 4])), 400, "bad_request"),
            (pixels(json!([1, 1, 1, 3]), json!([1, 2, 256])), 400, "bad_request"),
            (pixels(json!([1, 1, 1, 3]), json!([1, -2, 3])), 400, "bad_request"),
            (pixels(json!([1, 1, 1, 3]), json!([1, 2.5, 3])), 400, "bad_request"),
            (pixels(json!([1, 1, 1, 3]), json!([1, 2, "3"])), 400, "bad_request"),
            (pixels(json!([1, 1, 1, 3]), json!([1, 2, null])), 400, "bad_request"),
            (pixels(json!([0, 1, 1, 3]), json!([])), 400, "no_image"),
            (pixels(json!([1, 0, 1, 3]), json!([])), 400, "no_image"),
            (pixels(json!([4, 1, 1, 3]), json!(vec![0; 12])), 413, "too_large"),
            (pixels(json!([1, 64, 64, 3]), json!(vec![0; 64 * 64 * 3])), 413, "too_large"),
            (pixels(json!([3, 8e15, 8e15, 3]), json!([1, 2, 3])), 400, "bad_request"),
            (with("id", 7.into()), 400, "bad_request"),
            (with("id", "x".repeat(300).into()), 400, "bad_request"),
            (with("outputs", json!([{ "name": "margin" }])), 400, "bad_request"),
            (with("outputs", json!(["label"])), 400, "bad_request"),
            (with("outputs", json!([{ "name": "label", "parameters": { "classification": 1 } }])), 400, "bad_request"),
            (with("parameters", json!({ "threshold": -1 })), 400, "bad_threshold"),
        ],
    );
    let answer = service.call("POST", INFER).json(&inference(&[noise(8), truncated()])).send();
    assert_eq!(answer.code(), (422, "undecodable_image".into()));
    assert!(answer.json()["error"].as_str().unwrap().starts_with("Image 1 of this request, counted from 0: "));

    let body = inference(&[noise(8)]).to_string();
    for (length, code) in [
        ("-1", "bad_request"),
        ("x", "bad_request"),
        ("99999999999999999999", "bad_request"),
        (&*(body.len() + 1).to_string(), "bad_request"),
        (&*(body.len() - 1).to_string(), "bad_request"),
        ("0", "bad_request"),
    ] {
        let call = service.call("POST", INFER).header("inference-header-content-length", length);
        assert_eq!(call.body("application/json", body.clone()).send().code(), (400, code.into()), "{length}");
    }
    // Elements whose lengths lead beyond the bytes, and bytes that belong to no tensor.
    let binary = |size: usize, tensor: &[u8]| {
        let text = json!({ "inputs": [
            { "name": "x", "datatype": "BYTES", "shape": [1], "parameters": { "binary_data_size": size } }
        ] });
        let text = text.to_string();
        let call = service.call("POST", INFER).header("inference-header-content-length", &text.len().to_string());
        call.body("application/octet-stream", [text.as_bytes(), tensor].concat()).send().code()
    };
    for (size, tensor) in
        [(5, &b"\xff\xff\xff\xff1"[..]), (3, b"\0\0\0"), (4, b"\x01\0\0\x001"), (9, b"\0\0\0\0\0\0\0\0x"), (0, b"")]
    {
        assert_eq!(binary(size, tensor), (400, "bad_request".into()), "{tensor:?}");
    }
    assert_eq!(binary(4, b"\0\0\0\0"), (415, "not_an_image".into()));
}

#[test]
fn what_hugging_faces_clients_cannot_mean_is_refused_in_a_sentence() {
    let service = Service::start(&[]);
    let text = text();
    let with = |parameters: Value| json!({ "inputs": text, "parameters": parameters });
    assert_refused(
        |body| service.call("POST", "/huggingface").json(body).send(),
        &[
            (json!({}), 400, "bad_request"),
            (json!({ "inputs": [text] }), 400, "bad_request"),
            (json!({ "inputs": "" }), 400, "no_image"),
            (json!({ "inputs": "https://example.org/a.png" }), 400, "bad_request"),
            (json!({ "inputs": "dGV4dA==" }), 415, "not_an_image"),
            (json!({ "inputs": "!" }), 422, "undecodable_image"),
            (with(json!({ "top_k": 0 })), 400, "bad_request"),
            (with(json!({ "top_k": 1.5 })), 400, "bad_request"),
            (with(json!({ "top_k": "1" })), 400, "bad_request"),
            (with(json!({ "function_to_apply": "sigmoid" })), 400, "bad_request"),
            (with(json!({ "topk": 1 })), 400, "bad_request"),
        ],
    );
    let empty = service.call("POST", "/huggingface").image("").send();
    assert_eq!(empty.code(), (400, "no_image".into()));
    let page = service.call("POST", "/huggingface").header("accept", "text/html").image("x").send();
    assert_eq!(page.code(), (415, "not_an_image".into()), "there are no pages here");
}

#[test]
fn the_token_the_limits_and_other_sites_are_as_at_predict() {
    let variables = [VERTEX[0], VERTEX[1], ("LOBULE_TOKEN", "s3cret")];
    let service = Service::start_with(&variables, &["--max-bytes", "100000", "--origin", "https://example.org"]);
    let paths = [VERTEX_PREDICT, INFER, "/huggingface"];
    for path in paths {
        let answer = service.call("POST", path).json(&json!({})).send();
        assert_eq!(answer.code(), (401, "unauthorized".into()), "{path}");
        assert!(answer.header("www-authenticate").starts_with("Bearer"));
        let known = || service.call("POST", path).header("authorization", "Bearer s3cret");
        let large =
            known().header("origin", "https://example.org").body("application/json", vec![b' '; 100_001]).send();
        assert_eq!(large.code(), (413, "too_large".into()), "{path}");
        assert_eq!(large.header("access-control-allow-origin"), "https://example.org");
        let zipped = known().header("content-encoding", "gzip").body("application/json", "x").send();
        assert_eq!(zipped.code(), (415, "unsupported_media_type".into()), "{path}");
    }
    assert_eq!(service.get("/v2/models/lobule").send().code(), (401, "unauthorized".into()));
    for open in ["/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/lobule/ready", VERTEX[0].1] {
        assert_eq!(service.get(open).send().status, 200, "{open}");
    }
}

#[test]
fn json_that_is_made_to_cost_much_is_refused_soon_and_with_little_memory() {
    let service = Service::start_with(&VERTEX, &["--threads", "1"]);
    let ask = |path: &str, body: Vec<u8>| service.call("POST", path).body("application/json", body).send();
    ask(VERTEX_PREDICT, instances(&[noise(16)]).to_string().into());
    let before = service.resident_bytes();
    const LENGTH: usize = 31 << 20;
    let filled = |begin: &str, part: &str, end: &str| {
        let times = (LENGTH - begin.len() - end.len()) / part.len();
        [begin.as_bytes(), part.repeat(times).as_bytes(), end.as_bytes()].concat()
    };
    let vertex = "{\"instances\":[";
    let samples = "{\"inputs\":[{\"datatype\":\"UINT8\",\"shape\":[1,1,1,3],\"data\":[";
    for (what, path, body, status, code) in [
        ("nesting", VERTEX_PREDICT, filled("", "[", ""), 400, "bad_request"),
        ("nesting within", INFER, filled("{\"x\":", "{\"a\":", ""), 400, "bad_request"),
        ("a million instances", VERTEX_PREDICT, filled(vertex, "\"\",", "\"\"]}"), 413, "too_large"),
        ("numbers as instances", VERTEX_PREDICT, filled(vertex, "0,", "0]}"), 413, "too_large"),
        ("empty lists", INFER, filled(samples, "[],", "[]]}]}"), 413, "too_large"),
        ("samples", INFER, filled(samples, "0,", "0]}]}"), 400, "bad_request"),
        ("large numbers", INFER, filled(samples, "256,", "0]}]}"), 413, "too_large"),
        ("names", "/huggingface", filled("{", "\"a\":0,", "\"a\":0}"), 413, "too_large"),
        ("one long text", "/huggingface", filled("{\"parameters\":\"", "\x7f", "\"}"), 400, "bad_request"),
        ("one long name", VERTEX_PREDICT, filled("{\"parameters\":{\"", "x", "\":1}}"), 400, "bad_request"),
        ("escapes", "/huggingface", filled("{\"inputs\":\"", "\\u0041", "\"}"), 415, "not_an_image"),
        ("spaces", "/huggingface", filled("{\"inputs\":\"A", " ", "\"}"), 422, "undecodable_image"),
    ] {
        let began = Instant::now();
        let answer = ask(path, body);
        assert_eq!(answer.code(), (status, code.into()), "{what}: {answer:?}");
        assert!(answer.body.len() < 1000, "{what}: {answer:?}");
        // Much of it passes before it is read, by a client and a service that are not optimised.
        assert!(began.elapsed() < Duration::from_secs(10), "{what} took {:?}", began.elapsed());
    }
    let grown = service.resident_bytes().saturating_sub(before);
    assert!(grown < 3 * LENGTH, "{} MiB more", grown >> 20);
    service.wait_for_metric("lobule_upload_memory_bytes", |bytes| bytes == 0.0);
    assert_eq!(service.predict().image(noise(16)).send().status, 200);
}
