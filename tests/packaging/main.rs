//! What a source deploy to Cloud Run reads. The files are held to what Google's tools make of them, trap by trap: each
//! test changes a file into something that those tools refuse, ignore or do wrong with, and must notice.
//!
//! `emulation` goes the whole way from the upload to a prediction, compiler included. That takes minutes, so it runs
//! when it is asked for: `cargo test --test packaging -- --ignored emulation`. So do the tests that need gcloud.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "clippy takes the helpers of a test for production code"
)]

mod build;
mod buildpack;
mod dependencies;
mod deploy;
mod emulation;
mod image;
mod procfile;
mod project;
mod upload;

use std::borrow::Cow;
use std::path::Path;
use std::process::Output;

/// The repository.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of the repository.
fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// What a program has written to stderr.
fn stderr(output: &Output) -> Cow<'_, str> {
    String::from_utf8_lossy(&output.stderr)
}

/// A way to change a file into a trap: its name, what is replaced, and by what.
type Trap = (&'static str, &'static str, &'static str);

/// Holds a check to a file of the repository: it must be content with the file, and not with any of the traps.
fn hold(path: &str, check: impl Fn(&str) -> anyhow::Result<()>, traps: &[Trap]) {
    let text = text(path);
    check(&text).unwrap_or_else(|error| panic!("{path}: {error:#}"));
    for (name, from, to) in traps {
        let trap = text.replacen(from, to, 1);
        assert_ne!(trap, text, "{path}: nothing to change for {name:?}");
        let Err(error) = check(&trap) else { panic!("{path}: nobody notices {name:?}") };
        println!("{path}, {name}: {error:#}");
    }
}
