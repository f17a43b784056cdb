//! `lobule evaluate --report DIR`: three files in a folder, each whole or not there at all.

use std::path::Path;

use crate::breakhis::ImageFile;
use crate::cli::card::network_facts::describe;
use crate::cli::output;
use crate::evaluate::{Predictions, predictions};
use crate::explain::{explain_views, small_overlay};
use crate::model::Classifier;
use crate::pixels::{self, DecodeLimits, Dihedral, RgbImage};
use crate::report::{DrawnHeatmap, EvaluationReport, EvaluationResults, Exporter, Json, MISTAKES, Mistake};

/// The page, and the figures with what they were made from.
pub(super) const FILES: [&str; 3] = ["report.html", "metrics.json", "predictions.csv"];

/// Writes the three files; `images` are those of the predictions, in their order.
pub(super) fn write(
    folder: &Path,
    results: &EvaluationResults<'_>,
    (predicted, images): (&Predictions, &[&ImageFile]),
    (classifier, views): (&Classifier, &[Dihedral]),
) -> anyhow::Result<()> {
    let worst = predicted.worst_mistakes(classifier.threshold(), MISTAKES);
    let mistakes: Vec<Mistake> =
        worst.into_iter().map(|index| mistake(index, images[index], (classifier, views))).collect();
    let mut network = describe(classifier);
    network.push(("program", format!("Lobule {}", env!("CARGO_PKG_VERSION"))));
    let page = EvaluationReport { results: *results, predictions: predicted, network: &network, mistakes: &mistakes };
    let (page, metrics) = (page.html(), Json.export(results)?);
    output::write_into(folder, &[("metrics.json", metrics), ("report.html", page)])?;
    Ok(predictions::write(&folder.join("predictions.csv"), predicted)?)
}

/// A mistake with its drawings; one that fails is left out, for the figures stand without it.
fn mistake(index: usize, image: &ImageFile, (classifier, views): (&Classifier, &[Dihedral])) -> Mistake {
    let Ok(image) = pixels::read(&image.path, &DecodeLimits::local()) else {
        return Mistake { index, thumbnail: None, heatmap: None };
    };
    let heatmap = classifier.can_explain().then(|| drawn_heatmap(&image.image, classifier, views).ok()).flatten();
    Mistake { index, thumbnail: pixels::thumbnail(&image.image), heatmap }
}

fn drawn_heatmap(image: &RgbImage, classifier: &Classifier, views: &[Dihedral]) -> Result<DrawnHeatmap, crate::Error> {
    let (_, heatmap) = explain_views(classifier, image, views)?;
    Ok(DrawnHeatmap { png: small_overlay(image, &heatmap)?, range: heatmap.range() })
}
