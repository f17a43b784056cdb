//! The command line: a file per command, each with its arguments and one function. Data goes to stdout, messages and
//! progress to stderr. The service-only build has `serve` alone, and that of the buildpack `predict` and `merge` too.

use std::env::{self, VarError};

use anyhow::bail;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::kernels::Level;
use crate::model::PrecisionChoice;

#[cfg(feature = "cli")]
mod bench;
#[cfg(feature = "cli")]
mod card;
#[cfg(feature = "cli")]
mod compare;
#[cfg(feature = "cli")]
mod dataset;
#[cfg(feature = "cli")]
mod evaluate;
#[cfg(feature = "cli")]
mod inputs;
#[cfg(feature = "cli")]
mod interchange;
#[cfg(feature = "predict")]
mod interruption;
pub mod logging;
#[cfg(feature = "predict")]
mod output;
#[cfg(feature = "predict")]
mod predict;
#[cfg(feature = "predict")]
mod progress_bar;
mod serve;
#[cfg(feature = "predict")]
mod shard;
#[cfg(feature = "cli")]
mod shell;
#[cfg(feature = "cli")]
mod terminal;
#[cfg(feature = "cli")]
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

impl Arguments {
    /// Reads the arguments, and for those that are not given the variables of the environment; leaves the program with
    /// a message where they are wrong.
    pub fn read() -> Self {
        let matches = without_empty_variables(Self::command()).get_matches();
        Self::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }
}

/// A command whose arguments take nothing from a variable that is empty: that is a deployer's way of not setting it.
fn without_empty_variables(command: clap::Command) -> clap::Command {
    let command = command.mut_args(|argument| {
        let is_empty = argument.get_env().is_some_and(|name| env::var_os(name).is_some_and(|value| value.is_empty()));
        if is_empty { argument.env(None) } else { argument }
    });
    command.mut_subcommands(without_empty_variables)
}

/// A variable of the environment that is text, if it is set to anything.
fn variable(name: &str) -> anyhow::Result<Option<String>> {
    match env::var(name) {
        Ok(text) => Ok(Some(text).filter(|text| !text.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => bail!("the variable {name} is not text; unset it, or set it to text"),
    }
}

/// The commands, each a file of this folder.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Checks or splits a copy of BreakHis.
    #[cfg(feature = "cli")]
    #[command(subcommand)]
    Dataset(dataset::DatasetCommand),
    /// Predicts for images and folders of images.
    #[cfg(feature = "predict")]
    Predict(predict::PredictArguments),
    /// Joins the tables that shards of lobule predict have written.
    #[cfg(feature = "predict")]
    Merge(predict::MergeArguments),
    /// Measures a network on images whose labels are known.
    #[cfg(feature = "cli")]
    Evaluate(evaluate::EvaluateArguments),
    /// Trains a network by one of four recipes.
    #[cfg(feature = "cli")]
    Train(train::TrainArguments),
    /// Calibrates a network by a cross-validation of its recipe, or by images that it was not trained on.
    #[cfg(feature = "cli")]
    Calibrate(weights::calibrate::CalibrateArguments),
    /// Gives a weights file whole numbers to compute in, which are faster, and compares their answers.
    #[cfg(feature = "cli")]
    Quantise(weights::quantise::QuantiseArguments),
    /// Puts the figures of runs side by side: the report's summary table.
    #[cfg(feature = "cli")]
    Compare(compare::CompareArguments),
    /// Makes the figures of a model card from metrics.json and a weights file.
    #[cfg(feature = "cli")]
    Card(card::CardArguments),
    /// Makes a weights file of a network that Keras trained.
    #[cfg(feature = "cli")]
    Import(interchange::ImportArguments),
    /// Writes a network for other programs: as ONNX, or in torchvision's names.
    #[cfg(feature = "cli")]
    Export(interchange::ExportArguments),
    /// Says what a file of weights is, whatever program wrote it.
    #[cfg(feature = "cli")]
    Inspect(interchange::InspectArguments),
    /// Times the network on this machine.
    #[cfg(feature = "cli")]
    Bench(bench::BenchArguments),
    /// Answers HTTP requests with predictions, and has a page for the browser.
    Serve(serve::ServeArguments),
    /// Prints a script that lets a shell complete commands and arguments.
    #[cfg(feature = "cli")]
    Completions(shell::CompletionsArguments),
    /// Prints the manual, for `man -l -` or a file.
    #[cfg(feature = "cli")]
    Man,
}

impl Command {
    /// Whether the command runs until it is stopped, so that its messages need a time.
    pub fn is_service(&self) -> bool {
        matches!(self, Self::Serve(_))
    }

    /// In which numbers its network computes. What only answers is as fast as it can be; what measures computes as the network
    /// was trained, unless it is told otherwise; and what fits or makes a file always does.
    fn precision(&self) -> anyhow::Result<PrecisionChoice> {
        let asked = variable("LOBULE_PRECISION")?.map(|name| name.parse::<PrecisionChoice>()).transpose()?;
        Ok(match self {
            #[cfg(feature = "cli")]
            Self::Bench(_) => asked.unwrap_or(PrecisionChoice::Auto),
            #[cfg(feature = "predict")]
            Self::Predict(_) => asked.unwrap_or(PrecisionChoice::Auto),
            Self::Serve(_) => asked.unwrap_or(PrecisionChoice::Auto),
            #[cfg(feature = "cli")]
            Self::Evaluate(_) => asked.unwrap_or_default(),
            #[cfg(feature = "predict")]
            _ => PrecisionChoice::default(),
        })
    }

    /// Runs the command to its end.
    ///
    /// # Errors
    /// Whatever the user should read before the program leaves with a code that is not 0.
    pub fn run(self) -> anyhow::Result<()> {
        if let Some(level) = variable("LOBULE_SIMD")? {
            Level::force(&level)?;
        }
        self.precision()?.force();
        match self {
            #[cfg(feature = "cli")]
            Self::Dataset(command) => dataset::run(command),
            #[cfg(feature = "predict")]
            Self::Predict(arguments) => predict::run(&arguments),
            #[cfg(feature = "predict")]
            Self::Merge(arguments) => predict::merge(&arguments),
            #[cfg(feature = "cli")]
            Self::Evaluate(arguments) => evaluate::run(&arguments),
            #[cfg(feature = "cli")]
            Self::Train(arguments) => train::run(&arguments),
            #[cfg(feature = "cli")]
            Self::Calibrate(arguments) => weights::calibrate::run(&arguments),
            #[cfg(feature = "cli")]
            Self::Quantise(arguments) => weights::quantise::run(&arguments),
            #[cfg(feature = "cli")]
            Self::Compare(arguments) => compare::run(&arguments),
            #[cfg(feature = "cli")]
            Self::Bench(arguments) => bench::run(&arguments),
            #[cfg(feature = "cli")]
            Self::Export(arguments) => interchange::export(&arguments),
            #[cfg(feature = "cli")]
            Self::Inspect(arguments) => interchange::inspect(&arguments),
            #[cfg(feature = "cli")]
            Self::Card(arguments) => card::run(&arguments),
            #[cfg(feature = "cli")]
            Self::Import(arguments) => interchange::import(&arguments),
            Self::Serve(arguments) => serve::run(&arguments),
            #[cfg(feature = "cli")]
            Self::Completions(arguments) => shell::completions(&arguments),
            #[cfg(feature = "cli")]
            Self::Man => shell::man(),
        }
    }
}
