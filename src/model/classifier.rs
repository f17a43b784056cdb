//! A loaded network with its preprocessing: images in, predictions out.
//!
//! In: RGB images of any size. Out: a [`Prediction`] each. Shared by reference between threads.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use candle_core::{Device, Tensor};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::diagnosis::{Label, Probability, Threshold};
use crate::kernels::{LayerTiming, Level};
use crate::model::networks::Pooling;
use crate::model::safetensors::{parse_without, read_bytes};
use crate::model::{
    Explanation, InferenceNetwork, Metadata, ModelError, Network, Novelty, NoveltyFeatures, NoveltyStatistics,
    Parameters, Precision, PrecisionChoice, WeightsFile,
};
use crate::pixels::{ColourMoments, Preprocess, RgbImage};
use crate::system::{cores, give_back_constant};

/// Which network classifies: enough to distinguish two weights files.
#[derive(Clone, Debug, Serialize)]
pub struct ModelId {
    /// Name of the network.
    pub name: String,
    /// Version of the weights.
    pub version: String,
    /// SHA-256 of the weights file, in hexadecimal.
    pub sha256: String,
    /// In which numbers its backbone is computed.
    pub precision: Precision,
}

/// What a network says of one image.
#[derive(Clone, Copy, Debug)]
pub struct Prediction {
    /// The logit of malignant minus that of benign; probabilities saturate where this does not.
    pub margin: f64,
    /// The probability that the image shows a malignant tumour.
    pub probability_malignant: Probability,
    /// How unlike the images of the training the image is; none where the weights file has no statistics of them.
    pub novelty: Option<Novelty>,
}

impl Prediction {
    /// From a margin alone.
    pub fn from_margin(margin: f64) -> Self {
        Self { margin, probability_malignant: Probability::from_margin(margin), novelty: None }
    }

    /// From a network's two outputs, benign first, and what they are divided by.
    pub fn from_logits(logits: [f32; 2], temperature: f64) -> Self {
        Self::from_margin((f64::from(logits[1]) - f64::from(logits[0])) / temperature)
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
///
/// ```
/// use lobule::model::Classifier;
/// use lobule::pixels::RgbImage;
///
/// let classifier = Classifier::built_in()?;
/// let image = RgbImage::from_fn(700, 460, |x, y| image::Rgb([200, (x % 256) as u8, (y % 256) as u8]));
/// println!("{}", classifier.classify(&image)?.label());
/// # Ok::<(), lobule::model::ModelError>(())
/// ```
pub struct Classifier {
    id: ModelId,
    load_times: LoadTimes,
    metadata: Metadata,
    level: Level,
    network: InferenceNetwork,
    novelty: Option<NoveltyStatistics>,
}

/// The weights file that is built into the program.
pub(super) static BUILT_IN: &[u8] = include_bytes!("../../weights/lobule.safetensors");

impl Classifier {
    /// The network that is built into the program from `weights/`, on as many threads as the machine runs at a time.
    ///
    /// # Errors
    /// When the built-in file does not fit this program; a released binary has one that does.
    pub fn built_in() -> Result<Self, ModelError> {
        Self::load(None, cores())
    }

    /// Loads a weights file, or without one the network that is built in; `threads` as for [`Self::from_bytes`].
    ///
    /// # Errors
    /// When the file cannot be read or does not fit.
    pub fn load(weights: Option<&Path>, threads: usize) -> Result<Self, ModelError> {
        match weights {
            None => {
                let classifier = Self::from_bytes(BUILT_IN, "the built-in weights", threads);
                give_back_constant(BUILT_IN);
                classifier
            }
            Some(path) => Self::from_bytes(&read_bytes(path)?, &path.display().to_string(), threads),
        }
    }

    /// Takes a weights file's bytes; `origin` names them in errors. An image that is alone is computed by `threads`
    /// threads, several at a time by the thread that brings each.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn from_bytes(bytes: &[u8], origin: &str, threads: usize) -> Result<Self, ModelError> {
        Self::with_precision(bytes, origin, threads, PrecisionChoice::default())
    }

    /// The same with a choice of the numbers that the network is computed in.
    ///
    /// # Errors
    /// As [`Self::from_bytes`], and when whole numbers are asked for and the file has none.
    pub fn with_precision(
        bytes: &[u8],
        origin: &str,
        threads: usize,
        choice: PrecisionChoice,
    ) -> Result<Self, ModelError> {
        let level = Level::default();
        let network = || -> Result<_, ModelError> {
            let (network, weights) = timed(|| -> Result<_, ModelError> {
                let metadata = Metadata::of_file(bytes, origin)?;
                let precision = chosen(choice, &metadata, level, origin)?;
                // What is computed in whole numbers needs no floating-point kernels.
                let spared = match precision {
                    Precision::F32 => BTreeSet::new(),
                    Precision::Int8 => metadata.architecture.kernels_of_dense_layers(),
                };
                let mut contents = parse_without(bytes, origin, |name| spared.contains(name))?;
                let left = std::mem::take(&mut contents.left);
                let WeightsFile { metadata, tensors, novelty, quantised } =
                    WeightsFile::of(metadata, contents, origin)?;
                let parameters = Parameters::from_stored_without(&metadata.architecture, &tensors, &left, origin)?;
                let quantised = quantised.filter(|_| precision == Precision::Int8);
                Ok((Network::new(metadata.architecture.clone(), parameters), metadata, novelty, quantised))
            });
            let (network, metadata, novelty, quantised) = network?;
            let pooling = if novelty.is_some() { Pooling::EveryBlock } else { Pooling::Taps };
            let size = metadata.preprocess.size as usize;
            let precision = if quantised.is_some() { Precision::Int8 } else { Precision::F32 };
            let (network, layout) =
                timed(|| InferenceNetwork::pooling(pooling, &network, quantised.as_ref(), size, level, threads));
            Ok((network?, metadata, novelty, precision, weights, layout))
        };
        let ((loaded, (sha256, hash)), total) = timed(|| rayon::join(network, || timed(|| sha256(bytes))));
        let (network, metadata, novelty, precision, weights, layout) = loaded?;
        let id = ModelId { name: metadata.name.clone(), version: metadata.version.clone(), sha256, precision };
        Ok(Self { id, load_times: LoadTimes { weights, layout, hash, total }, metadata, level, network, novelty })
    }

    /// Which network this is.
    pub fn id(&self) -> &ModelId {
        &self.id
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

    /// Where the time of an image goes in the backbone, see [`InferenceNetwork::layer_timings`].
    ///
    /// # Errors
    /// When the image cannot be prepared.
    pub fn layer_timings(&self, image: &RgbImage, rounds: usize) -> Result<Option<Vec<LayerTiming>>, ModelError> {
        self.network.layer_timings(&self.preprocess().tensor(image)?, rounds)
    }

    /// Classifies one image of any size.
    ///
    /// # Errors
    /// When the network fails on it.
    pub fn classify(&self, image: &RgbImage) -> Result<Prediction, ModelError> {
        Ok(self.classify_with_taps(&self.preprocess().resized(image)?)?.0)
    }

    /// Classifies an image that [`Preprocess::resized`] has made, and that may have been changed since: `size * size *
    /// 3` numbers from 0 to 1. Besides the prediction: what the head saw, the means of each tap's channels, one tap
    /// after the other; none for a network without taps.
    ///
    /// # Errors
    /// When the image has another size, or the network fails on it.
    pub fn classify_with_taps(&self, resized: &[f32]) -> Result<(Prediction, Option<Vec<f32>>), ModelError> {
        let (batch, colours) = finished(self.preprocess(), resized)?;
        let (logits, blocks) = self.network.forward_with_blocks(&batch)?;
        let prediction = self.prediction(&logits, blocks.as_deref().unwrap_or_default(), || {
            colours.unwrap_or_else(|| ColourMoments::of(resized))
        })?;
        Ok((prediction, blocks.map(|blocks| joined(&self.network.taps_of(&blocks))).transpose()?))
    }

    /// Classifies one image of any size, and says where in it the margin comes from.
    ///
    /// # Errors
    /// As [`Self::classify`], and [`ModelError::NoTaps`] where [`Self::can_explain`] is false.
    pub fn explain(&self, image: &RgbImage) -> Result<Explanation, ModelError> {
        let resized = self.preprocess().resized(image)?;
        let (batch, colours) = finished(self.preprocess(), &resized)?;
        let explained = self.network.forward_with_contributions(&batch)?;
        let (logits, blocks, contributions) = explained.ok_or_else(|| ModelError::NoTaps(self.id.name.clone()))?;
        Ok(Explanation::new(
            self.prediction(&logits, &blocks, || colours.unwrap_or_else(|| ColourMoments::of(&resized)))?,
            contributions,
        ))
    }

    /// Whether the network has the taps that [`Self::explain`] needs.
    pub fn can_explain(&self) -> bool {
        self.network.has_taps()
    }

    /// What logits (1, 2) say: half a probability is not what a NaN says. Where the file has statistics, also how unlike the
    /// training's images the image is, by the means of every block and its colours.
    fn prediction(
        &self,
        logits: &Tensor,
        blocks: &[Tensor],
        colours: impl FnOnce() -> ColourMoments,
    ) -> Result<Prediction, ModelError> {
        let logits = logits.squeeze(0)?.to_vec1::<f32>()?;
        let mut prediction = Prediction::from_logits([logits[0], logits[1]], self.metadata.temperature);
        if !prediction.margin.is_finite() {
            return Err(ModelError::NotFinite(prediction.margin));
        }
        if let Some(statistics) = &self.novelty {
            let numbers = statistics.blocks.iter().map(|statistics| statistics.block);
            let novelty = statistics.novelty(&NoveltyFeatures::of(blocks, numbers, colours())?);
            if !(novelty.foreign.is_finite() && novelty.stain.is_finite()) {
                return Err(ModelError::NoveltyNotFinite);
            }
            prediction.novelty = Some(novelty);
        }
        Ok(prediction)
    }
}

/// A batch (1, size, size, 3) of one image that has been resized, and what its colours were where they are stretched.
pub(super) fn finished(
    preprocess: &Preprocess,
    resized: &[f32],
) -> Result<(Tensor, Option<ColourMoments>), ModelError> {
    let size = preprocess.size as usize;
    let mut values = resized.to_vec();
    let colours = preprocess.finish(&mut values);
    Ok((Tensor::from_vec(values, (1, size, size, 3), &Device::Cpu)?, colours))
}

/// The taps of one image, one after the other.
pub(super) fn joined(taps: &[Tensor]) -> Result<Vec<f32>, ModelError> {
    let values = taps.iter().map(|tap| tap.flatten_all()?.to_vec1());
    Ok(values.collect::<candle_core::Result<Vec<Vec<f32>>>>()?.concat())
}

/// The SHA-256 of some bytes, in hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The precision that a choice comes to for a file on a processor of that level.
fn chosen(choice: PrecisionChoice, metadata: &Metadata, level: Level, origin: &str) -> Result<Precision, ModelError> {
    match (choice, &metadata.quantisation) {
        (PrecisionChoice::Always(Precision::Int8), None) => Err(ModelError::NoWholeNumbers(origin.to_owned())),
        (PrecisionChoice::Always(precision), _) => Ok(precision),
        (PrecisionChoice::Auto, Some(found)) if found.passed() && level.gains_by_whole_numbers() => Ok(Precision::Int8),
        (PrecisionChoice::Auto, _) => Ok(Precision::F32),
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let outcome = work();
    (outcome, began.elapsed())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_classifier_is_shared_between_threads() {
        const fn shared<T: Send + Sync>() {}
        const { shared::<Classifier>() }
    }

    #[test]
    fn a_network_whose_numbers_overflow_gives_an_error_and_no_answer() {
        let mut file = WeightsFile::parse(BUILT_IN, "the built-in weights").unwrap();
        let output = file.tensors.get_mut("classifier.output.weight").unwrap();
        output.data.fill(f32::MAX);
        let classifier = Classifier::from_bytes(&file.bytes().unwrap(), "a test", 1).unwrap();
        let outcome = classifier.classify(&RgbImage::from_pixel(128, 128, image::Rgb([200, 120, 160])));
        assert!(matches!(outcome, Err(ModelError::NotFinite(_))), "{outcome:?}");
    }
}
