//! The weights file: safetensors with one metadata entry that describes the network.
//!
//! In and out: a [`WeightsFile`]. Tensors are f32 or f16 in a file and f32 here. The metadata is one JSON object under
//! one key, because safetensors writes several keys in a random order and the same training must give the same bytes.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;
use safetensors::tensor::{self, TensorView};
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};

use super::architecture::Architecture;
use super::error::ModelError;
use super::topology::Role;
use crate::diagnosis::{Label, Threshold};
use crate::pixels::Preprocess;
use crate::system::write_whole;

/// The version of the metadata's form that this program writes. It reads the first as well, which differs in that a
/// decorrelation stretch cannot be in it: a program that does not know the stretch must not read a file that wants it.
pub const FORMAT: u32 = 2;

/// The metadata's key in a safetensors file.
const KEY: &str = "lobule";

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

/// What a weights file says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Metadata {
    /// [`FORMAT`].
    pub format: u32,
    /// Name of the network.
    pub name: String,
    /// Version of the weights.
    pub version: String,
    /// Its topology.
    pub architecture: Architecture,
    /// The classes in the order of the outputs.
    pub classes: [Label; 2],
    /// How images are prepared for it.
    pub preprocess: Preprocess,
    /// What logits are divided by before they become probabilities.
    pub temperature: f64,
    /// The operating point of decisions.
    pub threshold: Threshold,
    /// What it was trained on, and how.
    pub provenance: Provenance,
    /// The cases that it was trained on, as their numbers in the file names, sorted: figures on their images say nothing
    /// about other persons. Empty where nobody wrote them down.
    #[serde(default)]
    pub trained_on: Vec<String>,
    /// Figures on the validation part, by name.
    pub figures: BTreeMap<String, f64>,
}

/// What a network was trained on, and how; free text for people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// The data set and how many images of it.
    pub data: String,
    /// The parts it was split into.
    pub split: String,
    /// What the training started from.
    pub start: String,
    /// The recipe's name.
    pub recipe: String,
    /// The seed of everything random.
    pub seed: u64,
    /// The epoch whose weights these are, counted from 1.
    pub epoch: usize,
}

/// A weights file in memory.
#[derive(Clone, Debug)]
pub struct WeightsFile {
    /// What it says of itself.
    pub metadata: Metadata,
    /// Its tensors.
    pub tensors: StoredTensors,
}

impl WeightsFile {
    /// Reads a weights file's bytes; `origin` names them in errors.
    ///
    /// # Errors
    /// When they are not safetensors or do not describe a network of this program.
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self, ModelError> {
        let (header, tensors) = parse_safetensors(bytes, origin)?;
        let broken = |reason: String| ModelError::Metadata { origin: origin.to_owned(), reason };
        let text = header.metadata().as_ref().and_then(|entries| entries.get(KEY));
        let text = text.ok_or_else(|| broken(format!("the entry {KEY:?} is missing")))?;
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        let Versioned { format } = serde_json::from_str(text).map_err(|error| broken(error.to_string()))?;
        if !(1..=FORMAT).contains(&format) {
            return Err(broken(format!("its format is {format}, this program reads up to {FORMAT}")));
        }
        let metadata: Metadata = serde_json::from_str(text).map_err(|error| broken(error.to_string()))?;
        if metadata.classes != Label::ALL {
            return Err(broken(format!("its classes are {:?}", metadata.classes)));
        }
        if !(metadata.temperature.is_finite() && metadata.temperature > 0.0) {
            return Err(broken(format!("its temperature is {}", metadata.temperature)));
        }
        metadata.preprocess.check().map_err(|error| broken(error.to_string()))?;
        metadata.architecture.check(metadata.preprocess.size).map_err(broken)?;
        Ok(Self { metadata, tensors })
    }

    /// The file's bytes: convolutions' kernels in f16, everything else in f32.
    ///
    /// # Errors
    /// When the safetensors writer fails.
    pub fn bytes(&self) -> Result<Vec<u8>, ModelError> {
        let broken = |reason: String| ModelError::Metadata { origin: self.metadata.name.clone(), reason };
        let kernels: Vec<String> = self
            .metadata
            .architecture
            .tensors()
            .into_iter()
            .filter(|spec| spec.role == Role::ConvKernel)
            .map(|spec| spec.name)
            .collect();
        let text = serde_json::to_string(&self.metadata).map_err(|error| broken(error.to_string()))?;
        encode(&self.tensors, |name| kernels.iter().any(|kernel| kernel == name), (KEY, text)).map_err(broken)
    }

    /// Writes the file: whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ModelError> {
        let io = |source| ModelError::Io { action: "write", path: path.to_owned(), source };
        write_whole(path, &self.bytes()?).map_err(io)
    }
}

/// The bytes of a safetensors file with one entry of metadata; what `halves` picks is rounded to f16.
fn encode(
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
    let bytes = encode(tensors, |_| false, (key, text)).map_err(broken)?;
    write_whole(path, &bytes).map_err(|source| ModelError::Io { action: "write", path: path.to_owned(), source })
}

/// Reads what [`write_tensors`] wrote: the tensors, and the entry `key` where there is one.
///
/// # Errors
/// As [`read_start`], whatever it was trained on.
pub fn read_described_tensors(path: &Path, key: &str) -> Result<(StoredTensors, Option<String>), ModelError> {
    let (header, tensors) = parse_safetensors(&read_bytes(path)?, &path.display().to_string())?;
    Ok((tensors, header.metadata().as_ref().and_then(|entries| entries.get(key).cloned())))
}

/// Reads the tensors of any safetensors file, whatever wrote it, that a training may start from.
///
/// # Errors
/// When the file cannot be read, is not safetensors, or holds other numbers than f16 and f32; when it is a network that
/// was trained on images of BreakHis, for figures of what starts from it would be flattered.
pub fn read_start(path: &Path) -> Result<StoredTensors, ModelError> {
    #[derive(Deserialize)]
    struct Cases {
        #[serde(default)]
        trained_on: Vec<String>,
    }
    let (tensors, text) = read_described_tensors(path, KEY)?;
    let cases = text.and_then(|text| serde_json::from_str(&text).ok()).map_or(0, |cases: Cases| cases.trained_on.len());
    if cases > 0 {
        return Err(ModelError::KnowsTheData { path: path.to_owned(), cases });
    }
    Ok(tensors)
}

/// The bytes of a weights file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn read_bytes(path: &Path) -> Result<Vec<u8>, ModelError> {
    std::fs::read(path).map_err(|source| ModelError::Io { action: "read", path: path.to_owned(), source })
}

/// The header, which names the tensors and holds the metadata, and the tensors; all threads share in unpacking them.
fn parse_safetensors(bytes: &[u8], origin: &str) -> Result<(tensor::Metadata, StoredTensors), ModelError> {
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
