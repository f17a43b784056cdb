//! What a build leaves: the layers, what is launched, and the program.

use std::collections::BTreeSet;
use std::fs;

use anyhow::{Context, ensure};
use goblin::elf::Elf;
use libcnb_data::generic::GenericMetadata;
use libcnb_data::launch::Launch;
use libcnb_data::layer_content_metadata::{LayerContentMetadata, LayerTypes};
use walkdir::WalkDir;

use super::build::Build;

/// Bytes that the image of the service may have on top of Google's.
const MOST_BYTES: u64 = 40_000_000;

/// Holds what a build has left to what the image shall be.
pub(crate) fn check(build: &Build) -> anyhow::Result<()> {
    let layers = build.path("layers");
    for (name, launch) in [("toolchain", false), ("target", false), ("lobule", true)] {
        let expected = LayerTypes { launch, build: false, cache: false };
        let path = layers.join(name).with_extension("toml");
        let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        let layer: LayerContentMetadata<GenericMetadata> = toml::from_str(&text)?;
        ensure!(layer.types == Some(expected), "the layer {name} is {:?}, not {expected:?}", layer.types);
    }
    let launch: Launch = toml::from_str(&fs::read_to_string(layers.join("launch.toml"))?)?;
    ensure!(launch.processes.is_empty(), "a process beside the Procfile's");
    let has_label = launch.labels.iter().any(|label| label.value.contains("For research use only."));
    ensure!(has_label, "no label says what it is for");
    let program = layers.join("lobule/bin/lobule");
    let variable = layers.join("lobule/env.launch/GLIBC_TUNABLES.default");
    let expected = BTreeSet::from([build.path("workspace/Procfile"), program.clone(), variable]);
    let files = [layers.join("lobule"), build.path("workspace")].into_iter().flat_map(WalkDir::new).map(Result::unwrap);
    let launched: BTreeSet<_> = files.filter(|file| !file.path().is_dir()).map(walkdir::DirEntry::into_path).collect();
    ensure!(launched == expected, "launched with {launched:?}");
    let bytes = launched.iter().map(|path| path.metadata().unwrap().len()).sum::<u64>();
    println!("the launch image has {bytes} bytes");
    ensure!(bytes <= MOST_BYTES, "{bytes} bytes");
    is_static(&fs::read(program).unwrap())
}

/// Whether a program needs no library and no loader, and can be put at any address.
fn is_static(program: &[u8]) -> anyhow::Result<()> {
    let Elf { libraries, interpreter, header, .. } = Elf::parse(program)?;
    ensure!(libraries.is_empty() && interpreter.is_none(), "it needs {libraries:?} and {interpreter:?}");
    ensure!(header.e_type == goblin::elf::header::ET_DYN, "it is not position-independent");
    Ok(())
}

#[test]
fn a_program_with_dynamic_libraries_is_noticed() {
    let this = fs::read(std::env::current_exe().unwrap()).unwrap();
    assert!(is_static(&this).unwrap_err().to_string().contains("libc"));
}
