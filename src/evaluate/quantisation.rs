//! The gate of whole numbers: what a network says in them of images, beside what it says in floating-point numbers.
//!
//! In: the same weights file loaded both ways, and image files. Out: a [`Quantisation`].

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{iter::Either, prelude::*};

use crate::breakhis::ImageFile;
use crate::diagnosis::{Decision, Flag, Flags, Threshold};
use crate::evaluate::EvaluateError;
use crate::evaluate::predict_all::FailedImage;
use crate::model::{Classifier, Metadata, ModelError, Prediction, Quantisation};
use crate::pixels::{self, DecodeLimits, RgbImage};

/// How near a number is to a threshold that a small error may carry it over, in the flags' own units: margins, and
/// standard deviations of the training's images.
const NEAR: f64 = 0.15;

/// The same file's network in both kinds of numbers.
pub struct QuantisationGate<'a> {
    /// In floating-point numbers.
    pub exact: &'a Classifier,
    /// In whole numbers.
    pub whole: &'a Classifier,
    /// Images that the whole numbers were fitted to.
    pub fitted_to: usize,
    /// Is called with how many images are done and how many there are.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

/// What the two say of one image.
struct Compared {
    distance: f64,
    /// Whether flags or decision differ, and whether a number far from its threshold made them.
    changed: bool,
    changed_far: bool,
    heatmap_error: f64,
}

impl QuantisationGate<'_> {
    /// Asks both about all images.
    ///
    /// # Errors
    /// When an image cannot be read or predicted; the error names all such images.
    pub fn measure(&self, images: &[&ImageFile]) -> Result<Quantisation, EvaluateError> {
        let done = AtomicUsize::new(0);
        (self.progress)(0, images.len());
        let compared = images.par_iter().map(|file| {
            let read = pixels::read(&file.path, &DecodeLimits::local()).map_err(ModelError::from);
            let compared = read.and_then(|read| self.compare(&read.image));
            (self.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, images.len());
            compared.map_err(|source| FailedImage::new(file, source))
        });
        let (failed, compared): (Vec<FailedImage>, Vec<Compared>) = compared.partition_map(Either::from);
        if !failed.is_empty() {
            return Err(EvaluateError::Unpredicted { failed, of: images.len() });
        }
        let mut distances: Vec<f64> = compared.iter().map(|image| image.distance).collect();
        distances.sort_by(f64::total_cmp);
        let count = |is: fn(&Compared) -> bool| compared.iter().filter(|image| is(image)).count();
        Ok(Quantisation {
            fitted_to: self.fitted_to,
            images: images.len(),
            largest: distances.last().copied().unwrap_or(0.0),
            percentile_99: distances.get(distances.len() * 99 / 100).copied().unwrap_or(0.0),
            changed: count(|image| image.changed),
            changed_far: count(|image| image.changed_far),
            heatmap_error: compared.iter().map(|image| image.heatmap_error).fold(0.0, f64::max),
        })
    }

    fn compare(&self, image: &RgbImage) -> Result<Compared, ModelError> {
        let metadata = self.exact.metadata();
        let exact = self.exact.classify(image)?;
        let (whole, heatmap_error) = if self.whole.can_explain() {
            let explanation = self.whole.explain(image)?;
            let margin = explanation.prediction.margin * metadata.temperature;
            (explanation.prediction, (explanation.margin() - margin).abs())
        } else {
            (self.whole.classify(image)?, 0.0)
        };
        let threshold = self.exact.threshold();
        let (before, after) = (said(metadata, &exact, threshold), said(metadata, &whole, threshold));
        let changed = before != after;
        let changed_far = changed && !near_a_threshold(metadata, &exact, threshold);
        let distance = (exact.probability_malignant.get() - whole.probability_malignant.get()).abs();
        Ok(Compared { distance, changed, changed_far, heatmap_error })
    }
}

fn said(metadata: &Metadata, prediction: &Prediction, threshold: Threshold) -> (Option<Flags>, Decision) {
    let flags = metadata.flags_of(prediction, threshold);
    (flags, Decision::of(threshold.decide(prediction.probability_malignant), flags))
}

fn near_a_threshold(metadata: &Metadata, prediction: &Prediction, threshold: Threshold) -> bool {
    let from_decision = (prediction.margin - threshold.margin()).abs();
    let of_flag = |flag: Flag| {
        let (limits, novelty) = (metadata.flags.as_ref()?.limits(), prediction.novelty?);
        Some(match flag {
            Flag::Foreign => novelty.foreign - limits.foreign,
            Flag::Stain => novelty.stain - limits.stain,
            Flag::Uncertain => from_decision - limits.uncertain,
        })
    };
    from_decision <= NEAR || Flag::ALL.into_iter().filter_map(of_flag).any(|distance| distance.abs() <= NEAR)
}
