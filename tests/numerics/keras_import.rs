//! Networks that Keras saved, in each form that it has, answer here as they do there, decode and resize included.
//!
//! tests/fixtures/keras_import.py made the files and the answers.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use lobule::diagnosis::Label;
use lobule::interchange::{ImportOptions, Inspection, KerasPreprocess, import, read_backbone};
use lobule::model::{Classifier, WeightsFile};
use lobule::pixels::{Resampling, read};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/keras");
const TISSUE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tissue.png");

/// A fixture as Keras wrote it: those that end in .gz are unpacked.
fn unpacked(name: &str, scratch: &Path) -> PathBuf {
    let path = Path::new(FOLDER).join(name);
    let Some(stem) = name.strip_suffix(".gz") else { return path };
    let mut bytes = Vec::new();
    GzDecoder::new(File::open(path).unwrap()).read_to_end(&mut bytes).unwrap();
    let path = scratch.join(stem);
    fs::write(&path, bytes).unwrap();
    path
}

/// Imports a fixture, writes it as a weights file, and classifies with that.
fn probability(name: &str, options: &ImportOptions, scratch: &Path) -> (WeightsFile, f64) {
    let file = import(&unpacked(name, scratch), options).unwrap();
    let path = scratch.join("weights.safetensors");
    file.write_exact(&path).unwrap();
    let classifier = Classifier::load(Some(&path), 1).unwrap();
    let image = read(TISSUE.as_ref(), &Default::default()).unwrap().image;
    (file, classifier.classify(&image).unwrap().probability_malignant.get())
}

#[test]
fn every_form_of_every_network_answers_as_keras_does() {
    let answers: BTreeMap<String, f64> =
        serde_json::from_str(&fs::read_to_string(format!("{FOLDER}/answers.json")).unwrap()).unwrap();
    assert_eq!(answers.len(), 14);
    let scratch = tempfile::tempdir().unwrap();
    for (name, expected) in &answers {
        // Weights without a graph do not say how large the images are.
        let size = name.contains("weights").then_some(32);
        let (file, got) = probability(name, &ImportOptions { size, ..Default::default() }, scratch.path());
        assert!((got - expected).abs() < 1e-5, "{name}: {got} instead of {expected}");
        let origin = file.metadata.origin.unwrap();
        assert!(origin.program.starts_with("Keras"), "{}", origin.program);
        assert_eq!(origin.sha256.len(), 64);
        assert!(origin.assumptions.iter().any(|sentence| sentence.contains("--classes")), "{:?}", origin.assumptions);
        assert!(file.metadata.flags.is_none() && file.metadata.operating_points.is_empty());
    }
}

#[test]
fn the_order_of_the_classes_turns_the_answer_round() {
    let scratch = tempfile::tempdir().unwrap();
    for name in ["flat3.keras", "nested3.keras", "flat2.h5.gz"] {
        let (_, usual) = probability(name, &ImportOptions::default(), scratch.path());
        let classes = Some([Label::Malignant, Label::Benign]);
        let (_, turned) = probability(name, &ImportOptions { classes, ..Default::default() }, scratch.path());
        assert!((usual + turned - 1.0).abs() < 1e-6, "{name}: {usual} {turned}");
    }
}

#[test]
fn preprocessing_is_the_reports_what_was_asked_for_or_what_the_models_layers_say() {
    let scratch = tempfile::tempdir().unwrap();
    let of = |name: &str, preprocess| {
        let options = ImportOptions { preprocess, ..Default::default() };
        let preprocess = import(&unpacked(name, scratch.path()), &options).unwrap().metadata.preprocess;
        (preprocess.resampling, preprocess.mean, preprocess.std)
    };
    let close = |a: [f32; 3], b: [f32; 3]| a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-6);
    assert_eq!(of("flat3.keras", None), (Resampling::Bilinear, [0.0; 3], [1.0; 3]));
    let (resampling, mean, std) = of("flat3.keras", Some(KerasPreprocess::Torch));
    assert_eq!((resampling, mean, std), (Resampling::Bilinear, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]));
    assert_eq!(of("flat3.keras", Some(KerasPreprocess::Imagenet)).0, Resampling::Antialiased);
    // From 0 to 255 to -1 to 1, within the model.
    let (_, mean, std) = of("nested3.keras", None);
    assert!(close(mean, [0.5; 3]) && close(std, [0.5; 3]), "{mean:?} {std:?}");
    // Asked for, the model's layers come behind what was asked: u / 127.5 - 1 of u from 0 to 1.
    let (_, mean, std) = of("nested3.keras", Some(KerasPreprocess::Unit));
    assert!(close(mean, [127.5; 3]) && close(std, [127.5; 3]), "{mean:?} {std:?}");
    let (_, mean, std) = of("baseline3.keras", None);
    assert!(close(mean, [0.7, 0.5, 0.6]) && close(std, [0.2, 0.05f32.sqrt(), 0.03f32.sqrt()]), "{mean:?} {std:?}");
}

#[test]
fn a_backbone_is_the_imported_networks_whatever_is_around_it() {
    let scratch = tempfile::tempdir().unwrap();
    for name in
        ["flat3.keras", "flat3.h5.gz", "flat3.weights.h5.gz", "flat2.keras", "flat2.h5.gz", "flat2.weights.h5.gz"]
    {
        let path = unpacked(name, scratch.path());
        let file = import(&path, &ImportOptions { size: name.contains("weights").then_some(32), ..Default::default() });
        let mut wanted = file.unwrap().tensors;
        wanted.retain(|name, _| name.starts_with("features."));
        assert_eq!(read_backbone(&path).unwrap(), wanted, "{name}");
    }
    // A model of its own within another; its norms' epsilon is not Keras's, which tensors alone do not say.
    for name in ["nested3.keras", "nested3.h5.gz", "nested2.h5.gz"] {
        let path = unpacked(name, scratch.path());
        let file = import(&path, &ImportOptions::default()).unwrap();
        let read = read_backbone(&path).unwrap();
        assert_eq!(read.len(), file.tensors.keys().filter(|name| name.starts_with("features.")).count());
        for (name, tensor) in read.iter().filter(|(name, _)| !name.ends_with("running_var")) {
            assert_eq!(file.tensors[name], *tensor, "{name}");
        }
    }
}

#[test]
fn inspection_says_what_import_and_a_training_make_of_a_file() {
    let scratch = tempfile::tempdir().unwrap();
    for name in ["flat3.keras", "flat2.h5.gz"] {
        let found = Inspection::of(&unpacked(name, scratch.path())).unwrap();
        assert_eq!(found.format, "Keras");
        assert!(found.import.starts_with("import makes a weights file of it: a fused DenseNet"), "{}", found.import);
        assert!(found.facts.iter().any(|(key, value)| key == "written by" && value.starts_with("Keras ")));
        assert!(found.tensors.iter().any(|tensor| tensor.shape == [7, 7, 3, 6] && tensor.numbers == "f32"));
        // A reduced network is no DenseNet121.
        assert!(found.not_a_start.is_some());
    }
}
