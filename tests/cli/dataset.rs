//! `lobule dataset audit` and `lobule dataset split`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{breakhis_tree, complaint, draw, json, lobule, printed, text};

/// The rows of a split file as file name and part.
fn rows(path: &Path) -> BTreeMap<String, String> {
    let mut reader = csv::Reader::from_path(path).unwrap();
    assert_eq!(reader.headers().unwrap(), vec!["filename", "part"]);
    reader.records().map(|row| row.unwrap()).map(|row| (row[0].to_owned(), row[1].to_owned())).collect()
}

fn split(dir: &Path, by: &str, seed: &str) -> PathBuf {
    let output = dir.join(format!("{by}-{seed}.csv"));
    printed(&["dataset", "split", text(dir), "--by", by, "--seed", seed, "-o", text(&output)]);
    output
}

#[test]
fn a_split_by_case_shares_no_case_and_a_split_by_image_does() {
    let dir = breakhis_tree();
    for (by, shares) in [("case", false), ("image", true)] {
        let rows = rows(&split(dir.path(), by, "3"));
        assert_eq!(rows.len(), 60);
        let size = |part: &str| rows.values().filter(|value| *value == part).count();
        assert_eq!(size("train") + size("validation") + size("test"), 60);
        assert!(size("test") >= 10 && size("validation") >= 10, "{by}");
        let mut parts_of_case: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for (name, part) in &rows {
            parts_of_case.entry(name.split('-').nth(2).unwrap()).or_default().insert(part);
        }
        assert_eq!(parts_of_case.values().any(|parts| parts.len() > 1), shares, "{by}");
    }
}

#[test]
fn the_same_seed_writes_the_same_file_and_another_seed_another() {
    let dir = breakhis_tree();
    for by in ["case", "image"] {
        let first = split(dir.path(), by, "1");
        let bytes = fs::read(&first).unwrap();
        assert_eq!(fs::read(split(dir.path(), by, "1")).unwrap(), bytes);
        assert_ne!(fs::read(split(dir.path(), by, "2")).unwrap(), bytes);
    }
}

#[test]
fn a_sound_tree_passes_the_audit_with_its_counts() {
    let dir = breakhis_tree();
    let json = json(&["dataset", "audit", text(dir.path()), "--json"]);
    assert_eq!((&json["images"], &json["slides"], &json["cases"]), (&60.into(), &12.into(), &12.into()));
    assert_eq!(json["sizes"], serde_json::json!({"24x16": 60}));
}

#[test]
fn an_audit_names_what_is_broken_and_fails() {
    let dir = breakhis_tree();
    fs::write(dir.path().join("SOB_B_A-14-77-40-001.png"), "this is text").unwrap();
    draw(&dir.path().join("SOB_B_PT_14-78-40-001.png"), 250);
    draw(&dir.path().join("SOB_M_DC-14-79-40-001.png"), 250);
    fs::write(dir.path().join("SOB_M_A-14-80-40-001.png"), "").unwrap();

    split(dir.path(), "image", "1");
    let audit = lobule(&["dataset", "audit", ".", "--split", "image-1.csv"]).current_dir(dir.path()).assert();
    let output = audit.failure().code(1).get_output().clone();
    let (report, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    insta::assert_snapshot!(report);
    assert!(errors.contains("unreadable images: 1"), "{errors}");
}

#[test]
fn an_audit_of_a_split_fails_where_cases_are_shared() {
    let dir = breakhis_tree();
    let by_case = split(dir.path(), "case", "1");
    let by_image = split(dir.path(), "image", "1");
    let sound = printed(&["dataset", "audit", text(dir.path()), "--split", text(&by_case)]);
    assert!(sound.contains("cases in more than one part: none"), "{sound}");
    let leaking = complaint(&["dataset", "audit", text(dir.path()), "--split", text(&by_image)]);
    assert!(leaking.contains("cases in more than one part of the split"), "{leaking}");
}

#[test]
fn folders_that_are_no_data_set_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let (empty, missing, file) = (dir.path().join("empty"), dir.path().join("missing"), dir.path().join("file.txt"));
    fs::create_dir(&empty).unwrap();
    fs::write(&file, "").unwrap();
    for (path, sentence) in [(&empty, "it is empty"), (&missing, "there is no folder"), (&file, "is a file")] {
        for message in [
            complaint(&["dataset", "audit", text(path)]),
            complaint(&["dataset", "split", text(path), "--by", "case", "-o", "never.csv"]),
            complaint(&["evaluate", "--data", text(path)]),
        ] {
            assert!(message.contains(sentence) && message.contains(text(path)), "{message}");
        }
    }
    assert!(!Path::new("never.csv").exists());
}

#[test]
fn a_split_that_cannot_be_written_is_named() {
    let dir = breakhis_tree();
    let output = dir.path().join("no/such/folder/split.csv");
    let message = complaint(&["dataset", "split", text(dir.path()), "--by", "case", "-o", text(&output)]);
    assert!(message.contains("cannot write") && message.contains(text(&output)), "{message}");
}
