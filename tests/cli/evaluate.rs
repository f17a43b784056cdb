//! `lobule evaluate`.

use std::fs;

use lobule::evaluate::{Metrics, Scored, predictions};
use lobule::model::Classifier;
use serde_json::Value;

use crate::support::{breakhis_tree, complaint, draw, printed, text};

const FIELDS: [&str; 9] = ["n", "accuracy", "precision", "recall", "specificity", "f1", "nll", "roc_auc", "confusion"];

#[test]
fn figures_can_be_recomputed_from_the_predictions() {
    let dir = breakhis_tree();
    let file = dir.path().join("predictions.csv");
    let json = printed(&["evaluate", "--data", text(dir.path()), "--predictions", text(&file), "--json"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert!(FIELDS.iter().all(|field| json.get(field).is_some()), "{json}");

    let rows = predictions::read(&file).unwrap();
    let scored: Vec<Scored> = rows.iter().map(|(_, scored)| *scored).collect();
    let threshold = Classifier::built_in(1).unwrap().threshold();
    assert_eq!(serde_json::to_value(Metrics::at(&scored, threshold)).unwrap(), json);
    assert_eq!(json["n"], 60);
    assert!(rows.is_sorted_by(|a, b| a.0 < b.0));
    assert!(rows.iter().all(|(name, scored)| name.starts_with("SOB_B_") == (scored.truth.lower() == "benign")));
}

#[test]
fn only_the_part_that_is_asked_for_is_measured() {
    let dir = breakhis_tree();
    let split = dir.path().join("split.csv");
    printed(&["dataset", "split", text(dir.path()), "--by", "case", "-o", text(&split)]);
    let size = |part: &[&str]| {
        let all = [&["evaluate", "--json", "--data", text(dir.path()), "--split", text(&split)], part].concat();
        serde_json::from_str::<Value>(&printed(&all)).unwrap()["n"].as_u64().unwrap()
    };
    let parts = ["train", "validation", "test"].map(|part| size(&["--part", part]));
    assert_eq!(parts.iter().sum::<u64>(), 60);
    assert_eq!(size(&[]), parts[2]);
}

#[test]
fn a_fold_that_is_held_out_is_what_is_measured() {
    let dir = breakhis_tree();
    let folds = dir.path().join("folds.csv");
    let mut rows = String::from("filename,fold\n");
    for case in 1..=6 {
        for number in 1..=5 {
            rows += &format!("SOB_B_F-14-{case}-100-{number:03}.png,{case}\n");
            rows += &format!("SOB_M_DC-14-{}-100-{number:03}.png,{case}\n", case + 10);
        }
    }
    fs::write(&folds, rows).unwrap();
    let base = ["evaluate", "--json", "--data", text(dir.path()), "--split", text(&folds)];
    let json: Value = serde_json::from_str(&printed(&[&base[..], &["--fold", "2"]].concat())).unwrap();
    assert_eq!(json["n"], 10);

    assert!(complaint(&base).contains("--fold"));
    assert!(complaint(&[&base[..], &["--fold", "9"]].concat()).contains("there is no fold 9; its folds are 1, 2, 3"));
    assert!(complaint(&[&base[..], &["--fold", "2", "--part", "test"]].concat()).contains("test part"));
    assert!(complaint(&[&base[..], &["--part", "tests"]].concat()).contains("train, validation and test"));
}

#[test]
fn a_split_of_other_data_is_refused_with_examples() {
    let (dir, other) = (breakhis_tree(), tempfile::tempdir().unwrap());
    for number in 1..=3 {
        draw(&other.path().join(format!("SOB_M_MC-14-5-40-{number:03}.png")), number);
    }
    let split = dir.path().join("split.csv");
    printed(&["dataset", "split", text(dir.path()), "--by", "image", "-o", text(&split)]);
    for message in [
        complaint(&["evaluate", "--data", text(other.path()), "--split", text(&split)]),
        complaint(&["dataset", "audit", text(other.path()), "--split", text(&split)]),
    ] {
        assert!(message.contains("SOB_M_MC-14-5-40-001.png") && message.contains("SOB_B_F-14-1-100-001"), "{message}");
        assert!(message.contains(text(other.path())), "{message}");
    }
}

#[test]
fn no_figures_are_given_when_a_picture_cannot_be_read() {
    let dir = breakhis_tree();
    fs::write(dir.path().join("SOB_B_A-14-77-40-001.png"), "this is text").unwrap();
    let message = complaint(&["evaluate", "--data", text(dir.path())]);
    assert!(message.contains("SOB_B_A-14-77-40-001.png"), "{message}");
    assert!(message.contains("no figures, because 1 of 61 pictures"), "{message}");
}

#[test]
fn the_text_holds_the_matrix_and_the_notice() {
    let dir = breakhis_tree();
    let report = printed(&["evaluate", "--data", text(dir.path())]);
    for line in ["pictures: 60, threshold: ", "ROC AUC", "called malignant", "For research use only."] {
        assert!(report.contains(line), "{report}");
    }
}
