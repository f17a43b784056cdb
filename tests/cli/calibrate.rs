//! `lobule calibrate`.

use std::fs;
use std::path::Path;

use lobule::model::WeightsFile;

use crate::support::{complaint, draw, lobule, printed, small_network, text};
use crate::train::{places, small_training};

#[test]
fn a_file_is_calibrated_without_training_as_it_is_at_the_end_of_one() {
    let (data, work, _) = places();
    let init = small_network(work.path());
    let place = |name: &str| work.path().join(name);
    let train = |out: &Path, more: &[&str]| {
        let mut command = small_training("best", data.path(), &init, out, &["epochs=1"]);
        command.extend(more.iter().map(ToString::to_string));
        command
    };
    let (folds, carried, plain, output) = (place("folds"), place("carried"), place("plain"), place("c.safetensors"));
    printed(&train(&folds, &["--folds", "2", "--repeats", "2"]));
    let messages = train(&carried, &["--all", "--cross-validation", text(&folds)]);
    let messages = lobule(&messages).assert().success().get_output().stderr.clone();
    assert!(String::from_utf8_lossy(&messages).contains("flags out of fold: foreign "));
    printed(&train(&plain, &["--all"]));

    let weights = |run: &Path| run.join("weights.safetensors");
    let calibrate = |file: &Path, data: &Path, folds: &Path| {
        let arguments = ["calibrate", text(file), "--data", text(data), "--cross-validation", text(folds)];
        [&arguments[..], &["-o", text(&output)]].concat().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let table = printed(&calibrate(&weights(&plain), data.path(), &folds));
    for part in ["balanced", "sensitive", "foreign", "stain", "uncertain", "abstaining", "wrong decisions: "] {
        assert!(table.contains(part), "{table}");
    }
    let read = |path: &Path| WeightsFile::read(path).unwrap();
    let (ours, theirs, before) = (read(&output), read(&weights(&carried)), read(&weights(&plain)));
    assert!(ours.novelty.is_some() && ours.novelty == theirs.novelty, "the same statistics");
    let (ours, theirs) = (ours.metadata, theirs.metadata);
    assert_eq!((&ours.flags, &ours.calibration), (&theirs.flags, &theirs.calibration));
    assert_eq!((ours.temperature, &ours.operating_points), (theirs.temperature, &theirs.operating_points));
    assert_eq!((&ours.provenance, ours.figures.len()), (&before.metadata.provenance, 0), "nothing else is changed");
    assert!(before.novelty.is_none() && before.metadata.flags.is_none());
    let found = ours.flags.unwrap().found;
    assert_eq!((found.images, found.cases, found.folds, &found.seeds[..]), (60, 12, 2, &[1, 2][..]));
    // Of 120 images: 3.5 %, 5 % and 20 %, as near as whole images allow.
    let shares = [found.shares.foreign, found.shares.stain, found.shares.uncertain].map(|shares| shares.all.get());
    for (share, wanted) in shares.into_iter().zip([0.035, 0.05, 0.2]) {
        assert!((share - wanted).abs() < 0.02, "{shares:?}");
    }
    assert!(found.shares.abstain.all >= found.shares.uncertain.all);

    let bytes = fs::read(&output).unwrap();
    let again = calibrate(&output, data.path(), &folds);
    printed(&again);
    assert!(fs::read(&output).unwrap() == bytes, "calibrated anew, it is the same");

    // What does not belong together is refused, and the file stays.
    let of_fold = weights(&folds.join("repeat-1/fold-0"));
    let message = complaint(&calibrate(&of_fold, data.path(), &folds));
    assert!(message.contains("was trained on 6 cases, and the data are of 12"), "{message}");
    let message = complaint(&calibrate(&weights(&plain), data.path(), data.path()));
    assert!(message.contains("is not the folder of a cross-validation"), "{message}");
    let config = folds.join("repeat-1/fold-1/config.toml");
    let whole = fs::read_to_string(&config).unwrap();
    fs::write(&config, whole.replace("growth = 4", "growth = 5")).unwrap();
    let message = complaint(&calibrate(&weights(&plain), data.path(), &folds));
    assert!(message.contains("fold-1 has another architecture than"), "{message}");
    fs::write(&config, whole).unwrap();
    let damaged = work.path().join("damaged.safetensors");
    fs::write(&damaged, &bytes[..bytes.len() / 2]).unwrap();
    assert!(complaint(&calibrate(&damaged, data.path(), &folds)).contains("not a whole safetensors file"));
    draw(&data.path().join("BreaKHis_v1/SOB_B_F-14-1-100-099.png"), 250);
    assert!(complaint(&calibrate(&weights(&plain), data.path(), &folds)).contains("not in the split"));
    assert!(fs::read(&output).unwrap() == bytes, "nothing was written");
}

#[test]
fn an_imported_network_is_calibrated_by_images_that_it_has_not_seen() {
    let (data, work, _) = places();
    let place = |name: &str| work.path().join(name);
    let (imported, output) = (place("imported.safetensors"), place("calibrated.safetensors"));
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/keras/flat3.keras");
    printed(&["import", source, "-o", text(&imported), "--preprocess", "imagenet"]);
    let calibrate = |file: &Path, data: &Path, output: &Path| {
        let arguments = ["calibrate", text(file), "--data", text(data), "-o", text(output)];
        arguments.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let messages = lobule(&calibrate(&imported, data.path(), &output)).assert().success().get_output().stderr.clone();
    let messages = String::from_utf8_lossy(&messages).into_owned();
    assert!(messages.contains("does not say what it was trained on"), "{messages}");
    let read = |path: &Path| WeightsFile::read(path).unwrap();
    let (before, after) = (read(&imported), read(&output));
    assert_eq!(before.tensors, after.tensors, "no weight is rounded");
    assert_eq!(before.metadata.origin, after.metadata.origin);
    assert_ne!(after.metadata.temperature, 1.0);
    let calibration = after.metadata.calibration.clone().unwrap();
    assert_eq!((calibration.images, calibration.cases, calibration.folds), (60, 12, 5));
    assert!(calibration.method.contains("the network's own predictions for images that it was not trained on"));
    assert!(after.metadata.flags.is_some() && after.novelty.is_some(), "{messages}");

    let again = place("again.safetensors");
    printed(&calibrate(&output, data.path(), &again));
    let apart = (read(&again).metadata.temperature / after.metadata.temperature - 1.0).abs();
    assert!(apart < 1e-3, "calibrated anew, it has the same temperature: {apart}");

    // One that was trained on these persons knows the answers.
    let trained = place("trained");
    let init = small_network(work.path());
    let mut train = small_training("best", data.path(), &init, &trained, &["epochs=1"]);
    train.push("--all".to_owned());
    printed(&train);
    let message = complaint(&calibrate(&trained.join("weights.safetensors"), data.path(), &output));
    assert!(message.contains("was trained on 12 of the 12 cases in the data"), "{message}");
}
