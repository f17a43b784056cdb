//! `lobule card`, and the model card of the network that is built in.

use std::fs;
use std::path::Path;

use crate::support::{complaint, lobule, text};

fn weights(file: &str) -> String {
    text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("weights").join(file)).to_owned()
}

/// The card of the built-in network, made anew from what is written of it and these metrics.
fn made_anew(written: &str, metrics: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (card, figures) = (folder.path().join("README.md"), folder.path().join("metrics.json"));
    fs::write(&card, written).unwrap();
    fs::write(&figures, metrics).unwrap();
    lobule(&["card", "--metrics", text(&figures), "--out", text(&card)]).assert().success();
    fs::read_to_string(card).unwrap()
}

#[test]
fn the_card_of_the_built_in_network_says_what_metrics_and_weights_say() {
    let [written, metrics] = ["README.md", "metrics.json"].map(|file| fs::read_to_string(weights(file)).unwrap());
    let again = made_anew(&written, &metrics);
    assert_eq!(again, written, "weights/README.md has drifted; its last command makes it again");

    // No figure stands outside the marks: there it would drift.
    let mut prose = written.split_once("\n---\n").unwrap().1.to_owned();
    while let Some((before, marked)) = prose.split_once("<!-- lobule card: ") {
        prose = before.to_owned() + marked.split_once("<!-- end -->").unwrap().1;
    }
    let is_figure = |word: &str| word.starts_with('.') && word[1..].starts_with(|c: char| c.is_ascii_digit());
    let figures: Vec<&str> = prose.split([' ', '\n', '(', '|']).filter(|word| is_figure(word)).collect();
    assert_eq!(figures, Vec::<&str>::new());
    assert!(prose.contains("lobule card --weights weights/lobule.safetensors"));

    let mut other: serde_json::Value = serde_json::from_str(&metrics).unwrap();
    other["repeats"][0]["evaluation"]["confusion"]["fp"] = 1.into();
    assert_ne!(made_anew(&written, &other.to_string()), written, "other figures make another card");
}

#[test]
fn what_is_no_metrics_and_no_cross_validation_is_refused_and_the_card_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (card, metrics) = (folder.path().join("README.md"), folder.path().join("metrics.json"));
    fs::write(&card, "mine").unwrap();
    let base = ["card", "--metrics", text(&metrics), "--out", text(&card)];
    assert!(complaint(&base).contains("cannot read"));
    for (content, reason) in [("{", "is not JSON"), ("{\"n\": 3}", "--cross-validation makes them anew")] {
        fs::write(&metrics, content).unwrap();
        assert!(complaint(&base).contains(reason), "{}", complaint(&base));
    }
    let message = complaint(&[&base[..], &["--cross-validation", text(folder.path())]].concat());
    assert!(message.contains("is not the folder of a cross-validation"), "{message}");
    assert_eq!(fs::read_to_string(card).unwrap(), "mine");
}
