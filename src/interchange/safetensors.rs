//! Safetensors files of any program.

use std::path::Path;

use safetensors::tensor::{Metadata, TensorInfo};
use safetensors::{Dtype, SafeTensors};

use crate::interchange::format::read_whole;
use crate::interchange::numbers::Numbers;
use crate::interchange::{InspectedTensor, InterchangeError};
use crate::model::{StoredTensor, StoredTensors};

/// The tensors of a file that hold numbers with a point, as f32, and the entry `key` of its metadata. Whole numbers, such
/// as torch's `num_batches_tracked`, are left out.
///
/// # Errors
/// When the file cannot be read or is not safetensors.
pub(super) fn read(path: &Path, key: &str) -> Result<(StoredTensors, Option<String>), InterchangeError> {
    let bytes = read_whole(path)?;
    let (length, header) = header(&bytes, &path.display().to_string())?;
    // The header stands behind its own length in 8 bytes, and every tensor's place was checked with it.
    let data = &bytes[8 + length..];
    let mut tensors = StoredTensors::new();
    for (name, info) in header.tensors() {
        if let Some(numbers) = numbers(info.dtype).read(&data[info.data_offsets.0..info.data_offsets.1]) {
            tensors.insert(name, StoredTensor { shape: info.shape.clone(), data: numbers });
        }
    }
    Ok((tensors, header.metadata().as_ref().and_then(|entries| entries.get(key).cloned())))
}

/// The tensors of a file's bytes, without their numbers.
///
/// # Errors
/// When they are not safetensors.
pub(super) fn list(bytes: &[u8], origin: &str) -> Result<Vec<InspectedTensor>, InterchangeError> {
    let tensor = |(name, info): (String, &TensorInfo)| InspectedTensor {
        name,
        shape: info.shape.clone(),
        numbers: numbers(info.dtype).name(),
    };
    Ok(header(bytes, origin)?.1.tensors().into_iter().map(tensor).collect())
}

/// The header's length, and the header, of which every tensor's place has been checked.
fn header(bytes: &[u8], origin: &str) -> Result<(usize, Metadata), InterchangeError> {
    SafeTensors::read_metadata(bytes).map_err(|error| InterchangeError::Unreadable {
        origin: origin.to_owned(),
        reason: format!("it is not a whole safetensors file: {error}"),
    })
}

fn numbers(dtype: Dtype) -> Numbers {
    match dtype {
        Dtype::BF16 => Numbers::Bf16,
        Dtype::F16 => Numbers::F16,
        Dtype::F32 => Numbers::F32,
        Dtype::F64 => Numbers::F64,
        other => Numbers::Other(other.bitsize() / 8),
    }
}
