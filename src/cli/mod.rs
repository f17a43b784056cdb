//! The command line: a file per command, each with its arguments and one function. Data goes to stdout, messages and
//! progress to stderr. Built without the feature `tool`, there is `serve` alone.

use clap::{Parser, Subcommand};

pub mod logging;
mod serve;
#[cfg(feature = "tool")]
mod tool;
mod weights;

/// A breast-histology classifier. For research use only. Not for use in diagnostic procedures.
#[derive(Debug, Parser)]
#[command(version, about, propagate_version = true)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Those that the function goes without.
    #[cfg(feature = "tool")]
    #[command(flatten)]
    Tool(tool::ToolCommand),
    /// Answers HTTP requests with predictions, and has a page for the browser.
    Serve(serve::ServeArguments),
}

impl Command {
    /// Whether the command runs until it is stopped, so that its messages need a time.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Serve(_))
    }

    /// Runs the command to its end.
    ///
    /// # Errors
    /// Whatever the user should read before the program leaves with a code that is not 0.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            #[cfg(feature = "tool")]
            Self::Tool(command) => command.run(),
            Self::Serve(arguments) => serve::run(&arguments),
        }
    }
}
