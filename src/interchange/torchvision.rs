//! The backbone of a DenseNet as safetensors in torchvision's names, which torch loads.
//!
//! In: a [`WeightsFile`]. Out: tensors in f32, and what they are.

use serde_json::json;

use crate::diagnosis::RESEARCH_USE;
use crate::interchange::InterchangeError;
use crate::model::{Architecture, ModelId, StoredTensors, WeightsFile, in_backbone};

/// The tensors under `features.`, and a JSON object that says what they are. It names the cases that they were trained
/// on, as a weights file does, so that they are refused as a start where these cases are measured.
///
/// # Errors
/// When the network has no such backbone.
pub fn torchvision(file: &WeightsFile, id: &ModelId) -> Result<(StoredTensors, String), InterchangeError> {
    let metadata = &file.metadata;
    let Architecture::Fused(_) = metadata.architecture else {
        return Err(InterchangeError::NotExported {
            network: id.name.clone(),
            reason: "it is a baseline, and torchvision has no such network; --onnx takes it".to_owned(),
        });
    };
    let description = json!({
        "what": "The backbone of a DenseNet in torchvision's names, without norm5 and classifier, which this network \
                 does not have.",
        "name": id.name,
        "version": id.version,
        "sha256": id.sha256,
        "architecture": metadata.architecture,
        "preprocess": metadata.preprocess,
        "provenance": metadata.provenance,
        "trained_on": metadata.trained_on,
        "intended_use": RESEARCH_USE,
    });
    let backbone = file.tensors.iter().filter(|(name, _)| in_backbone(name));
    Ok((backbone.map(|(name, tensor)| (name.clone(), tensor.clone())).collect(), description.to_string()))
}
