//! `lobule train`.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use lobule::diagnosis::{Label, Threshold};
use lobule::model::{Architecture, FORMAT, Metadata, Parameters, Provenance, WeightsFile};
use lobule::pixels::Preprocess;

use crate::support::{breakhis_tree, complaint, lobule, printed, text};

/// A weights file of start values, which can also stand for ImageNet's tensors.
fn untrained(architecture: Architecture, path: &Path) {
    let tensors = Parameters::initial(&architecture, 5).unwrap().stored().unwrap();
    let metadata = Metadata {
        format: FORMAT,
        name: "untrained".into(),
        version: "0".into(),
        architecture,
        classes: Label::ALL,
        preprocess: Preprocess::imagenet(),
        temperature: 1.0,
        threshold: Threshold::HALF,
        provenance: Provenance::default(),
        figures: BTreeMap::new(),
    };
    WeightsFile { metadata, tensors }.write(path).unwrap();
}

#[test]
fn a_run_leaves_weights_that_predict_a_history_a_split_and_predictions() {
    let data = breakhis_tree();
    let work = tempfile::tempdir().unwrap();
    let (init, out) = (work.path().join("start.safetensors"), work.path().join("deep/run"));
    untrained(Architecture::fused_densenet121(), &init);
    let arguments = ["train", "--data", text(data.path()), "--recipe", "best", "--epochs", "1", "--out", text(&out)];
    lobule(&[&arguments[..], &["--init", text(&init)]].concat()).assert().success();

    let history = fs::read_to_string(out.join("history.csv")).unwrap();
    assert_eq!(history.lines().filter(|line| line.starts_with("probe,")).count(), 6, "{history}");
    assert_eq!(history.lines().filter(|line| line.starts_with("all_layers,")).count(), 1, "{history}");
    let split = fs::read_to_string(out.join("split.csv")).unwrap();
    assert_eq!(split.lines().count(), 61);
    let validation = split.lines().filter(|line| line.ends_with(",validation")).count();
    let predictions = fs::read_to_string(out.join("validation-predictions.csv")).unwrap();
    assert_eq!(predictions.lines().count(), validation + 1);

    let weights = out.join("weights.safetensors");
    let (weights, split) = (text(&weights), out.join("split.csv"));
    let evaluate = ["evaluate", "--data", text(data.path()), "--split", text(&split), "--part", "validation"];
    let figures = printed(&[&evaluate[..], &["--weights", weights, "--json"]].concat());
    let figures: serde_json::Value = serde_json::from_str(&figures).unwrap();
    let bytes = fs::read(weights).unwrap();
    let metadata = WeightsFile::parse(&bytes, "the run").unwrap().metadata;
    assert_eq!(metadata.figures["validation_nll"], figures["nll"].as_f64().unwrap());
    assert_eq!((metadata.provenance.epoch, metadata.provenance.seed), (1, 1));
    assert!(!String::from_utf8_lossy(&bytes[..4000]).contains(text(work.path())), "no path of this machine");
}

#[test]
fn a_training_that_cannot_succeed_is_refused_before_it_starts() {
    let data = breakhis_tree();
    let work = tempfile::tempdir().unwrap();
    let out = work.path().join("run");
    let train = |more: &[&str]| {
        let arguments = ["train", "--data", text(data.path()), "--recipe", "best", "--out", text(&out)];
        complaint(&[&arguments[..], more].concat())
    };
    assert!(train(&[]).contains("--init"));
    let missing = work.path().join("missing.safetensors");
    assert!(train(&["--init", text(&missing)]).contains("missing.safetensors"));
    let other = work.path().join("baseline.safetensors");
    untrained(Architecture::baseline(), &other);
    let message = train(&["--init", text(&other)]);
    assert!(message.contains("does not fit the network") && message.contains("features.conv0.weight"), "{message}");
    assert!(train(&["--init", text(&other), "--learning-rate=0"]).contains("--learning-rate"));
    assert!(!out.exists(), "nothing was made");
}

#[test]
fn weights_of_another_kind_are_refused_with_a_reason() {
    let work = tempfile::tempdir().unwrap();
    let picture = work.path().join("picture.png");
    crate::support::draw(&picture, 100);
    let weights = work.path().join("weights.safetensors");
    let refused = || complaint(&["predict", "--weights", text(&weights), text(&picture)]);

    assert!(refused().contains("cannot read the weights file"));
    fs::write(&weights, "no tensors").unwrap();
    assert!(refused().contains("not a whole safetensors file"));
    untrained(Architecture::baseline(), &weights);
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() - 100]).unwrap();
    assert!(refused().contains("not a whole safetensors file"));

    // A network's tensors under another network's description.
    let mut file = WeightsFile::parse(&whole, "whole").unwrap();
    file.metadata.architecture = Architecture::fused_densenet121();
    file.write(&weights).unwrap();
    let message = refused();
    assert!(message.contains("missing: features.conv0.weight"), "{message}");
    assert!(message.contains("unexpected: conv1.bias"), "{message}");
}

#[test]
fn tensors_without_lobules_description_are_told_apart_from_damaged_files() {
    let Some(dir) = crate::support::real_breakhis() else { return };
    let imagenet = dir.join("../weights/densenet121-imagenet.safetensors");
    if !imagenet.is_file() {
        println!("SKIPPED: no {}", imagenet.display());
        return;
    }
    let picture = dir.join("originals");
    let message = complaint(&["predict", "--weights", text(&imagenet), text(&picture)]);
    assert!(message.contains("no usable Lobule metadata") && message.contains("--init"), "{message}");
}
