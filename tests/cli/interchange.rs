//! `lobule export` and `lobule inspect`.

use std::fs;
use std::path::Path;

use lobule::model::{Architecture, StoredTensors, WeightsFile, in_backbone, read_described_tensors};

use crate::support::{breakhis_tree, complaint, json, lobule, printed, small_network, text, untrained};

fn built_in() -> String {
    text(&Path::new(env!("CARGO_MANIFEST_DIR")).join("weights/lobule.safetensors")).to_owned()
}

#[test]
fn a_backbone_is_exported_in_torchvisions_names_and_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let (network, target) = (small_network(folder.path()), folder.path().join("backbone.safetensors"));
    assert_eq!(printed(&["export", "--weights", text(&network), "--torchvision", text(&target)]), "");
    let (tensors, description) = read_described_tensors(&target, "lobule").unwrap();
    let mut own: StoredTensors = WeightsFile::read(&network).unwrap().tensors;
    own.retain(|name, _| in_backbone(name));
    assert_eq!(tensors, own);
    let description: serde_json::Value = serde_json::from_str(&description.unwrap()).unwrap();
    assert_eq!(description["name"], "untrained");
    assert!(description["intended_use"].as_str().unwrap().contains("For research use only"));
    let message = complaint(&["predict", "--weights", text(&target), text(&target)]);
    assert!(message.contains("no usable Lobule metadata"), "{message}");
}

#[test]
fn an_exported_backbone_that_knows_breakhis_is_refused_as_a_start() {
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("backbone.safetensors");
    lobule(&["export", "--weights", &built_in(), "--torchvision", text(&target)]).assert().success();
    let data = breakhis_tree();
    let message = complaint(&["evaluate", "--data", text(data.path()), "--init", text(&target)]);
    assert!(message.contains("was trained on 50 cases of BreakHis"), "{message}");
}

#[test]
fn what_cannot_be_exported_is_refused_in_a_sentence_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let (baseline, onnx, backbone) = (at("baseline.safetensors"), at("x.onnx"), at("x.safetensors"));
    untrained(Architecture::baseline(), &baseline);
    let export = |more: &[&str]| complaint(&[&["export", "--weights", text(&baseline)], more].concat());
    let message = export(&["--onnx", text(&onnx), "--torchvision", text(&backbone)]);
    assert!(message.contains("it is a baseline, and torchvision has no such network"), "{message}");
    assert!(!onnx.exists() && !backbone.exists());
    assert!(export(&["--onnx", text(folder.path())]).contains("it is a folder"));
    let lost = at("missing").join("x.onnx");
    assert!(export(&["--onnx", text(&lost)]).contains("cannot write"));
    assert!(export(&[]).contains("--onnx <FILE>"));
    assert!(export(&["--torchvision", text(&backbone), "--logits"]).contains("--onnx"));
    fs::write(&baseline, b"no weights").unwrap();
    assert!(export(&["--onnx", text(&onnx)]).contains("is not a whole safetensors file"));
    assert!(!onnx.exists());
}

#[test]
fn a_file_is_inspected_whatever_wrote_it() {
    let folder = tempfile::tempdir().unwrap();
    let ours = printed(&["inspect", &built_in()]);
    for part in [
        "a weights file of Lobule",
        "lobule-best 0.2.0",
        "was trained on 50 cases of BreakHis",
        "--weights takes it",
        "features.conv0.weight",
        "64 x 3 x 7 x 7",
    ] {
        assert!(ours.contains(part), "{part}: {ours}");
    }
    for (name, format) in [("torch_state.pth", "torch, a zip"), ("torch_legacy.pth", "torch before version 1.6")] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name);
        let found = json(&["inspect", "--json", text(&path)]);
        assert_eq!(found["format"], format);
        assert_eq!(found["tensors"].as_array().unwrap().len(), 7);
        assert_eq!(found["tensors"][0], serde_json::json!({"name": "module.brain", "shape": [1], "numbers": "bf16"}));
        assert!(found["not_a_start"].as_str().unwrap().contains("the first convolution of a DenseNet"), "{found}");
    }
    let (network, onnx) = (small_network(folder.path()), folder.path().join("x.onnx"));
    lobule(&["export", "--weights", text(&network), "--onnx", text(&onnx)]).assert().success();
    let found = printed(&["inspect", text(&onnx)]);
    assert!(
        found.contains("ONNX") && found.contains("untrained") && found.contains("For research use only"),
        "{found}"
    );
    let other = folder.path().join("other");
    fs::write(&other, b"something else entirely").unwrap();
    assert!(complaint(&["inspect", text(&other)]).contains("it is no safetensors, .pth, .keras, .h5 or ONNX file"));
}
