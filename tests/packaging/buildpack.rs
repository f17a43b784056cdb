//! The buildpack: its descriptor, and its two scripts run with a cargo that compiles one line.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::ensure;
use libcnb_data::buildpack::ComponentBuildpackDescriptor;

use super::build::{Build, sysroot};
use super::{hold, image, root, stderr, text};

#[test]
fn the_old_pack_and_the_lifecycle_understand_its_descriptor() {
    let check = |text: &str| {
        let ComponentBuildpackDescriptor { api, stacks, .. } = toml::from_str::<ComponentBuildpackDescriptor>(text)?;
        ensure!(api.major == 0 && (7..=12).contains(&api.minor), "the lifecycle does not know api {api}");
        ensure!(stacks.iter().any(|stack| stack.id == "*"), "pack 0.28 asks for a stack");
        Ok(())
    };
    hold(
        "buildpack/buildpack.toml",
        check,
        &[
            ("no stack", "[[stacks]]\nid = \"*\"\n", ""),
            ("one stack only", "\"*\"", "\"google.22\""),
            ("an api that is too new", "0.10", "0.13"),
            ("no version", "version = \"0.1.0\"\n", ""),
        ],
    );
}

#[test]
fn its_scripts_may_be_run() {
    for script in ["detect", "build"] {
        let mode = root().join("buildpack/bin").join(script).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o111, 0o111, "{script}: the upload keeps what the file says");
    }
}

#[test]
fn detect_passes_by_what_has_no_manifest_or_no_lock() {
    let code = |script: &str, missing: &str| {
        let build = Build::with_script("detect", script);
        // Nothing is missing where it is "".
        let _ = fs::remove_file(build.path("workspace").join(missing));
        build.run("detect", &[]).status.code()
    };
    let check = |script: &str| {
        let codes = ["", "Cargo.toml", "Cargo.lock"].map(|missing| code(script, missing));
        ensure!(codes == [Some(0), Some(100), Some(100)], "{codes:?}");
        Ok(())
    };
    hold(
        "buildpack/bin/detect",
        check,
        &[
            ("a failure instead of passing by", "exit 100", "exit 1"),
            ("without a lock", "Cargo.toml Cargo.lock", "Cargo.toml"),
            ("without a manifest", "Cargo.toml Cargo.lock", "Cargo.lock"),
        ],
    );
}

/// A cargo that writes down how it was called and compiles a program of one line with the real compiler.
const CARGO: &str = r#"#!/usr/bin/env bash
set -euo pipefail
if [[ $1 == --version ]]; then echo "cargo for a test"; exit; fi
echo "$* RUSTFLAGS=${RUSTFLAGS-} CARGO_HOME=$CARGO_HOME" >>"$CNB_PLATFORM_DIR/calls"
target=
for argument in "$@"; do if [[ ${previous-} == --target ]]; then target=$argument; fi; previous=$argument; done
mkdir -p "$CARGO_TARGET_DIR/$target/release" "$CARGO_HOME"
echo 'fn main() { println!("lobule 0.0.0"); }' >"$CARGO_TARGET_DIR/main.rs"
SYSROOT/bin/rustc $RUSTFLAGS --target "${target:-x86_64-unknown-linux-gnu}" "$CARGO_TARGET_DIR/main.rs" \
  -o "$CARGO_TARGET_DIR/$target/release/lobule"
"#;

/// Runs a build script with that cargo, in an environment that a user has filled badly.
fn check_build(script: &str) -> anyhow::Result<()> {
    let build = Build::with_script("build", script);
    let cargo = build.write_program("tools/cargo", &CARGO.replace("SYSROOT", sysroot().to_str().unwrap()));
    let flags = Path::new("-Ctarget-cpu=native");
    let outcome =
        build.run("build", &[("LOBULE_CARGO", &cargo), ("RUSTFLAGS", flags), ("CARGO_ENCODED_RUSTFLAGS", flags)]);
    ensure!(outcome.status.success(), "{}", stderr(&outcome));
    image::check(&build)?;
    let calls = fs::read_to_string(build.path("platform/calls")).unwrap();
    for needed in [
        "build",
        "--release",
        "--locked",
        "--no-default-features",
        "--features predict",
        "--target x86_64-unknown-linux-gnu",
    ] {
        ensure!(calls.contains(needed), "cargo is called without {needed}");
    }
    ensure!(!calls.contains("target-cpu"), "compiled for one processor, which Cloud Run's may not be");
    let home = format!("CARGO_HOME={}", build.path("layers").display());
    ensure!(calls.contains(&home), "the crates are not in a layer");
    Ok(())
}

#[test]
fn build_leaves_a_static_program_and_the_procfile() {
    hold(
        "buildpack/bin/build",
        check_build,
        &[
            ("the Procfile gone", " ! -name Procfile", ""),
            ("the sources kept", "find . -mindepth 1", "find . -mindepth 9"),
            ("a program that wants the C library of its image", "-C target-feature=+crt-static", ""),
            ("one processor's instructions", "+crt-static", "+crt-static -C target-cpu=native"),
            ("the caller's flags", "export RUSTFLAGS=", "export OTHER_FLAGS="),
            ("no explicit target", " --target \"$TARGET\" ||", " ||"),
            ("other versions than the lock's", " --locked", ""),
            ("a debug build", "build --release", "build"),
            ("all commands", " --no-default-features", ""),
            ("no command at all", " --features \"$FEATURES\"", ""),
            ("every command, which nobody asked for", "LOBULE_FEATURES:-predict", "LOBULE_FEATURES:-cli"),
            ("a program that is not launched", "layer lobule true", "layer lobule false"),
            ("a launched compiler", "layer toolchain false", "layer toolchain true"),
            ("a cached layer", "cache = false", "cache = true"),
            ("a program off the PATH", "/lobule/bin/lobule", "/lobule/lobule"),
            ("crates among the sources", "CARGO_HOME=$CNB_LAYERS_DIR/toolchain/cargo", "CARGO_HOME=$PWD/cargo"),
        ],
    );
}

#[test]
fn build_says_what_is_wrong() {
    let build = Build::new();
    let no_cargo = build.run("build", &[("LOBULE_CARGO", &build.path("tools/none"))]);
    assert!(stderr(&no_cargo).contains("which is no program"), "{no_cargo:?}");
    let features = build.run("build", &[("LOBULE_FEATURES", Path::new("train,serve"))]);
    assert!(stderr(&features).contains("LOBULE_FEATURES is train,serve; it is predict"), "{features:?}");
    let by_hand = build.command(build.path("buildpack/bin/build")).output().unwrap();
    assert!(stderr(&by_hand).contains("CNB_LAYERS_DIR is not set"), "{by_hand:?}");
    assert!(build.path("workspace/Cargo.toml").exists(), "nothing was removed");

    build.write_program("tools/curl", "#!/bin/sh\necho 'curl: no way' >&2\nexit 6\n");
    let offline = build.run("build", &[]);
    assert!(stderr(&offline).contains("needs LOBULE_CARGO"), "{offline:?}");

    let broken = Build::new();
    let cargo = "#!/bin/sh\n[ \"$1\" = --version ] || { echo 'error[E0000]' >&2; exit 101; }\n";
    let outcome = broken.run("build", &[("LOBULE_CARGO", &broken.write_program("tools/cargo", cargo))]);
    let message = stderr(&outcome);
    assert!(message.contains("error[E0000]") && message.contains("does not compile"), "{message}");
    assert!(text("buildpack/bin/build").contains("set -euo pipefail"));
}

#[test]
fn a_build_argument_adds_every_command() {
    let build = Build::new();
    let cargo = build.write_program("tools/cargo", &CARGO.replace("SYSROOT", sysroot().to_str().unwrap()));
    let outcome = build.run("build", &[("LOBULE_CARGO", &cargo), ("LOBULE_FEATURES", Path::new("cli"))]);
    assert!(outcome.status.success(), "{}", stderr(&outcome));
    let calls = fs::read_to_string(build.path("platform/calls")).unwrap();
    assert!(calls.contains("--no-default-features --features cli "), "{calls}");
}

#[test]
fn build_runs_no_other_rustup_than_the_pinned_one() {
    let check = |script: &str| {
        let build = Build::with_script("build", script);
        // A download that is not what was asked for, and that would show if it were run.
        let installer = "#!/bin/sh\\ntouch \\\"$CNB_PLATFORM_DIR/was-run\\\"\\n";
        let curl = format!(
            "#!/usr/bin/env bash\nwhile [[ $1 != --output ]]; do shift; done\nprintf \"{installer}\" >\"$2\"\n"
        );
        build.write_program("tools/curl", &curl);
        let outcome = build.run("build", &[]);
        ensure!(!build.path("platform/was-run").exists(), "it was run");
        ensure!(stderr(&outcome).contains("not the one pinned here"), "{}", stderr(&outcome));
        ensure!(script.contains("rustup/archive/$RUSTUP_VERSION/"), "an address that changes its content");
        Ok(())
    };
    hold(
        "buildpack/bin/build",
        check,
        &[
            // It reads its input: a command that does not may end before `echo` has written, and then the pipe fails.
            ("no check", "sha256sum --check --quiet", "cat >/dev/null"),
            ("the newest", "rustup/archive/$RUSTUP_VERSION", "rustup/dist"),
        ],
    );
    let script = text("buildpack/bin/build");
    assert!(!script.contains("sh.rustup.rs"));
    assert!(script.contains("--profile minimal"));
}
