//! What the function is compiled from: nothing that Google's build image lacks, and only what serving needs.

use std::process::Command;

use super::root;

/// The crates that a build without the tool's commands compiles.
fn crates() -> Vec<String> {
    let tree = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--no-default-features", "--edges", "normal,build", "--prefix", "none"])
        .args(["--target", "x86_64-unknown-linux-gnu", "--format", "{p}"])
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
fn the_function_needs_no_c_library_and_no_tool_for_one() {
    let crates = crates();
    assert!(crates.iter().any(|name| name == "hyper"), "{crates:?}");
    let wanting: Vec<_> = crates.iter().filter(|name| wants_more_than_rust(name)).collect();
    assert!(wanting.is_empty(), "{wanting:?}");
    assert!(wants_more_than_rust("cmake") && wants_more_than_rust("openssl-src"));
}

#[test]
fn the_function_has_only_what_serving_needs() {
    let crates = crates();
    for tool in ["candle-nn", "crc32c", "csv", "ctrlc", "indicatif", "statrs", "toml", "walkdir"] {
        assert!(!crates.iter().any(|name| name == tool), "{tool} is compiled for the function");
    }
}
