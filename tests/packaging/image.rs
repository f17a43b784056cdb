//! What a build leaves: the layers, what is launched, and the program.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use goblin::elf::Elf;
use libcnb_data::generic::GenericMetadata;
use libcnb_data::launch::Launch;
use libcnb_data::layer_content_metadata::{LayerContentMetadata, LayerTypes};

use super::build::Build;

/// Bytes that the image of the service may have on top of Google's.
const MOST_BYTES: u64 = 40_000_000;

/// Holds what a build has left to what the image shall be.
pub(crate) fn check(build: &Build) -> Result<(), String> {
    let layers = build.layers();
    for (name, launch) in [("toolchain", false), ("target", false), ("lobule", true)] {
        let expected = LayerTypes { launch, build: false, cache: false };
        let path = layers.join(name).with_extension("toml");
        let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        let layer: LayerContentMetadata<GenericMetadata> = toml::from_str(&text).map_err(|error| error.to_string())?;
        if layer.types != Some(expected) {
            return Err(format!("the layer {name} is {:?}, not {expected:?}", layer.types));
        }
    }
    let launch = fs::read_to_string(layers.join("launch.toml")).map_err(|error| error.to_string())?;
    let launch: Launch = toml::from_str(&launch).map_err(|error| error.to_string())?;
    if !launch.processes.is_empty() {
        return Err("a process beside the Procfile's".into());
    }
    if !launch.labels.iter().any(|label| label.value.contains("For research use only.")) {
        return Err("no label says what it is for".into());
    }
    let program = layers.join("lobule/bin/lobule");
    let variable = layers.join("lobule/env.launch/GLIBC_TUNABLES.default");
    let expected = BTreeSet::from([build.app().join("Procfile"), program.clone(), variable]);
    let launched = files(&layers.join("lobule")).into_iter().chain(files(&build.app())).collect::<BTreeSet<_>>();
    if launched != expected {
        return Err(format!("launched with {launched:?}"));
    }
    let bytes = launched.iter().map(|path| path.metadata().unwrap().len()).sum::<u64>();
    println!("the launch image has {bytes} bytes");
    if bytes > MOST_BYTES {
        return Err(format!("{bytes} bytes"));
    }
    is_static(&fs::read(program).unwrap())
}

/// Whether a program needs no library and no loader, and can be put at any address.
pub(crate) fn is_static(program: &[u8]) -> Result<(), String> {
    let elf = Elf::parse(program).map_err(|error| error.to_string())?;
    if !elf.libraries.is_empty() || elf.interpreter.is_some() {
        return Err(format!("it needs {:?} and {:?}", elf.libraries, elf.interpreter));
    }
    if elf.header.e_type != goblin::elf::header::ET_DYN {
        return Err("it is not position-independent".into());
    }
    Ok(())
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let entries = entries.map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_program_with_dynamic_libraries_is_noticed() {
    let this = fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(is_static(&this).unwrap_err().contains("libc"));
}
