//! Whether probabilities mean what they say: of images that are called malignant with a probability of .7, seven in ten
//! should be.
//!
//! In: labels and predictions. Out: reliability bins and calibration errors. Bins are of equal mass: each takes as many
//! images, in the order of their margins, so that none rests on a handful. Images of one margin share their mean label,
//! and nothing depends on the order in which images come.

use statrs::function::erf::erf;

use crate::diagnosis::{Label, Probability};
use crate::evaluate::metrics::decisions::Scored;

/// Bins of the calibration errors and of the reliability diagram.
pub(crate) const BINS: usize = 15;

/// Images of neighbouring probabilities.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    /// Images in it.
    pub n: usize,
    /// Their mean probability of malignancy.
    pub probability: f64,
    /// The share of them that is malignant.
    pub malignant: f64,
}

impl Bin {
    /// How far the share is above the probability.
    fn gap(&self) -> f64 {
        self.malignant - self.probability
    }

    /// The expected absolute gap if the share were drawn anew: of a normal distribution around the gap with the share's
    /// own standard error.
    fn expected_gap(&self) -> f64 {
        let (gap, error) = (self.gap(), (self.malignant * (1.0 - self.malignant) / self.n as f64).sqrt());
        if error <= 0.0 {
            return gap.abs();
        }
        let scaled = gap / (error * std::f64::consts::SQRT_2);
        error * std::f64::consts::FRAC_2_SQRT_PI / std::f64::consts::SQRT_2 * (-scaled * scaled).exp()
            + gap * erf(scaled)
    }
}

/// The bins, by rising probability; fewer than [`BINS`] for fewer images. None where a margin is not a number.
pub(crate) fn bins(scored: &[Scored]) -> Option<Vec<Bin>> {
    let mut margins: Vec<(f64, f64)> =
        scored.iter().map(|Scored { truth, prediction }| (prediction.margin, truth.index() as f64)).collect();
    if margins.iter().any(|(margin, _)| margin.is_nan()) {
        return None;
    }
    margins.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
    for tie in margins.chunk_by_mut(|a, b| a.0 == b.0) {
        let mean = tie.iter().map(|(_, malignant)| malignant).sum::<f64>() / tie.len() as f64;
        tie.iter_mut().for_each(|(_, malignant)| *malignant = mean);
    }
    let edge = |bin: usize| bin * margins.len() / BINS;
    let bins = (0..BINS).map(|bin| &margins[edge(bin)..edge(bin + 1)]).filter(|images| !images.is_empty());
    let bin = |images: &[(f64, f64)]| {
        let n = images.len();
        let probability = |(margin, _): &(f64, f64)| Probability::from_margin(*margin).get();
        Bin {
            n,
            probability: images.iter().map(probability).sum::<f64>() / n as f64,
            malignant: images.iter().map(|(_, malignant)| malignant).sum::<f64>() / n as f64,
        }
    };
    Some(bins.map(bin).collect())
}

/// The mean of the bins' absolute gaps, each counted by its images: the expected calibration error (Naeini, Cooper,
/// Hauskrecht, AAAI 2015) with bins of equal mass.
pub(crate) fn ece(scored: &[Scored]) -> Option<f64> {
    mean_over(&bins(scored)?, |bin| bin.gap().abs())
}

/// The same without what chance alone adds to it: few images a bin leave a gap even where probabilities are right. What
/// drawing the shares anew is expected to add once more is taken off (Kumar, Liang, Ma, "Verified Uncertainty
/// Calibration", NeurIPS 2019, in closed form); at least 0.
pub(crate) fn ece_debiased(scored: &[Scored]) -> Option<f64> {
    mean_over(&bins(scored)?, |bin| 2.0 * bin.gap().abs() - bin.expected_gap()).map(|error| error.max(0.0))
}

fn mean_over(bins: &[Bin], of: impl Fn(&Bin) -> f64) -> Option<f64> {
    let images: usize = bins.iter().map(|bin| bin.n).sum();
    (images > 0).then(|| bins.iter().map(|bin| bin.n as f64 * of(bin)).sum::<f64>() / images as f64)
}

/// The temperature that the margins are divided by for the least loss (Guo et al., "On Calibration of Modern Neural
/// Networks", ICML 2017), from [`TEMPERATURES`]; `weights` say how much each image counts. None where one class is
/// missing.
pub(crate) fn fitted_temperature(scored: &[Scored], weights: &[f64]) -> Option<f64> {
    let both = Label::ALL.iter().all(|label| scored.iter().any(|image| image.truth == *label));
    if !both || scored.iter().any(|image| !image.prediction.margin.is_finite()) {
        return None;
    }
    // The loss is convex in the reciprocal of the temperature, so its slope changes sign once.
    let slope = |scale: f64| -> f64 {
        let of = |(Scored { truth, prediction }, weight): (&Scored, &f64)| {
            let probability = Probability::from_margin(prediction.margin * scale).get();
            weight * (probability - truth.index() as f64) * prediction.margin
        };
        scored.iter().zip(weights).map(of).sum()
    };
    let (mut low, mut high) = (1.0 / TEMPERATURES.1, 1.0 / TEMPERATURES.0);
    for _ in 0..100 {
        let middle = f64::midpoint(low, high);
        if slope(middle) < 0.0 { low = middle } else { high = middle }
    }
    Some(1.0 / f64::midpoint(low, high))
}

/// The temperatures that can be fitted: beyond them a network is no longer calibrated but replaced.
const TEMPERATURES: (f64, f64) = (0.05, 20.0);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::metrics::decisions::tests::{scored, ten};

    /// 60 images of 12 margins, five of each, so that bins cut through ties.
    fn tied() -> Vec<Scored> {
        let label = |index: usize| if index * 7 % 12 < index % 12 { Label::Malignant } else { Label::Benign };
        (0..60).map(|index| scored(label(index), (index % 12) as f64 * 0.5 - 3.0)).collect()
    }

    fn near(found: Option<f64>, golden: f64) {
        let found = found.expect("defined");
        assert!((found - golden).abs() < 1e-9, "{found} is not {golden}");
    }

    /// ```python
    /// import numpy as np
    /// from scipy.stats import foldnorm
    /// from scipy.optimize import minimize_scalar
    /// def bins(m, t):
    ///     i = np.argsort(m); m = m[i]; t = t[i].astype(float)
    ///     for v in set(m): t[m == v] = t[m == v].mean()
    ///     p = 1 / (1 + np.exp(-m)); e = [b * len(m) // 15 for b in range(16)]
    ///     return [(b - a, p[a:b].mean(), t[a:b].mean()) for a, b in zip(e, e[1:]) if b > a]
    /// def both(m, t):
    ///     ece = debiased = 0
    ///     for n, p, y in bins(m, t):
    ///         g, s = abs(y - p), (y * (1 - y) / n) ** .5
    ///         again = foldnorm.mean(g / s, scale=s) if s else g
    ///         ece += n * g / len(m); debiased += n * (2 * g - again) / len(m)
    ///     return ece, max(debiased, 0)
    /// i = np.arange(60); m = (i % 12) * .5 - 3; t = (i * 7 % 12) < (i % 12)
    /// print(both(m, t))
    /// m10 = np.array([2.5, .3, -.7, 40, -3, .3, -.7, -40, 0, 1.25]); t10 = np.array([1, 1, 1, 1, 0, 0, 0, 0, 1, 0])
    /// print(both(m10, t10))
    /// loss = lambda m, t: lambda T: np.logaddexp(0, np.where(t, -m, m) / T).mean()
    /// print([minimize_scalar(loss(*a), bounds=(.05, 20), method="bounded", options={"xatol": 1e-12}).x for a in ((m, t), (m10, t10))])
    /// w = np.array([1, 2, 3, 1, 2, 3, 1, 2, 3, 1]); weighted = lambda T: np.average(np.logaddexp(0, np.where(t10, -m10, m10) / T), weights=w)
    /// print(minimize_scalar(weighted, bounds=(.05, 20), method="bounded", options={"xatol": 1e-12}).x)
    /// ```
    #[test]
    fn errors_and_temperatures_are_those_of_scipy() {
        near(ece(&tied()), 0.2727386692740491);
        near(ece_debiased(&tied()), 0.26145807417593264);
        near(ece(&ten()), 0.18858444923331516);
        near(ece_debiased(&ten()), 0.07217901263554222);
        let weights = [1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0, 2.0, 3.0, 1.0];
        for (images, weights, golden) in [
            (tied(), &[1.0; 60][..], 1.1704798463828276),
            (ten(), &[1.0; 10], 1.8201620192419183),
            (ten(), &weights, 2.2897151640488422),
        ] {
            let found = fitted_temperature(&images, weights).unwrap();
            assert!((found - golden).abs() < 1e-5, "{found} is not {golden}");
        }
    }

    #[test]
    fn the_order_of_images_says_nothing_and_nothing_is_said_of_none() {
        let mut turned = tied();
        turned.reverse();
        assert_eq!(bins(&turned), bins(&tied()));
        assert_eq!((ece(&[]), ece_debiased(&[]), fitted_temperature(&[], &[])), (None, None, None));
        assert_eq!(ece(&[scored(Label::Benign, f64::NAN)]), None);
        assert_eq!(
            fitted_temperature(&[scored(Label::Benign, 1.0)], &[1.0]),
            None,
            "one class has no best temperature"
        );
        near(ece(&[scored(Label::Malignant, 1e4), scored(Label::Benign, -1e4)]), 0.0);
    }

    #[test]
    fn a_temperature_makes_margins_that_are_twice_too_large_right() {
        // Of 100 images with a margin of ln 3 three quarters are malignant; these say twice that.
        let image = |index: usize| {
            let right = !index.is_multiple_of(4);
            let (truth, margin) = if index.is_multiple_of(2) { (right, 1.0) } else { (!right, -1.0) };
            let truth = if truth { Label::Malignant } else { Label::Benign };
            scored(truth, margin * 2.0 * 3.0_f64.ln())
        };
        let images: Vec<Scored> = (0..400).map(|index| image(index / 2 * 2 + index % 2)).collect();
        let share = images.iter().filter(|image| (image.prediction.margin > 0.0) == (image.truth == Label::Malignant));
        let odds = share.count() as f64 / images.len() as f64;
        let golden = 2.0 * 3.0_f64.ln() / (odds / (1.0 - odds)).ln();
        near(fitted_temperature(&images, &[1.0; 400]), golden);
    }
}
