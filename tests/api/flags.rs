//! What speaks against a prediction, and that no decision is made then: `flags` and `decision` of every answer.

use lobule::model::WeightsFile;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Answer, FormField};
use super::drawn::{noise, tissue};
use super::service::Service;
use super::support::flagging::{knows_only, without_flags};

/// A service with the network of this file.
fn serve(file: &WeightsFile) -> (Service, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("network.safetensors");
    file.write(&path).unwrap();
    (Service::start(&["--weights", path.to_str().unwrap()]), folder)
}

/// The network that knows the drawn tissue alone.
fn knows_tissue() -> WeightsFile {
    knows_only(&image::load_from_memory(&tissue()).unwrap().into_rgb8())
}

/// What speaks against an image, and what is decided about it.
fn said(answer: &Value) -> (Value, String) {
    (answer["flags"].clone(), answer["decision"].as_str().unwrap().to_owned())
}

#[test]
fn without_statistics_flags_is_null_and_the_model_says_that_nothing_is_checked() {
    let (service, _folder) = serve(&without_flags());
    for answer in [
        service.predict().image(noise(32)).send().json(),
        service.batch().image(noise(32)).send().json()["predictions"][0].clone(),
    ] {
        let (flags, decision) = said(&answer);
        assert!(answer.as_object().unwrap().contains_key("flags") && flags.is_null(), "{answer}");
        assert_ne!(decision, "abstain");
    }
    let model = service.get("/model").send().json();
    assert!(model["flags"].is_null(), "{model}");
    assert!(model["flags_in_words"].as_str().unwrap().contains("no statistics for flags"), "{model}");
    assert_eq!((service.metric("lobule_flags_total"), service.metric("lobule_abstentions_total")), (0.0, 0.0));
    let page = service.predict().header("accept", "text/html").image(noise(32)).send().body;
    assert!(page.contains("not looked for: the weights file has no statistics"), "{page}");
}

#[test]
fn the_built_in_network_says_the_same_in_every_answer_and_of_itself() {
    let service = Service::start(&[]);
    let flags_of_model = service.get("/model").send().json()["flags"].clone();
    for image in [noise(32), tissue()] {
        let flags = service.predict().image(image).send().json()["flags"].clone();
        assert_eq!(flags.is_null(), flags_of_model.is_null(), "{flags}");
        if !flags.is_null() {
            assert!(flags.as_array().unwrap().contains(&"foreign".into()), "neither is tissue: {flags}");
        }
    }
}

#[test]
fn a_foreign_image_gets_no_decision_while_its_label_and_probability_stay() {
    let file = knows_tissue();
    let (with, _folder) = serve(&file);
    let (without, _other) = serve(&WeightsFile {
        metadata: lobule::model::Metadata { flags: None, ..file.metadata },
        novelty: None,
        ..file
    });
    let query = "threshold=0.999";
    let ask = |service: &Service, image| service.predict().query(query).image(image).send().json();
    let (known, foreign) = (ask(&with, tissue()), ask(&with, noise(32)));
    assert_eq!(said(&known), (json!([]), "benign".into()));
    assert_eq!(said(&foreign), (json!(["foreign", "stain"]), "abstain".into()));
    let plain = ask(&without, noise(32));
    assert_eq!(said(&plain), (Value::Null, "benign".into()));
    for same in ["label", "confidence", "probability_malignant", "threshold"] {
        assert_eq!(foreign[same], plain[same]);
    }
    let explained = with.predict().query("heatmap=true&threshold=0.999").image(noise(32)).send().json();
    assert_eq!(said(&explained), said(&foreign), "the heatmap changes nothing");

    let images = [tissue(), noise(32), b"no image".to_vec()];
    let fields: Vec<_> = images.iter().map(|image| FormField::file("image", "a.png", image)).collect();
    let batch = with.batch().query(query).form(&fields).send().json();
    let entries = batch["predictions"].as_array().unwrap();
    assert_eq!((said(&entries[0]), said(&entries[1])), (said(&known), said(&foreign)));
    assert!(entries[2].get("flags").is_none() && entries[2]["error"]["code"] == "not_an_image", "{batch}");

    let counted = |line: &str| with.metric(line);
    assert_eq!(counted("lobule_flags_total{flag=\"foreign\"}"), 3.0);
    assert_eq!(counted("lobule_flags_total{flag=\"stain\"}"), 3.0);
    assert_eq!((counted("lobule_flags_total{flag=\"uncertain\"}"), counted("lobule_abstentions_total")), (0.0, 3.0));
    assert!(!with.log().contains("foreign"), "the log has nothing of what an image is:\n{}", with.log());
}

#[test]
fn other_colours_alone_are_flagged_and_decided_about() {
    let mut file = knows_tissue();
    file.metadata.flags.as_mut().unwrap().foreign = 1e9;
    let (service, _folder) = serve(&file);
    let answer = service.predict().query("threshold=0.999").image(noise(32)).send().json();
    assert_eq!(said(&answer), (json!(["stain"]), "benign".into()));
    assert_eq!(
        (service.metric("lobule_flags_total{flag=\"stain\"}"), service.metric("lobule_abstentions_total")),
        (1.0, 0.0)
    );
}

#[test]
fn what_is_uncertain_depends_on_the_threshold_that_is_asked_for() {
    let mut file = knows_tissue();
    let (service, _folder) = serve(&file);
    let ask = |service: &Service, query: &str| service.predict().query(query).image(tissue()).send().json();
    let probability = ask(&service, "")["probability_malignant"].as_f64().unwrap();
    let at = |threshold: f64| said(&ask(&service, &format!("threshold={threshold}")));
    let uncertain = (json!(["uncertain"]), "abstain".into());
    assert_eq!(at(probability), uncertain);
    assert_eq!(at(0.001), (json!([]), "malignant".into()));
    assert_eq!(at(1.0), (json!([]), "benign".into()));

    let half = lobule::diagnosis::Probability::new(0.5).unwrap();
    file.metadata.operating_points = vec![lobule::model::OperatingPoint {
        name: lobule::model::PointName::Sensitive,
        threshold: lobule::diagnosis::Threshold::new(probability).unwrap(),
        sensitivity: half,
        specificity: half,
    }];
    let (service, _folder) = serve(&file);
    let by_name = ask(&service, "threshold=sensitive");
    assert_eq!((said(&by_name), &by_name["operating_point"]), (uncertain, &"sensitive".into()));
}

#[test]
fn the_model_says_where_its_flags_begin_and_how_often_they_hold() {
    let file = knows_tissue();
    let (service, _folder) = serve(&file);
    let model = service.get("/model").send().json();
    let (flags, written) = (&model["flags"], file.metadata.flags.unwrap());
    assert_eq!(flags["uncertain"], written.uncertain);
    assert_eq!(
        (&flags["found"]["cases"], &flags["found"]["cross_fitted"]["foreign"]["benign"]),
        (&5.into(), &0.0625.into())
    );
    let words = model["flags_in_words"].as_str().unwrap();
    assert!(["foreign", "stain", "uncertain", "abstain"].iter().all(|word| words.contains(word)), "{words}");
}

#[test]
fn a_page_says_what_is_flagged_and_what_to_do_and_shows_the_probability_all_the_same() {
    let (service, _folder) = serve(&knows_tissue());
    let page = |answer: Answer| {
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
        answer.body
    };
    let foreign = service.predict().header("accept", "text/html").query("threshold=0.999").image(noise(32)).send();
    let foreign = page(foreign);
    for part in [
        ">No decision</h2>",
        "<title>No decision | Lobule</title>",
        "To the network this image is unlike those of its training, so no decision is made.",
        "Check that the right file was sent",
        "The colours are unlike those of the training images",
        "At a threshold of 0.999 no decision is made, because of the flag foreign. The probability of malignancy is ",
        "<svg class=\"bar\"",
    ] {
        assert!(foreign.contains(part), "{part} is missing");
    }
    let known = service.predict().header("accept", "text/html").query("threshold=0.999").image(tissue()).send();
    let known = page(known);
    assert!(known.contains("the decision is benign") && !known.contains("is unlike those of its training"), "{known}");
}
