//! What a file of weights is, whatever wrote it.
//!
//! In: a file. Out: an [`Inspection`]. The file is read as `--init` reads it: nothing in it is executed.

use std::path::Path;

use serde::Serialize;

use crate::interchange::archive::Archive;
use crate::interchange::backbone::refuse_what_knows_the_data;
use crate::interchange::format::{Format, read_whole};
use crate::interchange::keras::{self, ImportOptions, import, read_keras_backbone};
use crate::interchange::{InterchangeError, densenet_names, onnx, safetensors, torch};
use crate::model::{Architecture, KEY, Metadata, Parameters, StoredTensors, WeightsFile, sha256};

/// What a file of weights is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The format, in words.
    pub format: &'static str,
    /// The length in bytes.
    pub bytes: usize,
    /// The SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// What a weights file of this program says of itself, by name; empty for other files.
    pub facts: Vec<(String, String)>,
    /// The tensors, in the order of their names.
    pub tensors: Vec<InspectedTensor>,
    /// What `--init` makes of it: none where it starts a DenseNet121, or why it does not.
    pub not_a_start: Option<String>,
    /// What `lobule import` makes of it, in a sentence.
    pub import: String,
}

/// One tensor of a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct InspectedTensor {
    /// Its name in the file.
    pub name: String,
    /// Its sizes, slowest axis first.
    pub shape: Vec<usize>,
    /// How its numbers are stored, such as `f32`.
    pub numbers: String,
}

impl Inspection {
    /// Looks into a file.
    ///
    /// # Errors
    /// When the file cannot be read, is of no format that is known here, or is damaged.
    pub fn of(path: &Path) -> Result<Self, InterchangeError> {
        let origin = path.display().to_string();
        let bytes = read_whole(path)?;
        let mut found = Self {
            format: "",
            bytes: bytes.len(),
            sha256: sha256(&bytes),
            facts: Vec::new(),
            tensors: Vec::new(),
            not_a_start: None,
            import: "import takes Keras's files; --init takes tensors".to_owned(),
        };
        let start = match Format::of(path)? {
            Format::Safetensors => {
                found.format = "safetensors";
                found.tensors = safetensors::list(&bytes, &origin)?;
                if let Ok(file) = WeightsFile::parse(&bytes, &origin) {
                    found.format = "safetensors, a weights file of Lobule";
                    found.facts = facts(&file.metadata);
                    found.import = "it needs no import: --weights takes it".to_owned();
                }
                drop(bytes);
                safetensors::read(path, KEY).and_then(|(tensors, text)| {
                    refuse_what_knows_the_data(text.as_deref(), &origin)?;
                    Ok(tensors)
                })
            }
            Format::Torch(archive) => {
                drop(bytes);
                found.format = "torch, a zip";
                found.tensors = torch::list(archive)?;
                Archive::open(path).and_then(torch::read)
            }
            Format::LegacyTorch => {
                drop(bytes);
                found.format = "torch before version 1.6";
                found.tensors = torch::list_legacy(path)?;
                torch::read_legacy(path)
            }
            Format::Onnx => {
                found.format = "ONNX";
                found.facts = onnx::describe(&bytes, &origin)?;
                found.not_a_start = Some("an ONNX file is a graph; its tensors are not read".to_owned());
                found.import = "ONNX is not imported".to_owned();
                return Ok(found);
            }
            Format::Keras(_) | Format::Hdf5 => {
                drop(bytes);
                let (program, tensors) = keras::list(path)?;
                found.format = "Keras";
                found.facts.push(("written by".to_owned(), program));
                found.tensors = tensors;
                found.import = match import(path, &ImportOptions::default()) {
                    Ok(WeightsFile { metadata, .. }) => {
                        found.facts.extend(facts_of_network(&metadata));
                        format!("import makes a weights file of it: a {}", metadata.architecture)
                    }
                    Err(error) => format!("import does not take it: {error}"),
                };
                read_keras_backbone(path)
            }
        };
        let start = start.and_then(|tensors| fits(tensors, &origin));
        found.not_a_start = start.err().map(|error| error.to_string());
        found.tensors.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// How many numbers all tensors have together.
    pub fn numbers(&self) -> usize {
        let numbers =
            |tensor: &InspectedTensor| tensor.shape.iter().fold(1, |all: usize, size| all.saturating_mul(*size));
        self.tensors.iter().map(numbers).fold(0, usize::saturating_add)
    }
}

/// Whether tensors are the backbone of a DenseNet121, of numbers that a training takes.
fn fits(tensors: StoredTensors, origin: &str) -> Result<(), InterchangeError> {
    let named = densenet_names::torchvision(tensors, origin)?;
    let architecture = Architecture::fused_densenet121();
    densenet_names::check(&architecture, &named, origin)?;
    Ok(Parameters::initial(&architecture, 0)?.set_backbone(&named, origin)?)
}

/// What an imported network is.
fn facts_of_network(metadata: &Metadata) -> Vec<(String, String)> {
    let assumptions = metadata.origin.iter().flat_map(|origin| &origin.assumptions);
    assumptions.map(|sentence| ("assumed".to_owned(), sentence.clone())).collect()
}

/// What a weights file says of itself.
fn facts(metadata: &Metadata) -> Vec<(String, String)> {
    let json = |value: Result<String, serde_json::Error>| value.unwrap_or_default();
    let points = metadata.operating_points.iter().map(|point| format!("{} {}", point.name, point.threshold.get()));
    let figures = metadata.figures.iter().map(|(name, value)| format!("{name} {value:.4}"));
    let mut facts = vec![
        ("network", format!("{} {}", metadata.name, metadata.version)),
        ("architecture", json(serde_json::to_string(&metadata.architecture))),
        ("preprocess", json(serde_json::to_string(&metadata.preprocess))),
        ("temperature", metadata.temperature.to_string()),
        ("threshold", metadata.threshold.get().to_string()),
        ("operating points", points.collect::<Vec<_>>().join(", ")),
        ("flags", if metadata.flags.is_some() { "fitted" } else { "" }.to_owned()),
        ("trained on", format!("{} cases; {}", metadata.trained_on.len(), metadata.provenance.data)),
        ("figures", figures.collect::<Vec<_>>().join(", ")),
    ];
    if let Some(origin) = &metadata.origin {
        facts.push(("imported from", format!("{} by {}, SHA-256 {}", origin.file, origin.program, origin.sha256)));
    }
    facts.retain(|(_, text)| !text.is_empty());
    facts.into_iter().map(|(name, text)| (name.to_owned(), text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::in_backbone;

    #[test]
    fn numbers_that_train_refuses_are_told_here() {
        let mut whole = Parameters::initial(&Architecture::fused_densenet121(), 1).unwrap().stored().unwrap();
        whole.retain(|name, _| in_backbone(name));
        fits(whole.clone(), "x").unwrap();
        for (tensor, number, told) in [
            ("features.conv0.weight", f32::NAN, "NaN or infinity"),
            ("features.norm0.bias", f32::INFINITY, "NaN or infinity"),
            ("features.norm0.running_var", -1.0, "a variance below zero"),
        ] {
            let mut broken = whole.clone();
            broken.get_mut(tensor).unwrap().data[3] = number;
            let error = fits(broken, "x").unwrap_err().to_string();
            assert!(error.contains(&format!("{tensor} holds {told}")), "{error}");
        }
    }
}
