//! The contract, `openapi.json`. Every answer in these tests is held against it by the client; here each of its
//! operations is asked once, and an answer that does not keep it is seen.

use serde_json::Value;

use super::client::{Answer, FormField};
use super::dialects;
use super::drawn::{noise, truncated};
use super::service::Service;
use super::support::contract::{DOCUMENT, VERTEX, faults};

#[test]
fn every_operation_answers_as_the_contract_says() {
    let service = Service::start_with(&VERTEX, &[]);
    let images = [FormField::file("image", "a.png", &noise(16)), FormField::file("image", "b.png", &truncated())];
    let model = service.get("/v2/models/lobule").send().json();
    let (name, version) = (model["name"].as_str().unwrap(), model["versions"][0].as_str().unwrap());
    let always = DOCUMENT["paths"].as_object().unwrap();
    let of_vertex = VERTEX.map(|(variable, path)| (path, &DOCUMENT["components"]["pathItems"][variable]));
    for (path, operations) in always.iter().map(|(path, item)| (path.as_str(), item)).chain(of_vertex) {
        for method in operations.as_object().unwrap().keys() {
            let asked = path.replace("{model}", name).replace("{version}", version);
            let call = service.call(&method.to_uppercase(), &asked);
            let answer = match path {
                "/predict" => call.query("heatmap=true").image(noise(16)).send(),
                "/predict/batch" => call.form(&images).send(),
                "/huggingface" => call.image(noise(16)).send(),
                _ if path.ends_with("/infer") => call.json(&dialects::inference(&[noise(16)])).send(),
                _ if method == "post" => call.json(&dialects::instances(&[noise(16)])).send(),
                _ => call.send(),
            };
            assert_eq!(answer.status, 200, "{method} {path}");
        }
    }
    assert_eq!(service.get("/openapi.json").send().json(), *DOCUMENT, "it is served as it is written");
}

/// An answer with this value at this place.
fn altered(answer: &Answer, place: &str, value: Option<Value>) -> Answer {
    let mut body = answer.json();
    let (parent, name) = place.rsplit_once('/').unwrap();
    let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(name.to_owned(), value),
        None => parent.remove(name),
    };
    Answer { status: answer.status, headers: answer.headers.clone(), body: body.to_string() }
}

#[test]
fn an_answer_that_breaks_the_contract_is_seen() {
    let service = Service::start(&[]);
    let good = service.predict().query("heatmap=true").image(noise(16)).send();
    let problem = service.get("/predict").send();
    let kept = |method, path, answer: &Answer| faults(method, path, answer).is_empty();
    for (place, value) in [
        ("/label", Some("Harmless".into())),
        ("/confidence", Some(1.5.into())),
        ("/timings_ms/queue", None),
        ("/model/sha256", Some("abc".into())),
        ("/notice", None),
        ("/heatmap", Some("data:text/html,".into())),
        ("/heatmap_range", None),
        ("/flags", None),
        ("/flags", Some(serde_json::json!(["cat"]))),
        ("/decision", Some("perhaps".into())),
    ] {
        assert!(!kept("POST", "/predict", &altered(&good, place, value)), "{place}");
    }
    // A decision that abstains says why, and one that does not has no reason to.
    let flagged = |decision: &str, flags: &[&str]| {
        altered(&altered(&good, "/flags", Some(flags.into())), "/decision", Some(decision.into()))
    };
    for (decision, flags, keeps) in [
        ("abstain", &["foreign"][..], true),
        ("malignant", &["stain"], true),
        ("abstain", &["stain"], false),
        ("abstain", &[], false),
        ("benign", &["uncertain"], false),
    ] {
        assert_eq!(kept("POST", "/predict", &flagged(decision, flags)), keeps, "{decision} with {flags:?}");
    }
    for (place, value) in [("/code", Some("other".into())), ("/status", Some(404.into())), ("/request_id", None)] {
        assert!(!kept("GET", "/predict", &altered(&problem, place, value)), "{place}");
    }
    assert!(!kept("GET", "/ready", &good) && !kept("GET", "/nowhere", &good) && !kept("POST", "/model", &good));
}
