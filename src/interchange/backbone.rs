//! The tensors of a backbone that a training starts from, or a control looks through, whatever wrote them.
//!
//! In: a file of which the content, and not the ending, says what it is. Out: tensors in torchvision's names.

use std::path::Path;

use serde::Deserialize;

use crate::interchange::format::Format;
use crate::interchange::keras::read_keras_backbone;
use crate::interchange::{InterchangeError, densenet_names, safetensors, torch};
use crate::model::{Architecture, KEY, StoredTensors};

/// Reads the tensors of a DenseNet's backbone, in torchvision's names.
///
/// # Errors
/// When the file cannot be read, is of no format that is known here or holds no DenseNet; when it is a network that was
/// trained on images of BreakHis, for figures of what starts from it would be flattered.
pub fn read_backbone(path: &Path) -> Result<StoredTensors, InterchangeError> {
    let origin = path.display().to_string();
    match Format::of(path)? {
        Format::Safetensors => {
            let (tensors, text) = safetensors::read(path, KEY)?;
            refuse_what_knows_the_data(text.as_deref(), &origin)?;
            densenet_names::torchvision(tensors, &origin)
        }
        Format::Torch(archive) => densenet_names::torchvision(torch::read(archive)?, &origin),
        Format::LegacyTorch => densenet_names::torchvision(torch::read_legacy(path)?, &origin),
        Format::Onnx => {
            let reason = "it is an ONNX file, a graph from which no tensors are taken".to_owned();
            Err(InterchangeError::Unreadable { origin, reason })
        }
        Format::Keras(_) | Format::Hdf5 => read_keras_backbone(path),
    }
}

/// The same of the backbone of one network.
///
/// # Errors
/// As [`read_backbone`], and when it is the backbone of another network.
pub fn read_backbone_of(architecture: &Architecture, path: &Path) -> Result<StoredTensors, InterchangeError> {
    let tensors = read_backbone(path)?;
    densenet_names::check(architecture, &tensors, &path.display().to_string())?;
    Ok(tensors)
}

/// Refuses a network whose description says that it was trained on cases of BreakHis.
pub(super) fn refuse_what_knows_the_data(description: Option<&str>, origin: &str) -> Result<(), InterchangeError> {
    #[derive(Deserialize)]
    struct Cases {
        #[serde(default)]
        trained_on: Vec<String>,
    }
    let cases = description.and_then(|text| serde_json::from_str(text).ok());
    match cases.map_or(0, |cases: Cases| cases.trained_on.len()) {
        0 => Ok(()),
        cases => Err(InterchangeError::KnowsTheData { origin: origin.to_owned(), cases }),
    }
}
