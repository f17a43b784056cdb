//! The tensors of a backbone that a training starts from, or a control looks through, whatever wrote them.
//!
//! In: a file of which the content, and not the ending, says what it is. Out: tensors in torchvision's names.

use std::path::Path;

use serde::Deserialize;

use crate::interchange::InterchangeError;
use crate::interchange::format::Format;
use crate::interchange::keras::read_keras_backbone;
use crate::model::{KEY, StoredTensors, read_described_tensors};

/// Reads the tensors of a backbone.
///
/// # Errors
/// When the file cannot be read or is of no format that is known here; when it is a network that was trained on images
/// of BreakHis, for figures of what starts from it would be flattered.
pub fn read_backbone(path: &Path) -> Result<StoredTensors, InterchangeError> {
    let origin = path.display().to_string();
    let not_yet = |what: &str| {
        Err(InterchangeError::Unreadable { origin: origin.clone(), reason: format!("{what} is not read here yet") })
    };
    match Format::of(path)? {
        Format::Safetensors => {
            let (tensors, text) = read_described_tensors(path, KEY)?;
            refuse_what_knows_the_data(text.as_deref(), &origin)?;
            Ok(tensors)
        }
        Format::Torch(_) => not_yet("torch's format"),
        Format::Keras(_) | Format::Hdf5 => read_keras_backbone(path),
    }
}

/// Refuses a network whose description says that it was trained on cases of BreakHis.
fn refuse_what_knows_the_data(description: Option<&str>, origin: &str) -> Result<(), InterchangeError> {
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
