//! A weights file's own answers to images that it was not trained on, as the repeat of a cross-validation: each fold is
//! calibrated by the others, and all by the same network.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::breakhis::{Dataset, Folds, ImageFile, Part};
use crate::diagnosis::Threshold;
use crate::evaluate::comparison::Pooled;
use crate::evaluate::{Measuring, Predictions};
use crate::model::{Classifier, Metadata};
use crate::pixels::Dihedral;
use crate::train::run::calibration::{Fold, FoldNetwork, Repeat};
use crate::train::run::single_run::case_numbers;
use crate::train::{DEFAULT_SEED, Progress, TrainError};

/// Folds into which the cases are dealt.
const FOLDS: u32 = 5;

/// What the network of a file says of all images of a data set.
///
/// # Errors
/// When it was trained on any of their cases, or an image cannot be predicted.
pub(super) fn repeat(
    weights: &Path,
    metadata: &Metadata,
    dataset: &Dataset,
    progress: &mut dyn Progress,
) -> Result<Repeat, TrainError> {
    let images: Vec<&ImageFile> = dataset.images().iter().collect();
    let cases = case_numbers(&images);
    let known = cases.iter().filter(|case| metadata.trained_on.contains(case)).count();
    if known > 0 {
        let reason = format!(
            "was trained on {known} of the {} cases in the data, so that its answers there do not say how sure it may be; \
             take images of other persons, or a cross-validation of its recipe (--cross-validation)",
            cases.len()
        );
        return Err(TrainError::unusable(weights, reason));
    }
    if metadata.trained_on.is_empty() {
        progress.warn(
            "the weights file does not say what it was trained on; if images of these persons were among it, it is now called \
             surer than it is",
        );
    }
    let folds = Folds::deal(dataset, FOLDS, DEFAULT_SEED)?;
    let predictions = predictions(weights, &images, progress)?;
    let fold = |number| {
        let split = folds.held_out(number);
        let held_out = |index: &usize| split.part_of(images[*index].file_name()) != Some(Part::Train);
        let indices: Vec<usize> = (0..images.len()).filter(held_out).collect();
        let predictions = predictions.at(&indices);
        Fold { weights: weights.to_owned(), split, predictions, network: FoldNetwork::TheFileItself }
    };
    let folds: Vec<Fold> = folds.numbers().into_iter().map(fold).collect();
    let of_folds: Vec<Predictions> = folds.iter().map(|fold| fold.predictions.clone()).collect();
    Ok(Repeat { seed: DEFAULT_SEED, pooled: Pooled::of(&[], &of_folds, Threshold::HALF), folds })
}

fn predictions(weights: &Path, images: &[&ImageFile], progress: &mut dyn Progress) -> Result<Predictions, TrainError> {
    let classifier = Classifier::load(Some(weights), rayon::current_num_threads())?;
    let progress = Mutex::new(progress);
    let measuring = Measuring {
        classifier: &classifier,
        frozen: None,
        exchanges: 0,
        seed: 0,
        shifts: false,
        views: &[Dihedral::Identity],
        progress: &|done, of| {
            let mut progress = progress.lock().unwrap_or_else(PoisonError::into_inner);
            if done == 0 { progress.start("predictions", of, 0) } else { progress.advance(1, None) }
        },
    };
    let mut predictions = measuring.measure(images, None)?;
    // A temperature that the file has already is taken back: the one that is fitted takes its place.
    predictions.network.plain.iter_mut().for_each(|margin| *margin *= classifier.metadata().temperature);
    Ok(predictions)
}
