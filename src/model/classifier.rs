//! A loaded network with its preprocessing: images in, predictions out.
//!
//! In: RGB images of any size. Out: a [`Prediction`] each. Shared by reference between threads.

use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::error::ModelError;
use super::fast::FastNetwork;
use super::network::Network;
use super::parameters::Parameters;
use super::weights_file::{Metadata, WeightsFile, read_bytes};
use crate::diagnosis::{Label, Probability, Threshold};
use crate::kernels::{Level, Step};
use crate::pixels::{Preprocess, RgbImage};

/// Which network answers: enough to tell two weights files apart.
#[derive(Clone, Debug, Serialize)]
pub struct ModelCard {
    /// Name of the network.
    pub name: String,
    /// Version of the weights.
    pub version: String,
    /// SHA-256 of the weights file, in hexadecimal.
    pub sha256: String,
}

/// What a network says of one image.
#[derive(Clone, Copy, Debug)]
pub struct Prediction {
    /// The logit of malignant minus that of benign; probabilities saturate where this does not.
    pub margin: f64,
    /// The probability that the image shows a malignant tumour.
    pub probability_malignant: Probability,
}

impl Prediction {
    /// From a network's two outputs, benign first, and what they are divided by.
    pub fn from_logits(logits: [f32; 2], temperature: f64) -> Self {
        let margin = (f64::from(logits[1]) - f64::from(logits[0])) / temperature;
        Self { margin, probability_malignant: Probability::from_margin(margin) }
    }

    /// The more probable class.
    pub fn label(&self) -> Label {
        Threshold::HALF.decide(self.probability_malignant)
    }

    /// The probability of [`Prediction::label`], from 0.5 to 1.
    pub fn confidence(&self) -> Probability {
        match self.label() {
            Label::Malignant => self.probability_malignant,
            Label::Benign => self.probability_malignant.complement(),
        }
    }
}

/// How long a network took to load.
#[derive(Clone, Copy, Debug)]
pub struct LoadTimes {
    /// From the weights file to the network's tensors.
    pub weights: Duration,
    /// From these to the order in which inference reads them.
    pub layout: Duration,
    /// The file's SHA-256, made beside both where there is a second thread.
    pub hash: Duration,
    /// All of it, but for the reading of the file.
    pub total: Duration,
}

/// A network, its preprocessing and what its weights file says of it; shared by reference between threads.
pub struct Classifier {
    card: ModelCard,
    load_times: LoadTimes,
    metadata: Metadata,
    level: Level,
    network: FastNetwork,
}

/// The weights file that is built into the program.
static BUILT_IN: &[u8] = include_bytes!("../../weights/lobule.safetensors");

impl Classifier {
    /// The network that is built into the program from `weights/`; `threads` as for [`Self::from_bytes`].
    ///
    /// # Errors
    /// When the built-in file does not fit this program; a released binary has one that does.
    pub fn built_in(threads: usize) -> Result<Self, ModelError> {
        Self::from_bytes(BUILT_IN, "the built-in weights", threads)
    }

    /// Loads a weights file, or without one the network that is built in; `threads` as for [`Self::from_bytes`].
    ///
    /// # Errors
    /// When the file cannot be read or does not fit.
    pub fn load(weights: Option<&Path>, threads: usize) -> Result<Self, ModelError> {
        weights.map_or_else(|| Self::built_in(threads), |path| Self::open(path, threads))
    }

    /// Loads a weights file; `threads` as for [`Self::from_bytes`].
    ///
    /// # Errors
    /// When the file cannot be read or does not fit.
    pub fn open(path: &Path, threads: usize) -> Result<Self, ModelError> {
        Self::from_bytes(&read_bytes(path)?, &path.display().to_string(), threads)
    }

    /// Takes a weights file's bytes; `origin` names them in errors. An image that is alone is computed by `threads`
    /// threads, several at a time by the thread that brings each.
    ///
    /// # Errors
    /// When they do not fit, or `LOBULE_SIMD` cannot be followed.
    pub fn from_bytes(bytes: &[u8], origin: &str, threads: usize) -> Result<Self, ModelError> {
        let level = Level::from_environment()?;
        let network = || -> Result<_, ModelError> {
            let (network, weights) = timed(|| -> Result<_, ModelError> {
                let WeightsFile { metadata, tensors } = WeightsFile::parse(bytes, origin)?;
                let parameters = Parameters::from_stored(&metadata.architecture, &tensors, origin)?;
                Ok((Network::new(metadata.architecture.clone(), parameters), metadata))
            });
            let (network, metadata) = network?;
            let (network, layout) =
                timed(|| FastNetwork::new(network, metadata.preprocess.size as usize, level, threads));
            Ok((network?, metadata, weights, layout))
        };
        let ((loaded, (sha256, hash)), total) = timed(|| rayon::join(network, || timed(|| sha256(bytes))));
        let (network, metadata, weights, layout) = loaded?;
        let card = ModelCard { name: metadata.name.clone(), version: metadata.version.clone(), sha256 };
        Ok(Self { card, load_times: LoadTimes { weights, layout, hash, total }, metadata, level, network })
    }

    /// Which network this is.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// How long it took to load.
    pub fn load_times(&self) -> LoadTimes {
        self.load_times
    }

    /// What its weights file says of it.
    pub fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// The operating point that decisions are made at.
    pub fn threshold(&self) -> Threshold {
        self.metadata.threshold
    }

    /// How images are prepared for it.
    pub fn preprocess(&self) -> &Preprocess {
        &self.metadata.preprocess
    }

    /// The vector instructions that it computes with.
    pub fn level(&self) -> Level {
        self.level
    }

    /// Where the time of an image goes in the backbone, see [`FastNetwork::steps`].
    ///
    /// # Errors
    /// When the image cannot be prepared.
    pub fn steps(&self, image: &RgbImage, rounds: usize) -> Result<Option<Vec<Step>>, ModelError> {
        self.network.steps(&self.preprocess().tensor(image)?, rounds)
    }

    /// Predicts for one image.
    ///
    /// # Errors
    /// When the network fails on it.
    pub fn predict(&self, image: &RgbImage) -> Result<Prediction, ModelError> {
        self.predict_resized(&self.preprocess().resized(image)?)
    }

    /// Predicts for an image that [`Preprocess::resized`] has made, and that may have been changed since: `size * size
    /// * 3` numbers from 0 to 1.
    ///
    /// # Errors
    /// When it has another size, or the network fails on it.
    pub fn predict_resized(&self, resized: &[f32]) -> Result<Prediction, ModelError> {
        Ok(self.look(resized)?.0)
    }

    /// As [`Self::predict_resized`], with what the head saw: the means of each tap's channels, one tap after the other;
    /// none for a network without taps.
    ///
    /// # Errors
    /// As [`Self::predict_resized`].
    pub fn look(&self, resized: &[f32]) -> Result<(Prediction, Option<Vec<f32>>), ModelError> {
        let (logits, taps) = self.network.forward_with_taps(&finished(self.preprocess(), resized)?)?;
        let logits = logits.squeeze(0)?.to_vec1::<f32>()?;
        let prediction = Prediction::from_logits([logits[0], logits[1]], self.metadata.temperature);
        Ok((prediction, taps.map(|taps| joined(&taps)).transpose()?))
    }
}

/// A batch (1, size, size, 3) of one image that has been resized.
pub(super) fn finished(preprocess: &Preprocess, resized: &[f32]) -> Result<Tensor, ModelError> {
    let size = preprocess.size as usize;
    let mut values = resized.to_vec();
    preprocess.finish(&mut values);
    Ok(Tensor::from_vec(values, (1, size, size, 3), &Device::Cpu)?)
}

/// The taps of one image, one after the other.
pub(super) fn joined(taps: &[Tensor]) -> Result<Vec<f32>, ModelError> {
    let mut joined = Vec::new();
    for tap in taps {
        joined.extend(tap.flatten_all()?.to_vec1::<f32>()?);
    }
    Ok(joined)
}

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let outcome = work();
    (outcome, began.elapsed())
}
