//! `lobule predict --heatmap`.

use std::fs;
use std::path::Path;

use lobule::model::Architecture;
use serde_json::Value;

use crate::support::{complaint, draw, lobule, printed, text, untrained};

#[test]
fn every_image_has_a_heatmap_of_its_own_and_its_prediction_stays() {
    let dir = tempfile::tempdir().unwrap();
    for file in ["a/one.png", "b/one.bmp", "b/Ö \u{1b}.png"] {
        draw(&dir.path().join(file), 100);
    }
    fs::write(dir.path().join("broken.png"), "no image").unwrap();
    let folder = dir.path().join("maps/of today");
    let inputs = [text(dir.path()), "--format", "json"];
    let output = lobule(&["predict", "--heatmap", text(&folder)]).args(inputs).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "one of them is no image");
    let lines = |stdout: Vec<u8>| -> Vec<Value> {
        String::from_utf8(stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let answers = lines(output.stdout);
    let mut names = Vec::new();
    for answer in &answers {
        let path = Path::new(answer["heatmap"].as_str().unwrap());
        let overlay = image::open(path).unwrap();
        assert_eq!(overlay.width(), 448);
        assert!(answer["heatmap_range"].as_f64().unwrap() > 0.0, "{answer}");
        names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
    }
    assert_eq!(names, ["one.heatmap.png", "one-2.heatmap.png", "___.heatmap.png"]);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 3, "nothing else lies there");
    fs::remove_dir_all(dir.path().join("maps")).unwrap();
    for (with, without) in answers.iter().zip(lines(lobule(&["predict"]).args(inputs).output().unwrap().stdout)) {
        assert_eq!(with["probability_malignant"], without["probability_malignant"]);
        assert!(without.get("heatmap").is_none(), "{without}");
    }
}

#[test]
fn what_cannot_have_heatmaps_says_so_before_it_begins() {
    let dir = tempfile::tempdir().unwrap();
    let (image, file, baseline) = (dir.path().join("a.png"), dir.path().join("file"), dir.path().join("b.safetensors"));
    draw(&image, 100);
    fs::write(&file, "").unwrap();
    let message = complaint(&["predict", "--heatmap", text(&file), text(&image)]);
    assert!(message.contains("cannot make the folder") && message.contains(text(&file)), "{message}");
    untrained(Architecture::baseline(), &baseline);
    let maps = dir.path().join("maps");
    let message = complaint(&["predict", "--weights", text(&baseline), "--heatmap", text(&maps), text(&image)]);
    assert!(message.contains("has no taps") && !maps.exists(), "{message}");
    printed(&["predict", "--weights", text(&baseline), text(&image)]);
}
