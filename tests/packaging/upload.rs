//! `.gcloudignore`: what `gcloud run deploy --source .` uploads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use ignore::gitignore::GitignoreBuilder;

use super::{hold, root, text};

/// Whether a path goes up. gcloud reads the file at the top alone, and does not enter a folder that is left out.
fn goes_up(rules: &str, path: &str, is_folder: bool) -> bool {
    let mut builder = GitignoreBuilder::new("");
    for line in rules.lines() {
        builder.add_line(None, line).unwrap();
    }
    let rules = builder.build().unwrap();
    let path = Path::new(path);
    let folders = path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    !rules.matched(path, is_folder).is_ignore()
        && folders.into_iter().all(|folder| !rules.matched(folder, true).is_ignore())
}

/// The files of the repository that go up, from its top.
pub(crate) fn files(rules: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(root().join(&folder)).unwrap() {
            let path = folder.join(entry.unwrap().file_name());
            let name = path.to_str().unwrap().to_owned();
            let is_folder = root().join(&path).is_dir();
            if !goes_up(rules, &name, is_folder) {
                continue;
            }
            if is_folder {
                folders.push(path);
            } else {
                found.insert(name);
            }
        }
    }
    found
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

fn check(rules: &str) -> Result<(), String> {
    if let Some(path) = NEEDED.into_iter().find(|path| !goes_up(rules, path, false)) {
        return Err(format!("{path} does not go up, and the build needs it"));
    }
    match UNWANTED.into_iter().find(|path| goes_up(rules, path, false)) {
        Some(path) => Err(format!("{path} goes up")),
        None => Ok(()),
    }
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
    let files = files(&text(".gcloudignore"));
    assert!(!files.iter().any(|path| path.ends_with(".gcloudignore")), "gcloud reads the top one only");
    let bytes = files.iter().map(|path| root().join(path).metadata().unwrap().len()).sum::<u64>();
    println!("{bytes} bytes go up");
    assert!(bytes < 20_000_000, "{bytes} bytes");
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
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let listed: BTreeSet<_> = listed.lines().map(|line| line.trim_start_matches("./").to_owned()).collect();
    assert_eq!(listed, files(&text(".gcloudignore")));
}

/// Copies what goes up into a folder.
pub(crate) fn copy_to(folder: &Path) {
    for file in files(&text(".gcloudignore")) {
        let to: PathBuf = folder.join(&file);
        std::fs::create_dir_all(to.parent().unwrap()).unwrap();
        std::fs::copy(root().join(&file), to).unwrap();
    }
}
