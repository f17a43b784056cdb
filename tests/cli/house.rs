//! The rules of the house, held against the source: which room may use which, where `unsafe` may stand, how small
//! `main.rs` stays.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The words and the tools that all rooms share.
const SHARED: [&str; 2] = ["diagnosis", "system"];

/// What each room may use. `breakhis` and `pixels` know no model, `model` knows no data set, no command line and no
/// HTTP, and `serve` and `train` never meet. What is in [`SHARED`] every room may use.
const ARROWS: [(&str, &[&str]); 14] = [
    ("diagnosis", &[]),
    ("guide", &[]),
    ("system", &[]),
    ("kernels", &[]),
    ("pixels", &[]),
    ("breakhis", &["pixels"]),
    ("model", &["kernels", "pixels"]),
    ("inference", &["model", "pixels"]),
    ("evaluate", &["model", "kernels", "pixels"]),
    ("report", &["breakhis", "evaluate", "train"]),
    ("train", &["evaluate", "model", "kernels", "pixels", "breakhis"]),
    ("serve", &["inference", "model", "kernels", "pixels"]),
    ("cli", &["serve", "train", "report", "evaluate", "model", "kernels", "pixels", "breakhis"]),
    ("main", &["cli"]),
];

#[test]
fn arrows_point_one_way() {
    let mut wrong = Vec::new();
    for (path, source) in sources() {
        let room = room_of(&path);
        if room == "lib" {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == room) else {
            wrong.push(format!("{}: the room {room} has no arrows; give it some in ARROWS", path.display()));
            continue;
        };
        for used in rooms_used(&source) {
            if used != room && !SHARED.contains(&used.as_str()) && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: {room} must not use {used}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn no_two_rooms_use_each_other() {
    for (room, uses) in ARROWS {
        for (other, back) in ARROWS {
            assert!(!(uses.contains(&other) && back.contains(&room)), "{room} and {other}");
        }
    }
}

#[test]
fn unsafe_stands_in_kernels_only() {
    let outside = sources().into_iter().filter(|(path, _)| room_of(path) != "kernels");
    let guilty: Vec<PathBuf> = outside.filter(|(_, source)| words(source).contains("unsafe")).map(|(p, _)| p).collect();
    assert!(guilty.is_empty(), "{guilty:?}");
}

#[test]
fn main_stays_under_forty_lines() {
    let lines = fs::read_to_string(source_root().join("main.rs")).unwrap().lines().count();
    assert!(lines < 40, "{lines} lines");
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
    assert!(words("unsafe { }").contains("unsafe"));
    assert!(!words("// unsafe\n#![deny(unsafe_code)]").contains("unsafe"));
}

fn source_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every source file, as a path below `src`, with its text.
fn sources() -> Vec<(PathBuf, String)> {
    let root = source_root();
    let files = lobule::breakhis::dataset::walk::under(&root).unwrap();
    let sources: Vec<_> = files
        .into_iter()
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| (path.strip_prefix(&root).unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect();
    assert!(sources.len() > 10, "the sources are not where they should be");
    sources
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
    let mut names = Vec::new();
    let (mut depth, mut start) = (0, 0);
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth > 0 => depth -= 1,
            ',' | '}' if depth == 0 => {
                names.extend(first_name(group[start..at].trim_start()));
                start = at + 1;
                if c == '}' {
                    break;
                }
            }
            _ => {}
        }
    }
    names
}

/// The name that a path begins with, when it is that of a module: items of the crate's root begin with a capital.
fn first_name(path: &str) -> Option<String> {
    let name: String = path.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    name.starts_with(|c: char| c.is_ascii_lowercase()).then_some(name)
}

/// The identifiers and keywords of a file.
fn words(source: &str) -> BTreeSet<String> {
    let code = without_comments(source);
    code.split(|c: char| !c.is_alphanumeric() && c != '_').map(str::to_owned).collect()
}

/// The code of a file. A `//` inside a string is cut too, unless it follows a colon as in an address.
fn without_comments(source: &str) -> String {
    let code = |line: &str| {
        let comment = line.match_indices("//").find(|(at, _)| !line[..*at].ends_with(':'));
        line[..comment.map_or(line.len(), |(at, _)| at)].to_owned() + "\n"
    };
    source.lines().map(code).collect()
}
