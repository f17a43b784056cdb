//! The commands that prepare, train, measure and compare: all but `serve`.

use clap::Subcommand;

mod audit_text;
mod bench;
mod compare;
mod comparison_rows;
mod comparison_text;
mod cross_validation;
mod dataset;
mod evaluate;
mod evaluation_csv;
mod evaluation_text;
mod inputs;
mod interrupt;
mod measuring;
mod output;
mod predict;
mod table;
mod terminal;
mod train;
mod train_all;

/// The commands, each a file of this folder.
#[derive(Debug, Subcommand)]
pub enum ToolCommand {
    /// Checks or splits a copy of BreakHis.
    #[command(subcommand)]
    Dataset(dataset::DatasetCommand),
    /// Predicts for images and folders of images.
    Predict(predict::PredictArguments),
    /// Measures a network on images whose labels are known.
    Evaluate(evaluate::EvaluateArguments),
    /// Trains a network by one of four recipes.
    Train(train::TrainArguments),
    /// Puts the figures of runs side by side: the report's summary table.
    Compare(compare::CompareArguments),
    /// Times the network on this machine.
    Bench(bench::BenchArguments),
}

impl ToolCommand {
    /// Runs the command to its end.
    ///
    /// # Errors
    /// As [`super::Command::run`].
    pub(super) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Dataset(command) => dataset::run(command),
            Self::Predict(arguments) => predict::run(&arguments),
            Self::Evaluate(arguments) => evaluate::run(&arguments),
            Self::Train(arguments) => train::run(&arguments),
            Self::Compare(arguments) => compare::run(&arguments),
            Self::Bench(arguments) => bench::run(&arguments),
        }
    }
}
