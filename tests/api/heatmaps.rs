//! `?heatmap=true`: where the network looked.

use base64::prelude::{BASE64_STANDARD, Engine};
use image::{ImageFormat, imageops};
use lobule::model::{Architecture, Parameters};

use super::client::{Answer, FormField};
use super::drawn::{encode, noise, tissue};
use super::service::Service;
use super::support::flagging::without_flags;

/// The overlay of an answer.
fn overlay(answer: &Answer) -> image::RgbImage {
    let answer = answer.json();
    let data = answer["heatmap"].as_str().unwrap().strip_prefix("data:image/png;base64,").unwrap();
    let png = BASE64_STANDARD.decode(data).unwrap();
    assert!(png.len() <= 400_000, "{} bytes", png.len());
    assert!(answer["heatmap_range"].as_f64().unwrap() > 0.0, "{}", answer["heatmap_range"]);
    image::load_from_memory(&png).unwrap().into_rgb8()
}

#[test]
fn a_heatmap_comes_where_it_is_asked_for_and_changes_nothing_else() {
    let service = Service::start(&[]);
    let without = service.predict().image(tissue()).send().json();
    assert!(without.get("heatmap").is_none() && without.get("heatmap_range").is_none(), "{without}");
    let by_query = service.predict().query("heatmap=true&threshold=0.25").image(tissue()).send();
    let fields = [FormField::file("image", "a.png", &tissue()), FormField::text("heatmap", "true")];
    let by_form = service.predict().form(&fields).send();
    let drawn = overlay(&by_query);
    assert_eq!(drawn.width(), 448, "the longer side");
    assert_eq!(drawn, overlay(&by_form));
    assert!(drawn.pixels().any(|pixel| pixel[0].abs_diff(pixel[2]) > 60), "there are colours");
    for same in ["label", "confidence", "probability_malignant"] {
        assert_eq!(by_query.json()[same], without[same]);
    }
    assert_eq!(by_query.json()["threshold"], 0.25);
    assert!(service.predict().query("heatmap=false").image(tissue()).send().json().get("heatmap").is_none());
    overlay(&service.predict().query("heatmap=true").image(noise(600)).send());
}

#[test]
fn a_page_shows_the_heatmap_with_its_scale_in_words_and_not_twice() {
    let service = Service::start(&[]);
    let fields = [FormField::file("image", "a.png", &tissue()), FormField::text("heatmap", "true")];
    let page = service.predict().header("accept", "text/html").form(&fields).send();
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(page.body.matches("data:image/png;base64,iVBOR").count(), 1);
    for part in ["Where the network looked", "(blue, benign)", "(red, malignant)", "no proof"] {
        assert!(page.body.contains(part), "{part} is missing");
    }
}

#[test]
fn what_is_not_a_question_for_a_heatmap_is_refused_before_the_image_is_read() {
    let service = Service::start(&[]);
    let refused = |answer: Answer, words: &str| {
        assert_eq!(answer.problem(), (400, "bad_request".into()));
        assert!(answer.json()["detail"].as_str().unwrap().contains(words), "{answer:?}");
    };
    for query in ["heatmap=1", "heatmap", "heatmap=true&heatmap=true"] {
        refused(service.predict().query(query).image(noise(16)).send(), "?heatmap=true");
    }
    let fields = [FormField::file("image", "a.png", &noise(16)), FormField::text("heatmap", "true")];
    refused(service.predict().query("heatmap=false").form(&fields).send(), "do not agree");
    refused(service.batch().form(&fields).send(), "This address has no heatmaps");
    refused(service.batch().query("heatmap=true").image(noise(16)).send(), "This address has no heatmaps");
}

#[test]
fn a_network_without_taps_says_that_it_has_no_heatmaps() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("baseline.safetensors");
    let mut file = without_flags();
    file.metadata.architecture = Architecture::baseline();
    file.tensors = Parameters::initial(&file.metadata.architecture, 5).unwrap().stored().unwrap();
    file.write(&path).unwrap();
    let service = Service::start(&["--weights", path.to_str().unwrap()]);
    let answer = service.predict().query("heatmap=true").image(noise(16)).send();
    assert_eq!(answer.problem(), (400, "bad_request".into()));
    assert!(answer.json()["detail"].as_str().unwrap().contains("no taps"), "{answer:?}");
    assert_eq!(service.predict().image(noise(16)).send().status, 200);
    let page = |service: &Service| service.get("/").header("accept", "text/html").send().body;
    assert!(!page(&service).contains("id=\"heatmap\""), "it is not among the choices");
    assert!(page(&Service::start(&[])).contains("id=\"heatmap\""));
}

#[test]
fn in_eight_views_an_answer_does_not_depend_on_how_the_image_lies() {
    let turned = |image: Vec<u8>| {
        encode(imageops::rotate90(&image::load_from_memory(&image).unwrap().into_rgb8()), ImageFormat::Png)
    };
    let margin = |service: &Service, image: Vec<u8>, query: &str| {
        let probability = service.predict().query(query).image(image).send().json()["probability_malignant"].as_f64();
        probability.map(|probability| (probability / (1.0 - probability)).ln()).unwrap()
    };
    let (one, eight) = (Service::start(&[]), Service::start(&["--views", "8"]));
    assert_eq!(one.get("/model").send().json()["views"], 1);
    assert_eq!(eight.get("/model").send().json()["views"], 8);
    let [upright, lying] = [tissue(), turned(tissue())].map(|image| margin(&eight, image, ""));
    assert!((upright - lying).abs() < 1e-3, "{upright} {lying}");
    assert!((upright - margin(&one, tissue(), "")).abs() > 1e-3, "one view is another answer");
    assert!((upright - margin(&eight, tissue(), "heatmap=true")).abs() < 1e-3);
}
