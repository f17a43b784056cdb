//! Folders with entries that are no images: the others are answered, each bad one is named, and no figures are made of
//! what is left.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use image::{ImageFormat, RgbImage};
use serde_json::Value;

use crate::broken::{BROKEN, Broken};
use crate::drawn::grey;
use crate::support::{breakhis_tree, complaint, draw, json, lobule, printed, small_network, text};
use crate::train::{places, small_training};

/// Runs `predict` to its failure; what it printed, and what it logged without a word of a panic.
fn predicted(arguments: &[&str]) -> (String, String) {
    let output = lobule(&[&["predict"], arguments].concat()).assert().failure().code(1).get_output().clone();
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    for words in ["panicked", "a fault of this program", "thread '"] {
        assert!(!stderr.contains(words), "{stderr}");
    }
    (stdout, stderr)
}

/// Whether a mode keeps this user out; root is let in everywhere.
fn keeps_out(path: &Path) -> bool {
    fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    fs::File::open(path).is_err()
}

#[test]
fn a_folder_of_which_a_third_is_broken_is_answered_for_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let formats = [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::Tiff, ImageFormat::WebP, ImageFormat::Bmp];
    for number in 0..70_u8 {
        let format = formats[usize::from(number) % formats.len()];
        let name = format!("{number:02}.{}", format.extensions_str()[0]);
        fs::write(dir.path().join(name), grey(number * 3, format)).unwrap();
    }
    for broken @ Broken(name, ..) in BROKEN {
        broken.make(&dir.path().join(name));
    }
    assert!(BROKEN.len() >= 30);

    let (answers, log) = predicted(&["--format", "json", text(dir.path())]);
    assert_eq!(answers.lines().count(), 70, "{log}");
    assert!(answers.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    for Broken(name, words, _) in BROKEN {
        let path = dir.path().join(name);
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(text(&path))).collect();
        assert!(matches!(lines[..], [line] if line.contains(words)), "{name}, {words}: {lines:?}\n{log}");
    }
    let (failed, all) = (BROKEN.len(), BROKEN.len() + 70);
    assert!(log.contains(&format!("no prediction for {failed} of {all} inputs")), "{log}");
}

#[test]
fn a_pipe_that_is_named_is_refused_and_one_that_is_open_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let (pipe, whole) = (dir.path().join("pipe.png"), dir.path().join("whole.png"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    draw(&whole, 100);
    let (answers, log) = predicted(&["--format", "json", text(&pipe), text(&whole)]);
    assert_eq!(answers.lines().count(), 1);
    assert!(log.contains("pipe.png: it is a named pipe, and not a file"), "{log}");

    let mut child = Command::new(env!("CARGO_BIN_EXE_lobule"));
    let child = child.args(["predict", "--format", "json", "/dev/stdin"]).stdin(Stdio::piped());
    let mut child = child.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), &fs::read(&whole).unwrap()).unwrap();
    let piped: Value = serde_json::from_slice(&child.wait_with_output().unwrap().stdout).unwrap();
    assert_eq!(
        piped["probability_malignant"],
        serde_json::from_str::<Value>(&answers).unwrap()["probability_malignant"]
    );
}

#[test]
fn what_may_not_be_read_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (image, folder) = (dir.path().join("locked.png"), dir.path().join("locked"));
    draw(&dir.path().join("whole.png"), 100);
    draw(&image, 100);
    draw(&folder.join("inside.png"), 100);
    if !keeps_out(&image) || !keeps_out(&folder) {
        eprintln!("nothing is locked for this user, so this says nothing");
        return;
    }
    let (answers, log) = predicted(&["--format", "json", text(dir.path())]);
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(answers.lines().count(), 1);
    assert_eq!(log.matches("ermission denied").count(), 2, "{log}");
}

#[test]
fn a_name_that_is_not_utf_8_is_answered_so_that_it_can_be_read_and_used() {
    let dir = tempfile::tempdir().unwrap();
    let (whole, broken) =
        (dir.path().join(OsStr::from_bytes(b"a b\xff.png")), dir.path().join(OsStr::from_bytes(b"broken\xfe.png")));
    fs::write(&whole, grey(100, ImageFormat::Png)).unwrap();
    let url = format!("file://{}/a%20b%FF.png", text(dir.path()));
    assert_eq!(json(&["predict", "--format", "json", text(dir.path())])["file"], url);
    assert!(printed(&["predict", "--format", "csv", text(dir.path())]).contains(&format!("\n{url},")));
    assert!(printed(&["predict", text(dir.path())]).contains(r"/a b\xff.png  "));
    fs::write(&broken, "no image").unwrap();
    let (_, log) = predicted(&[text(dir.path())]);
    assert!(log.contains(r"/broken\xfe.png"), "{log}");
}

#[test]
fn a_link_around_the_folder_itself_answers_nothing_twice() {
    let dir = tempfile::tempdir().unwrap();
    draw(&dir.path().join("inner/whole.png"), 100);
    symlink("..", dir.path().join("inner/circle")).unwrap();
    let (answers, log) = predicted(&["--format", "json", text(&dir.path().join("inner"))]);
    assert_eq!(answers.lines().count(), 1, "{answers}");
    assert!(log.contains("circle: it is a link back to") && log.contains("no prediction for 1 of 2 inputs"), "{log}");
}

#[test]
fn a_camera_s_file_may_be_larger_than_an_upload() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("camera.tif");
    RgbImage::from_fn(4000, 3000, |x, y| image::Rgb([(x % 256) as u8, (y % 256) as u8, 200])).save(&path).unwrap();
    assert!(fs::metadata(&path).unwrap().len() > 32 << 20);
    assert_eq!(printed(&["predict", "--format", "json", text(&path)]).lines().count(), 1);
}

#[test]
fn an_image_that_cannot_be_read_is_never_left_out_of_figures_in_silence() {
    let (data, work, out) = places();
    let slide = |number: usize| data.path().join(format!("SOB_B_A-14-90-100-{number:03}.png"));
    let links = ["dangling.png", "pipe.png", "folder.png", "null.png", "cut.png"];
    let broken: Vec<&Broken> = BROKEN.iter().filter(|Broken(name, ..)| links.contains(name)).collect();
    assert_eq!(broken.len(), links.len());
    broken.iter().enumerate().for_each(|(number, broken)| broken.make(&slide(number)));

    let weights = small_network(work.path());
    let evaluated = complaint(&["evaluate", "--data", text(data.path()), "--weights", text(&weights)]);
    let command = small_training("baseline", data.path(), Path::new(""), &out, &["epochs=1"]);
    let trained = complaint(&command);
    let audited = lobule(&["dataset", "audit", "--json", text(data.path())]).assert().failure().code(1);
    let audit: Value = serde_json::from_slice(&audited.get_output().stdout).unwrap();
    assert!(evaluated.contains("no figures, because 5 of 65 images") && evaluated.contains("mend or remove them"));
    assert!(trained.contains("5 images cannot be read") && trained.contains("--skip-unreadable"), "{trained}");
    assert_eq!((&audit["images"], audit["unreadable"].as_array().unwrap().len()), (&65.into(), 5), "{audit}");
    for (number, Broken(_, words, _)) in broken.iter().enumerate() {
        let name = format!("SOB_B_A-14-90-100-{number:03}.png: ");
        let told = |log: &str| log.lines().any(|line| line.contains(&name) && line.contains(words));
        assert!(told(&evaluated) && told(&trained), "{name}, {words}: {evaluated}{trained}");
        assert!(audit["unreadable"][number]["reason"].as_str().unwrap().contains(words), "{audit}");
    }

    printed(&[&command[..], &["--skip-unreadable".into()]].concat());
    assert!(fs::read_to_string(out.join("config.toml")).unwrap().contains("SOB_B_A-14-90-100-004.png"));
}

#[test]
fn a_link_that_may_have_been_a_folder_of_images_is_no_reason_to_count_less() {
    let (data, work, out) = places();
    symlink("gone", data.path().join("more-slides")).unwrap();
    symlink("..", data.path().join("circle")).unwrap();
    let split = work.path().join("split.csv");
    let command = small_training("baseline", data.path(), Path::new(""), &out, &["epochs=1"]);
    for message in [
        complaint(&["evaluate", "--data", text(data.path())]),
        complaint(&["dataset", "split", text(data.path()), "--by", "case", "-o", text(&split)]),
        complaint(&command),
    ] {
        let told =
            message.contains("images may be missing") && message.contains("more-slides: it is a link to nothing");
        assert!(told, "{message}");
        // What a link in a circle leads to is read where it is.
        assert!(!message.contains("circle"), "{message}");
    }
    assert!(!split.exists() && !out.exists());

    let audit = lobule(&["dataset", "audit", text(data.path())]).assert().failure().code(1).get_output().clone();
    let [report, log] = [audit.stdout, audit.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    assert!(
        report.starts_with("60 images") && report.contains("\n  more-slides: it is a link to nothing\n"),
        "{report}"
    );
    assert!(log.contains("folders and links that cannot be followed: 1"), "{log}");

    let trained = lobule(&[&command[..], &["--skip-unreadable".into()]].concat()).assert().success();
    assert!(String::from_utf8_lossy(&trained.get_output().stderr).contains("more-slides"));
}

#[test]
fn an_audit_names_an_image_whose_name_is_not_utf_8() {
    let data = breakhis_tree();
    draw(&data.path().join(OsStr::from_bytes(b"SOB_B_A-14-90-100-0\xff1.png")), 1);
    let audit = lobule(&["dataset", "audit", "--json", text(data.path())]).assert().failure().code(1);
    let audit: Value = serde_json::from_slice(&audit.get_output().stdout).unwrap();
    let [misnamed] = &audit["misnamed"].as_array().unwrap()[..] else { panic!("{audit}") };
    assert!(misnamed["file"].as_str().unwrap().ends_with("/SOB_B_A-14-90-100-0%FF1.png"), "{audit}");
    assert_eq!(misnamed["reason"], "its name is not text in UTF-8");
}
