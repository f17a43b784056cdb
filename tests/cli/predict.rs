//! `lobule predict`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use lobule::diagnosis::{Probability, Threshold};
use lobule::model::{OperatingPoint, PointName, WeightsFile};
use serde_json::Value;

use crate::support::{complaint, draw, json, lobule, printed, small_network, text};

const COLUMNS: [&str; 7] = ["file", "label", "confidence", "probability_malignant", "decision", "threshold", "flags"];

/// The answers as rows of text, read from each of the three formats; file names must hold no spaces. Flags are those of
/// JSON in all three.
pub(crate) fn in_all_formats(inputs: &[&str]) -> [Vec<Vec<String>>; 3] {
    let print = |format: &str| printed(&[&["predict", "--format", format], inputs].concat());
    let table = print("table");
    let (head, rest) = table.split_once('\n').unwrap();
    assert_eq!(head.split_whitespace().collect::<Vec<_>>(), COLUMNS);
    let (lines, notice) = rest.split_once("\n\n").unwrap();
    assert!(notice.ends_with("\nFor research use only. Not for use in diagnostic procedures.\n"), "{notice}");
    // What is no list in a line of words.
    let flags = |cell: &str| match cell {
        "" | "unknown" => "null".to_owned(),
        "none" => "[]".to_owned(),
        names => Value::from(names.split(';').collect::<Vec<_>>()).to_string(),
    };
    let with_flags = |mut row: Vec<String>| {
        row[COLUMNS.len() - 1] = flags(&row[COLUMNS.len() - 1]);
        row
    };
    let table = lines.lines().map(|line| with_flags(line.split_whitespace().map(str::to_owned).collect())).collect();

    let json = print("json");
    let cell = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let row = |line: &str| {
        let object: Value = serde_json::from_str(line).unwrap();
        assert_eq!((object.as_object().unwrap().len(), &object["notes"]), (COLUMNS.len() + 1, &Value::Array(vec![])));
        COLUMNS.map(|column| cell(&object[column])).to_vec()
    };
    let json = json.lines().map(row).collect();

    let csv = print("csv");
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    assert_eq!(reader.headers().unwrap(), COLUMNS.to_vec());
    let csv = reader.records().map(|row| with_flags(row.unwrap().iter().map(str::to_owned).collect())).collect();
    [table, json, csv]
}

fn three_images(dir: &Path) {
    draw(&dir.join("b.png"), 10);
    draw(&dir.join("deep/er/a.bmp"), 120);
    draw(&dir.join("c.TIFF"), 250);
    fs::write(dir.join("notes.txt"), "not an image").unwrap();
}

#[test]
fn a_folder_is_predicted_in_order_and_the_three_formats_agree() {
    let dir = tempfile::tempdir().unwrap();
    three_images(dir.path());
    let [table, json, csv] = in_all_formats(&[text(dir.path())]);
    let files: Vec<&str> = table.iter().map(|row| row[0].as_str()).collect();
    let expected = ["b.png", "c.TIFF", "deep/er/a.bmp"].map(|name| dir.path().join(name));
    assert_eq!(files, expected.each_ref().map(|path| text(path)));
    assert_eq!(table, json);
    assert_eq!(table, csv);
}

#[test]
fn an_answer_is_consistent_in_itself() {
    let dir = tempfile::tempdir().unwrap();
    three_images(dir.path());
    for line in printed(&["predict", "--format", "json", text(dir.path())]).lines() {
        let answer: Value = serde_json::from_str(line).unwrap();
        let probability = answer["probability_malignant"].as_f64().unwrap();
        let malignant = answer["label"] == "Malignant";
        assert!(malignant || answer["label"] == "Benign");
        let confidence = if malignant { probability } else { 1.0 - probability };
        // 1 - p has digits that p has not; both are rounded to six.
        assert!((answer["confidence"].as_f64().unwrap() - confidence).abs() < 1e-9, "{answer}");
        assert!(confidence >= 0.5);
        let called = probability >= answer["threshold"].as_f64().unwrap();
        let abstains = answer["flags"].as_array().into_iter().flatten().any(|flag| flag != "stain");
        let decision = if called { "malignant" } else { "benign" };
        assert_eq!(answer["decision"], if abstains { "abstain" } else { decision });
    }
}

#[test]
fn the_threshold_moves_the_decision_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let image = dir.path().join("a.png");
    draw(&image, 100);
    let weights = small_network(dir.path());
    let arguments = ["predict", "--format", "json", "--weights", text(&weights), text(&image), "--threshold"];
    let answer = |threshold: &str| json(&[&arguments[..], &[threshold]].concat());
    let (low, high) = (answer("0"), answer("1"));
    assert_eq!((&low["decision"], &high["decision"]), (&"malignant".into(), &"benign".into()));
    assert_eq!(high["threshold"].as_f64(), Some(1.0));
    for same in ["file", "label", "confidence", "probability_malignant"] {
        assert_eq!(low[same], high[same]);
    }
    assert!(complaint(&["predict", "--threshold", "1.5", text(dir.path())]).contains("between 0 and 1"));
}

#[test]
fn an_operating_point_is_asked_for_by_its_name_and_one_that_there_is_not_is_wrong_use() {
    let dir = tempfile::tempdir().unwrap();
    draw(&dir.path().join("images/a.png"), 100);
    let images = dir.path().join("images");
    let plain = small_network(dir.path());
    let mut file = WeightsFile::parse(&fs::read(&plain).unwrap(), "a test").unwrap();
    let threshold = Threshold::new(0.0625).unwrap();
    let half = Probability::new(0.5).unwrap();
    let point = OperatingPoint { name: PointName::Sensitive, threshold, sensitivity: half, specificity: half };
    file.metadata.operating_points = vec![point];
    let with_point = dir.path().join("with-point.safetensors");
    file.write(&with_point).unwrap();

    let ask = |weights: &Path, threshold: &str| {
        let weights = ["predict", "--format", "json", "--weights", text(weights)];
        [&weights[..], &["--threshold", threshold, text(&images)]].concat().into_iter().map(str::to_owned).collect()
    };
    let by_name: Vec<String> = ask(&with_point, "sensitive");
    let answer = json(&by_name);
    assert_eq!((&answer["threshold"], &answer["operating_point"]), (&0.0625.into(), &"sensitive".into()));
    let by_number: Vec<String> = ask(&with_point, "0.0625");
    assert!(json(&by_number).get("operating_point").is_none());
    for (weights, asked, message) in [
        (&plain, "sensitive", "has no operating point sensitive: it has none, only its threshold of 0.5"),
        (&with_point, "balanced", "has no operating point balanced: it has sensitive (0.0625), and takes any number"),
        (&with_point, "high", "no name of an operating point (balanced, sensitive)"),
    ] {
        let arguments: Vec<String> = ask(weights, asked);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let output = lobule(&arguments).assert().code(2).get_output().clone();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(message) && output.stdout.is_empty(), "{stderr}");
    }
}

#[test]
fn a_weights_variable_that_is_empty_is_as_good_as_none() {
    let dir = tempfile::tempdir().unwrap();
    draw(&dir.path().join("a.png"), 100);
    lobule(&["predict", text(dir.path())]).env("LOBULE_WEIGHTS", "").assert().success();
}

#[test]
fn data_on_stdout_stays_clean_and_the_notice_stands_on_stderr() {
    let dir = tempfile::tempdir().unwrap();
    draw(&dir.path().join("a.png"), 100);
    for format in ["json", "csv"] {
        let output = lobule(&["predict", "--format", format, text(dir.path())]).output().unwrap();
        assert!(!String::from_utf8(output.stdout).unwrap().contains("research use"));
        assert!(String::from_utf8(output.stderr).unwrap().contains("For research use only."));
    }
}

#[test]
fn images_that_fail_are_named_and_the_others_go_on() {
    let dir = tempfile::tempdir().unwrap();
    three_images(dir.path());
    fs::write(dir.path().join("text.png"), "no image").unwrap();
    let whole = fs::read(dir.path().join("b.png")).unwrap();
    fs::write(dir.path().join("truncated.png"), &whole[..whole.len() / 2]).unwrap();
    let missing = dir.path().join("missing.png");

    let arguments = ["predict", "--format", "json", text(dir.path()), text(&missing)];
    let output = lobule(&arguments).assert().failure().code(1).get_output().clone();
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 3);
    let errors = String::from_utf8(output.stderr).unwrap();
    for name in ["text.png", "truncated.png", "missing.png"] {
        let name = dir.path().join(name);
        assert_eq!(errors.lines().filter(|line| line.contains(text(&name))).count(), 1, "{errors}");
    }
    assert_eq!(errors.matches("the formats that are read").count(), 1, "said once: {errors}");
    assert!(errors.contains("no prediction for 3 of 6 inputs") && !errors.contains("panicked"), "{errors}");
}

#[test]
fn inputs_that_hold_no_image_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let message = complaint(&["predict", text(dir.path())]);
    assert!(message.contains("no image (png,") && message.contains(text(dir.path())), "{message}");
    let missing = dir.path().join("missing");
    let message = complaint(&["predict", text(&missing)]);
    assert!(message.contains(&format!("cannot read {}", missing.display())), "{message}");
    assert!(complaint(&["predict"]).contains("<IMAGE|DIR>"));
}

#[test]
fn names_of_files_cannot_drive_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let (good, bad) = (dir.path().join("a\u{1b}[2J\u{202e}.png"), dir.path().join("b\u{1b}]0;x\u{7}\u{202e}.png"));
    draw(&good, 100);
    fs::write(&bad, "no image").unwrap();
    let output = lobule(&["predict", text(dir.path())]).assert().failure().get_output().clone();
    let [table, log] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    for (output, name) in [(table, r"a\u{1b}[2J\u{202e}.png"), (log, r"\u{202e}.png")] {
        assert!(output.contains(name) && !output.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{output:?}");
    }
    let json = lobule(&["predict", "--format", "json", text(&good)]).output().unwrap().stdout;
    assert_eq!(serde_json::from_slice::<Value>(&json).unwrap()["file"], text(&good));
}

/// `script` gives the program a terminal of its own.
#[cfg(target_os = "linux")]
#[test]
fn no_format_drives_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    draw(&dir.path().join("a\u{1b}[2J\u{202e}.png"), 100);
    for format in ["csv", "json", "table"] {
        let command = format!("{} predict --format {format} {}", env!("CARGO_BIN_EXE_lobule"), text(dir.path()));
        let shown = Command::new("script").args(["-qec", &command, "/dev/null"]).output().unwrap().stdout;
        let shown = String::from_utf8(shown).unwrap();
        assert!(shown.contains(r"a\u") && shown.contains(r"[2J\u{202e}.png"), "{format}: {shown:?}");
        // The log has colours of its own on a terminal.
        assert!(!shown.contains(['\u{202e}', '\u{7}']) && !shown.contains("\u{1b}[2J"), "{format}: {shown:?}");
    }
    let piped = printed(&["predict", "--format", "csv", text(dir.path())]);
    assert!(piped.contains("a\u{1b}[2J\u{202e}.png"), "a program gets the name as it is");
}

#[test]
fn a_reader_that_leaves_early_ends_it_quietly() {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..100 {
        draw(&dir.path().join(format!("{number:03}.png")), number);
    }
    let mut child = Command::new(env!("CARGO_BIN_EXE_lobule"))
        .args(["predict", "--format", "csv", text(dir.path())])
        .env_remove("LOBULE_WEIGHTS")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut head = String::new();
    // The reader is dropped at the end of this statement, which closes the pipe.
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut head).unwrap();
    assert_eq!(head.trim(), COLUMNS.join(","));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap().to_lowercase();
    assert!(!stderr.contains("error") && !stderr.contains("panic") && !stderr.contains("pipe"), "{stderr}");
}
