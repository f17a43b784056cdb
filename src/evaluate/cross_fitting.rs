//! A temperature and a threshold from predictions out of fold, and what they are worth on folds that did not give them.
//!
//! In: the predictions of runs that each held out other images. Out: a [`Fit`] of all of them; and a [`CrossFitted`]
//! calibration, in which each fold is calibrated by what the others give, so that no image judges itself.

use crate::diagnosis::Threshold;
use crate::evaluate::metrics::calibration::{Bin, bins, fitted_temperature};
use crate::evaluate::metrics::ranking::sensitive_threshold;
use crate::evaluate::{Confusion, Figures, Predictions, Scored};
use crate::model::Prediction;

/// What is fitted on predictions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Fit {
    /// What margins are divided by, at four decimals: the loss is flat around its least.
    pub temperature: f64,
    /// The largest threshold on the calibrated probability that at least [`SENSITIVITY_PERCENT`] of the malignant images
    /// reach, at six decimals.
    ///
    /// [`SENSITIVITY_PERCENT`]: crate::evaluate::SENSITIVITY_PERCENT
    pub sensitive: Threshold,
}

/// Predictions of folds before and after calibration by the other folds.
#[derive(Clone, Debug)]
pub struct CrossFitted {
    /// What the other folds give, a fit a fold.
    pub fits: Vec<Fit>,
    /// All folds together as they were predicted.
    pub before: Figures,
    /// The same, calibrated.
    pub after: Figures,
    /// Their decisions at the sensitive thresholds.
    pub sensitive: Confusion,
    /// Both as reliability diagrams.
    pub reliability: [Vec<Bin>; 2],
}

impl Fit {
    /// Fits to all images, of which each case weighs the same in each of `repeats`; none where there is none of a class.
    pub fn of(repeats: &[Predictions]) -> Option<Self> {
        let plain: Vec<Scored> = repeats.iter().flat_map(|repeat| calibrated(repeat, 1.0)).collect();
        let weights: Vec<f64> = repeats.iter().flat_map(weights_by_case).collect();
        let temperature = (fitted_temperature(&plain, &weights)? * 1e4).round() / 1e4;
        let scored: Vec<Scored> = repeats.iter().flat_map(|repeat| calibrated(repeat, temperature)).collect();
        let exact = sensitive_threshold(&scored)?.get();
        // Rounded down, for the sensitivity must not fall.
        let rounded = (exact * 1e6).floor() / 1e6;
        let rounded = if rounded > exact { rounded - 1e-6 } else { rounded };
        Some(Self { temperature, sensitive: Threshold::new(rounded.max(0.0)).ok()? })
    }

    /// The decisions about calibrated images at a threshold.
    pub fn decisions(&self, repeats: &[Predictions], threshold: Threshold) -> Confusion {
        let all: Vec<Scored> = repeats.iter().flat_map(|repeat| calibrated(repeat, self.temperature)).collect();
        Confusion::at(&all, threshold)
    }
}

impl CrossFitted {
    /// Calibrates each fold by the others; none where these lack a class, or there are none.
    pub fn of(folds: &[Predictions]) -> Option<Self> {
        let others = |held_out: usize| {
            let others = folds.iter().enumerate().filter(|(index, _)| *index != held_out);
            Predictions::joined(&others.map(|(_, fold)| fold.clone()).collect::<Vec<_>>())
        };
        let fits = (0..folds.len()).map(|index| Fit::of(&[others(index)])).collect::<Option<Vec<_>>>()?;
        let before: Vec<Scored> = folds.iter().flat_map(|fold| calibrated(fold, 1.0)).collect();
        let after: Vec<Vec<Scored>> =
            folds.iter().zip(&fits).map(|(fold, fit)| calibrated(fold, fit.temperature)).collect();
        let decisions = after.iter().zip(&fits).map(|(scored, fit)| Confusion::at(scored, fit.sensitive));
        let after = after.concat();
        Some(Self {
            before: Figures::of_decisions(&before, Threshold::HALF),
            after: Figures::of_decisions(&after, Threshold::HALF),
            sensitive: decisions.fold(Confusion::default(), Confusion::plus),
            reliability: [bins(&before)?, bins(&after)?],
            fits,
        })
    }
}

/// The images with their margins divided by a temperature.
fn calibrated(predictions: &Predictions, temperature: f64) -> Vec<Scored> {
    let images = predictions.subjects.iter().zip(&predictions.network.plain);
    images
        .map(|(subject, margin)| Scored {
            truth: subject.truth,
            prediction: Prediction::from_margin(margin / temperature),
        })
        .collect()
}

/// One over the number of images of its case, for each image: a case with many images says no more than another.
fn weights_by_case(predictions: &Predictions) -> Vec<f64> {
    let cases = predictions.groups(|subject| subject.case.clone());
    predictions.subjects.iter().map(|subject| 1.0 / cases.get(&subject.case).map_or(1, Vec::len) as f64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Label;
    use crate::evaluate::{Margins, Metric, Subject};

    /// Images as (case, label, margin).
    fn predictions(images: impl IntoIterator<Item = (usize, bool, f64)>) -> Predictions {
        let images = images.into_iter();
        let image = |(case, malignant, margin): (usize, bool, f64)| {
            let label = if malignant { Label::Malignant } else { Label::Benign };
            (Subject::drawn(label, &case.to_string(), None), margin)
        };
        let (subjects, plain) = images.map(image).unzip();
        Predictions {
            subjects,
            network: Margins { plain, exchanged: Vec::new() },
            controls: Vec::new(),
            shifted: Vec::new(),
        }
    }

    /// 24 images of 4 cases, which have different numbers of images.
    fn fold(shift: usize) -> Predictions {
        predictions((0..24).map(|index| {
            let margin = ((index * 11 + shift * 5) % 24) as f64 / 4.0 - 3.0;
            let case = shift * 10 + (index * index) % 6;
            (case, (index * index + 5 * index * shift) % 23 + 2 < (index * 11 + shift * 5) % 24 + shift, margin)
        }))
    }

    /// ```python
    /// import numpy as np
    /// from scipy.optimize import minimize_scalar
    /// from sklearn.metrics import log_loss, roc_curve
    /// def fold(s):
    ///     i = np.arange(24); k = (i * 11 + s * 5) % 24
    ///     return k / 4 - 3, (i * i + 5 * i * s) % 23 + 2 < k + s, s * 10 + i * i % 6
    /// def fit(*folds):
    ///     m, t, c = map(np.concatenate, zip(*map(fold, folds)))
    ///     w = 1 / np.array([(c == case).sum() for case in c])
    ///     p = lambda T: 1 / (1 + np.exp(-m / T))
    ///     T = minimize_scalar(lambda T: log_loss(t, p(T), sample_weight=w), bounds=(.05, 20), method="bounded",
    ///                         options={"xatol": 1e-10}).x
    ///     T = round(T, 4); _, tpr, thresholds = roc_curve(t, p(T), drop_intermediate=False)
    ///     return T, np.floor(thresholds[tpr >= .95].max() * 1e6) / 1e6
    /// f = {s: fit(*[o for o in range(3) if o != s]) for s in range(3)}; print(fit(0, 1, 2), f)
    /// p = np.concatenate([1 / (1 + np.exp(-fold(s)[0] / f[s][0])) for s in f])
    /// t = np.concatenate([fold(s)[1] for s in f]); a = p >= np.repeat([f[s][1] for s in f], 24)
    /// print(log_loss(t, p), (a & t).sum(), (~a & t).sum(), (a & ~t).sum(), (~a & ~t).sum())
    /// ```
    #[test]
    fn fits_are_those_of_scipy_and_scikit_learn_and_no_fold_gives_its_own() {
        let folds = [fold(0), fold(1), fold(2)];
        let all = Fit::of(&[Predictions::joined(&folds)]).unwrap();
        assert_eq!((all.temperature, all.sensitive.get()), (0.9819, 0.218736));
        let CrossFitted { fits, before, after, sensitive, reliability } = CrossFitted::of(&folds).unwrap();
        for (fit, golden) in fits.iter().zip([(0.9091, 0.249741), (0.9697, 0.216012), (1.0698, 0.197478)]) {
            assert_eq!((fit.temperature, fit.sensitive.get()), golden);
        }
        assert!((after.get(Metric::Nll).unwrap() - 0.4457075698419762).abs() < 1e-9, "{after:?}");
        assert_eq!(sensitive, Confusion { tp: 37, fn_: 3, fp: 14, tn: 18 });
        assert_eq!(before.confusion, after.confusion, "no temperature moves a decision at one half");
        assert_eq!(reliability.each_ref().map(|bins| bins.iter().map(|bin| bin.n).sum::<usize>()), [72, 72]);
    }

    #[test]
    fn a_case_with_many_images_weighs_as_much_as_another() {
        // One case is as sure as its images are right, ten times over; the other is four times too sure.
        let case = |number: usize, times: usize, scale: f64| {
            (0..4 * times).map(move |index| {
                let (up, right) = (index % 2 == 0, index / 2 % 4 != 0);
                (number, up == right, if up { scale } else { -scale })
            })
        };
        let few = predictions(case(1, 4, 1.0).chain(case(2, 4, 4.0)));
        let many = predictions(case(1, 40, 1.0).chain(case(2, 4, 4.0)));
        let [few, many] = [few, many].map(|predictions| Fit::of(&[predictions]).unwrap().temperature);
        assert_eq!(few, many);
    }

    #[test]
    fn what_cannot_be_fitted_is_none() {
        let benign = predictions((0..10).map(|case| (case, false, 1.0)));
        assert_eq!(Fit::of(std::slice::from_ref(&benign)), None);
        assert!(CrossFitted::of(&[fold(0)]).is_none(), "there is no other fold");
        assert!(CrossFitted::of(&[fold(0), benign]).is_none(), "the first fold's others are of one class");
    }
}
