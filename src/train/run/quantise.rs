//! Gives a weights file its dense layers in whole numbers, and asks what they are worth.
//!
//! In: a weights file and images. Out: the same file with whole numbers and the figures of their gate. Nothing is trained.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use candle_core::Tensor;

use crate::breakhis::{Dataset, ImageFile};
use crate::evaluate::QuantisationGate;
use crate::model::{
    Classifier, ModelError, Network, Parameters, Precision, PrecisionChoice, Quantisation, WeightsFile,
    fit_quantised_convs,
};
use crate::pixels::{self, DecodeLimits};
use crate::train::{Progress, TrainError};

/// Images that whole numbers are fitted to, where there are as many.
const FITTED_TO: usize = 128;

/// What [`quantise`] is asked for.
#[derive(Clone, Debug)]
pub struct QuantisationConfig {
    /// A weights file; without it, the network that is built in.
    pub weights: Option<PathBuf>,
    /// Folder of the images.
    pub data: PathBuf,
}

/// Fits the whole numbers of a weights file to images of the cases that it was trained on, and compares what they say of
/// all images with what floating-point numbers say; nothing is written.
///
/// # Errors
/// When the file or the images cannot be read, there are none of its training, its network has no dense layers, or
/// `progress` asked to stop.
pub fn quantise(config: &QuantisationConfig, progress: &mut dyn Progress) -> Result<WeightsFile, TrainError> {
    let origin = || config.weights.as_deref().map_or("the built-in weights".into(), |path| path.display().to_string());
    let (mut file, _) = WeightsFile::load(config.weights.as_deref())?;
    let dataset = Dataset::open(&config.data)?;
    dataset.require_whole()?;
    let images: Vec<&ImageFile> = dataset.images().iter().collect();
    let known = &file.metadata.trained_on;
    let of_training = |image: &&ImageFile| known.is_empty() || known.contains(&image.name.case.to_string());
    let candidates: Vec<&ImageFile> = images.iter().copied().filter(of_training).collect();
    if candidates.is_empty() {
        let reason = format!("holds no image of the cases that {} was trained on", origin());
        return Err(TrainError::unusable(&config.data, reason));
    }
    let count = FITTED_TO.min(candidates.len());
    // Spread over the list, which is sorted by name: over classes, cases and magnifications.
    let chosen: Vec<&ImageFile> = (0..count).map(|index| candidates[index * candidates.len() / count]).collect();

    progress.note(&format!("fitting whole numbers to {count} of {} images of the training", candidates.len()));
    let parameters = Parameters::from_stored(&file.metadata.architecture, &file.tensors, &origin())?;
    let network = Network::new(file.metadata.architecture.clone(), parameters);
    let tensors = chosen.iter().map(|image| {
        let read = pixels::read(&image.path, &DecodeLimits::local()).map_err(ModelError::from)?;
        Ok(file.metadata.preprocess.tensor(&read.image)?)
    });
    let tensors = tensors.collect::<Result<Vec<Tensor>, ModelError>>()?;
    let batch = Tensor::stack(&tensors, 0).map_err(ModelError::from)?;
    let Some(convs) = fit_quantised_convs(&network, &batch)? else {
        let reason = "has a network without dense layers, and whole numbers are for those".to_owned();
        return Err(TrainError::unusable(origin(), reason));
    };
    if progress.interrupted() {
        return Err(TrainError::Stopped("before the gate".into()));
    }
    file.quantised = Some(convs);
    file.metadata.quantisation = Some(Quantisation { fitted_to: count, ..Quantisation::default() });
    file.metadata.quantisation = Some(gate(&file, &origin(), &images, progress)?);
    if progress.interrupted() {
        return Err(TrainError::Stopped("behind the gate".into()));
    }
    Ok(file)
}

fn gate(
    file: &WeightsFile,
    origin: &str,
    images: &[&ImageFile],
    progress: &mut dyn Progress,
) -> Result<Quantisation, TrainError> {
    let bytes = file.exact_bytes()?;
    let load = |precision| {
        let choice = PrecisionChoice::Always(precision);
        Classifier::with_precision(&bytes, origin, rayon::current_num_threads(), choice)
    };
    let (exact, whole) = (load(Precision::F32)?, load(Precision::Int8)?);
    let progress = Mutex::new(progress);
    let gate = QuantisationGate {
        exact: &exact,
        whole: &whole,
        fitted_to: file.metadata.quantisation.as_ref().map_or(0, |quantisation| quantisation.fitted_to),
        progress: &|done, of| {
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            if done == 0 { progress.start("gate", of, 0) } else { progress.advance(1, None) }
        },
    };
    Ok(gate.measure(images)?)
}
