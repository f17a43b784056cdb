//! `lobule evaluate`.

use std::fs;
use std::path::Path;

use lobule::breakhis::Dataset;
use lobule::diagnosis::{RESEARCH_USE, Threshold};
use lobule::evaluate::{ControlFigures, Evaluation, Figures, Setting, predictions};
use lobule::model::WeightsFile;
use serde_json::Value;

use crate::support::{breakhis_tree, complaint, draw, json, lobule, printed, printed_in, small_network, text};
use crate::train::{places, small_training};

/// The names that other programs rely on.
const FIELDS: &str = "\
    n accuracy precision recall specificity f1 balanced_accuracy mcc nll brier ece ece_debiased \
    roc_auc pr_auc aurc augrc confusion classification_report image_recognition_rate patient_recognition_rate \
    within_strata exchanged hard controls shifts trained_on_these intervals magnifications subtypes cases risk_coverage setting";

#[test]
fn figures_can_be_recomputed_from_the_predictions() {
    let dir = breakhis_tree();
    let (out, weights) = (dir.path().join("new/report"), small_network(dir.path()));
    let base = ["evaluate", "--data", text(dir.path()), "--weights", text(&weights)];
    let printed = printed(&[&base[..], &["--report", text(&out), "--json"]].concat());
    assert_eq!(printed, fs::read_to_string(out.join("metrics.json")).unwrap());
    let (file, json) = (out.join("predictions.csv"), serde_json::from_str::<Value>(&printed).unwrap());
    for field in FIELDS.split(' ') {
        assert!(json.get(field).is_some(), "no {field} in {json}");
    }

    let predictions = predictions::read(&file).unwrap();
    let figures = Figures::of(&predictions, &predictions.all(), Threshold::HALF);
    let figures = serde_json::to_value(figures).unwrap();
    for (field, value) in figures.as_object().unwrap() {
        assert_eq!(&json[field], value, "{field}");
    }
    assert_eq!(predictions.controls.len(), 5);
    for (control, figures) in ControlFigures::all(&predictions) {
        assert_eq!(json["controls"][control.key()], serde_json::to_value(figures).unwrap());
    }
    let setting = serde_json::from_value::<Setting>(json["setting"].clone()).unwrap();
    let again = serde_json::to_value(Evaluation::of(&predictions, &[], setting)).unwrap();
    assert_eq!(again, json, "every figure, from the file alone");
    assert_eq!(json["n"], 60);
    assert_eq!((predictions.network.exchanged.len(), &json["setting"]["exchanges"]), (3, &3.into()));
    let subjects = &predictions.subjects;
    assert!(subjects.is_sorted_by(|a, b| a.filename < b.filename));
    assert!(subjects.iter().all(|s| s.filename.starts_with("SOB_B_") == (s.truth.lower() == "benign")));
    assert!(subjects.iter().all(|s| s.stratum.map(|s| (s.magnification, s.width)) == Some((100, 24))));

    let shifts = json["shifts"].as_array().unwrap();
    assert_eq!(shifts.len(), 15);
    assert!(shifts.iter().all(|shift| shift["roc_auc"].is_f64() && shift["within_strata"]["roc_auc"].is_f64()));
    assert_eq!((&json["magnifications"]["100"]["n"], &json["subtypes"]["F"]["n"]), (&60.into(), &30.into()));
    assert_eq!(json["cases"].as_object().unwrap().len(), 12);
    assert!(json["intervals"]["exchanged_within_strata"].is_array(), "{json}");

    let page = fs::read_to_string(out.join("report.html")).unwrap();
    assert!(page.len() < 3_000_000 && page.contains(RESEARCH_USE) && page.contains("data:image/jpeg;base64,"));
    let drawn = ["jpeg", "png"].map(|kind| page.matches(&format!("data:image/{kind};base64,")).count());
    assert!(drawn[0] > 0 && drawn[0] == drawn[1], "beside each thumbnail its heatmap: {drawn:?}");
    for field in ["accuracy", "brier", "ece_debiased", "roc_auc", "pr_auc", "aurc", "patient_recognition_rate"] {
        assert!(page.contains(&format!(">{:.4}<", json[field].as_f64().unwrap())), "{field}");
    }
    // This network calls every image malignant.
    assert!(json["mcc"].is_null() && page.contains(">undefined<"), "{json}");
}

#[test]
fn a_report_is_written_beside_other_files_and_not_where_it_cannot_be() {
    let dir = breakhis_tree();
    let weights = small_network(dir.path());
    let out = tempfile::tempdir().unwrap();
    fs::write(out.path().join("notes.txt"), "mine").unwrap();
    let base = ["evaluate", "--data", text(dir.path()), "--weights", text(&weights), "--exchanges", "0", "--report"];
    printed(&[&base[..], &[text(out.path())]].concat());
    let names = || -> std::collections::BTreeSet<_> {
        fs::read_dir(out.path()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    assert_eq!(names(), ["metrics.json", "notes.txt", "predictions.csv", "report.html"].map(str::to_owned).into());

    fs::write(dir.path().join("SOB_B_A-14-77-40-001.png"), "this is text").unwrap();
    fs::create_dir(out.path().join("folder")).unwrap();
    fs::create_dir(out.path().join("folder/report.html")).unwrap();
    let refused = [("notes.txt", "notes.txt"), ("notes.txt/deeper", "notes.txt"), ("folder", "report.html")];
    for (folder, named) in refused {
        let message = complaint(&[&base[..], &[text(&out.path().join(folder))]].concat());
        assert!(message.contains("cannot") && message.contains(named), "{message}");
        assert!(!message.contains("SOB_B_A-14-77-40-001.png"), "refused before images are read: {message}");
    }
    let message = complaint(&[&base[..], &[text(&out.path().join("new/report"))]].concat());
    assert!(message.contains("SOB_B_A-14-77-40-001.png") && !out.path().join("new").exists(), "{message}");
}

#[test]
fn a_seed_repeats_the_exchanges_and_none_leave_their_figures_undefined() {
    let dir = breakhis_tree();
    let (file, weights) = (dir.path().join("predictions.csv"), small_network(dir.path()));
    let figures = |more: &[&str]| -> Value {
        let all = ["evaluate", "--data", text(dir.path()), "--weights", text(&weights), "--json"];
        let all = [&all[..], &["--predictions", text(&file)], more].concat();
        json(&all)
    };
    let first = figures(&["--exchanges", "1"]);
    assert_eq!(first, figures(&["--exchanges", "1"]));
    assert_ne!(first["exchanged"], figures(&["--exchanges", "1", "--exchange-seed", "5"])["exchanged"]);
    let none = figures(&["--exchanges", "0"]);
    assert!(none["exchanged"]["roc_auc"].is_null() && none["exchanged"]["changed"].is_null(), "{none}");
    assert_eq!(none["roc_auc"], first["roc_auc"]);
    assert!(!fs::read_to_string(&file).unwrap().contains("exchanged_"));
    let eight = figures(&["--exchanges", "0", "--views", "8"]);
    assert_eq!((&none["setting"]["views"], &eight["setting"]["views"]), (&1.into(), &8.into()));
    assert_ne!(eight["nll"], none["nll"]);
}

#[test]
fn another_network_is_subtracted_and_one_of_other_images_is_refused_before_any_is_measured() {
    let dir = breakhis_tree();
    let (file, weights) = (dir.path().join("predictions.csv"), small_network(dir.path()));
    let base = ["evaluate", "--data", text(dir.path()), "--weights", text(&weights), "--exchanges", "0"];
    printed(&[&base[..], &["--predictions", text(&file)]].concat());
    let against = [&base[..], &["--against", text(&file)]].concat();
    let found = json(&[&against[..], &["--json"]].concat());
    let zero = serde_json::json!({"difference": 0.0, "interval": [0.0, 0.0]});
    assert_eq!(found["against"]["differences"]["roc_auc"], zero, "{found}");
    assert_eq!((&found["against"]["n"], &found["against"]["cases"]), (&60.into(), &12.into()));
    let table = printed(&against);
    assert!(
        table.contains(&format!("this network minus {} on the same 60 images of 12 cases", text(&file))),
        "{table}"
    );

    let rows = fs::read_to_string(&file).unwrap();
    fs::write(&file, rows.lines().take(60).map(|line| format!("{line}\n")).collect::<String>()).unwrap();
    let image = Dataset::open(dir.path()).unwrap().images()[0].path.clone();
    fs::write(image, "this is text").unwrap();
    let message = complaint(&against);
    assert!(message.contains("they must predict the same images, and SOB_M_DC-14-16-100-005.png"), "{message}");
}

#[test]
fn the_other_formats_hold_the_same_figures_and_the_figure_draws_them() {
    let dir = breakhis_tree();
    let svg = dir.path().join("figure.svg");
    let weights = small_network(dir.path());
    let base = ["evaluate", "--data", text(dir.path()), "--weights", text(&weights), "--format"];
    let table = printed(&[&base[..], &["csv", "--figure", text(&svg)]].concat());
    let json = json(&[&base[..], &["json"]].concat());
    let mut reader = csv::Reader::from_reader(table.as_bytes());
    let rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let value = |of: &str, figure: &str| -> f64 {
        let row = rows.iter().find(|row| [&row[0], &row[1], &row[2]] == ["all", of, figure]);
        row.unwrap_or_else(|| panic!("no {of} {figure} in {table}"))[3].parse().unwrap()
    };
    assert_eq!(value("network", "exchanged"), json["exchanged"]["roc_auc"].as_f64().unwrap());
    assert_eq!(value("spectrum", "roc_auc"), json["controls"]["spectrum"]["roc_auc"].as_f64().unwrap());
    assert_eq!(value("blur:2", "changed"), json["shifts"][14]["changed"].as_f64().unwrap());
    let figure = fs::read_to_string(&svg).unwrap();
    assert!(figure.starts_with("<svg ") && figure.contains("mean colour") && !figure.contains("NaN"), "{figure}");
}

#[test]
fn only_the_part_that_is_asked_for_is_measured() {
    let dir = breakhis_tree();
    let split = dir.path().join("split.csv");
    printed(&["dataset", "split", text(dir.path()), "--by", "case", "-o", text(&split)]);
    let weights = small_network(dir.path());
    let size = |part: &[&str]| {
        let all = ["evaluate", "--json", "--data", text(dir.path()), "--weights", text(&weights)];
        let all = [&all[..], &["--split", text(&split)], part].concat();
        json(&all)["n"].as_u64().unwrap()
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
    let weights = small_network(dir.path());
    let base = ["evaluate", "--json", "--data", text(dir.path()), "--split", text(&folds), "--weights", text(&weights)];
    assert_eq!(json(&[&base[..], &["--fold", "2"]].concat())["n"], 10);

    assert!(complaint(&base).contains("--fold"));
    assert!(complaint(&[&base[..], &["--fold", "9"]].concat()).contains("there is no fold 9; its folds are 1, 2, 3"));
    assert!(complaint(&[&base[..], &["--fold", "2", "--part", "test"]].concat()).contains("test part"));
    assert!(complaint(&[&base[..], &["--part", "tests"]].concat()).contains("train, validation and test"));
}

#[test]
fn a_fold_of_kaggle_s_table_is_measured_audited_and_trained_on() {
    let (data, work, out) = places();
    let (folds, weights) = (work.path().join("Folds.csv"), small_network(work.path()));
    // Fold 1 holds two cases out; fold 2 the first image of each case, so that every case is on both sides.
    let mut rows = String::from("fold,mag,grp,filename\n");
    for image in Dataset::open(data.path()).unwrap().images() {
        let case = image.name.case.to_string();
        let held_out = [case == "1" || case == "11", image.name.number == 1];
        for (fold, held_out) in [1, 2].into_iter().zip(held_out) {
            let path = image.path.strip_prefix(data.path()).unwrap();
            rows += &format!("{fold},100,{},{}\n", if held_out { "test" } else { "train" }, text(path));
        }
    }
    fs::write(&folds, rows).unwrap();
    let with = |command: &[&str], fold: &str| {
        let arguments = [command, &["--split", text(&folds), "--fold", fold]].concat();
        let output = lobule(&arguments).output().unwrap();
        (output.status.success(), [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()))
    };
    let evaluate = ["evaluate", "--json", "--data", text(data.path()), "--weights", text(&weights), "--exchanges", "0"];
    for (fold, images, leaks) in [("1", 10, false), ("2", 12, true)] {
        let (succeeded, [figures, log]) = with(&evaluate, fold);
        assert!(succeeded, "{log}");
        assert_eq!(serde_json::from_str::<Value>(&figures).unwrap()["n"], images);
        assert_eq!(log.contains("12 cases have images in more than one part"), leaks, "{log}");
        let (succeeded, [report, _]) = with(&["dataset", "audit", text(data.path())], fold);
        assert!(succeeded != leaks && report.contains("cases in more than one part"), "{report}");
    }
    let train = small_training("baseline", data.path(), Path::new(""), &out, &["epochs=1"]);
    let (succeeded, [_, log]) = with(&train.iter().map(String::as_str).collect::<Vec<_>>(), "1");
    assert!(succeeded && log.contains("50 images to train on, 10 to validate on"), "{log}");
    let all = small_training("baseline", data.path(), Path::new(""), &work.path().join("all"), &[]);
    let all = [&all[..], &["--folds".into(), text(&folds).into()]].concat();
    assert!(complaint(&all).contains("--split with --fold takes one of them"));
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
fn no_figures_are_given_when_an_image_cannot_be_read() {
    let dir = breakhis_tree();
    fs::write(dir.path().join("SOB_B_A-14-77-40-001.png"), "this is text").unwrap();
    let message = complaint(&["evaluate", "--data", text(dir.path())]);
    assert!(message.contains("SOB_B_A-14-77-40-001.png"), "{message}");
    assert!(message.contains("no figures, because 1 of 61 images"), "{message}");
}

#[test]
fn files_that_cannot_be_written_are_refused_before_images_are_read() {
    let dir = breakhis_tree();
    fs::write(dir.path().join("SOB_B_A-14-77-40-001.png"), "this is text").unwrap();
    let missing = dir.path().join("missing/file");
    for (option, path) in [("--predictions", &*missing), ("--figure", &missing), ("--figure", dir.path())] {
        let message = complaint(&["evaluate", "--data", text(dir.path()), option, text(path)]);
        assert!(message.contains(&format!("cannot write {}", path.display())), "{message}");
        assert!(!message.contains("SOB_B_A-14-77-40-001.png"), "{message}");
    }
    let files = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert_eq!(files.filter(|name| name.to_string_lossy().starts_with('.')).count(), 0);
}

#[test]
fn the_text_looks_as_it_did() {
    let dir = breakhis_tree();
    small_network(dir.path());
    let split = ["dataset", "split", ".", "--by", "case", "-o", "split.csv"];
    insta::assert_snapshot!("split", printed_in(dir.path(), &split));
    let arguments = ["evaluate", "--data", ".", "--weights", "network.safetensors"];
    insta::assert_snapshot!("text", printed_in(dir.path(), &arguments));
}

#[test]
fn figures_on_cases_that_the_network_was_trained_on_are_marked_loudly() {
    let dir = breakhis_tree();
    let weights = small_network(dir.path());
    let mut file = WeightsFile::parse(&fs::read(&weights).unwrap(), "small").unwrap();
    let evaluate = |file: &WeightsFile, more: &[&str]| {
        file.write(&weights).unwrap();
        printed(&[&["evaluate", "--data", text(dir.path()), "--weights", text(&weights)], more].concat())
    };
    file.metadata.trained_on = ["1", "2", "14", "999"].map(str::to_owned).to_vec();
    let report = evaluate(&file, &["--exchanges", "0"]);
    let warning = "WARNING: the network was trained on 15 of these 60 images (3 of 12 cases); figures on them say nothing \
                   about other persons\n";
    assert!(report.starts_with(warning), "{report}");
    let json: Value = serde_json::from_str(&evaluate(&file, &["--exchanges", "0", "--json"])).unwrap();
    assert_eq!(json["trained_on_these"], serde_json::json!({"images": 15, "cases": 3}));
    let log = |file: &WeightsFile| {
        file.write(&weights).unwrap();
        let arguments =
            ["evaluate", "--data", text(dir.path()), "--weights", text(&weights), "--exchanges", "0", "--json"];
        String::from_utf8(lobule(&arguments).assert().success().get_output().stderr.clone()).unwrap()
    };
    assert!(log(&file).contains("WARN the network was trained on 15"), "{}", log(&file));
    file.metadata.trained_on = vec!["999".to_owned()];
    assert!(log(&file).contains("INFO the network was trained on none"), "{}", log(&file));
    let report = evaluate(&file, &["--exchanges", "0"]);
    assert!(report.starts_with("the network was trained on none of these cases\n"), "{report}");
}
