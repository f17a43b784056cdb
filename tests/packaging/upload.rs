//! `.gcloudignore`: what `gcloud run deploy --source .` uploads.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::ensure;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use walkdir::WalkDir;

use super::{hold, root, stderr, text};

fn parse(rules: &str) -> Gitignore {
    let mut builder = GitignoreBuilder::new("");
    for line in rules.lines() {
        builder.add_line(None, line).unwrap();
    }
    builder.build().unwrap()
}

/// The files of the repository that go up, from its top. gcloud reads the file at the top alone, and does not enter a
/// folder that is left out.
fn files() -> BTreeSet<String> {
    let rules = parse(&text(".gcloudignore"));
    let walk = WalkDir::new(root()).min_depth(1).into_iter().filter_entry(|entry| {
        !rules.matched(entry.path().strip_prefix(root()).unwrap(), entry.file_type().is_dir()).is_ignore()
    });
    let files = walk.map(Result::unwrap).filter(|entry| !entry.file_type().is_dir());
    files.map(|file| file.path().strip_prefix(root()).unwrap().to_str().unwrap().to_owned()).collect()
}

/// What the build cannot do without.
const NEEDED: [&str; 13] = [
    "Cargo.toml",
    "Cargo.lock",
    "rust-toolchain.toml",
    "project.toml",
    "Procfile",
    "buildpack/buildpack.toml",
    "buildpack/bin/detect",
    "buildpack/bin/build",
    "src/main.rs",
    "src/serve/routes/openapi.json",
    "src/serve/page/script.js",
    "src/kernels/simd/mod.rs",
    "weights/lobule.safetensors",
];

/// What may lie about in a developer's folder.
const UNWANTED: [&str; 11] = [
    ".git/config",
    ".cargo/config.toml",
    "target/release/lobule",
    "runs/best/weights.safetensors",
    "breakhis/benign/SOB_B_A-14-22549AB-100-001.png",
    "weights/densenet121-imagenet.safetensors",
    "tests/fixtures/tissue.png",
    "README.md",
    "key.json",
    ".env",
    "biopsy.png",
];

fn check(rules: &str) -> anyhow::Result<()> {
    let rules = parse(rules);
    let goes_up = |path: &&str| {
        let mut folders = Path::new(path).ancestors().skip(1).filter(|folder| *folder != Path::new(""));
        !rules.matched(path, false).is_ignore() && folders.all(|folder| !rules.matched(folder, true).is_ignore())
    };
    let missing = NEEDED.into_iter().find(|path| !goes_up(path));
    ensure!(missing.is_none(), "{missing:?} does not go up, and the build needs it");
    let unwanted = UNWANTED.into_iter().find(goes_up);
    ensure!(unwanted.is_none(), "{unwanted:?} goes up");
    Ok(())
}

#[test]
fn what_the_build_reads_goes_up_and_nothing_else_does() {
    for path in NEEDED {
        assert!(root().join(path).is_file(), "{path} is not there");
    }
    hold(
        ".gcloudignore",
        check,
        &[
            ("everything", "/*\n", ""),
            ("no weights, as when they are ignored by git", "!/weights/\n", ""),
            ("all weights that lie there", "/weights/*\n", ""),
            ("no lock", "!/Cargo.lock\n", ""),
            ("no Procfile", "!/Procfile\n", ""),
            ("no descriptor", "!/project.toml\n", ""),
            ("no buildpack", "!/buildpack/\n", ""),
            ("the compiler's folder", "!/src/\n", "!/src/\n!/target/\n"),
            ("history", "!/src/\n", "!/src/\n!/.git/\n"),
        ],
    );
}

#[test]
fn there_is_one_such_file_and_the_upload_is_small() {
    let files = files();
    assert!(!files.iter().any(|path| path.ends_with(".gcloudignore")), "gcloud reads the top one only");
    let bytes = files.iter().map(|path| root().join(path).metadata().unwrap().len()).sum::<u64>();
    println!("{bytes} bytes go up");
    // The weights are 22 million of them.
    assert!(bytes < 26_000_000, "{bytes} bytes");
}

#[test]
#[ignore = "needs gcloud"]
fn the_real_gcloud_lists_the_same_files() {
    let configuration = tempfile::tempdir().unwrap();
    let gcloud = Command::new("gcloud")
        .args(["meta", "list-files-for-upload"])
        .env("CLOUDSDK_CONFIG", configuration.path())
        .current_dir(root())
        .output();
    let listed = gcloud.expect("gcloud is installed");
    assert!(listed.status.success(), "{}", stderr(&listed));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let listed: BTreeSet<_> = listed.lines().map(|line| line.trim_start_matches("./").to_owned()).collect();
    assert_eq!(listed, files());
}

/// Copies what goes up into a folder.
pub(crate) fn copy_to(folder: &Path) {
    for file in files() {
        let to = folder.join(&file);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(root().join(&file), to).unwrap();
    }
}
