//! The service from outside: the real binary on a port of its own, and clients that behave well or not.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "clippy takes the helpers of a test for production code"
)]

#[path = "../support/mod.rs"]
mod support;

mod access;
mod answers;
mod batch;
mod connections;
mod contract;
mod dialects;
mod dialects_hostile;
mod errors;
mod flags;
mod forms;
mod heatmaps;
mod hostile;
mod http2;
mod lifecycle;
mod predictions;
mod status;

use support::{client, drawn, frames, service};
