//! Running the program, and drawing images to run it on.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use image::{Rgb, RgbImage};
use lobule::diagnosis::{Label, Threshold};
use lobule::model::{Architecture, FORMAT, Fused, Metadata, Parameters, Provenance, WeightsFile};
use lobule::pixels::Preprocess;
use serde_json::Value;
use tempfile::TempDir;

/// The program, with nothing of the tester's environment that would change its answers.
pub(crate) fn lobule(arguments: &[impl AsRef<OsStr>]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lobule"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("LOBULE_")) {
        command.env_remove(name);
    }
    command.args(arguments);
    command
}

/// Runs the program to its success and gives what it printed.
pub(crate) fn printed(arguments: &[impl AsRef<OsStr>]) -> String {
    printed_by(&mut lobule(arguments))
}

/// The same of what is printed as one JSON value.
pub(crate) fn json(arguments: &[impl AsRef<OsStr>]) -> Value {
    serde_json::from_str(&printed(arguments)).unwrap()
}

/// The same in a folder, for paths that are the same wherever that is, and on processors of any kind.
pub(crate) fn printed_in(folder: &Path, arguments: &[&str]) -> String {
    printed_by(lobule(arguments).current_dir(folder).env("LOBULE_SIMD", "portable"))
}

fn printed_by(command: &mut Command) -> String {
    let output = command.assert().success().get_output().stdout.clone();
    String::from_utf8(output).unwrap()
}

/// Runs the program to its failure and gives what it complained of, having checked that it did not panic.
pub(crate) fn complaint(arguments: &[impl AsRef<OsStr>]) -> String {
    let stderr = lobule(arguments).assert().failure().get_output().stderr.clone();
    let stderr = String::from_utf8(stderr).unwrap();
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

/// A small image in two colours that no other `shade` gives.
pub(crate) fn draw(path: &Path, shade: u8) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    let pixel = |x: u32, _| if x < 10 { Rgb([shade, 80, 160]) } else { Rgb([200, shade, 200]) };
    RgbImage::from_fn(24, 16, pixel).save(path).unwrap();
}

/// A BreaKHis_v1 tree of 6 benign and 6 malignant cases, each of 5 images at 100X.
pub(crate) fn breakhis_tree() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for case in 1..=6_u8 {
        for number in 1..=5_u8 {
            for (kind, prefix, id) in
                [("benign/SOB/fibroadenoma", "B_F", case), ("malignant/SOB/ductal_carcinoma", "M_DC", case + 10)]
            {
                let slide = format!("SOB_{prefix}-14-{id}");
                let file = format!("{kind}/{slide}/100X/{slide}-100-{number:03}.png");
                draw(&dir.path().join("BreaKHis_v1/histology_slides/breast").join(file), id * 10 + number);
            }
        }
    }
    dir
}

/// The folder of real images, which the tests that are ignored by default need.
pub(crate) fn real_breakhis() -> PathBuf {
    let dir = std::env::var_os("LOBULE_BREAKHIS").map_or_else(|| PathBuf::from("../shared/breakhis"), PathBuf::from);
    assert!(dir.is_dir(), "no real images in {}; LOBULE_BREAKHIS names their folder", dir.display());
    dir
}

/// A path as the text that arguments are given in.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A weights file of start values, which can also stand for ImageNet's tensors.
pub(crate) fn untrained(architecture: Architecture, path: &Path) {
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
        operating_points: Vec::new(),
        calibration: None,
        flags: None,
        quantisation: None,
        origin: None,
        provenance: Provenance::default(),
        trained_on: Vec::new(),
        figures: BTreeMap::new(),
    };
    WeightsFile { metadata, tensors, novelty: None, quantised: None }.write(path).unwrap();
}

/// The same of a fused network of few channels, which answers and learns at once: the path of the file in a folder.
pub(crate) fn small_network(folder: &Path) -> PathBuf {
    let path = folder.join("network.safetensors");
    let blocks = vec![1, 2, 1, 1];
    let small = Fused { stem: 8, growth: 4, bottleneck: 8, blocks, tap: 8, hidden: 8, dropout: 0.2 };
    untrained(Architecture::Fused(small), &path);
    path
}
