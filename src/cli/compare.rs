//! `lobule compare`: the folders of runs or cross-validations in; the report's summary table out, and one figure.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use crate::cli::output::{self, Format};
use crate::evaluate::comparison::Comparison;
use crate::report::{CrossValidationResults, svg};
use crate::system::write_whole;
use crate::train::{compare_runs, is_cross_validation, read_cross_validation};

/// Arguments of `lobule compare`.
#[derive(Debug, Args)]
pub struct CompareArguments {
    /// Folders of runs, as `lobule train --out` writes them; that of a cross-validation stands for all its runs.
    #[arg(required = true, value_name = "RUN")]
    runs: Vec<PathBuf>,
    /// How the table is printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Also take the predictions of all runs together, each of which held out other images (the folds of a
    /// cross-validation), with intervals over cases; of one folder of a cross-validation, those of each repeat.
    #[arg(long)]
    pool: bool,
    /// Also subtract the figures of these runs, which predict the same images, with intervals over cases: those of the
    /// other runs minus those of these, the runs of each side taken together.
    #[arg(long, value_name = "RUN", num_args = 1..)]
    against: Vec<PathBuf>,
    /// Also draw the metrics side by side and the confusion matrices.
    #[arg(long, value_name = "FILE.svg")]
    figure: Option<PathBuf>,
    /// Also draw how far probabilities are right, before and after calibration by the other runs.
    #[arg(long, value_name = "FILE.svg", requires = "pool")]
    reliability: Option<PathBuf>,
}

pub(super) fn run(arguments: &CompareArguments) -> anyhow::Result<()> {
    let [figure, reliability] = [&arguments.figure, &arguments.reliability].map(Option::as_deref);
    [figure, reliability].into_iter().flatten().try_for_each(output::check_writable)?;
    if let ([dir], true, []) = (&arguments.runs[..], arguments.pool, &arguments.against[..])
        && is_cross_validation(dir)
    {
        return show_cross_validation(arguments, dir);
    }
    let comparison = compare_runs(&arguments.runs, &arguments.against, arguments.pool)?;
    reliability.map_or(Ok(()), |path| draw_reliability(&comparison, path))?;
    output::show(&comparison, arguments.format, figure)
}

/// Shows what `lobule train --folds` shows at its end, whichever shards trained the runs.
fn show_cross_validation(arguments: &CompareArguments, dir: &Path) -> anyhow::Result<()> {
    let repeats = read_cross_validation(dir)?;
    match (&arguments.reliability, &repeats[..]) {
        (Some(path), [only]) => draw_reliability(&only.comparison, path)?,
        (Some(_), several) => bail!(
            "--reliability draws one repeat, and {} holds {}; name the runs of one, such as {}/repeat-1/fold-*",
            dir.display(),
            several.len(),
            dir.display()
        ),
        (None, _) => {}
    }
    output::show(&CrossValidationResults(repeats), arguments.format, arguments.figure.as_deref())
}

fn draw_reliability(comparison: &Comparison, path: &Path) -> anyhow::Result<()> {
    let crossed = comparison.pooled.as_ref().and_then(|pooled| pooled.cross_fitted.as_ref());
    let crossed = crossed.context("there is nothing to calibrate by: the other runs of some run lack a class")?;
    let figure = svg::reliability::before_and_after(crossed);
    write_whole(path, figure.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
