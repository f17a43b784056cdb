//! Holds the numbers of the program to those of TensorFlow and Keras, which fixtures keep: no test needs Python.
#![allow(clippy::unwrap_used, reason = "a helper of a test may fail as a test does")]

#[path = "../fixtures/draw.rs"]
mod draw;
mod drawing;
mod formula;
mod inference_walk;
mod keras_callbacks;
mod keras_forward;
mod keras_training;
mod oracle;
mod resize;
mod training_walk;

use std::path::PathBuf;

/// A file of tests/fixtures.
fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}
