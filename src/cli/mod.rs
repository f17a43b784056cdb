//! The command line: a file per command, each with its arguments and one function. Data goes to stdout, messages and
//! progress to stderr. Built without the feature `tool`, there is `serve` alone.

use clap::{Parser, Subcommand};

#[cfg(feature = "tool")]
mod bench;
#[cfg(feature = "tool")]
mod compare;
#[cfg(feature = "tool")]
mod dataset;
#[cfg(feature = "tool")]
mod evaluate;
#[cfg(feature = "tool")]
mod inputs;
#[cfg(feature = "tool")]
mod interrupt;
pub mod logging;
#[cfg(feature = "tool")]
mod output;
#[cfg(feature = "tool")]
mod predict;
mod serve;
#[cfg(feature = "tool")]
mod terminal;
#[cfg(feature = "tool")]
mod train;
mod weights;

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
    /// Checks or splits a copy of BreakHis.
    #[cfg(feature = "tool")]
    #[command(subcommand)]
    Dataset(dataset::DatasetCommand),
    /// Predicts for images and folders of images.
    #[cfg(feature = "tool")]
    Predict(predict::PredictArguments),
    /// Measures a network on images whose labels are known.
    #[cfg(feature = "tool")]
    Evaluate(evaluate::EvaluateArguments),
    /// Trains a network by one of four recipes.
    #[cfg(feature = "tool")]
    Train(train::TrainArguments),
    /// Puts the figures of runs side by side: the report's summary table.
    #[cfg(feature = "tool")]
    Compare(compare::CompareArguments),
    /// Times the network on this machine.
    #[cfg(feature = "tool")]
    Bench(bench::BenchArguments),
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
            Self::Dataset(command) => dataset::run(command),
            #[cfg(feature = "tool")]
            Self::Predict(arguments) => predict::run(&arguments),
            #[cfg(feature = "tool")]
            Self::Evaluate(arguments) => evaluate::run(&arguments),
            #[cfg(feature = "tool")]
            Self::Train(arguments) => train::run(&arguments),
            #[cfg(feature = "tool")]
            Self::Compare(arguments) => compare::run(&arguments),
            #[cfg(feature = "tool")]
            Self::Bench(arguments) => bench::run(&arguments),
            Self::Serve(arguments) => serve::run(&arguments),
        }
    }
}
