//! The command line: a file per command, each with its arguments and one function. Data goes to stdout, messages and
//! progress to stderr.

use clap::{Parser, Subcommand};

mod audit_text;
mod bench;
mod compare;
mod comparison_csv;
mod comparison_text;
mod dataset;
mod evaluate;
mod inputs;
mod interrupt;
pub mod logging;
mod output;
mod predict;
mod serve;
mod terminal;
mod train;

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
    #[command(subcommand)]
    Dataset(dataset::DatasetCommand),
    /// Predicts for pictures and folders of pictures.
    Predict(predict::PredictArguments),
    /// Measures a network on pictures whose labels are known.
    Evaluate(evaluate::EvaluateArguments),
    /// Trains a network by one of four recipes.
    Train(train::TrainArguments),
    /// Puts the figures of runs side by side: the report's summary table.
    Compare(compare::CompareArguments),
    /// Times the network on this machine.
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
            Self::Dataset(command) => dataset::run(command),
            Self::Predict(arguments) => predict::run(&arguments),
            Self::Evaluate(arguments) => evaluate::run(&arguments),
            Self::Train(arguments) => train::run(&arguments),
            Self::Compare(arguments) => compare::run(&arguments),
            Self::Bench(arguments) => bench::run(&arguments),
            Self::Serve(arguments) => serve::run(&arguments),
        }
    }
}
