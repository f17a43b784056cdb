//! The rules of the house, held against the source: which room may use which, what may stand in which room, how large
//! files and folders may be.

#![allow(clippy::unwrap_used, reason = "clippy takes the helpers of a test for production code")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The words and the tools that all rooms share.
const SHARED: [&str; 2] = ["diagnosis", "system"];

/// What each room may use beside what is in [`SHARED`]: `breakhis` and `pixels` know no model, `model` knows no data
/// set, no command line and no HTTP, and `serve` and `train` never meet. `pixels` takes the levels of vector
/// instructions from `kernels`, and logarithms that are made of them: a stretch of colours is 100,000 of these.
const ARROWS: [(&str, &[&str]); 17] = [
    ("diagnosis", &[]),
    ("guide", &[]),
    ("system", &[]),
    ("kernels", &[]),
    ("pixels", &["kernels"]),
    ("breakhis", &["pixels"]),
    ("model", &["kernels", "pixels"]),
    ("explain", &["model", "pixels"]),
    ("drift", &["model"]),
    ("inference", &["explain", "model", "pixels"]),
    ("interchange", &["model", "kernels", "pixels"]),
    ("evaluate", &["interchange", "model", "kernels", "pixels", "breakhis"]),
    ("train", &["evaluate", "interchange", "model", "kernels", "pixels", "breakhis"]),
    ("report", &["evaluate", "drift", "explain", "train", "breakhis"]),
    ("serve", &["inference", "explain", "model", "pixels"]),
    (
        "cli",
        &[
            "serve",
            "train",
            "report",
            "evaluate",
            "drift",
            "explain",
            "interchange",
            "model",
            "kernels",
            "pixels",
            "breakhis",
        ],
    ),
    ("main", &["cli"]),
];

/// What stands in some rooms alone.
const ONLY_IN: [(&str, &[&str]); 5] = [
    ("unsafe", &["kernels", "system"]),
    ("clap", &["cli", "main"]),
    ("anyhow", &["cli", "main"]),
    ("env::", &["cli", "main"]),
    ("allocator", &["cli", "system"]),
];

const MOST_LINES: usize = 400;
const MOST_LINES_OF_MAIN: usize = 40;
const MOST_FILES_OF_A_FOLDER: usize = 12;

#[test]
fn arrows_point_one_way() {
    let mut wrong = Vec::new();
    for (path, source) in sources("src") {
        let room = room_of(&path);
        let allowed = ARROWS.iter().find(|(name, _)| *name == room).map_or(&[][..], |(_, allowed)| allowed);
        let may = |used: &str| used == room || SHARED.contains(&used) || allowed.contains(&used);
        if room != "lib" {
            let more = rooms_used(&source).into_iter().filter(|used| !may(used));
            wrong.extend(more.map(|used| format!("{}: {room} must not use {used}", path.display())));
        }
    }
    for (room, uses) in ARROWS {
        let both = ARROWS.iter().filter(|(other, back)| uses.contains(other) && back.contains(&room));
        wrong.extend(both.map(|(other, _)| format!("{room} and {other} use each other")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_has_its_arrows_and_every_arrow_its_room() {
    let rooms: BTreeSet<String> = sources("src").iter().map(|(path, _)| room_of(path)).collect();
    let known = ARROWS.iter().map(|(room, _)| (*room).to_owned()).chain(["lib".to_owned()]);
    assert_eq!(rooms, known.collect());
}

#[test]
fn some_things_stand_in_some_rooms_only() {
    let mut wrong = Vec::new();
    for (path, source) in sources("src") {
        let room = room_of(&path);
        let elsewhere = ONLY_IN.iter().filter(|(thing, rooms)| !rooms.contains(&room.as_str()) && has(&source, thing));
        wrong.extend(elsewhere.map(|(thing, _)| format!("{}: {thing} must not stand here", path.display())));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_and_folders_stay_small() {
    let (sources, tests) = (sources("src"), sources("tests"));
    let mut large = Vec::new();
    for (path, text) in sources.iter().chain(&tests) {
        let most = if path == Path::new("main.rs") { MOST_LINES_OF_MAIN } else { MOST_LINES };
        let lines = text.lines().count();
        large.extend((lines > most).then(|| format!("{} has {lines} lines", path.display())));
    }
    for folder in sources.iter().filter_map(|(path, _)| path.parent()).collect::<BTreeSet<_>>() {
        let beside = |path: &Path| path.parent() == Some(folder) && !is_of_a_folder(path);
        let files = sources.iter().filter(|(path, _)| beside(path)).count();
        let is_large = files > MOST_FILES_OF_A_FOLDER;
        large.extend(is_large.then(|| format!("{} has {files} files beside its mod.rs", folder.display())));
    }
    assert!(large.is_empty(), "{}", large.join("\n"));
}

#[test]
fn no_file_name_stands_twice_within_kernels() {
    let mut names = BTreeSet::new();
    for (path, _) in sources("src").iter().filter(|(path, _)| room_of(path) == "kernels" && !is_of_a_folder(path)) {
        assert!(names.insert(path.file_name().unwrap().to_owned()), "{}", path.display());
    }
}

#[test]
fn the_reader_of_paths_sees_groups_nesting_and_inline_paths_but_no_comments() {
    let source = r#"
        //! crate::comment is none, nor is [`crate::link`]
        use crate::one::Thing; // crate::trailing
        pub(crate) use crate::{two, three::{a, b::c}, four as five};
        fn f() { crate::six::g(); let text = "https://example.org"; crate::seven::h() }
        use lobule::eight;
        #[cfg(test)] use mycrate::nine;
    "#;
    let expected = ["eight", "four", "one", "seven", "six", "three", "two"];
    assert_eq!(rooms_used(source).into_iter().collect::<Vec<_>>(), expected);
    assert!(has("unsafe { }", "unsafe") && has("std::env::var(NAME)", "env::"));
    assert!(!has("// unsafe\n#![deny(unsafe_code)]", "unsafe") && !has("env!(\"NAME\")", "env::"));
}

/// Every file of Rust below `src` or `tests`, as a path from there, with its text.
fn sources(top: &str) -> Vec<(PathBuf, String)> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join(top);
    let (mut found, mut folders) = (Vec::new(), vec![top.clone()]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push((path.strip_prefix(&top).unwrap().to_owned(), fs::read_to_string(&path).unwrap()));
            }
        }
    }
    assert!(found.len() > 10, "the sources are not where they should be");
    found
}

/// Whether a file belongs to its folder, so that every folder may have one of that name.
fn is_of_a_folder(path: &Path) -> bool {
    path.ends_with("mod.rs") || path.ends_with("tests.rs")
}

/// The first folder below `src`, or the file that stands for it.
fn room_of(path: &Path) -> String {
    Path::new(path.iter().next().unwrap()).file_stem().unwrap().to_str().unwrap().to_owned()
}

/// The rooms that follow `crate::` or `lobule::`, one by one or in a group.
fn rooms_used(source: &str) -> BTreeSet<String> {
    let code = without_comments(source);
    let mut rooms = BTreeSet::new();
    for root in ["crate::", "lobule::"] {
        for (at, _) in code.match_indices(root) {
            let before = code[..at].chars().next_back();
            if before.is_some_and(|c| c.is_alphanumeric() || c == '_') {
                continue;
            }
            let path = code[at + root.len()..].trim_start();
            match path.strip_prefix('{') {
                Some(group) => rooms.extend(first_names(group)),
                None => rooms.extend(first_name(path)),
            }
        }
    }
    rooms
}

/// The first name of each path in a group, up to its closing brace; inner groups are passed over.
fn first_names(group: &str) -> Vec<String> {
    let (mut depth, mut outer) = (0, String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            _ if depth == 0 => outer.push(c),
            _ => {}
        }
    }
    outer.split(',').filter_map(|path| first_name(path.trim_start())).collect()
}

/// The name that a path begins with, when it is that of a module: items of the crate's root begin with a capital.
fn first_name(path: &str) -> Option<String> {
    let name: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    name.starts_with(|c: char| c.is_ascii_lowercase()).then_some(name)
}

/// Whether a word, or the beginning of a path such as `env::`, stands in the code of a file.
fn has(source: &str, word: &str) -> bool {
    let code = without_comments(source);
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        let after = &code[at + word.len()..];
        !code[..at].ends_with(is_part) && (word.ends_with(':') || !after.starts_with(is_part))
    })
}

/// The code of a file. A `//` inside a string is cut too, unless it follows a colon as in an address.
fn without_comments(source: &str) -> String {
    let code = |line: &str| {
        let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
        line[..comment.map_or(line.len(), |(at, _)| at)].to_owned() + "\n"
    };
    source.lines().map(code).collect()
}
