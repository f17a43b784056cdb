//! What a user meets on the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test may

mod bench;
mod compare;
mod dataset;
mod evaluate;
mod folds;
mod help;
mod predict;
mod real_images;
mod support;
mod train;
