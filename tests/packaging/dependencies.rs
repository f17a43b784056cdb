//! What the library, the service-only build and that of the buildpack are compiled from: only what they need, and nothing
//! that Google's build image lacks.

use std::process::Command;

use super::root;

/// The crates that a build with these features compiles, `--no-default-features` aside.
fn crates(features: &str, edges: &str) -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--no-default-features", "--features", features, "--edges", edges])
        .args(["--prefix", "none", "--target", "x86_64-unknown-linux-gnu", "--format", "{p}"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", String::from_utf8_lossy(&tree.stderr));
    let tree = String::from_utf8(tree.stdout).unwrap();
    let names = tree.lines().filter_map(|line| line.split(' ').next());
    names.filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

/// A crate that builds or looks for a library in C; the build image has gcc and make, but neither cmake nor pkg-config.
fn wants_more_than_rust(name: &str) -> bool {
    ["cmake", "pkg-config", "bindgen", "vcpkg", "cc"].contains(&name) || name.ends_with("-src")
}

#[test]
fn the_buildpack_s_build_needs_no_c_library_and_no_tool_for_one() {
    let crates = crates("predict", "normal,build");
    let wanting: Vec<_> = crates.iter().filter(|name| wants_more_than_rust(name)).collect();
    assert!(wanting.is_empty(), "{wanting:?}");
    assert!(wants_more_than_rust("cmake") && wants_more_than_rust("openssl-src"));
}

/// Crates of the service, those that predictions for archives need beside them, and those of the other commands.
const SERVICE: [&str; 6] = ["clap", "hyper", "multra", "prometheus-client", "tokio", "tracing-subscriber"];
const ARCHIVE: [&str; 4] = ["csv", "ctrlc", "indicatif", "walkdir"];
const COMMANDS: [&str; 6] = ["candle-nn", "clap_complete", "clap_mangen", "crc32c", "statrs", "toml"];

#[test]
fn the_library_has_nothing_of_the_service_and_the_service_nothing_of_the_commands() {
    let [library, service, predict, all] = ["", "serve", "predict", "cli"].map(|features| crates(features, "normal"));
    let has = |crates: &[String], name: &str| crates.iter().any(|found| found == name);
    for name in SERVICE {
        assert!(has(&service, name) && !has(&library, name), "{name}");
    }
    for name in ARCHIVE {
        assert!(has(&predict, name) && !has(&service, name) && !has(&library, name), "{name}");
    }
    for name in COMMANDS {
        assert!(has(&all, name) && !has(&predict, name) && !has(&library, name), "{name}");
    }
}
