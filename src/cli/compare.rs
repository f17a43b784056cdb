//! `lobule compare`: the folders of runs in; the report's summary table out, and one figure.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};

use crate::breakhis::{Part, Split};
use crate::cli::inputs::told_by_name;
use crate::cli::output;
use crate::diagnosis::Threshold;
use crate::evaluate::comparison::{Comparison, MeasuredPart, Pooled, Run};
use crate::evaluate::{ControlFigures, Figures, Predictions, Subject, predictions};
use crate::report::comparison_rows;
use crate::report::svg::comparison_figure::figure;
use crate::report::text::comparison as comparison_text;
use crate::system::write_whole;
use crate::train::RunConfig;

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
    let comparison = read(&arguments.runs, arguments.pool)?;
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

/// Reads runs from their folders and compares them.
pub(super) fn read(dirs: &[PathBuf], pooled: bool) -> anyhow::Result<Comparison> {
    let read = dirs.iter().map(|dir| read_run(dir)).collect::<anyhow::Result<Vec<_>>>()?;
    let (runs, predictions): (Vec<Run>, Vec<_>) = read.into_iter().unzip();
    let pooled = pooled.then(|| pool(&runs, &predictions)).transpose()?;
    Ok(Comparison::of(runs, pooled))
}

/// All predictions together, and the runs' means.
fn pool(runs: &[Run], predictions: &[Predictions]) -> anyhow::Result<Pooled> {
    if let Some([first, other]) = runs.array_windows().find(|[first, other]| !first.has_the_recipe_of(other)) {
        bail!("{} and {} were not trained alike; only runs of one recipe can be pooled", first.name, other.name);
    }
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (run, predictions) in runs.iter().zip(predictions) {
        for Subject { filename, .. } in &predictions.subjects {
            if let Some(other) = seen.insert(filename, &run.name) {
                bail!(
                    "{other} and {} both predict {filename}; only runs that hold out different images can be pooled",
                    run.name
                );
            }
        }
    }
    Ok(Pooled::of(predictions, Threshold::HALF))
}

/// What a run says of itself, with the figures of its test part, or of its validation part where it has no other; and
/// the predictions that these come from.
fn read_run(dir: &Path) -> anyhow::Result<(Run, Predictions)> {
    let config = read_config(dir)?;
    let split_file = dir.join("split.csv");
    let split = Split::read(&split_file)?;
    let shared_cases = split.shared_cases().with_context(|| split_file.display().to_string())?.len();
    let (part, predictions) = read_predictions(dir, &split)?;
    let run = Run {
        name: dir.display().to_string(),
        settings: toml::to_string(&config.recipe)? + &config.start,
        recipe: config.recipe.name,
        seed: config.seed,
        shared_cases,
        part,
        figures: Figures::of(&predictions, &predictions.all(), Threshold::HALF),
        controls: ControlFigures::all(&predictions),
    };
    Ok((run, predictions))
}

fn read_predictions(dir: &Path, split: &Split) -> anyhow::Result<(MeasuredPart, Predictions)> {
    let files = [
        (MeasuredPart::Test, Part::Test, dir.join("test-predictions.csv")),
        (MeasuredPart::Validation, Part::Validation, dir.join("validation-predictions.csv")),
    ];
    let Some((measured, part, path)) = files.into_iter().find(|(.., path)| path.exists()) else {
        if dir.join("weights.safetensors").exists() {
            bail!("{} was trained on all images, so there are none to compare it by", dir.display());
        }
        bail!(
            "{} has no predictions, because its training has not ended; the command that began it goes on with it when \
             --resume is added",
            dir.display()
        );
    };
    let rows = predictions::read(&path, &told_by_name)?;
    if rows.subjects.is_empty() {
        bail!("{} holds no predictions", path.display());
    }
    let mut names = rows.subjects.iter().map(|subject| &subject.filename);
    if let Some(name) = names.find(|name| split.part_of(name) != Some(part)) {
        let place = split.part_of(name).map_or("not at all".to_owned(), |part| format!("in its {part} part"));
        bail!("{} holds {name}, which the run's split.csv has {place}; they are not of one run", path.display());
    }
    Ok((measured, rows))
}

/// The config of a run, where the folder is one.
fn read_config(dir: &Path) -> anyhow::Result<RunConfig> {
    let path = dir.join("config.toml");
    if !path.is_file() {
        bail!(
            "{} is not the folder of a run: there is no config.toml in it, as `lobule train` writes it",
            dir.display()
        );
    }
    Ok(RunConfig::read(&path)?)
}
