//! `lobule train`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use lobule::breakhis::{Dataset, Part};
use lobule::model::{Architecture, Metadata, WeightsFile};
use lobule::train::{self, Config, Outcome, Recipe};
use tempfile::TempDir;

use crate::support::{breakhis_tree, complaint, draw, json, printed, small_network, text, untrained};

/// The changes that make a recipe's network that small.
const SMALL_FUSED: [&str; 7] = [
    "architecture.stem=8",
    "architecture.growth=4",
    "architecture.bottleneck=8",
    "architecture.blocks=[1, 2, 1, 1]",
    "architecture.tap=8",
    "architecture.hidden=8",
    "architecture.dropout=0.2",
];
const SMALL_BASELINE: [&str; 3] = ["architecture.size=32", "architecture.filters=[4, 4]", "architecture.hidden=8"];
const SMALL: [&str; 2] = ["preprocess.size=32", "batch=8"];

/// A command that trains on `data` into `out` by a small form of a recipe.
pub(crate) fn small_training(recipe: &str, data: &Path, init: &Path, out: &Path, changes: &[&str]) -> Vec<String> {
    let mut arguments =
        ["train", "--data", text(data), "--out", text(out), "--recipe", recipe].map(String::from).to_vec();
    let network = if matches!(recipe, "transfer" | "best") {
        arguments.extend(["--init".into(), text(init).into()]);
        &SMALL_FUSED[..]
    } else {
        &SMALL_BASELINE[..]
    };
    for change in [&SMALL[..], network, changes].concat() {
        arguments.extend(["--set".into(), change.into()]);
    }
    arguments
}

/// Starts a training and stops it, by Ctrl-C or at once, as soon as `seen` holds; it may have ended by then.
pub(crate) fn stopped(arguments: &[String], by_ctrl_c: bool, seen: impl Fn() -> bool) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lobule"));
    let mut run = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while !seen() && run.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    if by_ctrl_c {
        assert!(Command::new("kill").args(["-INT", &run.id().to_string()]).status().unwrap().success());
    } else {
        run.kill().unwrap();
    }
    run.wait_with_output().unwrap()
}

/// Checks that two runs have the same bytes in these files.
pub(crate) fn assert_same<'a>(ours: &Path, theirs: &Path, files: impl IntoIterator<Item = &'a str>) {
    for file in files {
        let bytes = |run: &Path| fs::read(run.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
        assert!(bytes(ours) == bytes(theirs), "{file} differs in {} and {}", ours.display(), theirs.display());
    }
}

/// Images, a folder to work in, and in it the folder of a run that is not there yet.
pub(crate) fn places() -> (TempDir, TempDir, PathBuf) {
    let (data, work) = (breakhis_tree(), tempfile::tempdir().unwrap());
    let out = work.path().join("deep/run");
    (data, work, out)
}

/// What the weights file of a run says of itself.
pub(crate) fn metadata(run: &Path) -> Metadata {
    WeightsFile::parse(&fs::read(run.join("weights.safetensors")).unwrap(), "the run").unwrap().metadata
}

#[test]
fn a_run_leaves_weights_that_predict_a_history_a_split_and_predictions() {
    let (data, work, out) = places();
    let init = small_network(work.path());
    let train = small_training("best", data.path(), &init, &out, &["epochs=2"]);
    printed(&train);

    let history = fs::read_to_string(out.join("history.csv")).unwrap();
    assert!(history.starts_with("epoch,learning_rate,train_loss,"), "{history}");
    assert_eq!(history.lines().count(), 3, "{history}");
    let jsonl = fs::read_to_string(out.join("history.jsonl")).unwrap();
    let last: serde_json::Value = serde_json::from_str(jsonl.lines().last().unwrap()).unwrap();
    assert_eq!((jsonl.lines().count(), &last["epoch"]), (2, &2.into()));
    assert!(last["images_per_second"].as_f64().unwrap() > 0.0, "{last}");
    let config = fs::read_to_string(out.join("config.toml")).unwrap();
    assert!(config.contains("name = \"best\"") && config.contains("growth = 4"), "{config}");
    assert!(!config.contains(text(work.path())), "no path of this machine");
    let split = fs::read_to_string(out.join("split.csv")).unwrap();
    assert_eq!(split.lines().count(), 61);
    for part in ["validation", "test"] {
        let images = split.lines().filter(|line| line.ends_with(part)).count();
        let predictions = fs::read_to_string(out.join(format!("{part}-predictions.csv"))).unwrap();
        assert_eq!(predictions.lines().count(), images + 1);
    }

    let weights = out.join("weights.safetensors");
    let (weights, split) = (text(&weights), out.join("split.csv"));
    let evaluate = ["evaluate", "--data", text(data.path()), "--split", text(&split), "--part", "test"];
    let figures = json(&[&evaluate[..], &["--weights", weights, "--json"]].concat());
    let metadata = metadata(&out);
    assert_eq!(metadata.figures["test_nll"], figures["nll"].as_f64().unwrap());
    assert_eq!(metadata.provenance.seed, 1);
    // Every case is of one part, and those of the train part are written down.
    assert_eq!(metadata.trained_on.len() + 4, 12, "{:?}", metadata.trained_on);
    assert_eq!(figures["trained_on_these"], serde_json::json!({"images": 0, "cases": 0}));
    assert!(figures["setting"]["controls_fitted_to"].as_str().unwrap().starts_with("the train part (40 images of 8"));
    assert!(
        !String::from_utf8_lossy(&fs::read(weights).unwrap()).contains(text(work.path())),
        "no path of this machine"
    );
    assert!(WeightsFile::parse(&fs::read(out.join("best.safetensors")).unwrap(), "best").is_ok());

    let other = work.path().join("other");
    let refused = complaint(&small_training("best", data.path(), Path::new(weights), &other, &[]));
    assert!(refused.contains("was trained on 8 cases of BreakHis") && refused.contains("ImageNet"), "{refused}");

    let again = complaint(&train);
    assert!(again.contains("holds a run already") && again.contains("--resume"), "{again}");
    let other = complaint(&[&train[..], &["--resume", "--set", "epochs=3"].map(String::from)].concat());
    assert!(other.contains("recipe.epochs = 3, and not 2"), "{other}");

    let curves = fs::read_to_string(out.join("curves.svg")).unwrap();
    assert!(curves.contains(">kept: last epoch (2), validation loss "), "{curves}");
    // Both commands have one default seed.
    let same = work.path().join("same.csv");
    printed(&["dataset", "split", text(data.path()), "--by", "case", "-o", text(&same)]);
    assert_eq!(fs::read(same).unwrap(), fs::read(split).unwrap());
}

#[test]
fn the_library_trains_as_the_command_does() {
    let (data, work, _) = places();
    let (by_command, by_library) = (work.path().join("command"), work.path().join("library"));
    printed(&small_training("baseline", data.path(), Path::new(""), &by_command, &["epochs=2"]));
    let changes = [&SMALL[..], &SMALL_BASELINE, &["epochs=2"]].concat();
    let recipe = Recipe::named("baseline", &changes).unwrap();
    let Ok(Outcome::Run(run)) = train::run(&Config::new(data.path(), recipe, &by_library), &mut ()) else {
        panic!("one run");
    };
    assert_same(&by_command, &by_library, RESULTS);
    assert_eq!((run.folder.path(""), run.train_images), (by_library.join(""), 40));
    assert!(run.measured.is_some_and(|(part, _)| part == Part::Test));
}

/// The files whose bytes a resumed run must share with an undisturbed one.
pub(crate) const RESULTS: [&str; 7] = [
    "config.toml",
    "split.csv",
    "history.csv",
    "best.safetensors",
    "weights.safetensors",
    "validation-predictions.csv",
    "test-predictions.csv",
];

#[test]
fn a_run_that_is_killed_and_resumed_ends_in_the_same_bytes() {
    let (data, work, _) = places();
    let init = small_network(work.path());
    for recipe in ["baseline", "augmented", "transfer", "best"] {
        let train = |name: &str| {
            let out = work.path().join(format!("{recipe}-{name}"));
            (small_training(recipe, data.path(), &init, &out, &["epochs=4"]), out)
        };
        let (command, whole) = train("whole");
        printed(&command);

        let (mut command, killed) = train("killed");
        command.push("--resume".into());
        let last = killed.join("last.safetensors");
        let written = || fs::metadata(&last).and_then(|file| file.modified()).ok();
        for _ in 0..2 {
            // Killed somewhere behind the next checkpoint, which may be anywhere in an epoch or in a file's writing.
            let before = written();
            stopped(&command, false, || written() != before);
        }
        printed(&command);
        assert_same(&whole, &killed, RESULTS);
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_saves_and_says_how_to_go_on() {
    let (data, _work, out) = places();
    let changes = ["epochs=500", "early_stopping.patience=1000"];
    let mut command = small_training("baseline", data.path(), Path::new(""), &out, &changes);
    let output = stopped(&command, true, || out.join("history.csv").exists());
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && message.contains("--resume"), "{message}");
    assert!(out.join("last.safetensors").exists() && !out.join("weights.safetensors").exists());
    let epochs = fs::read_to_string(out.join("history.jsonl")).unwrap().lines().count();
    assert!(epochs < 500, "{epochs}");

    // Early stopping would end it too, but not yet.
    command.extend(["--resume", "--set", "epochs=501"].map(String::from));
    assert!(complaint(&command).contains("recipe.epochs = 501, and not 500"));
}

#[test]
fn a_second_training_in_one_folder_is_refused_while_the_first_is_at_work() {
    let (data, _work, out) = places();
    let changes = ["epochs=500", "early_stopping.patience=1000"];
    let mut command = small_training("baseline", data.path(), Path::new(""), &out, &changes);
    let mut first = Command::new(env!("CARGO_BIN_EXE_lobule")).args(&command).stderr(Stdio::null()).spawn().unwrap();
    while !out.join("last.safetensors").exists() && first.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    command.push("--resume".into());
    let message = complaint(&command);
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(message.contains("another training is at work in") && message.contains(text(&out)), "{message}");
}

#[test]
fn a_training_that_cannot_succeed_is_refused_before_it_starts() {
    let (data, work, out) = places();
    let train = |more: &[&str]| {
        let arguments = ["train", "--data", text(data.path()), "--recipe", "best", "--out", text(&out)];
        complaint(&[&arguments[..], more].concat())
    };
    assert!(train(&[]).contains("--init"));
    let missing = work.path().join("missing.safetensors");
    assert!(train(&["--init", text(&missing)]).contains("missing.safetensors"));
    let other = work.path().join("baseline.safetensors");
    untrained(Architecture::baseline(), &other);
    let message = train(&["--init", text(&other)]);
    assert!(message.contains("another network than those known here: conv0.weight"), "{message}");
    assert!(train(&["--init", text(&other), "--set", "learning_rate=0"]).contains("learning_rate must be above 0"));
    assert!(train(&["--init", text(&other), "--set", "epoch=3"]).contains("epoch"));
    assert!(train(&["--init", text(&other), "--set", "name=foo"]).contains("cannot be another"));
    let baseline = ["train", "--data", text(data.path()), "--recipe", "baseline", "--out", text(&out)];
    assert!(complaint(&[&baseline[..], &["--init", text(&other)]].concat()).contains("leave --init out"));
    assert!(!out.exists(), "nothing was made");

    // A folder that cannot be used is refused before an image is read.
    fs::write(&Dataset::open(data.path()).unwrap().images()[0].path, "no image").unwrap();
    let (file, used) = (work.path().join("file"), work.path().join("used"));
    fs::write(&file, "").unwrap();
    let dangling = work.path().join("dangling");
    std::os::unix::fs::symlink("nowhere", &dangling).unwrap();
    fs::create_dir(&used).unwrap();
    fs::write(used.join("last.safetensors"), "").unwrap();
    for (out, message) in [
        (&file, "cannot write"),
        (&file.join("run"), "file is a file, and --out names a folder"),
        (&dangling, "dangling is a link to nothing, and --out names a folder"),
        (&used, "holds a run already"),
        (&out, "1 images cannot be read"),
    ] {
        let refused = complaint(&small_training("baseline", data.path(), &other, out, &[]));
        assert!(refused.contains(message), "{}: {refused}", out.display());
    }
    assert!(!out.exists() && fs::read_dir(&used).unwrap().count() == 1, "nothing was made");
}

#[test]
fn images_that_cannot_be_read_are_named_at_the_start_or_left_out() {
    let (data, _work, out) = places();
    let dataset = Dataset::open(data.path()).unwrap();
    let images: Vec<&Path> = dataset.images().iter().map(|image| image.path.as_path()).collect();
    for broken in [images[0], images[7]] {
        let bytes = fs::read(broken).unwrap();
        fs::write(broken, &bytes[..bytes.len() / 2]).unwrap();
    }
    let mut train = small_training("baseline", data.path(), Path::new(""), &out, &["epochs=1"]);
    let message = complaint(&train);
    assert!(message.contains("2 images cannot be read") && message.contains("--skip-unreadable"), "{message}");
    assert!(message.contains(text(images[7])), "{message}");
    assert!(!out.exists(), "nothing was made");

    train.push("--skip-unreadable".into());
    printed(&train);
    let config = fs::read_to_string(out.join("config.toml")).unwrap();
    let name = images[7].file_name().unwrap().to_str().unwrap();
    assert!(config.contains("skipped") && config.contains(name), "{config}");
}

#[test]
fn weights_of_another_kind_are_refused_with_a_reason() {
    let work = tempfile::tempdir().unwrap();
    let image = work.path().join("image.png");
    draw(&image, 100);
    let weights = work.path().join("weights.safetensors");
    let refused = || complaint(&["predict", "--weights", text(&weights), text(&image)]);

    assert!(refused().contains("cannot read the weights file"));
    fs::write(&weights, "no tensors").unwrap();
    assert!(refused().contains("not a whole safetensors file"));
    untrained(Architecture::baseline(), &weights);
    let whole = fs::read(&weights).unwrap();
    fs::write(&weights, &whole[..whole.len() - 100]).unwrap();
    assert!(refused().contains("not a whole safetensors file"));

    // A network's tensors under another network's description.
    let mut file = WeightsFile::parse(&whole, "whole").unwrap();
    file.metadata.architecture = Architecture::fused_densenet121();
    file.write(&weights).unwrap();
    let message = refused();
    assert!(message.contains("missing: features.conv0.weight"), "{message}");
    assert!(message.contains("unexpected: conv1.bias"), "{message}");

    // Tensors without Lobule's description are no damaged file.
    let header = r#"{"features.conv0.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
    fs::write(&weights, [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &[0; 4]].concat()).unwrap();
    let message = refused();
    assert!(message.contains("no usable Lobule metadata") && message.contains("--init"), "{message}");
}
