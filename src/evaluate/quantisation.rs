//! The gate of whole numbers: what a network says in them of images, beside what it says in floating-point numbers.
//!
//! In: the same weights file loaded both ways, and image files. Out: a [`Quantisation`].

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{iter::Either, prelude::*};

use crate::breakhis::ImageFile;
use crate::diagnosis::{Flag, Threshold};
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
    /// Whether flags or decision differ at any operating point, and whether a number far from its threshold made them.
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
        let named = metadata.operating_points.iter().map(|point| point.threshold);
        let thresholds = named.chain([self.exact.threshold()]);
        let differences: Vec<f64> =
            thresholds.flat_map(|threshold| differences(metadata, &exact, &whole, threshold)).collect();
        let changed = !differences.is_empty();
        let changed_far = differences.iter().any(|distance| *distance > NEAR);
        let distance = (exact.probability_malignant.get() - whole.probability_malignant.get()).abs();
        Ok(Compared { distance, changed, changed_far, heatmap_error })
    }
}

/// For each flag that only one of the two has, and for the class that they do not share: how far the exact number is from
/// what it should have passed. The decision follows from these.
fn differences(metadata: &Metadata, exact: &Prediction, whole: &Prediction, threshold: Threshold) -> Vec<f64> {
    let margin = exact.margin - threshold.margin();
    let class = |prediction: &Prediction| threshold.decide(prediction.probability_malignant);
    let mut differences = Vec::new();
    if class(exact) != class(whole) {
        differences.push(margin.abs());
    }
    if let (Some(flags), Some(novelty)) = (&metadata.flags, exact.novelty) {
        let limits = flags.limits();
        let has =
            |prediction: &Prediction, flag| limits.flags(prediction, threshold).unwrap_or_default().contains(flag);
        differences.extend(Flag::ALL.into_iter().filter(|flag| has(exact, *flag) != has(whole, *flag)).map(|flag| {
            let number = match flag {
                Flag::Foreign => novelty.foreign,
                Flag::Stain => novelty.stain,
                Flag::Uncertain => margin.abs(),
            };
            (number - limits.of(flag)).abs()
        }));
    }
    differences
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::WeightsFile;

    #[test]
    fn what_passes_a_threshold_is_as_far_as_the_exact_number_was_from_it() {
        let (file, _) = WeightsFile::load(None).unwrap();
        let limits = file.metadata.flags.as_ref().unwrap().limits();
        let threshold = Threshold::HALF;
        let at = |margin: f64, foreign: f64| {
            let novelty = Some(crate::model::Novelty { foreign, stain: limits.stain - 1.0 });
            Prediction { novelty, ..Prediction::from_margin(margin) }
        };
        let of = |exact: &Prediction, whole: &Prediction| differences(&file.metadata, exact, whole, threshold);
        let (sure, known) = (limits.uncertain + 1.0, limits.foreign - 1.0);
        assert!(of(&at(sure, known), &at(sure + 1.0, known - 1.0)).is_empty());
        assert_eq!(of(&at(sure, known), &at(sure, limits.foreign + 0.1)), [1.0]);
        let crossed = of(&at(sure, known), &at(-sure, known));
        assert_eq!(crossed, [sure]);
        let uncertain = of(&at(sure, known), &at(limits.uncertain / 2.0, known));
        assert!(uncertain.len() == 1 && (uncertain[0] - 1.0).abs() < 1e-9, "{uncertain:?}");
    }
}
