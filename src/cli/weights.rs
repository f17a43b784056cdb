//! Which network answers: the argument that every command with a network has.

use std::path::{Path, PathBuf};

use clap::Args;

/// Which network answers.
#[derive(Debug, Args)]
pub(super) struct WeightsArguments {
    /// Weights file; without it, the network that is built into the program.
    #[arg(long, env = "LOBULE_WEIGHTS", value_name = "FILE")]
    weights: Option<PathBuf>,
}

impl WeightsArguments {
    /// The file, where one was named.
    pub(super) fn path(&self) -> Option<&Path> {
        self.weights.as_deref()
    }
}
