//! Safetensors files of any content: named tensors, and one entry of metadata.
//!
//! In and out: [`StoredTensors`]. Tensors are f32 or f16 in a file and f32 here. There is one entry of metadata,
//! because the writer puts several in a random order and the same tensors must give the same bytes.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;
use safetensors::tensor::{self, TensorView};
use safetensors::{Dtype, SafeTensors};

use crate::model::error::ModelError;
use crate::system::write_whole;

/// A tensor as a file holds it: torch's layout, f32.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredTensor {
    /// Sizes, slowest axis first.
    pub shape: Vec<usize>,
    /// Elements, row by row.
    pub data: Vec<f32>,
}

/// Tensors by name.
pub type StoredTensors = BTreeMap<String, StoredTensor>;

/// The bytes of a safetensors file with one entry of metadata; what `halves` picks is rounded to f16.
pub(super) fn encode(
    tensors: &StoredTensors,
    halves: impl Fn(&str) -> bool,
    (key, text): (&str, String),
) -> Result<Vec<u8>, String> {
    let encoded: Vec<(&String, &StoredTensor, Dtype, Vec<u8>)> = tensors
        .iter()
        .map(|(name, tensor)| {
            let (dtype, bytes) = if halves(name) {
                (Dtype::F16, tensor.data.iter().flat_map(|v| f16::from_f32(*v).to_le_bytes()).collect())
            } else {
                (Dtype::F32, tensor.data.iter().flat_map(|v| v.to_le_bytes()).collect())
            };
            (name, tensor, dtype, bytes)
        })
        .collect();
    let mut views = Vec::new();
    for (name, tensor, dtype, bytes) in &encoded {
        let view = TensorView::new(*dtype, tensor.shape.clone(), bytes);
        views.push((name.as_str(), view.map_err(|error| error.to_string())?));
    }
    safetensors::serialize(views, Some(HashMap::from([(key.to_owned(), text)]))).map_err(|error| error.to_string())
}

/// Writes tensors to the last bit, in f32, with one entry of metadata: whole or not at all.
///
/// # Errors
/// When the file cannot be written.
pub fn write_tensors(path: &Path, tensors: &StoredTensors, (key, text): (&str, String)) -> Result<(), ModelError> {
    let broken = |reason| ModelError::NotSafetensors { origin: path.display().to_string(), reason };
    write_bytes(path, &encode(tensors, |_| false, (key, text)).map_err(broken)?)
}

/// Writes the bytes of a file: whole or not at all.
pub(super) fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), ModelError> {
    write_whole(path, bytes).map_err(|source| ModelError::Io { action: "write", path: path.to_owned(), source })
}

/// Reads what [`write_tensors`] wrote: the tensors, and the entry `key` where there is one.
///
/// # Errors
/// When the file cannot be read, is not safetensors, or holds other numbers than f16 and f32.
pub fn read_described_tensors(path: &Path, key: &str) -> Result<(StoredTensors, Option<String>), ModelError> {
    let (header, tensors) = parse(&read_bytes(path)?, &path.display().to_string())?;
    Ok((tensors, header.metadata().as_ref().and_then(|entries| entries.get(key).cloned())))
}

pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|source| ModelError::Io { action: "read", path: path.to_owned(), source })
}

/// The header, which names the tensors and holds the metadata, and the tensors; all threads share in unpacking them.
pub(super) fn parse(bytes: &[u8], origin: &str) -> Result<(tensor::Metadata, StoredTensors), ModelError> {
    let broken = |reason: String| ModelError::NotSafetensors { origin: origin.to_owned(), reason };
    let (length, header) = SafeTensors::read_metadata(bytes).map_err(|error| broken(error.to_string()))?;
    // The header stands behind its own length in 8 bytes, and every tensor's place was checked with it.
    let numbers = &bytes[8 + length..];
    let unpack = |(name, info): (&String, &&tensor::TensorInfo)| {
        let (from, to) = info.data_offsets;
        let data = match info.dtype {
            Dtype::F32 => numbers[from..to].as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => from_halves(numbers[from..to].as_chunks::<2>().0),
            other => return Err(broken(format!("{name} holds {other:?}; f16 and f32 are read"))),
        };
        Ok((name.clone(), StoredTensor { shape: info.shape.clone(), data }))
    };
    let tensors = header.tensors().par_iter().map(unpack).collect::<Result<_, _>>()?;
    Ok((header, tensors))
}

/// Numbers of 16 bits; a whole slice at a time is what the processor's own instruction converts.
fn from_halves(bytes: &[[u8; 2]]) -> Vec<f32> {
    bytes.iter().map(|pair| f16::from_le_bytes(*pair)).collect::<Vec<_>>().to_f32_vec()
}
