//! `lobule evaluate --report DIR`: three files in a folder, each whole or not there at all.

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::breakhis::ImageFile;
use crate::cli::output::check_writable;
use crate::evaluate::{Predictions, predictions};
use crate::model::{Architecture, Classifier};
use crate::pixels::{self, DecodeLimits, Resampling};
use crate::report::{EvaluationReport, EvaluationResults, Exporter, Json, MISTAKES, Mistake};
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
    classifier: &Classifier,
) -> anyhow::Result<()> {
    let worst = predicted.worst_mistakes(classifier.threshold(), MISTAKES);
    let thumbnail =
        |index: usize| pixels::thumbnail(&pixels::read(&images.get(index)?.path, &DecodeLimits::local()).ok()?.image);
    let mistake = |index| Mistake { index, thumbnail: thumbnail(index), heatmap: None };
    let mistakes: Vec<Mistake> = worst.into_iter().map(mistake).collect();
    let network = describe(classifier);
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

/// What the weights file says of the network.
fn describe(classifier: &Classifier) -> Vec<(&'static str, String)> {
    let (id, metadata) = (classifier.id(), classifier.metadata());
    let (input, provenance) = (&metadata.preprocess, &metadata.provenance);
    let kind = match metadata.architecture {
        Architecture::Baseline(_) => "a convolutional network with a hidden layer",
        Architecture::Fused(_) => "a DenseNet, pooled at the ends of its last three dense blocks",
    };
    let resampling = match input.resampling {
        Resampling::Bilinear => "bilinear",
        Resampling::Antialiased => "antialiased",
    };
    let stretch = if input.decorrelation_stretch.is_some() { ", decorrelation stretch of the colours" } else { "" };
    let words = |text: &str| if text.is_empty() { "not given".to_owned() } else { text.to_owned() };
    vec![
        ("name and version", format!("{} {}", id.name, id.version)),
        ("SHA-256 of the file", id.sha256.clone()),
        ("architecture", kind.to_owned()),
        ("input", format!("RGB image, {resampling} resize to {0}x{0}{stretch}", input.size)),
        ("output", format!("probability of malignancy, at a temperature of {}", metadata.temperature)),
        ("threshold", metadata.threshold.get().to_string()),
        ("data of the training", words(&provenance.data)),
        ("split of the training", words(&provenance.split)),
        ("start", words(&provenance.start)),
        ("recipe", words(&provenance.recipe)),
        ("seed and epoch", format!("{}, {}", provenance.seed, provenance.epoch)),
        (
            "cases trained on",
            match metadata.trained_on.len() {
                0 => "not given".to_owned(),
                cases => format!("{cases}, listed in the file"),
            },
        ),
        ("program", format!("Lobule {}", env!("CARGO_PKG_VERSION"))),
    ]
}
