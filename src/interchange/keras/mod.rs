//! Networks that Keras trained: `.keras` files of Keras 3, and HDF5 files of Keras 2 and 3.
//!
//! In: a file. Out: a [`WeightsFile`] with its origin. The graph in the file's config is held against the networks that this
//! program knows; what does not fit is refused with the first difference. Nothing in the file is executed.

mod flatten;
mod fused;
mod graph;
mod head;
mod known;
mod layer;
mod matching;
mod ordered;
mod preparation;
mod tensors;
mod variables;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value;

use self::variables::Variables;
use crate::diagnosis::{Label, Threshold};
use crate::interchange::archive::Archive;
use crate::interchange::format::{Format, read_whole};
use crate::interchange::hdf5::Hdf5;
use crate::interchange::{InspectedTensor, InterchangeError};
use crate::model::{
    Architecture, FORMAT, Metadata, Origin, Parameters, Provenance, StoredTensors, WeightsFile, sha256,
};

pub use preparation::KerasPreprocess;

/// What a file of Keras does not say of its network.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The classes in the order of the outputs; of a single unit, the second one is what it is the probability of.
    pub classes: Option<[Label; 2]>,
    /// How images were prepared for the network.
    pub preprocess: Option<KerasPreprocess>,
    /// The side of the images in pixels, where the file does not fix it.
    pub size: Option<u32>,
}

/// Reads a network from a file of Keras.
///
/// # Errors
/// When the file cannot be read or is damaged, holds code, or holds a network that is none of those known here.
pub fn import(path: &Path, options: &ImportOptions) -> Result<WeightsFile, InterchangeError> {
    let origin = path.display().to_string();
    let Source { config, program, mut variables } = Source::open(path, &origin)?;
    let mut size = options.size.unwrap_or(preparation::USUAL_SIZE);
    let mut assumptions = Vec::new();
    let (graph, network) = match config {
        Some(config) => {
            let graph = flatten::flatten(&config, &origin)?;
            assumptions.extend(preparation::precision(&config).map_err(|reason| variables.unreadable(reason))?);
            let network = known::known(&graph, size).map_err(|difference| difference.of(&origin))?;
            (graph, network)
        }
        None => {
            assumptions.push(
                "the file holds no graph: its layers are told by their order and their shapes, activations, poolings and \
                 epsilons are those of the known network, taps are concatenated in the order of their blocks, no layer \
                 scales the image, and one output is a sigmoid, two are a softmax"
                    .to_owned(),
            );
            ordered::ordered_network(&variables, size)?
        }
    };
    if let Some(fixed) = network.side {
        size = u32::try_from(fixed).unwrap_or(u32::MAX);
        if options.size.is_some_and(|asked| asked != size) {
            let reason = format!("its network takes images of {size}x{size} pixels, and --size asks for another size");
            return Err(variables.unreadable(reason));
        }
    }
    network.architecture.check(size).map_err(|reason| variables.unreadable(format!("its network has {reason}")))?;
    let (preprocess, more) = preparation::preparation(&graph, &network, &mut variables, options.preprocess, size)?;
    preprocess.check().map_err(crate::model::ModelError::from)?;
    assumptions.extend(more);
    let classes = options.classes.unwrap_or(Label::ALL);
    if options.classes.is_none() {
        assumptions.push(
            "the outputs are benign and malignant in this order: the file does not name its classes, and --classes gives another order".to_owned(),
        );
    }
    let tensors = tensors::tensors(&graph, &network, &mut variables, classes != Label::ALL)?;
    drop(variables);
    // Held against the network here, so that no file is written that would be refused later.
    Parameters::from_stored(&network.architecture, &tensors, &origin)?;
    let metadata = metadata(path, program, network.architecture, preprocess, assumptions)?;
    Ok(WeightsFile { metadata, tensors, novelty: None, quantised: None })
}

/// Reads the backbone of a DenseNet from a file of Keras, with a top, without one, or within a model with another head;
/// the tensors have torchvision's names.
///
/// # Errors
/// When the file cannot be read or is damaged, or its convolutions are not those of a DenseNet.
pub(super) fn read_keras_backbone(path: &Path) -> Result<StoredTensors, InterchangeError> {
    let Source { mut variables, .. } = Source::open(path, &path.display().to_string())?;
    let (graph, network) = ordered::ordered_backbone(&variables)?;
    tensors::tensors(&graph, &network, &mut variables, false)
}

/// The tensors of a file of Keras, the optimiser's among them, and what wrote it.
///
/// # Errors
/// When the file cannot be read or is damaged.
pub(super) fn list(path: &Path) -> Result<(String, Vec<InspectedTensor>), InterchangeError> {
    let Source { program, variables, .. } = Source::open(path, &path.display().to_string())?;
    Ok((program, variables.list()?))
}

/// What lies in a file of Keras.
struct Source {
    /// The graph, where the file holds one.
    config: Option<Value>,
    program: String,
    variables: Variables,
}

impl Source {
    fn open(path: &Path, origin: &str) -> Result<Self, InterchangeError> {
        match Format::of(path)? {
            Format::Keras(archive) => Self::from_archive(archive, path),
            Format::Hdf5 => {
                let hdf5 = Hdf5::open(read_whole(path)?, path)?;
                let root = hdf5.group("")?.ok_or_else(|| hdf5.unreadable("it has no root".to_owned()))?;
                let config = hdf5.text(&root, "model_config")?;
                let config = config.map(|text| parsed(&text, "model_config", origin)).transpose()?;
                let version = hdf5.text(&root, "keras_version")?;
                let program = version.map_or_else(|| "Keras".to_owned(), |version| format!("Keras {version}"));
                Ok(Self { config, program, variables: Variables::of(hdf5)? })
            }
            Format::Safetensors | Format::Torch(_) | Format::LegacyTorch | Format::Onnx => {
                let reason =
                    "it is no file of Keras, whose networks alone are imported; tensors of others are what a training \
                              starts from (`lobule train --init`)"
                        .to_owned();
                Err(InterchangeError::Unreadable { origin: origin.to_owned(), reason })
            }
        }
    }

    fn from_archive(mut archive: Archive, path: &Path) -> Result<Self, InterchangeError> {
        let origin = archive.origin().to_owned();
        let mut json = |entry: &str| parsed(&String::from_utf8_lossy(&archive.read(entry)?), entry, &origin);
        let config = json("config.json")?;
        // It says no more than which version wrote the file.
        let version =
            json("metadata.json").ok().and_then(|metadata| Some(metadata.get("keras_version")?.as_str()?.to_owned()));
        let program = version.map_or_else(|| "Keras".to_owned(), |version| format!("Keras {version}"));
        let hdf5 = Hdf5::open(archive.read("model.weights.h5")?, path)?;
        Ok(Self { config: Some(config), program, variables: Variables::of(hdf5)? })
    }
}

/// The longest graph in bytes of JSON, whose values take some thirty times as much memory; the largest network of Keras's
/// own has a third of it.
const LONGEST_CONFIG: usize = 2 << 20;

fn parsed(text: &str, entry: &str, origin: &str) -> Result<Value, InterchangeError> {
    if text.len() > LONGEST_CONFIG {
        let reason = format!("its {entry} has {} bytes, more than any network known here has", text.len());
        return Err(InterchangeError::Refused { origin: origin.to_owned(), reason });
    }
    serde_json::from_str(text).map_err(|error| InterchangeError::Unreadable {
        origin: origin.to_owned(),
        reason: format!("its {entry} is no JSON: {error}"),
    })
}

/// What the weights file says of an imported network.
fn metadata(
    path: &Path,
    program: String,
    architecture: Architecture,
    preprocess: crate::pixels::Preprocess,
    assumptions: Vec<String>,
) -> Result<Metadata, InterchangeError> {
    let sha256 = sha256(&read_whole(path)?);
    let name =
        |name: Option<&std::ffi::OsStr>| name.map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let not_known = || "not known: the network was imported".to_owned();
    Ok(Metadata {
        format: FORMAT,
        name: name(path.file_stem()),
        version: "imported".to_owned(),
        architecture,
        classes: Label::ALL,
        preprocess,
        temperature: 1.0,
        threshold: Threshold::HALF,
        operating_points: Vec::new(),
        calibration: None,
        flags: None,
        quantisation: None,
        provenance: Provenance {
            data: not_known(),
            split: not_known(),
            start: not_known(),
            recipe: "imported".to_owned(),
            ..Provenance::default()
        },
        origin: Some(Origin { program, file: name(path.file_name()), sha256, assumptions }),
        trained_on: Vec::new(),
        figures: BTreeMap::new(),
    })
}
