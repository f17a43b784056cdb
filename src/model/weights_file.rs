//! The weights file: safetensors whose one entry of metadata, a JSON object, describes the network.
//!
//! In and out: a [`WeightsFile`].

use std::collections::BTreeMap;
use std::path::Path;

use half::f16;
use serde::{Deserialize, Serialize};

use crate::diagnosis::{Label, Threshold};
use crate::model::classifier::{BUILT_IN, sha256};
use crate::model::quantisation;
use crate::model::safetensors::{Contents, encode, entry_of, parse, read_bytes, write_bytes};
use crate::model::{
    Architecture, Calibration, FlagThresholds, ModelError, ModelId, NoveltyStatistics, OperatingPoint, Parameters,
    Precision, Quantisation, QuantisedConvs, Role, StoredTensor, StoredTensors,
};
use crate::pixels::Preprocess;

/// The version of the metadata's form that this program writes. It reads the first as well, which differs in that a
/// decorrelation stretch cannot be in it: a program that does not know the stretch must not read a file that wants it.
/// Operating points and calibration have not raised it: a program that does not know them passes over their fields and
/// gives the same probabilities, because it has always divided by the temperature; it only refuses their names. Nor have
/// flags and whole numbers: a program that does not know them refuses a file that has any by the names or types of their tensors.
pub const FORMAT: u32 = 2;

/// The metadata's key in a safetensors file.
pub const KEY: &str = "lobule";

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
    /// Other thresholds, by name; each name once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub operating_points: Vec<OperatingPoint>,
    /// How the temperature and the operating points were found; none where nobody looked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration: Option<Calibration>,
    /// Where flags begin; none where nobody fitted the statistics that they need.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub flags: Option<FlagThresholds>,
    /// How far answers in whole numbers are from those in floating-point ones; there with the whole numbers, or not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quantisation: Option<Quantisation>,
    /// What it was trained on, and how.
    pub provenance: Provenance,
    /// Which file of another program it was made from; none where this program trained it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The cases that it was trained on, as their numbers in the file names, sorted: figures on their images say
    /// nothing about other persons. Empty where nobody wrote them down.
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

/// The file of another program that a network was imported from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// What wrote the file, such as `Keras 3.15.1`.
    pub program: String,
    /// The file's name, without its folder.
    pub file: String,
    /// The SHA-256 of the file, in hexadecimal digits.
    pub sha256: String,
    /// What the file does not say and was taken for granted, a sentence each.
    pub assumptions: Vec<String>,
}

/// A weights file in memory.
#[derive(Clone, Debug)]
pub struct WeightsFile {
    /// What it says of itself.
    pub metadata: Metadata,
    /// The tensors of its network.
    pub tensors: StoredTensors,
    /// What its training's images are like; there with [`Metadata::flags`], or not at all.
    pub novelty: Option<NoveltyStatistics>,
    /// Its dense layers in whole numbers; there with [`Metadata::quantisation`], or not at all.
    pub quantised: Option<QuantisedConvs>,
}

impl Metadata {
    /// What a weights file's bytes say of themselves, without a look at the tensors.
    pub(super) fn of_file(bytes: &[u8], origin: &str) -> Result<Self, ModelError> {
        let broken = |reason: String| ModelError::Metadata { origin: origin.to_owned(), reason };
        let text = entry_of(bytes, origin, KEY)?.ok_or_else(|| broken(format!("the entry {KEY:?} is missing")))?;
        #[derive(Deserialize)]
        struct Versioned {
            format: u32,
        }
        let Versioned { format } = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
        if !(1..=FORMAT).contains(&format) {
            return Err(broken(format!("its format is {format}, this program reads up to {FORMAT}")));
        }
        let metadata: Self = serde_json::from_str(&text).map_err(|error| broken(error.to_string()))?;
        if metadata.classes != Label::ALL {
            return Err(broken(format!("its classes are {:?}", metadata.classes)));
        }
        if !(metadata.temperature.is_finite() && metadata.temperature > 0.0) {
            return Err(broken(format!("its temperature is {}", metadata.temperature)));
        }
        metadata.check_points().map_err(broken)?;
        metadata.flags.as_ref().map_or(Ok(()), FlagThresholds::check).map_err(broken)?;
        metadata.quantisation.as_ref().map_or(Ok(()), Quantisation::check).map_err(broken)?;
        metadata.preprocess.check().map_err(|error| broken(error.to_string()))?;
        metadata.architecture.check(metadata.preprocess.size).map_err(broken)?;
        Ok(metadata)
    }
}

impl WeightsFile {
    /// Reads a weights file.
    ///
    /// # Errors
    /// When it cannot be read, and as [`Self::parse`].
    pub fn read(path: &Path) -> Result<Self, ModelError> {
        Self::parse(&read_bytes(path)?, &path.display().to_string())
    }

    /// Reads a weights file, or without one the network that is built in, and checks that its tensors are those of its
    /// network; says which network it is.
    ///
    /// # Errors
    /// As [`Self::read`], and when the tensors do not fit.
    pub fn load(path: Option<&Path>) -> Result<(Self, ModelId), ModelError> {
        let read;
        let (bytes, origin) = match path {
            None => (BUILT_IN, "the built-in weights".to_owned()),
            Some(path) => {
                read = read_bytes(path)?;
                (&read[..], path.display().to_string())
            }
        };
        let file = Self::parse(bytes, &origin)?;
        Parameters::from_stored(&file.metadata.architecture, &file.tensors, &origin)?;
        let Metadata { name, version, .. } = &file.metadata;
        let (name, version, sha256) = (name.clone(), version.clone(), sha256(bytes));
        let id = ModelId { name, version, sha256, precision: Precision::F32 };
        Ok((file, id))
    }

    /// Reads a weights file's bytes; `origin` names them in errors.
    ///
    /// # Errors
    /// When they are not safetensors or do not describe a network of this program.
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self, ModelError> {
        let metadata = Metadata::of_file(bytes, origin)?;
        Self::of(metadata, parse(bytes, origin)?, origin)
    }

    /// The file of contents that were taken out of its bytes.
    pub(super) fn of(metadata: Metadata, contents: Contents, origin: &str) -> Result<Self, ModelError> {
        let broken = |reason: String| ModelError::Metadata { origin: origin.to_owned(), reason };
        let Contents { mut tensors, mut bytes, .. } = contents;
        let novelty = NoveltyStatistics::take_from(&mut tensors, &metadata.architecture)
            .map_err(|reason| broken(format!("the statistics of its flags are broken: {reason}")))?;
        let quantised = quantisation::take_from(&mut tensors, &mut bytes, &metadata.architecture)
            .map_err(|reason| broken(format!("its whole numbers are broken: {reason}")))?;
        if let Some(name) = bytes.keys().next() {
            return Err(broken(format!("the tensor {name} of whole numbers belongs to nothing")));
        }
        match (&metadata.flags, &novelty) {
            (Some(_), None) => return Err(broken("it has thresholds of flags, but not their statistics".to_owned())),
            (None, Some(_)) => {
                return Err(broken("it has the statistics of flags, but not their thresholds".to_owned()));
            }
            _ => {}
        }
        match (&metadata.quantisation, &quantised) {
            (Some(_), None) => Err(broken("it says how its whole numbers were fitted, but has none".to_owned())),
            (None, Some(_)) => Err(broken("it has whole numbers, but does not say how they were fitted".to_owned())),
            _ => Ok(Self { metadata, tensors, novelty, quantised }),
        }
    }

    /// The file's bytes: convolutions' kernels and the directions of [`NoveltyStatistics`] in f16, everything else in f32.
    ///
    /// # Errors
    /// When the safetensors writer fails.
    pub fn bytes(&self) -> Result<Vec<u8>, ModelError> {
        self.bytes_with_halves(|_| true)
    }

    /// The file's bytes, with those of the given kernels in f16.
    fn bytes_with_halves(&self, halves: impl Fn(&StoredTensor) -> bool) -> Result<Vec<u8>, ModelError> {
        let broken = |reason: String| ModelError::Metadata { origin: self.metadata.name.clone(), reason };
        let specs = self.metadata.architecture.tensors();
        let is_kernel = |name: &str| specs.iter().any(|spec| spec.name == name && spec.role == Role::ConvKernel);
        let kernel = |name: &str| is_kernel(name) && self.tensors.get(name).is_some_and(&halves);
        let text = serde_json::to_string(&self.metadata).map_err(|error| broken(error.to_string()))?;
        let mut tensors = self.tensors.clone();
        tensors.extend(self.novelty.iter().flat_map(NoveltyStatistics::tensors));
        let (steps, bytes) = self.quantised.as_ref().map(quantisation::tensors).unwrap_or_default();
        tensors.extend(steps);
        encode(&tensors, &bytes, |name| kernel(name) || NoveltyStatistics::is_half(name), (KEY, text)).map_err(broken)
    }

    /// Writes the file: whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), ModelError> {
        write_bytes(path, &self.bytes()?)
    }

    /// The file's bytes with kernels in f16 only where nothing of them is lost: what another program trained is to answer
    /// here as it does there.
    ///
    /// # Errors
    /// When the safetensors writer fails.
    pub fn exact_bytes(&self) -> Result<Vec<u8>, ModelError> {
        let is_half = |value: &f32| f16::from_f32(*value).to_f32() == *value;
        self.bytes_with_halves(|tensor| tensor.data.iter().all(is_half))
    }

    /// Writes [`Self::exact_bytes`]: whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_exact(&self, path: &Path) -> Result<(), ModelError> {
        write_bytes(path, &self.exact_bytes()?)
    }
}
