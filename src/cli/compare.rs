//! `lobule compare`: the folders of runs in; the report's summary table out, and one figure.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::cli::output;
use crate::report::comparison_rows;
use crate::report::svg::comparison_figure::figure;
use crate::report::text::comparison as comparison_text;
use crate::system::write_whole;
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
    /// Also draw the measures side by side and the confusion matrices.
    #[arg(long, value_name = "FILE.svg")]
    figure: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Columns of text.
    Text,
    /// Tables for a README or a notebook.
    Markdown,
    /// One table for other programs.
    Csv,
    /// The rows of that table as a list of objects.
    Json,
}

pub(super) fn run(arguments: &CompareArguments) -> anyhow::Result<()> {
    let comparison = compare_runs(&arguments.runs, arguments.pool)?;
    if let Some(path) = &arguments.figure {
        write_whole(path, figure(&comparison).as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    let text = match arguments.format {
        Format::Text => comparison_text::text(&comparison),
        Format::Markdown => comparison_text::markdown(&comparison),
        Format::Csv => comparison_rows::csv(&comparison)?,
        Format::Json => comparison_rows::json(&comparison)?,
    };
    output::print(&text)?;
    Ok(())
}
