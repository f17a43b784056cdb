//! The commands on real images, whose folder `LOBULE_BREAKHIS` names: `cargo test --test cli -- --ignored`.

use std::path::Path;

use lobule::breakhis::{Dataset, Split, SplitAudit};

use crate::predict::in_all_formats;
use crate::support::{json, real_breakhis, text};

#[test]
#[ignore = "needs real images"]
fn every_original_is_predicted_and_the_three_formats_agree() {
    let dir = real_breakhis();
    let originals = dir.join("originals");
    let [table, json, csv] = in_all_formats(&[text(&originals)]);
    assert_eq!(table.len(), 40);
    let mut listed: Vec<_> = std::fs::read_dir(&originals).unwrap().map(|entry| entry.unwrap().path()).collect();
    listed.sort();
    assert!(table.iter().map(|row| Path::new(&row[0])).eq(listed.iter().map(|path| path.as_path())));
    assert_eq!(table, json);
    assert_eq!(table, csv);
}

#[test]
#[ignore = "needs real images"]
fn the_audit_of_the_whole_folder_finds_nothing_to_mend() {
    let dir = real_breakhis();
    let json = json(&["dataset", "audit", text(&dir), "--json"]);
    assert_eq!((&json["images"], &json["cases"]), (&1285.into(), &50.into()));
    for findings in ["unreadable", "misnamed", "doubtful", "identical"] {
        assert_eq!(json[findings], serde_json::json!([]), "{findings}");
    }
}

#[test]
#[ignore = "needs real images"]
fn the_folds_share_no_case() {
    let dir = real_breakhis();
    let dataset = Dataset::open(&dir).unwrap();
    for fold in 0..5 {
        let split = Split::from_folds(&dir.join("folds.csv"), fold).unwrap();
        assert!(SplitAudit::of(&split, &dataset).unwrap().shared_cases.is_empty(), "fold {fold}");
    }
}

#[test]
#[ignore = "needs real images"]
fn a_split_by_case_comes_near_to_its_shares_with_either_label() {
    let dir = real_breakhis();
    let dataset = Dataset::open(&dir).unwrap();
    for seed in 0..10 {
        let found = SplitAudit::of(&Split::by_case(&dataset, seed).unwrap(), &dataset).unwrap();
        assert!(found.shared_cases.is_empty());
        for (part, count) in &found.parts {
            for (held, total) in [(count.benign, 435.0), (count.malignant, 850.0)] {
                let share = held as f64 / total;
                assert!((share - part.share()).abs() < 0.04, "seed {seed}, {part}: {share}");
            }
        }
    }
}
