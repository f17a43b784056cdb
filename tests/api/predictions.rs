//! `POST /predict` as it should be used.

use std::thread;

use image::ImageFormat;
use lobule::diagnosis::{Probability, Threshold};
use lobule::model::{BeforeAfter, Calibration, OperatingPoint, PointName};
use serde_json::Value;

use super::client::{Answer, FormField};
use super::drawn::{grey, noise};
use super::service::Service;
use super::support::flagging::without_flags;

/// The probability of a prediction, after checking that what else it says follows from that.
fn probability(answer: &Answer) -> f64 {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("content-type"), "application/json");
    let answer = answer.json();
    let malignant = answer["probability_malignant"].as_f64().unwrap();
    let (label, confidence) = if malignant >= 0.5 { ("Malignant", malignant) } else { ("Benign", 1.0 - malignant) };
    assert_eq!(answer["label"], label);
    // The parser of the tests is not exact in the last bit.
    assert!((answer["confidence"].as_f64().unwrap() - confidence).abs() < 1e-12);
    let flags = answer["flags"].as_array().into_iter().flatten();
    let decision = match malignant >= answer["threshold"].as_f64().unwrap() {
        _ if flags.into_iter().any(|flag| flag != "stain") => "abstain",
        true => "malignant",
        false => "benign",
    };
    assert_eq!(answer["decision"], decision);
    malignant
}

#[test]
fn an_image_may_come_in_any_field_or_as_the_body() {
    let service = Service::start(&[]);
    let image = noise(64);
    let predict = || service.predict();
    let expected = probability(&predict().file("image", "a.png", &image).send());

    for field in ["file", "image[]", "", "Bild"] {
        assert_eq!(probability(&predict().file(field, "a.png", &image).send()), expected, "field {field:?}");
    }
    let among_others = [
        FormField::text("comment", "a field before it"),
        FormField::file("other", "", b""),
        FormField::file("image", "a.png", &image),
        FormField::text("submit", "Classify"),
    ];
    assert_eq!(probability(&predict().form(&among_others).send()), expected);
    let curl = "application/x-www-form-urlencoded"; // what curl --data-binary says of every body
    for content_type in ["image/png", "image/jpeg", "IMAGE/X-UNKNOWN; a=b", "application/octet-stream", curl] {
        let raw = predict().body(content_type, image.clone()).send();
        assert_eq!(probability(&raw), expected, "{content_type}: the bytes say the format, not the header");
    }
    assert_eq!(probability(&predict().file("image", "a.png", &image).send_h2c()), expected, "h2c");
}

#[test]
fn every_format_is_read() {
    let service = Service::start(&[]);
    let formats = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Bmp];
    let answers = formats.map(|format| probability(&service.predict().body("image/*", grey(90, format)).send()));
    for answer in answers {
        assert!((answer - answers[0]).abs() < 0.01, "{answers:?}");
    }
}

#[test]
fn the_threshold_moves_the_decision_and_not_the_label() {
    let folder = tempfile::tempdir().unwrap();
    let weights = folder.path().join("plain.safetensors");
    without_flags().write(&weights).unwrap();
    let service = Service::start(&["--weights", weights.to_str().unwrap()]);
    let ask = |query: &str| service.predict().query(query).image(noise(32)).send();
    let malignant = probability(&ask(""));
    let (low, high) = (ask("threshold=0"), ask("threshold=1"));
    assert_eq!((probability(&low), probability(&high)), (malignant, malignant));
    assert_eq!((&low.json()["decision"], &low.json()["threshold"]), (&Value::from("malignant"), &Value::from(0.0)));
    assert_eq!((&high.json()["decision"], &high.json()["threshold"]), (&Value::from("benign"), &Value::from(1.0)));
    assert_eq!(low.json()["label"], high.json()["label"]);
}

#[test]
fn an_operating_point_is_asked_for_by_name_where_the_network_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let weights = dir.path().join("points.safetensors");
    let mut file = without_flags();
    let half = Probability::new(0.5).unwrap();
    let point = |(name, threshold)| {
        let threshold = Threshold::new(threshold).unwrap();
        OperatingPoint { name, threshold, sensitivity: half, specificity: half }
    };
    file.metadata.operating_points = [(PointName::Balanced, 0.5), (PointName::Sensitive, 0.0625)].map(point).to_vec();
    let both = BeforeAfter { before: 0.5, after: 0.25 };
    file.metadata.calibration = Some(Calibration {
        method: "By hand.".to_owned(),
        images: 10,
        cases: 5,
        folds: 2,
        seeds: vec![1],
        ece: both,
        nll: both,
        sensitive_cross_fitted: None,
    });
    file.write(&weights).unwrap();
    let service = Service::start(&["--weights", weights.to_str().unwrap()]);

    let image = noise(32);
    let asked = service.predict().query("threshold=sensitive").image(image.clone()).send().json();
    assert_eq!((&asked["threshold"], &asked["operating_point"]), (&0.0625.into(), &"sensitive".into()));
    let form = [FormField::text("threshold", "sensitive"), FormField::file("image", "a.png", &image)];
    let entry = &service.batch().form(&form).send().json()["predictions"][0];
    assert_eq!((&entry["threshold"], &entry["operating_point"]), (&0.0625.into(), &"sensitive".into()));
    for query in ["", "threshold=0.0625"] {
        let answer = service.predict().query(query).image(image.clone()).send().json();
        assert!(answer.get("operating_point").is_none(), "{answer}");
    }
    let model = service.get("/model").send().json();
    assert_eq!(
        (&model["operating_points"][1]["name"], &model["calibration"]["cases"]),
        (&"sensitive".into(), &5.into())
    );
    let page = service.predict().header("accept", "text/html").query("threshold=sensitive").image(image.clone()).send();
    assert!(page.body.contains("This threshold is the operating point sensitive."));
    assert!(service.get("/").header("accept", "text/html").send().body.contains("<option value=\"sensitive\">"));

    file.metadata.operating_points.clear();
    file.metadata.calibration = None;
    file.write(&weights).unwrap();
    let service = Service::start(&["--weights", weights.to_str().unwrap()]);
    let refused = service.predict().query("threshold=sensitive").image("not looked at").send();
    assert_eq!(refused.problem(), (400, "bad_threshold".into()));
    let detail = refused.json()["detail"].as_str().unwrap().to_owned();
    assert!(detail.contains("it has none, only its threshold of 0.5"), "{detail}");
    let model = service.get("/model").send().json();
    assert_eq!((model["operating_points"].as_array().map(Vec::len), &model["calibration"]), (Some(0), &Value::Null));
}

#[test]
fn a_form_without_scripts_gets_a_page() {
    let service = Service::start(&[]);
    let accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    let image = noise(32);
    let json = service.predict().file("image", "a.png", &image).send().json();
    let page = service.predict().header("accept", accept).file("image", "a.png", &image).send();
    assert_eq!((page.status.as_u16(), page.header("content-type")), (200, "text/html; charset=utf-8"));
    assert_eq!(page.header("cache-control"), "no-store");
    let percent = format!("{:.1}%", 100.0 * json["confidence"].as_f64().unwrap());
    let heading = if json["decision"] == "abstain" { "No decision" } else { json["label"].as_str().unwrap() };
    let label = format!("data-field=\"heading\">{heading}<");
    for part in [&label, &percent, "data:image/jpeg;base64,", "<svg class=\"bar\"", lobule::diagnosis::RESEARCH_USE] {
        assert!(page.body.contains(part), "{part} is missing");
    }

    let error = service.predict().header("accept", accept).file("image", "", b"").send();
    assert_eq!((error.status.as_u16(), error.header("content-type")), (400, "text/html; charset=utf-8"));
    assert!(error.body.contains("No image was chosen.") && error.body.contains("href=\"/\""));
}

#[test]
fn clients_at_the_same_time_are_each_answered_for_their_own_image() {
    let service = Service::start(&["--threads", "2", "--queue", "64"]);
    let predict = |level: u8| probability(&service.predict().image(grey(level, ImageFormat::Png)).send());
    let levels: Vec<u8> = (0..24).map(|step| step * 10).collect();
    let alone: Vec<f64> = levels.iter().map(|&level| predict(level)).collect();
    let together: Vec<f64> = thread::scope(|scope| {
        let clients: Vec<_> = levels.iter().map(|&level| scope.spawn(move || predict(level))).collect();
        clients.into_iter().map(|client| client.join().unwrap()).collect()
    });
    assert_eq!(alone, together);
    assert!(alone.windows(2).any(|pair| pair[0] != pair[1]), "images that differ have answers that differ");
}
