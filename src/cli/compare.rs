//! `lobule compare`: the folders of runs in; the report's summary table out, and one figure.

use std::path::PathBuf;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::train::compare_runs;

/// Arguments of `lobule compare`.
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// Folders of runs, as `lobule train --out` writes them.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// How the table is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also take the predictions of all runs together, each of which held out other images (the folds of a
    /// cross-validation), with intervals over cases.
    #[arg(long)]
    pool: bool,
    /// Also draw the metrics side by side and the confusion matrices.
    #[arg(long, value_name = "FILE.svg")]
    figure: Option<PathBuf>,
}

pub(super) fn run(arguments: &CompareArguments) -> anyhow::Result<()> {
    let figure = arguments.figure.as_deref();
    figure.map(output::check_writable).transpose()?;
    let comparison = compare_runs(&arguments.runs, arguments.pool)?;
    output::show(&comparison, arguments.format, figure)
}
