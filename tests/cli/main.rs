//! What a user meets on the command line.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)] // a test may

#[cfg(unix)]
mod archive;
mod archive_faults;
#[cfg(unix)]
mod bad_entries;
mod bench;
#[cfg(unix)]
#[path = "../support/broken.rs"]
mod broken;
mod calibrate;
mod card;
mod compare;
mod dataset;
#[allow(dead_code, reason = "the service's tests use the rest")]
#[path = "../support/drawn.rs"]
mod drawn;
mod evaluate;
#[path = "../support/flagging.rs"]
mod flagging;
mod flags;
mod folds;
mod heatmaps;
mod help;
mod import;
mod interchange;
mod predict;
mod quantise;
mod real_images;
mod shards;
mod support;
mod tiles;
mod train;
