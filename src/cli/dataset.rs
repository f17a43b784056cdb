//! `lobule dataset audit` and `lobule dataset split`.

use std::path::PathBuf;

use anyhow::bail;
use clap::{Args, Subcommand};

use crate::breakhis::{self, Dataset, Split, SplitAudit};
use crate::cli::inputs::{SplitArguments, Unit, warn_of_shared_cases};
use crate::cli::output;
use crate::report::{audit, parts, text::text};
use crate::train::DEFAULT_SEED;

/// What to do with a copy of BreakHis.
#[derive(Debug, Subcommand)]
pub enum DatasetCommand {
    /// Reads every image and lists what is wrong with the data, or with a split of it. Leaves with code 1 when
    /// something must be mended.
    Audit(AuditArguments),
    /// Shares the images out over train, validation and test: 60, 20 and 20 %.
    Split(SplitOffArguments),
}

/// Arguments of `lobule dataset audit`.
#[derive(Debug, Args)]
pub struct AuditArguments {
    /// Folder of the images.
    dir: PathBuf,
    #[command(flatten)]
    split: SplitArguments,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

/// Arguments of `lobule dataset split`.
#[derive(Debug, Args)]
pub struct SplitOffArguments {
    /// Folder of the images.
    dir: PathBuf,
    /// What is kept together.
    #[arg(long, value_enum)]
    by: Unit,
    /// Decides which images go where: the same seed and data give the same split.
    #[arg(long, default_value_t = DEFAULT_SEED)]
    seed: u64,
    /// Where the split is written, as CSV: filename,part.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
}

pub(super) fn run(command: DatasetCommand) -> anyhow::Result<()> {
    match command {
        DatasetCommand::Audit(arguments) => run_audit(&arguments),
        DatasetCommand::Split(arguments) => run_split(&arguments),
    }
}

fn run_audit(arguments: &AuditArguments) -> anyhow::Result<()> {
    let dataset = Dataset::open(&arguments.dir)?;
    let split = arguments.split.read()?;
    let found = breakhis::audit(&dataset, split.as_ref())?;
    let text = match arguments.json {
        true => serde_json::to_string(&found)? + "\n",
        false => text(&audit(&found)),
    };
    output::print(&text)?;
    match found.faults() {
        faults if faults.is_empty() => Ok(()),
        faults => bail!("the audit of {} found {}", arguments.dir.display(), faults.join(", ")),
    }
}

fn run_split(arguments: &SplitOffArguments) -> anyhow::Result<()> {
    let dataset = Dataset::open(&arguments.dir)?;
    dataset.require_whole()?;
    let split = match arguments.by {
        Unit::Case => Split::by_case(&dataset, arguments.seed),
        Unit::Image => Split::by_image(&dataset, arguments.seed),
    }?;
    let found = SplitAudit::of(&split, &dataset)?;
    split.write(&arguments.output)?;

    output::print(&text(&[parts(&found)]))?;
    warn_of_shared_cases(found.shared_cases.len());
    Ok(())
}
