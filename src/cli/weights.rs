//! Which network answers: the argument that every command with a network has.

use std::ffi::OsString;
use std::path::Path;

use clap::Args;

/// Which network answers.
#[derive(Debug, Args)]
pub(super) struct WeightsArguments {
    /// Weights file; without it, the network that is built into the program.
    #[arg(long, env = "LOBULE_WEIGHTS", value_name = "FILE")]
    weights: Option<OsString>,
}

impl WeightsArguments {
    /// The file, where one was named.
    pub(super) fn path(&self) -> Option<&Path> {
        // A variable that is set to nothing is a deployer's way of not setting it.
        self.weights.as_deref().map(Path::new).filter(|path| !path.as_os_str().is_empty())
    }
}
