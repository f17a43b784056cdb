//! Safetensors files of any program.

use std::path::Path;

use safetensors::{Dtype, SafeTensors};

use crate::interchange::InterchangeError;
use crate::interchange::numbers::Numbers;
use crate::model::{StoredTensor, StoredTensors};

/// The tensors of a file that hold numbers with a point, as f32, and the entry `key` of its metadata. Whole numbers, such
/// as torch's `num_batches_tracked`, are left out.
///
/// # Errors
/// When the file cannot be read or is not safetensors.
pub(super) fn read(path: &Path, key: &str) -> Result<(StoredTensors, Option<String>), InterchangeError> {
    let bytes = std::fs::read(path);
    let bytes = bytes.map_err(|source| InterchangeError::Io { action: "read", path: path.to_owned(), source })?;
    let unreadable = |error: safetensors::SafeTensorError| InterchangeError::Unreadable {
        origin: path.display().to_string(),
        reason: format!("it is not a whole safetensors file: {error}"),
    };
    let (length, header) = SafeTensors::read_metadata(&bytes).map_err(unreadable)?;
    // The header stands behind its own length in 8 bytes, and every tensor's place was checked with it.
    let data = &bytes[8 + length..];
    let mut tensors = StoredTensors::new();
    for (name, info) in header.tensors() {
        let numbers = match info.dtype {
            Dtype::BF16 => Numbers::Bf16,
            Dtype::F16 => Numbers::F16,
            Dtype::F32 => Numbers::F32,
            Dtype::F64 => Numbers::F64,
            _ => continue,
        };
        if let Some(numbers) = numbers.read(&data[info.data_offsets.0..info.data_offsets.1]) {
            tensors.insert(name, StoredTensor { shape: info.shape.clone(), data: numbers });
        }
    }
    Ok((tensors, header.metadata().as_ref().and_then(|entries| entries.get(key).cloned())))
}
