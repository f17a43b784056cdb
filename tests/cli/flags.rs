//! The flags of `lobule predict`, and that it abstains.

use std::fs;

use serde_json::{Value, json};

use crate::flagging::{knows_only, without_flags};
use crate::support::{draw, lobule, printed, text};

#[test]
fn what_is_flagged_stands_in_every_format_and_the_exit_code_stays() {
    let dir = tempfile::tempdir().unwrap();
    let (known, foreign, weights) =
        (dir.path().join("images/a.png"), dir.path().join("images/b.png"), dir.path().join("w.safetensors"));
    draw(&known, 100);
    draw(&foreign, 20);
    let file = knows_only(&image::open(&known).unwrap().into_rgb8());
    file.write(&weights).unwrap();
    let images = dir.path().join("images");
    let ask = |format: &str| {
        let threshold = ["--threshold", "0.999", "--weights", text(&weights), text(&images)];
        let output = lobule(&["predict", "--format", format]).args(threshold).assert().success().get_output().clone();
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap())
    };
    let [lines, log] = ask("json");
    let answers: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((&answers[0]["flags"], &answers[0]["decision"]), (&json!([]), &"benign".into()));
    assert_eq!((&answers[1]["flags"], &answers[1]["decision"]), (&json!(["foreign", "stain"]), &"abstain".into()));
    assert!(answers[1]["label"].is_string() && answers[1]["confidence"].is_f64(), "{}", answers[1]);
    let summary = [
        "No decision about 1 of 2 images.",
        "foreign (1 image): To the network this image is unlike those of its training",
        "stain (1 image): The colours are unlike",
    ];
    assert!(summary.iter().all(|part| log.contains(part)), "{log}");

    let [csv, log] = ask("csv");
    assert!(csv.contains(",benign,0.999,none\n") && csv.contains(",abstain,0.999,foreign;stain\n"), "{csv}");
    assert!(summary.iter().all(|part| log.contains(part)), "{log}");
    let [table, log] = ask("table");
    assert!(summary.iter().all(|part| table.contains(part) && !log.contains(part)), "{table}\n{log}");
    assert!(!table.contains("uncertain ("), "none is: {table}");

    fs::write(images.join("c.png"), "no image").unwrap();
    let output = lobule(&["predict", "--weights", text(&weights), text(&images)]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "an image that fails is told from one without a decision");
}

#[test]
fn without_statistics_flags_are_null_and_the_summary_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (image, weights) = (dir.path().join("a.png"), dir.path().join("w.safetensors"));
    draw(&image, 100);
    without_flags().write(&weights).unwrap();
    let ask = |format: &str| printed(&["predict", "--format", format, "--weights", text(&weights), text(&image)]);
    let answer: Value = serde_json::from_str(&ask("json")).unwrap();
    assert!(answer.as_object().unwrap().contains_key("flags") && answer["flags"].is_null(), "{answer}");
    assert!(ask("csv").trim_end().ends_with(','), "{}", ask("csv"));
    let table = ask("table");
    assert!(table.contains("  unknown\n") && table.contains("no statistics for flags"), "{table}");
    assert!(!table.contains("No decision"), "{table}");
}
