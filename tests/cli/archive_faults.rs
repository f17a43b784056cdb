//! What goes wrong with an archive: full disks, mounts that vanish, parts and records that were changed, and files in the
//! way. Nothing is lost, and no table is wrong.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::archive::Archive;
use crate::support::{complaint, lobule, printed, text};

#[test]
fn parts_that_were_moved_or_changed_are_made_again_and_what_is_not_ours_stays() {
    let archive = Archive::of(2300);
    let (whole, file) = (archive.path("whole.csv"), archive.path("answers.csv"));
    archive.predict(&whole, &[]);
    let whole = fs::read(whole).unwrap();
    let part = |number: usize| archive.path("answers.csv.parts").join(format!("{number:06}"));
    let edit = |path: &Path, from: &str, to: &str| {
        let text = fs::read_to_string(path).unwrap();
        assert!(text.contains(from), "{from}");
        fs::write(path, text.replacen(from, to, 1)).unwrap();
    };
    let changes: [(&str, &dyn Fn()); 6] = [
        ("swapped", &|| {
            fs::rename(part(0), part(9)).unwrap();
            fs::rename(part(1), part(0)).unwrap();
            fs::rename(part(9), part(1)).unwrap();
        }),
        ("twice", &|| assert!(fs::copy(part(0), part(1)).unwrap() > 0)),
        ("one missing", &|| fs::remove_file(part(0)).unwrap()),
        ("a count", &|| edit(&part(0), "\"images\":1000", "\"images\":5")),
        ("an answer", &|| edit(&part(0), "not_an_image", "unreadable")),
        ("a record that was cut off", &|| fs::write(archive.path("answers.csv.run.json"), "{\"run\":").unwrap()),
    ];
    for (name, change) in changes {
        archive.stopped(&file, "-TERM");
        assert!(part(1).exists(), "what was under way is put away");
        change();
        let precious = archive.path("answers.csv.parts/precious");
        fs::write(&precious, "of somebody else").unwrap();
        archive.predict(&file, &["--resume"]);
        assert_eq!(fs::read(&file).unwrap(), whole, "{name}");
        assert!(!part(0).exists() && precious.exists());
        fs::remove_file(precious).unwrap();
    }
}

#[test]
fn a_second_run_into_the_same_file_is_refused_while_the_first_is_at_work() {
    let archive = Archive::of(2300);
    let (whole, file) = (archive.path("whole.csv"), archive.path("answers.csv"));
    archive.predict(&whole, &[]);
    let first = archive.begun(&file);
    let said = complaint(&archive.arguments(&file, &["--threshold", "0.25"]));
    assert!(said.contains("another run is writing"), "{said}");
    first.wait_with_output().unwrap();
    assert_eq!(fs::read(&file).unwrap(), fs::read(&whole).unwrap());
}

#[test]
fn what_no_run_has_written_is_not_written_over() {
    let archive = Archive::of(6);
    let image = archive.images.join("0/0000.png");
    let before = fs::read(&image).unwrap();
    let said = complaint(&archive.arguments(&image, &["--format", "csv"]));
    assert!(said.contains("no run of lobule predict has written it"), "{said}");
    assert_eq!(fs::read(&image).unwrap(), before);
    let pipe = archive.path("pipe.csv");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    assert!(complaint(&archive.arguments(&pipe, &[])).contains("it is a named pipe"));
    assert!(complaint(&archive.arguments(Path::new("."), &["--format", "csv"])).contains("it is a folder"));
    let report = archive.path("report");
    let said = complaint(&archive.arguments(&report.join("drift.json"), &["--report", text(&report)]));
    assert!(said.contains("--report would write over"), "{said}");

    let (file, shard) = (archive.path("a.csv"), |index: u32| archive.path(&format!("a.{index}-of-2.csv")));
    for index in ["0/2", "1/2"] {
        lobule(&archive.arguments(&file, &["--shard", index])).assert().success();
    }
    fs::hard_link(shard(0), archive.path("link.csv")).unwrap();
    for output in [archive.path("link.csv"), archive.path("a.1-of-2.csv.run.json"), image] {
        let said = complaint(&["merge", "--output", text(&output), text(&shard(0)), text(&shard(1))]);
        assert!(said.contains("no run of lobule predict has written it"), "{said}");
    }
}

#[test]
fn merge_believes_no_record_whose_numbers_do_not_fit() {
    let archive = Archive::of(7);
    let (file, shard) = (archive.path("a.csv"), |index: u32| archive.path(&format!("a.{index}-of-2.csv")));
    for index in ["0/2", "1/2"] {
        lobule(&archive.arguments(&file, &["--shard", index])).assert().success();
    }
    let merged = archive.path("merged.csv");
    let merge = ["merge", "--output", text(&merged), text(&shard(0)), text(&shard(1))].map(str::to_owned);
    let path = archive.path("a.0-of-2.csv.run.json");
    let record = fs::read_to_string(&path).unwrap();
    let mut value: Value = serde_json::from_str(&record).unwrap();
    let images = value["images"].clone();
    let mut reversed = images.as_array().unwrap().clone();
    reversed.reverse();
    assert!(reversed.len() > 1, "{record}");
    for (numbers, said) in [
        (Value::Null, "does not say which images"),
        (reversed.into(), "does not say which images"),
        (vec![0; 1].into(), "does not say which images"),
    ] {
        value["images"] = numbers;
        fs::write(&path, value.to_string()).unwrap();
        assert!(complaint(&merge).contains(said));
        assert!(!merged.exists());
    }
    value["images"] = images;
    value["total"]["failed"] = u64::MAX.into();
    fs::write(&path, value.to_string()).unwrap();
    assert!(complaint(&merge).contains("do not fit together"));
    fs::write(&path, record).unwrap();
    printed(&merge);

    // Shards of two folders that share images.
    let inner = archive.images.join("0");
    let of = |folder: &Path, index: &str| {
        let all =
            ["predict", "--weights", text(&archive.weights), "--output", text(&file), "--shard", index, text(folder)];
        lobule(&all).assert().success();
    };
    of(&archive.images, "0/2");
    of(&inner, "1/2");
    of(&inner, "0/2");
    of(&archive.images, "1/2");
    of(&inner, "0/2");
    let said = lobule(&merge).output().unwrap();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("images may be missing") || said.contains("is there twice"), "{said}");
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let archive = Archive::of(20);
    let file = archive.path("answers.csv");
    let command = "exec \"$0\" \"$@\" 2>/dev/full";
    let mut command_line = Command::new("bash");
    command_line.args(["-c", command, env!("CARGO_BIN_EXE_lobule")]).args(archive.arguments(&file, &[]));
    let ended = command_line.env_remove("LOBULE_WEIGHTS").output().unwrap();
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 21);
}

#[test]
fn a_mount_that_vanishes_stops_the_run_and_nothing_is_lost() {
    let archive = Archive::of(2300);
    let (whole, file) = (archive.path("whole.csv"), archive.path("answers.csv"));
    archive.predict(&whole, &[]);
    let child = archive.begun(&file);
    let elsewhere = archive.path("elsewhere");
    fs::rename(&archive.images, &elsewhere).unwrap();
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.code() == Some(1) && said.contains("images is gone"), "{ended:?}");
    assert!(!file.exists());
    fs::rename(&elsewhere, &archive.images).unwrap();
    archive.predict(&file, &["--resume"]);
    assert_eq!(fs::read(&file).unwrap(), fs::read(&whole).unwrap());
}

#[test]
fn a_disk_that_is_full_stops_the_run_and_nothing_is_lost() {
    let archive = Archive::of(2300);
    let (whole, file) = (archive.path("whole.csv"), archive.path("answers.csv"));
    archive.predict(&whole, &[]);
    // No file may grow beyond so many blocks: a part is larger, and so is the file.
    for blocks in [16, 128] {
        let limited = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut command = Command::new("bash");
        command.args(["-c", &limited, env!("CARGO_BIN_EXE_lobule")]).args(archive.arguments(&file, &["--resume"]));
        let ended = command.env_remove("LOBULE_WEIGHTS").output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(ended.status.code() == Some(1) && said.contains("cannot write"), "{said}");
        assert!(!archive.path("answers.csv.run.json").exists());
    }
    archive.predict(&file, &["--resume"]);
    assert_eq!(fs::read(&file).unwrap(), fs::read(&whole).unwrap());
}

#[test]
fn what_cannot_be_written_or_holds_nothing_is_told() {
    let archive = Archive::of(3);
    fs::write(archive.path("file"), "in the way").unwrap();
    let said = complaint(&archive.arguments(&archive.path("file/answers.csv"), &[]));
    assert!(said.contains("cannot make the folder") && said.contains("answers.csv.parts"), "{said}");
    let said = complaint(&archive.arguments(&archive.path("answers.txt"), &[]));
    assert!(said.contains(".csv, .json and .jsonl"), "{said}");
    fs::create_dir(archive.path("empty")).unwrap();
    let file = archive.path("answers.csv");
    let empty = archive.path("empty");
    let said = complaint(&["predict", "--output", text(&file), text(&empty)]);
    assert!(said.contains("there is no image") && said.contains("nothing was written"), "{said}");
    let said = complaint(&["predict", "--output", text(&file), text(&empty), "no-such-mount"]);
    assert!(said.contains("cannot read no-such-mount"), "{said}");
    assert!(!file.exists());
}
