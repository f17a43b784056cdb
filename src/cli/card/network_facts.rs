//! A network in words, for a report and a model card.

use crate::model::{Architecture, Classifier};
use crate::pixels::Resampling;

/// What the weights file says of the network.
pub(in crate::cli) fn describe(classifier: &Classifier) -> Vec<(&'static str, String)> {
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
    let mut facts = vec![
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
    ];
    if let Some(found) = &metadata.quantisation {
        let words = format!(
            "fitted to {} images; on {}, probabilities in them are at most {:.4} from those in floating-point numbers, and \
             99 of 100 at most {:.4}",
            found.fitted_to, found.images, found.largest, found.percentile_99
        );
        facts.push(("whole numbers", words));
    }
    facts
}
