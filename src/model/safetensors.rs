//! Safetensors files of any content: named tensors, and one entry of metadata.
//!
//! In and out: [`StoredTensors`]. Tensors are f32 or f16 in a file and f32 here; those of whole numbers are [`StoredBytes`].
//! There is one entry of metadata, because the writer puts several in a random order and the same tensors must give the
//! same bytes.

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

/// A tensor of whole numbers of 8 bits.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct StoredBytes {
    pub(super) shape: Vec<usize>,
    pub(super) data: Vec<i8>,
}

/// What a file holds.
pub(super) struct Contents {
    /// Names the tensors and holds the metadata.
    pub(super) header: tensor::Metadata,
    pub(super) tensors: StoredTensors,
    pub(super) bytes: BTreeMap<String, StoredBytes>,
    /// The shapes of those that were left packed.
    pub(super) left: BTreeMap<String, Vec<usize>>,
}

impl Contents {
    /// An entry of the metadata.
    pub(super) fn entry(&self, key: &str) -> Option<&String> {
        self.header.metadata().as_ref().and_then(|entries| entries.get(key))
    }

    /// The tensors, where there are none of whole numbers.
    fn floating(self, origin: &str) -> Result<StoredTensors, ModelError> {
        match self.bytes.keys().next() {
            None => Ok(self.tensors),
            Some(name) => Err(ModelError::NotSafetensors {
                origin: origin.to_owned(),
                reason: format!("{name} holds I8; f16 and f32 are read"),
            }),
        }
    }
}

/// The bytes of a safetensors file with one entry of metadata; what `halves` picks is rounded to f16.
pub(super) fn encode(
    tensors: &StoredTensors,
    bytes: &BTreeMap<String, StoredBytes>,
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
    let whole: Vec<(&String, &StoredBytes, Vec<u8>)> = bytes
        .iter()
        .map(|(name, stored)| (name, stored, stored.data.iter().map(|v| v.cast_unsigned()).collect()))
        .collect();
    let floating = encoded.iter().map(|(name, tensor, dtype, bytes)| (name, *dtype, &tensor.shape, bytes));
    let whole = whole.iter().map(|(name, stored, bytes)| (name, Dtype::I8, &stored.shape, bytes));
    let mut views = Vec::new();
    for (name, dtype, shape, bytes) in floating.chain(whole) {
        let view = TensorView::new(dtype, shape.clone(), bytes);
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
    write_bytes(path, &encode(tensors, &BTreeMap::new(), |_| false, (key, text)).map_err(broken)?)
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
    let origin = path.display().to_string();
    let contents = parse(&read_bytes(path)?, &origin)?;
    let entry = contents.entry(key).cloned();
    Ok((contents.floating(&origin)?, entry))
}

pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|source| ModelError::Io { action: "read", path: path.to_owned(), source })
}

/// A file's bytes taken apart; all threads share in unpacking the tensors.
pub(super) fn parse(bytes: &[u8], origin: &str) -> Result<Contents, ModelError> {
    parse_without(bytes, origin, |_| false)
}

/// An entry of a file's metadata, without a look at its tensors.
pub(super) fn entry_of(bytes: &[u8], origin: &str, key: &str) -> Result<Option<String>, ModelError> {
    let (_, header) = read_header(bytes, origin)?;
    Ok(header.metadata().as_ref().and_then(|entries| entries.get(key).cloned()))
}

fn read_header(bytes: &[u8], origin: &str) -> Result<(usize, tensor::Metadata), ModelError> {
    let broken = |reason: String| ModelError::NotSafetensors { origin: origin.to_owned(), reason };
    SafeTensors::read_metadata(bytes).map_err(|error| broken(error.to_string()))
}

/// The same without the tensors whose names are those of `leave`.
pub(super) fn parse_without(bytes: &[u8], origin: &str, leave: impl Fn(&str) -> bool) -> Result<Contents, ModelError> {
    let broken = |reason: String| ModelError::NotSafetensors { origin: origin.to_owned(), reason };
    let (length, header) = read_header(bytes, origin)?;
    // The header stands behind its own length in 8 bytes, and every tensor's place was checked with it.
    let numbers = &bytes[8 + length..];
    let infos = header.tensors();
    let (left, taken): (Vec<_>, Vec<_>) = infos.iter().partition(|(name, _)| leave(name));
    let left = left.into_iter().map(|(name, info)| (name.clone(), info.shape.clone())).collect();
    let (whole, floating): (Vec<_>, Vec<_>) = taken.into_iter().partition(|(_, info)| info.dtype == Dtype::I8);
    let unpack = |(name, info): (&String, &&tensor::TensorInfo)| {
        let (from, to) = info.data_offsets;
        let data = match info.dtype {
            Dtype::F32 => numbers[from..to].as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect(),
            Dtype::F16 => from_halves(numbers[from..to].as_chunks::<2>().0),
            other => return Err(broken(format!("{name} holds {other:?}; f16 and f32 are read"))),
        };
        Ok((name.clone(), StoredTensor { shape: info.shape.clone(), data }))
    };
    let copy = |(name, info): (&String, &&tensor::TensorInfo)| {
        let (from, to) = info.data_offsets;
        let data = numbers[from..to].iter().map(|byte| byte.cast_signed()).collect();
        (name.clone(), StoredBytes { shape: info.shape.clone(), data })
    };
    let (bytes, tensors) = rayon::join(
        || whole.into_par_iter().map(copy).collect(),
        || floating.into_par_iter().map(unpack).collect::<Result<_, _>>(),
    );
    Ok(Contents { tensors: tensors?, bytes, left, header })
}

/// Numbers of 16 bits; a whole slice at a time is what the processor's own instruction converts.
fn from_halves(bytes: &[[u8; 2]]) -> Vec<f32> {
    bytes.iter().map(|pair| f16::from_le_bytes(*pair)).collect::<Vec<_>>().to_f32_vec()
}
