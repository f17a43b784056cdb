//! `lobule train --folds` and `lobule train --all`.

use std::fs;
use std::path::Path;
use std::process::Command;

use lobule::diagnosis::Threshold;
use lobule::model::{Calibration, Metadata, PointName};

use crate::support::{complaint, lobule, printed, printed_in, small_network, text};
use crate::train::{RESULTS, metadata, places, small_training, stopped};

/// A small training by the report's first recipe, and what else it is asked for.
pub(crate) fn baseline(data: &Path, out: &Path, epochs: usize, more: &[&str]) -> Vec<String> {
    let mut command = small_training("baseline", data, Path::new(""), out, &[&format!("epochs={epochs}")]);
    command.extend(more.iter().map(ToString::to_string));
    command
}

/// Checks that two runs which hold out a fold, and so have no test part, have the same bytes.
pub(crate) fn assert_same(ours: &Path, theirs: &Path) {
    crate::train::assert_same(ours, theirs, RESULTS.into_iter().filter(|file| !file.starts_with("test-")));
}

#[test]
fn each_fold_is_the_run_that_holds_it_out_and_all_are_pooled() {
    let (data, work, out) = places();
    let report = printed(&baseline(data.path(), &out, 2, &["--folds", "3", "--seed", "4"]));
    assert!(report.contains("All 60 predictions of the 3 runs together, 12 cases"), "{report}");
    assert!(!report.contains("Mean of the pooled figures"), "{report}");
    let repeat = out.join("repeat-1");
    let runs: Vec<_> = (0..3).map(|fold| repeat.join(format!("fold-{fold}"))).collect();
    assert_eq!(report, printed(&["compare", "--pool", text(&out)]), "what `lobule compare --pool` prints");
    let pool_runs = ["compare", "--pool", "repeat-1/fold-0", "repeat-1/fold-1", "repeat-1/fold-2"];
    assert_eq!(report, printed_in(&out, &pool_runs), "and of the runs one by one");

    let folds = repeat.join("folds.csv");
    let single = work.path().join("single");
    printed(&baseline(data.path(), &single, 2, &["--split", text(&folds), "--fold", "1", "--seed", "4"]));
    assert_same(&runs[1], &single);

    // The folds as a file are the same cross-validation.
    let again = work.path().join("again");
    let report = printed(&baseline(data.path(), &again, 2, &["--folds", text(&folds), "--seed", "4"]));
    assert!(report.contains("All 60 predictions of the 3 runs together, 12 cases"));
    assert_same(&again.join("repeat-1/fold-2"), &runs[2]);
    assert_eq!(fs::read(again.join("repeat-1/folds.csv")).unwrap(), fs::read(&folds).unwrap());
}

#[test]
fn a_cross_validation_that_is_stopped_goes_on_to_the_same_bytes() {
    let (data, work, _) = places();
    let whole = work.path().join("whole");
    let report = printed(&baseline(data.path(), &whole, 5, &["--folds", "3"]));
    let assert_whole = |out: &Path| {
        for fold in 0..3 {
            let run = format!("repeat-1/fold-{fold}");
            assert_same(&out.join(&run), &whole.join(&run));
        }
    };

    // Stopped between two folds: the first is there to its end, and nothing of the second.
    let between = work.path().join("between");
    assert!(Command::new("cp").args(["-r", text(&whole), text(&between)]).status().unwrap().success());
    (1..3).for_each(|fold| fs::remove_dir_all(between.join(format!("repeat-1/fold-{fold}"))).unwrap());
    let weights = between.join("repeat-1/fold-0/weights.safetensors");
    let written = fs::metadata(&weights).unwrap().modified().unwrap();
    let resumed = baseline(data.path(), &between, 5, &["--folds", "3", "--resume"]);
    let output = lobule(&resumed).assert().success().get_output().clone();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(messages.contains("repeat 1 of 1, fold 0 of 3 folds: trained before"), "{messages}");
    assert_eq!(fs::metadata(&weights).unwrap().modified().unwrap(), written, "a finished fold is left alone");
    // What stands before and after the pooled figures has the names of the folders in it.
    let pooled = |report: &str| -> Vec<String> {
        let lines = report.lines().skip_while(|line| !line.starts_with("All 60 predictions"));
        lines.take_while(|line| !line.is_empty()).map(str::to_owned).collect()
    };
    assert_eq!(pooled(&report).len(), 14, "{report}");
    assert_eq!(pooled(&String::from_utf8_lossy(&output.stdout)), pooled(&report));
    assert_whole(&between);

    // A single run and a cross-validation keep out of each other's folders.
    assert!(complaint(&baseline(data.path(), &whole, 5, &[])).contains("holds a cross-validation"));
    let single = complaint(&baseline(data.path(), &whole.join("repeat-1/fold-0"), 5, &["--folds", "3"]));
    assert!(single.contains("holds a single run"), "{single}");

    // Killed inside of a fold, wherever that falls, until nothing is left to do.
    let inside = work.path().join("inside");
    let command = baseline(data.path(), &inside, 5, &["--folds", "3", "--resume"]);
    for fold in 0..3 {
        let last = inside.join(format!("repeat-1/fold-{fold}/last.safetensors"));
        stopped(&command, false, || last.exists());
    }
    printed(&command);
    assert_whole(&inside);

    // Without --resume, by another recipe, by other folds: each is refused, and nothing is lost.
    assert!(complaint(&baseline(data.path(), &whole, 5, &["--folds", "3"])).contains("--resume"));
    let other = complaint(&baseline(data.path(), &whole, 6, &["--folds", "3", "--resume"]));
    assert!(other.contains("fold-0") && other.contains("recipe.epochs = 6, and not 5"), "{other}");
    let other = complaint(&baseline(data.path(), &whole, 5, &["--folds", "2", "--resume"]));
    assert!(other.contains("holds other folds than these"), "{other}");
    assert_whole(&whole);
}

#[cfg(unix)]
#[test]
fn ctrl_c_stops_a_cross_validation_inside_of_a_fold() {
    let (data, _work, out) = places();
    let mut command = baseline(data.path(), &out, 500, &["--folds", "2", "--set", "early_stopping.patience=1000"]);
    let fold = out.join("repeat-1/fold-0");
    let output = stopped(&command, true, || fold.join("history.csv").exists());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && output.stdout.is_empty(), "{message}");
    assert!(message.contains("repeat 1 of 1, fold 0 of 2 folds") && message.contains("--resume"), "{message}");
    assert!(fold.join("last.safetensors").exists() && !out.join("repeat-1/fold-1").exists());
    command.extend(["--set", "batch=9", "--resume"].map(String::from));
    assert!(complaint(&command).contains("recipe.batch = 9, and not 8"));
}

#[test]
fn repeats_have_seeds_and_dealings_of_their_own_and_a_mean() {
    let (data, work, out) = places();
    let report = printed(&baseline(data.path(), &out, 1, &["--folds", "2", "--repeats", "2", "--seed", "7"]));
    assert!(report.contains("Repeat 1 of 2, seed 7\n") && report.contains("Repeat 2 of 2, seed 8\n"), "{report}");
    assert!(report.contains("Mean of the pooled figures over 2 repeats\n"), "{report}");
    let read = |file: &str| fs::read_to_string(out.join(file)).unwrap();
    assert!(read("repeat-2/fold-1/config.toml").contains("seed = 8"));
    assert_ne!(read("repeat-1/folds.csv"), read("repeat-2/folds.csv"));
    // The second repeat is the first of its own seed.
    let own = work.path().join("own");
    printed(&baseline(data.path(), &own, 1, &["--folds", "2", "--seed", "8"]));
    assert_same(&own.join("repeat-1/fold-0"), &out.join("repeat-2/fold-0"));
}

#[test]
fn folds_that_cannot_be_trained_are_refused_before_the_first_one() {
    let (data, work, out) = places();
    let refused = |more: &[&str]| complaint(&baseline(data.path(), &out, 1, more));
    assert!(refused(&["--folds", "1"]).contains("there must be at least 2 folds"));
    let message = refused(&["--folds", "8"]);
    assert!(message.contains("both classes are needed") && message.contains("held out"), "{message}");
    assert!(refused(&["--folds", "missing.csv"]).contains("cannot read missing.csv"));
    let file = work.path().join("few.csv");
    fs::write(&file, "filename,fold\nSOB_B_F-14-1-100-001.png,0\n").unwrap();
    assert!(refused(&["--folds", text(&file)]).contains("not in the split"));
    for more in [&["--fold", "1", "--split", "f.csv"][..], &["--by", "image"], &["--all"]] {
        assert!(refused(&[&["--folds", "2"], more].concat()).contains("cannot be used with"), "{more:?}");
    }
    assert!(refused(&["--repeats", "2"]).contains("--folds"));
    assert!(!out.exists(), "nothing was made");
}

#[test]
fn all_images_make_a_file_that_predicts_and_carries_the_figures_of_its_cross_validation() {
    let (data, work, out) = places();
    let init = small_network(work.path());
    let best = |out: &Path, epochs: usize, more: &[&str]| {
        let mut command = small_training("best", data.path(), &init, out, &[&format!("epochs={epochs}")]);
        command.extend(more.iter().map(ToString::to_string));
        command
    };
    let folds = work.path().join("folds");

    // A cross-validation that has not ended has no figures.
    let carrying = best(&out, 1, &["--all", "--cross-validation", text(&folds)]);
    assert!(complaint(&carrying).contains("is not the folder of a cross-validation"));
    printed(&best(&folds, 1, &["--folds", "2", "--repeats", "2"]));
    let hidden = work.path().join("hidden");
    let unfinished = folds.join("repeat-2/fold-1/weights.safetensors");
    fs::rename(&unfinished, &hidden).unwrap();
    assert!(complaint(&carrying).contains("has not ended"));
    fs::rename(&hidden, &unfinished).unwrap();
    let predictions = folds.join("repeat-2/fold-1/validation-predictions.csv");
    fs::rename(&predictions, &hidden).unwrap();
    assert!(complaint(&carrying).contains("has not ended"));
    let lost = complaint(&["compare", text(&folds.join("repeat-2/fold-1"))]);
    assert!(lost.contains("has lost its predictions"), "{lost}");
    fs::rename(&hidden, &predictions).unwrap();
    let other = complaint(&best(&out, 2, &["--all", "--cross-validation", text(&folds)]));
    assert!(other.contains("trained by other settings") && other.contains("recipe.epochs = 2, and not 1"), "{other}");
    assert!(!out.exists(), "nothing was made");

    let messages = lobule(&carrying).assert().success().get_output().stderr.clone();
    let messages = String::from_utf8_lossy(&messages);
    assert!(messages.contains("nothing was held out, so nothing was measured"), "{messages}");
    let weights = out.join("weights.safetensors");
    let carried = metadata(&out);
    let Metadata { provenance, figures, .. } = &carried;
    let over = "trained on all; figures by cross-validation over 12 cases in 2 folds, the mean of 2 repeats";
    assert_eq!(provenance.split, over);
    assert!(figures.contains_key("cross_validated_roc_auc") && figures.contains_key("cross_validated_nll"));
    assert!(figures.keys().all(|name| name.starts_with("cross_validated_")), "{figures:?}");
    assert!(provenance.data.contains("trained on 60 of 12 cases"), "{}", provenance.data);
    assert_is_calibrated(&carried);
    assert_eq!((metadata(&folds.join("repeat-1/fold-0")).temperature, carried.temperature == 1.0), (1.0, false));

    let history = fs::read_to_string(out.join("history.csv")).unwrap();
    assert!(history.lines().nth(1).unwrap().ends_with(",,,,,,"), "{history}");
    assert!(!out.join("best.safetensors").exists() && !out.join("validation-predictions.csv").exists());
    assert!(!fs::read_to_string(out.join("split.csv")).unwrap().contains("validation"));
    let image = data.path().join("BreaKHis_v1");
    let rows = printed(&["predict", "--weights", text(&weights), "--format", "json", text(&image)]);
    assert_eq!(rows.lines().count(), 60, "{rows}");
    assert!(complaint(&["compare", text(&out)]).contains("was trained on all images"));

    // Without a cross-validation it says so, and stops and goes on as any training does.
    let plain = work.path().join("plain");
    printed(&best(&plain, 1, &["--all"]));
    let bytes = fs::read(plain.join("weights.safetensors")).unwrap();
    let Metadata { provenance, figures, temperature, operating_points, calibration, .. } = metadata(&plain);
    assert_eq!((temperature, operating_points.len(), calibration), (1.0, 0, None));
    assert_eq!((provenance.split.as_str(), figures.len()), ("trained on all; nothing was held out", 0));
    printed(&best(&plain, 1, &["--all", "--resume"]));
    assert_eq!(fs::read(plain.join("weights.safetensors")).unwrap(), bytes);
}

/// What two repeats of two folds of 60 images of 12 cases leave in the file that is trained on all of them.
fn assert_is_calibrated(Metadata { figures, operating_points, calibration, .. }: &Metadata) {
    let [balanced, sensitive] = &operating_points[..] else { panic!("{operating_points:?}") };
    assert_eq!((balanced.name, sensitive.name), (PointName::Balanced, PointName::Sensitive));
    assert_eq!(balanced.threshold, Threshold::HALF);
    assert!(sensitive.sensitivity.get() >= 0.95, "{sensitive:?}");
    let Calibration { images, cases, folds, seeds, ece, nll, method, .. } = calibration.as_ref().unwrap();
    assert_eq!((*images, *cases, *folds, &seeds[..]), (60, 12, 2, &[1, 2][..]));
    assert!((nll.before - figures["cross_validated_nll"]).abs() < 1e-9, "{nll:?}");
    assert!(ece.before != ece.after && method.contains("each case weighs the same"), "{ece:?} {method}");
}

#[test]
fn all_images_are_refused_to_a_recipe_that_needs_some_held_out() {
    let (data, _work, out) = places();
    let message = complaint(&baseline(data.path(), &out, 1, &["--all"]));
    assert!(message.contains("the recipe baseline decides by the validation part (early_stopping)"), "{message}");
    let conflict = complaint(&baseline(data.path(), &out, 1, &["--all", "--split", "f.csv"]));
    assert!(conflict.contains("cannot be used with"), "{conflict}");
    let alone = complaint(&baseline(data.path(), &out, 1, &["--cross-validation", "f"]));
    assert!(alone.contains("--all"), "{alone}");
    assert!(!out.exists(), "nothing was made");
}
