//! The command line: a file per command, each with its arguments and one function. Data goes to stdout, messages and
//! progress to stderr.

use clap::{Parser, Subcommand};

pub mod logging;
mod serve;

pub use serve::Serve;

/// A breast-histology classifier. For research use only. Not for use in diagnostic procedures.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, each a file of this folder.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve predictions over HTTP, with a page for the browser
    Serve(Serve),
}

impl Command {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// Whatever the user should read before the program leaves with a code that is not 0.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Serve(command) => command.run(),
        }
    }
}
