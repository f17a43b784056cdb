//! What a weights file says of how sure it is: its temperature, its operating points and its flags. Where it was trained on
//! all images, they come from a cross-validation by the same settings; else from images that it was not trained on.
//!
//! In: the weights file, the images and the folder of the cross-validation, if there is one. Out: the weights file with its
//! calibration. Nothing is trained.

mod flags;
mod own;
mod temperature;

use std::path::{Path, PathBuf};

use crate::breakhis::{Dataset, ImageFile, Part, Split};
use crate::evaluate::Predictions;
use crate::evaluate::comparison::Pooled;
use crate::model::{Metadata, WeightsFile};
use crate::train::run::compare_runs::pooled;
use crate::train::run::cross_validated::{EndedRepeat, ended_repeats};
use crate::train::run::cross_validation::folds_file;
use crate::train::run::single_run::case_numbers;
use crate::train::{Progress, RunConfig, TrainError};

/// A repeat of a cross-validation whose runs have ended.
pub(super) struct Repeat {
    pub(super) seed: u64,
    pub(super) pooled: Pooled,
    pub(super) folds: Vec<Fold>,
}

/// A run of a repeat.
pub(super) struct Fold {
    weights: PathBuf,
    /// Which images it held out.
    split: Split,
    /// What it says of these.
    predictions: Predictions,
    network: FoldNetwork,
}

/// What a fold's network is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum FoldNetwork {
    /// A run of a cross-validation, trained on the fold's train part.
    OfCrossValidation,
    /// The weights file itself, which was trained on none of the images.
    TheFileItself,
}

impl Repeat {
    fn predictions(&self) -> Vec<Predictions> {
        self.folds.iter().map(|fold| fold.predictions.clone()).collect()
    }
}

/// What the networks of the folds are; the same of all.
fn network_of(repeats: &[Repeat]) -> FoldNetwork {
    let first = repeats.first().and_then(|repeat| repeat.folds.first());
    first.map_or(FoldNetwork::OfCrossValidation, |fold| fold.network)
}

/// Reads the repeats of a cross-validation of the data set. `check` refuses the folder of a run that was trained by other
/// settings, given its config.
pub(super) fn read_repeats(
    dir: &Path,
    dataset: &Dataset,
    check: impl Fn(&Path, &RunConfig) -> Result<(), TrainError>,
) -> Result<Vec<Repeat>, TrainError> {
    let mut repeats = Vec::new();
    for EndedRepeat { folder, folds, runs } in ended_repeats(dir, u32::MAX)? {
        // Fails where the folds are of other images.
        let fit = folds.held_out(0).images(dataset, Part::Train);
        fit.map_err(|error| TrainError::from(error).within(folds_file(&folder).display()))?;
        let mut seed = 0;
        for run in &runs {
            let config = RunConfig::read(&run.join("config.toml"))?;
            check(run, &config)?;
            seed = config.seed;
        }
        let (pooled, predictions) = pooled(&runs)?;
        let splits = folds.numbers().into_iter().map(|fold| folds.held_out(fold));
        let folds = runs.iter().zip(splits).zip(predictions).map(|((run, split), predictions)| Fold {
            weights: run.join("weights.safetensors"),
            split,
            predictions,
            network: FoldNetwork::OfCrossValidation,
        });
        repeats.push(Repeat { seed, pooled, folds: folds.collect() });
    }
    Ok(repeats)
}

/// Gives a file its temperature, its operating points and its flags, as far as the repeats say anything of them: without a
/// class they say nothing.
pub(super) fn calibrate_file(
    file: &mut WeightsFile,
    repeats: &[Repeat],
    images: &[&ImageFile],
    progress: &mut dyn Progress,
) -> Result<(), TrainError> {
    (file.metadata.flags, file.novelty) = (None, None);
    // Their gate was of other probabilities and other flags.
    (file.metadata.quantisation, file.quantised) = (None, None);
    let Some(calibration) = temperature::FileCalibration::of(repeats) else {
        progress.warn("the cross-validation lacks a class in some fold's others, so nothing is calibrated by it");
        return Ok(());
    };
    calibration.put_into(&mut file.metadata);
    flags::fit(file, repeats, images, progress)
}

/// What [`calibrate`] is asked for.
#[derive(Clone, Debug)]
pub struct CalibrationConfig {
    /// A weights file.
    pub weights: PathBuf,
    /// Folder of the images.
    pub data: PathBuf,
    /// Folder of a cross-validation of the same recipe on the same images, where the file was trained on all of them;
    /// without it, the file must not have been trained on any.
    pub cross_validation: Option<PathBuf>,
}

/// Calibrates a weights file anew, by a cross-validation of its recipe or by images that it was not trained on; nothing is
/// trained, and nothing written.
///
/// # Errors
/// When the file, the images or the cross-validation cannot be read or do not belong together, or `progress` asked to stop.
pub fn calibrate(config: &CalibrationConfig, progress: &mut dyn Progress) -> Result<WeightsFile, TrainError> {
    let CalibrationConfig { weights, data, cross_validation } = config;
    let mut file = WeightsFile::read(weights)?;
    let dataset = Dataset::open(data)?;
    dataset.require_whole()?;
    let images: Vec<&ImageFile> = dataset.images().iter().collect();
    let repeats = match cross_validation {
        Some(folder) => repeats_of_recipe(folder, weights, &file.metadata, &dataset)?,
        None => vec![own::repeat(weights, &file.metadata, &dataset, progress)?],
    };
    if cross_validation.is_none() && temperature::FileCalibration::of(&repeats).is_none() {
        let reason = "has a class missing, in all images or in four of five groups of cases, so that nothing can be calibrated by it";
        return Err(TrainError::unusable(data, reason));
    }
    let done = calibrate_file(&mut file, &repeats, &images, progress);
    done.map_err(|error| match error {
        TrainError::Interrupted(place) => TrainError::Stopped(place),
        other => other,
    })?;
    Ok(file)
}

/// The repeats of a cross-validation of the recipe of a file that was trained on all images of the data set.
fn repeats_of_recipe(
    folder: &Path,
    weights: &Path,
    metadata: &Metadata,
    dataset: &Dataset,
) -> Result<Vec<Repeat>, TrainError> {
    let images: Vec<&ImageFile> = dataset.images().iter().collect();
    if metadata.trained_on != case_numbers(&images) {
        let reason = format!(
            "was trained on {} cases, and the data are of {}; only a file that was trained on all of them (--all) is \
             calibrated by a cross-validation of them",
            metadata.trained_on.len(),
            case_numbers(&images).len(),
        );
        return Err(TrainError::unusable(weights, reason));
    }
    read_repeats(folder, dataset, |run, RunConfig { recipe, .. }| {
        let same = [
            ("recipe", recipe.name == metadata.provenance.recipe),
            ("architecture", recipe.architecture == metadata.architecture),
            ("preprocessing", recipe.preprocess == metadata.preprocess),
        ];
        match same.iter().find(|(_, same)| !same) {
            None => Ok(()),
            Some((what, _)) => {
                let reason = format!("has another {what} than {}, so it says nothing of it", weights.display());
                Err(TrainError::unusable(run, reason))
            }
        }
    })
}
