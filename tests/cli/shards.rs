//! `lobule train --shard`: a cross-validation whose runs are trained by several processes.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::folds::{assert_same, baseline};
use crate::support::{complaint, lobule, printed, text};
use crate::train::{places, stopped};

/// The runs of two repeats of two folds, in the order that they are numbered in.
const RUNS: [&str; 4] = ["repeat-1/fold-0", "repeat-1/fold-1", "repeat-2/fold-0", "repeat-2/fold-1"];

/// Two repeats of two folds, and what else is asked for.
fn twice_two(data: &Path, out: &Path, more: &[&str]) -> Vec<String> {
    baseline(data, out, 3, &[&["--folds", "2", "--repeats", "2"], more].concat())
}

/// Which of the runs were begun.
fn begun(out: &Path) -> Vec<&str> {
    RUNS.into_iter().filter(|run| out.join(run).exists()).collect()
}

/// Checks that two cross-validations are the same in all that does not hold times.
fn assert_same_runs(ours: &Path, theirs: &Path) {
    RUNS.iter().for_each(|run| assert_same(&ours.join(run), &theirs.join(run)));
    crate::train::assert_same(ours, theirs, ["repeat-1/folds.csv", "repeat-2/folds.csv"]);
}

#[test]
fn shards_in_any_order_make_the_cross_validation_that_one_process_makes() {
    let (data, work, out) = places();
    let whole = work.path().join("whole");
    let report = printed(&twice_two(data.path(), &whole, &[]));
    assert!(report.contains("Mean of the pooled figures over 2 repeats"), "{report}");
    let pool = |dir: &Path| ["compare", "--pool", text(dir)].map(str::to_owned).to_vec();
    assert_eq!(printed(&pool(&whole)), report);

    // The last of three shards is first, and is asked again when it has ended, as a task is that is tried again.
    let shard = |shard: &str| twice_two(data.path(), &out, &["--shard", shard, "--resume"]);
    let output = lobule(&shard("2/3")).assert().success().get_output().clone();
    let messages = String::from_utf8_lossy(&output.stderr);
    assert!(messages.contains("shard 2/3 trains 1 of 4 runs: repeat-2/fold-0;"), "{messages}");
    assert!(messages.contains(&format!("`lobule compare --pool {}`", text(&out))), "{messages}");
    let of_shard = String::from_utf8(output.stdout).unwrap();
    assert!(of_shard.contains("\nrepeat-2/fold-0  baseline  by case  validation"), "{of_shard}");
    assert!(!of_shard.contains("predictions of the"), "a part has no pooled figure: {of_shard}");
    assert_eq!(begun(&out), ["repeat-2/fold-0"]);
    let again = lobule(&shard("2/3")).assert().success().get_output().clone();
    assert!(String::from_utf8_lossy(&again.stderr).contains("repeat 2 of 2, fold 0 of 2 folds: trained before"));
    assert_eq!(String::from_utf8(again.stdout).unwrap(), of_shard);

    // What is missing is named.
    let said = complaint(&pool(&out));
    assert!(said.contains("has not ended") && said.contains("--resume"), "{said}");
    assert!(said.contains(": repeat-1/fold-0, repeat-1/fold-1, repeat-2/fold-1;"), "{said}");
    assert!(complaint(&["compare", text(&out)]).contains(": repeat-1/fold-0, repeat-1/fold-1, repeat-2/fold-1;"));

    // The first shard is killed in its first run, and goes on to its second, which is of another repeat.
    stopped(&shard("0/3"), false, || out.join(RUNS[0]).join("last.safetensors").exists());
    let of_shard = printed(&shard("0/3"));
    assert!(of_shard.contains("\nrepeat-1/fold-0 ") && of_shard.contains("\nrepeat-2/fold-1 "), "{of_shard}");
    assert!(!of_shard.contains("\nmean ") && !of_shard.contains("Note"), "{of_shard}");
    assert_eq!(begun(&out), ["repeat-1/fold-0", "repeat-2/fold-0", "repeat-2/fold-1"]);

    // The second is a task of a job, and does not mind that the runs of others are there.
    let mut task = lobule(&twice_two(data.path(), &out, &[]));
    task.env("CLOUD_RUN_TASK_INDEX", "1").env("CLOUD_RUN_TASK_COUNT", "3").assert().success();
    assert_same_runs(&out, &whole);
    assert_eq!(printed(&pool(&out)), report);

    // Every format, and the figure, of several repeats.
    let figure = work.path().join("figure.svg");
    let as_csv =
        printed(&[&pool(&out)[..], &["--format", "csv", "--figure", text(&figure)].map(String::from)].concat());
    let mut table = csv::Reader::from_reader(as_csv.as_bytes());
    assert_eq!(table.headers().unwrap().iter().take(2).collect::<Vec<_>>(), ["repeat", "kind"]);
    let rows: Vec<csv::StringRecord> = table.records().map(Result::unwrap).collect();
    let number = |repeat: &str, kind: &str| rows.iter().filter(|row| (&row[0], &row[1]) == (repeat, kind)).count();
    assert_eq!(["1", "2"].map(|repeat| (number(repeat, "run"), number(repeat, "pooled"))), [(2, 1); 2]);
    assert_eq!(number("", "mean_of_repeats"), 1);
    assert!(fs::read_to_string(&figure).unwrap().contains("repeat-2/fold-1"));
    let several = complaint(&[&pool(&out)[..], &["--reliability", text(&figure)].map(String::from)].concat());
    assert!(several.contains("draws one repeat") && several.contains("repeat-1/fold-*"), "{several}");
    // Without --pool the runs of all repeats stand side by side; two repeats hold out the same images.
    assert!(printed(&["compare", text(&out)]).contains("repeat-2/fold-1"));
    assert!(complaint(&["compare", "--pool", text(&out), text(&whole)]).contains("both predict"));
}

#[test]
fn shards_that_begin_at_once_do_not_disturb_each_other() {
    let (data, work, out) = places();
    let whole = work.path().join("whole");
    let report = printed(&twice_two(data.path(), &whole, &["--shard", "0/1"]));
    assert!(report.contains("Mean of the pooled figures"), "the only shard is all of it: {report}");
    let begin = |index: usize| {
        let shard = format!("{index}/4");
        let mut command = Command::new(env!("CARGO_BIN_EXE_lobule"));
        command.args(twice_two(data.path(), &out, &["--shard", &shard]));
        command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let shards = [0, 1, 2, 3].map(begin);
    for shard in shards {
        let output = shard.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_same_runs(&out, &whole);
    let left: Vec<_> = fs::read_dir(out.join("repeat-1")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left.len(), 3, "two runs and the file of the folds: {left:?}");
}

#[test]
fn a_shard_that_is_none_is_refused_and_one_without_runs_has_nothing_to_do() {
    let (data, _work, out) = places();
    let refused = |more: &[&str]| complaint(&baseline(data.path(), &out, 1, more));
    assert!(refused(&["--shard", "0/2"]).contains("--folds"));
    for wrong in ["4/4", "1", "-1/2"] {
        let said = refused(&["--folds", "2", &format!("--shard={wrong}")]);
        assert!(said.contains(&format!("{wrong} is no shard; it is I/N")), "{said}");
    }
    let task = |index: &str, more: &[&str]| {
        let mut command = lobule(&baseline(data.path(), &out, 1, more));
        command.env("CLOUD_RUN_TASK_INDEX", index).env("CLOUD_RUN_TASK_COUNT", "2").assert().get_output().clone()
    };
    let wrong = task("2", &["--folds", "2"]);
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("CLOUD_RUN_TASK_INDEX"), "{wrong:?}");
    // All folds are checked by each shard, not only its own.
    let said = refused(&["--folds", "8", "--shard", "0/8"]);
    assert!(said.contains("both classes are needed"), "{said}");
    assert!(!out.exists(), "nothing was made");

    let empty = lobule(&twice_two(data.path(), &out, &["--shard", "4/5"])).assert().success().get_output().clone();
    let said = String::from_utf8_lossy(&empty.stderr);
    assert!(
        said.contains("shard 4/5 has nothing to train: there are 4 runs, and shards from 4 on have none"),
        "{said}"
    );
    assert!(empty.stdout.is_empty() && begun(&out).is_empty());

    // Other folds than those of the first shard are refused; a single run takes no notice of its task.
    let other = refused(&["--folds", "2", "--repeats", "2", "--seed", "9", "--shard", "0/5"]);
    assert!(other.contains("holds other folds than these"), "{other}");
    fs::remove_dir_all(&out).unwrap();
    assert!(task("1", &[]).status.success());
    assert!(out.join("weights.safetensors").exists());
}
