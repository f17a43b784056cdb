//! `lobule predict --output` for folders of any size, its shards, and `lobule merge`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::flagging::knows_only;
use crate::support::{complaint, draw, lobule, printed, small_network, text};

/// So many small images and some that are broken, and a network that answers at once.
pub(crate) struct Archive {
    dir: TempDir,
    pub(crate) images: PathBuf,
    pub(crate) weights: PathBuf,
}

impl Archive {
    pub(crate) fn of(count: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let images = dir.path().join("images");
        for number in 0..count {
            let path = images.join(format!("{}/{number:04}.png", number % 3));
            match number % 10 {
                7 => fs::write(&path, "no image").unwrap(),
                _ => draw(&path, (number % 251) as u8),
            }
        }
        let weights = small_network(dir.path());
        Self { images, weights, dir }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn arguments<'a>(&'a self, output: &'a Path, more: &[&'a str]) -> Vec<&'a str> {
        let all = ["predict", "--weights", text(&self.weights), "--output", text(output)];
        [&all[..], more, &[text(&self.images)]].concat()
    }

    /// Predicts to the end; some images are broken, so the code is 1.
    pub(crate) fn predict(&self, output: &Path, more: &[&str]) {
        lobule(&self.arguments(output, more)).assert().code(1);
    }

    /// Begins to predict, and stops when the first part was put away.
    pub(crate) fn stopped(&self, output: &Path, signal: &str) {
        let mut child = self.begun(output);
        assert!(Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap().success());
        child.wait().unwrap();
    }

    /// A run that has put its first part away and has others before it.
    pub(crate) fn begun(&self, output: &Path) -> Child {
        let mut child = Command::new(env!("CARGO_BIN_EXE_lobule"))
            .args(self.arguments(output, &[]))
            .env_remove("LOBULE_WEIGHTS")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let part = output.with_file_name("answers.csv.parts").join("000000");
        let begun = Instant::now();
        while !part.exists() {
            assert!(child.try_wait().unwrap().is_none() && begun.elapsed() < Duration::from_secs(60));
            std::thread::sleep(Duration::from_millis(1));
        }
        child
    }
}

#[test]
fn a_file_holds_what_is_printed_and_a_broken_image_is_a_row_that_says_why() {
    let archive = Archive::of(23);
    let common = ["predict", "--weights", text(&archive.weights), text(&archive.images), "--format"];
    for (format, ending) in [("csv", "csv"), ("json", "jsonl")] {
        let file = archive.path("answers").with_extension(ending);
        archive.predict(&file, &[]);
        let whole = fs::read_to_string(&file).unwrap();
        let stdout = lobule(&[&common[..], &[format]].concat()).assert().code(1).get_output().stdout.clone();
        let printed = String::from_utf8(stdout).unwrap();
        let (failed, answered): (Vec<&str>, Vec<&str>) = whole.lines().partition(|row| row.contains("not_an_image"));
        // What is printed has neither the column of errors nor rows of them.
        let answered: Vec<&str> =
            answered.iter().map(|row| row.trim_end_matches(",error").trim_end_matches(',')).collect();
        assert_eq!((answered, failed.len()), (printed.lines().map(|row| row.trim_end_matches(',')).collect(), 2));
        assert!(!file.with_extension(format!("{ending}.parts")).exists());
    }
    let rows = fs::read_to_string(archive.path("answers.csv")).unwrap();
    assert!(rows.lines().all(|row| row.matches(',').count() == 7), "{rows}");
    assert!(rows.lines().any(|row| row.ends_with("0007.png,,,,,,,not_an_image")), "{rows}");
    let record: Value = serde_json::from_slice(&fs::read(archive.path("answers.csv.run.json")).unwrap()).unwrap();
    assert_eq!((&record["total"]["failed"], &record["run"]["listed"]), (&2.into(), &23.into()));
    assert_eq!(record["run"]["asked"]["weights_sha256"].as_str().unwrap().len(), 64);
}

#[test]
fn the_first_failure_stops_it_where_that_is_asked() {
    let archive = Archive::of(30);
    let file = archive.path("answers.csv");
    for options in [&["--fail-fast"][..], &["--fail-fast", "--resume"]] {
        let said = complaint(&archive.arguments(&file, options));
        assert!(said.contains("as --fail-fast asks") && said.contains("behind 9 of 30"), "{said}");
        assert!(!file.exists(), "the parts are kept, and the file is not made");
    }
    // An image that was mended meanwhile has its answer.
    draw(&archive.images.join("0/0027.png"), 27);
    archive.predict(&file, &["--resume"]);
    let undisturbed = archive.path("undisturbed.csv");
    archive.predict(&undisturbed, &[]);
    assert_eq!(fs::read_to_string(&file).unwrap(), fs::read_to_string(undisturbed).unwrap());
}

#[test]
fn a_run_that_is_killed_and_resumed_ends_in_the_same_bytes() {
    let archive = Archive::of(2300);
    let (whole, file) = (archive.path("whole.csv"), archive.path("answers.csv"));
    archive.predict(&whole, &[]);
    let whole = fs::read(whole).unwrap();
    for signal in ["-KILL", "-TERM", "-INT"] {
        archive.stopped(&file, signal);
        archive.predict(&file, &["--resume"]);
        assert_eq!(fs::read(&file).unwrap(), whole, "{signal}");
        let finished = lobule(&archive.arguments(&file, &["--resume"])).assert().code(1).get_output().clone();
        assert!(String::from_utf8_lossy(&finished.stderr).contains("is finished"), "{finished:?}");
    }
    // A part that was cut off counts as not written.
    archive.stopped(&file, "-KILL");
    let part = archive.path("answers.csv.parts/000000");
    let bytes = fs::read(&part).unwrap();
    fs::write(&part, &bytes[..bytes.len() / 2]).unwrap();
    archive.predict(&file, &["--resume"]);
    assert_eq!(fs::read(&file).unwrap(), whole);
    // What differs is said, and nothing is lost. SIGTERM leaves the first part whole, as SIGKILL may not.
    archive.stopped(&file, "-TERM");
    let said = complaint(&archive.arguments(&file, &["--resume", "--threshold", "0.25"]));
    assert!(said.contains("begun with a threshold of 0.5"), "{said}");
    draw(&archive.images.join("new.png"), 9);
    let said = complaint(&archive.arguments(&file, &["--resume"]));
    assert!(said.contains("a list of 2300 images, and there are 2301"), "{said}");
    assert!(part.exists());
    archive.predict(&file, &[]);
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 2302);
}

#[test]
fn shards_in_any_order_and_one_of_them_twice_are_the_table_of_one_run() {
    let archive = Archive::of(60);
    for ending in ["csv", "jsonl"] {
        let (whole, file) = (archive.path(&format!("whole.{ending}")), archive.path(&format!("answers.{ending}")));
        archive.predict(&whole, &[]);
        let shard = |index: u32| archive.path(&format!("answers.{index}-of-4.{ending}"));
        for index in [2, 0, 3, 2, 1] {
            let asked = format!("{index}/4");
            // A shard may have no broken image.
            let code = lobule(&archive.arguments(&file, &["--shard", &asked])).output().unwrap().status.code();
            assert!(code == Some(0) || code == Some(1), "{code:?}");
        }
        let merged = archive.path(&format!("merged.{ending}"));
        let shards: Vec<PathBuf> = [3, 1, 0, 2].map(shard).into();
        let merge = |shards: &[PathBuf]| {
            let shards: Vec<&str> = shards.iter().map(|shard| text(shard)).collect();
            [&["merge", "--output", text(&merged)][..], &shards].concat().into_iter().map(str::to_owned).collect()
        };
        let all: Vec<String> = merge(&shards);
        printed(&all);
        assert_eq!(fs::read_to_string(&merged).unwrap(), fs::read_to_string(&whole).unwrap());

        let some: Vec<String> = merge(&shards[..2]);
        assert!(complaint(&some).contains("of 4 shards these are missing: 0, 2"));
        let twice: Vec<String> = merge(&[&shards[..], &shards[..1]].concat());
        assert!(complaint(&twice).contains("are both the shard 3/4"));
        let mut changed = fs::read(&shards[0]).unwrap();
        changed.pop();
        fs::write(&shards[0], changed).unwrap();
        assert!(complaint(&all).contains("was changed since it was finished"));
        fs::remove_file(shards[1].with_extension(format!("{ending}.run.json"))).unwrap();
        assert!(complaint(&all).contains("a run that is not finished has none"));
    }
}

#[test]
fn the_task_of_a_job_is_its_shard() {
    let archive = Archive::of(40);
    let file = archive.path("answers.csv");
    let task = |index: &str| {
        let mut command = lobule(&archive.arguments(&file, &[]));
        command.env("CLOUD_RUN_TASK_INDEX", index).env("CLOUD_RUN_TASK_COUNT", "2").assert().get_output().clone()
    };
    task("1");
    assert!(archive.path("answers.1-of-2.csv").exists() && !file.exists());
    let wrong = task("2");
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("CLOUD_RUN_TASK_INDEX"), "{wrong:?}");
    let alone =
        lobule(&archive.arguments(&file, &[])).env("CLOUD_RUN_TASK_INDEX", "1").assert().code(1).get_output().clone();
    assert!(String::from_utf8_lossy(&alone.stderr).contains("is set and the other is not"), "{alone:?}");
}

#[test]
fn a_list_names_the_images_and_an_empty_one_is_refused() {
    let archive = Archive::of(5);
    let list = archive.path("list.txt");
    let image = |name: &str| archive.images.join(name);
    fs::write(&list, format!("{}\r\n\n{}\n", text(&image("1/0001.png")), text(&image("0/0000.png")))).unwrap();
    let predict = ["predict", "--format", "csv", "--weights", text(&archive.weights), "--list"];
    let rows = printed(&[&predict[..], &[text(&list)]].concat());
    let files: Vec<&str> = rows.lines().skip(1).map(|row| row.split(',').next().unwrap()).collect();
    assert_eq!(files, [text(&image("1/0001.png")), text(&image("0/0000.png"))]);
    let mut piped = lobule(&[&predict[..], &["-"]].concat());
    let piped = piped.write_stdin(fs::read(&list).unwrap()).assert().success().get_output().stdout.clone();
    assert_eq!(String::from_utf8(piped).unwrap(), rows);
    fs::write(&list, format!("\u{feff}{}\n", text(&image("1/0001.png")))).unwrap();
    printed(&[&predict[..], &[text(&list)]].concat());
    fs::write(&list, "a.png\0b.png\0").unwrap();
    assert!(complaint(&[&predict[..], &[text(&list)]].concat()).contains("zero bytes"));
    fs::write(&list, "\n\n").unwrap();
    assert!(complaint(&[&predict[..], &[text(&list)]].concat()).contains("names no image"));
    assert!(complaint(&[&predict[..], &["nowhere.txt"]].concat()).contains("nowhere.txt"));
}

#[test]
fn a_report_names_the_folder_that_is_unlike_the_training_and_merge_makes_the_same() {
    let archive = Archive::of(0);
    let known = archive.images.join("known");
    for number in 0..6 {
        draw(&known.join(format!("{number}.png")), 100);
        draw(&archive.images.join(format!("other/{number}.png")), 20);
    }
    fs::write(known.join("broken.png"), "no image").unwrap();
    knows_only(&image::open(known.join("0.png")).unwrap().into_rgb8()).write(&archive.weights).unwrap();
    let (whole, file) = (archive.path("whole.csv"), archive.path("answers.csv"));
    let report = archive.path("reports/whole");
    let arguments = archive.arguments(&whole, &["--skip-unreadable", "--report", text(&report)]);
    let printed_by_run = printed(&arguments);
    let json: Value = serde_json::from_slice(&fs::read(report.join("drift.json")).unwrap()).unwrap();
    assert_eq!((&json["all"]["images"], &json["all"]["failed"]), (&12.into(), &1.into()));
    assert_eq!(
        (&json["all"]["shares"]["foreign"], &json["expected"]["shares"]["foreign"]),
        (&0.5.into(), &0.0625.into())
    );
    let folders = json["folders"].as_array().unwrap();
    assert_eq!(folders[1]["folder"], text(&archive.images.join("other")));
    assert_eq!((&folders[0]["shares"]["stain"], &folders[1]["shares"]["stain"]), (&0.0.into(), &1.0.into()));
    let scores: u64 = folders[1]["scores"].as_array().unwrap().iter().map(|count| count.as_u64().unwrap()).sum();
    assert_eq!(scores, 6);
    let page = fs::read_to_string(report.join("drift.html")).unwrap();
    for told in ["For research use only.", "More than twice as often", "/other</th>", "8.0"] {
        assert!(
            page.contains(told) && (told.contains('<') || printed_by_run.contains(told)),
            "{told}: {printed_by_run}"
        );
    }
    let shards = [0, 1].map(|index| {
        printed(&archive.arguments(&file, &["--skip-unreadable", "--shard", &format!("{index}/2")]));
        archive.path(&format!("answers.{index}-of-2.csv"))
    });
    let (merged, of_shards) = (archive.path("merged.csv"), archive.path("reports/merged"));
    let merge = ["merge", "--output", text(&merged), "--report", text(&of_shards), text(&shards[1]), text(&shards[0])];
    assert_eq!(printed(&merge), printed_by_run);
    for name in ["drift.json", "drift.html"] {
        assert_eq!(fs::read(of_shards.join(name)).unwrap(), fs::read(report.join(name)).unwrap(), "{name}");
    }
    // A run that was finished before says the same once more.
    let again = [&arguments[..], &["--resume"]].concat();
    assert_eq!(printed(&again), printed_by_run);
}
