//! `lobule evaluate`: a network and pictures whose labels are known in, figures out.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::Args;
use indicatif::ProgressBar;
use rayon::prelude::*;

use super::super::weights::WeightsArguments;
use super::inputs::{SplitArguments, read_picture};
use super::output::{self, digits};
use crate::breakhis::{Dataset, Part, Picture};
use crate::diagnosis::{RESEARCH_USE, Threshold};
use crate::evaluate::{Metrics, Scored, predictions};
use crate::model::Classifier;

/// Arguments of `lobule evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArguments {
    /// Folder of the pictures.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    split: SplitArguments,
    /// Part of the split to measure on: train, validation or test. Without it test, or validation where a fold is held out.
    #[arg(long, requires = "split")]
    part: Option<Part>,
    #[command(flatten)]
    weights: WeightsArguments,
    /// Also write the prediction for each picture as CSV, from which all figures can be recomputed.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Print one JSON object instead of text.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(arguments: &EvaluateArguments) -> anyhow::Result<()> {
    let dataset = Dataset::open(&arguments.data)?;
    let (pictures, what) = choose(&dataset, arguments)?;
    let classifier = arguments.weights.classifier()?;
    let scored = predict_all(&classifier, &pictures)?;
    if let Some(path) = &arguments.predictions {
        predictions::write(path, &scored)?;
    }

    let threshold = classifier.threshold();
    let scored: Vec<Scored> = scored.into_iter().map(|(_, scored)| scored).collect();
    let metrics = Metrics::at(&scored, threshold);
    let text = match arguments.json {
        true => serde_json::to_string(&metrics)? + "\n",
        false => {
            let card = classifier.card();
            format!("{what}\nnetwork: {} {}\n{}", card.name, card.version, render(&metrics, threshold))
        }
    };
    output::print(&text)?;
    Ok(())
}

/// The pictures to measure on, and what to call them.
fn choose<'a>(dataset: &'a Dataset, arguments: &EvaluateArguments) -> anyhow::Result<(Vec<&'a Picture>, String)> {
    let dir = dataset.root().display();
    let Some(split) = arguments.split.read()? else {
        return Ok((dataset.pictures().iter().collect(), format!("all pictures of {dir}")));
    };
    let usual = if arguments.split.holds_out_a_fold() { Part::Validation } else { Part::Test };
    let part = arguments.part.unwrap_or(usual);
    let pictures = split.pictures(dataset, part)?;
    if pictures.is_empty() {
        bail!("the split has no pictures in its {part} part; --part chooses another");
    }
    Ok((pictures, format!("{part} part of {dir}")))
}

/// Predicts for every picture, in their order; figures over a part of them would be of something else.
pub(super) fn predict_all(classifier: &Classifier, pictures: &[&Picture]) -> anyhow::Result<Vec<(String, Scored)>> {
    let progress = ProgressBar::new(pictures.len() as u64);
    let predict = |picture: &&Picture| {
        let image = read_picture(&picture.path)?;
        let prediction = classifier.predict(&image).with_context(|| picture.path.display().to_string())?;
        progress.inc(1);
        anyhow::Ok((picture.file_name().to_owned(), Scored { truth: picture.label(), prediction }))
    };
    let results: Vec<_> = pictures.par_iter().map(predict).collect();
    progress.finish_and_clear();

    let mut scored = Vec::with_capacity(results.len());
    for result in results {
        match result {
            Ok(row) => scored.push(row),
            Err(error) => tracing::error!("{error:#}"),
        }
    }
    let failed = pictures.len() - scored.len();
    if failed > 0 {
        bail!("no figures, because {failed} of {} pictures could not be predicted", pictures.len());
    }
    Ok(scored)
}

fn render(metrics: &Metrics, threshold: Threshold) -> String {
    let figures = [
        ("accuracy", metrics.accuracy),
        ("precision", metrics.precision),
        ("recall (sensitivity)", metrics.recall),
        ("specificity", metrics.specificity),
        ("F1", metrics.f1),
        ("log loss (NLL)", metrics.nll),
        ("ROC AUC", metrics.roc_auc),
    ];
    let mut text = format!("pictures: {}, threshold: {}\n\n", metrics.n, digits(threshold.get()));
    for (name, figure) in figures {
        let figure = figure.map_or_else(|| "undefined".to_owned(), |figure| format!("{figure:.4}"));
        text += &format!("{name:<22}{figure:>9}\n");
    }
    let c = &metrics.confusion;
    text += &format!("\n{:<22}{:>14}{:>18}\n", "", "called benign", "called malignant");
    text += &format!("{:<22}{:>14}{:>18}\n", "benign", c.tn, c.fp);
    text += &format!("{:<22}{:>14}{:>18}\n", "malignant", c.fn_, c.tp);
    text + &format!("\n{RESEARCH_USE}\n")
}
