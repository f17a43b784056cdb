//! Which network answers: the argument that every command with a network has.

use std::path::{Path, PathBuf};

use clap::Args;

use crate::model::{Architecture, Classifier};
use crate::pixels::Resampling;

/// Which network answers.
#[derive(Debug, Args)]
pub(super) struct WeightsArguments {
    /// Weights file; without it, the network that is built into the program.
    #[arg(long, env = "LOBULE_WEIGHTS", value_name = "FILE")]
    weights: Option<PathBuf>,
}

impl WeightsArguments {
    /// The file, where one was named.
    pub(super) fn path(&self) -> Option<&Path> {
        self.weights.as_deref()
    }
}

#[cfg(feature = "cli")]
/// What the weights file says of the network.
pub(super) fn describe(classifier: &Classifier) -> Vec<(&'static str, String)> {
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
    ]
}
