//! `lobule evaluate --report DIR`: three files in a folder, each whole or not there at all.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::breakhis::ImageFile;
use crate::cli::card::network_facts::describe;
use crate::cli::output::check_writable;
use crate::evaluate::{Predictions, predictions};
use crate::explain::{explain_views, small_overlay};
use crate::model::Classifier;
use crate::pixels::{self, DecodeLimits, Dihedral, RgbImage};
use crate::report::{DrawnHeatmap, EvaluationReport, EvaluationResults, Exporter, Json, MISTAKES, Mistake};
use crate::system::write_whole;

/// The page, and the figures with what they were made from.
const FILES: [&str; 3] = ["report.html", "metrics.json", "predictions.csv"];

/// Refuses a folder that could not be made or written into, before the work for it begins.
pub(super) fn check_folder(folder: &Path) -> anyhow::Result<()> {
    if folder.exists() {
        return FILES.iter().try_for_each(|name| check_writable(&folder.join(name)));
    }
    // What is there of its path decides whether it can be made.
    let there = folder.ancestors().skip(1).find(|ancestor| ancestor.as_os_str().is_empty() || ancestor.exists());
    let name = PathBuf::from(folder.file_name().unwrap_or_default());
    check_writable(&there.map_or(name.clone(), |there| there.join(name)))
        .with_context(|| format!("cannot make the folder {}", folder.display()))
}

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
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}", folder.display()))?;
    predictions::write(&folder.join("predictions.csv"), predicted)?;
    for (name, text) in [("metrics.json", metrics), ("report.html", page)] {
        let path = folder.join(name);
        write_whole(&path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
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
