//! The controls: predictions from things that are no tissue. No network's figure stands without theirs.
//!
//! In: images at the network's size before [`crate::pixels::Preprocess::finish`], their strata and, where there are any,
//! a backbone's taps. Out: the features of each control, on which a [`Logistic`] is fitted.

mod linear;
mod logistic;
pub(crate) mod spectrum;

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use crate::diagnosis::Label;
use crate::evaluate::controls::{logistic::Logistic, spectrum::spectrum};
use crate::evaluate::{Stratum, Subject};

/// A control, and what it knows of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Control {
    /// The mean of red, green and blue: 3 numbers.
    MeanColour,
    /// The magnification and the width that the image had before it was resized.
    Strata,
    /// How much the grey image varies at each scale: 16 numbers.
    Spectrum,
    /// Skewness and kurtosis of red, green and blue, and their three correlations: 9 numbers.
    Moments,
    /// What a backbone that was trained on other images sees: the means of its taps' channels.
    FrozenTaps,
}

impl Control {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 5] = [Self::MeanColour, Self::Strata, Self::Spectrum, Self::Moments, Self::FrozenTaps];

    /// Its name in JSON, CSV and predictions files.
    pub fn key(self) -> &'static str {
        self.names().0
    }

    /// Its names for programs and for people.
    fn names(self) -> (&'static str, &'static str) {
        match self {
            Self::MeanColour => ("mean_colour", "mean colour"),
            Self::Strata => ("strata", "magnification, width"),
            Self::Spectrum => ("spectrum", "grey spectrum"),
            Self::Moments => ("moments", "colour moments"),
            Self::FrozenTaps => ("frozen_taps", "frozen taps"),
        }
    }

    /// Scikit-learn's `C`: the inverse of how small the coefficients are kept.
    pub(crate) fn c(self) -> f64 {
        if self == Self::FrozenTaps { 1e-4 } else { 1.0 }
    }
}

impl fmt::Display for Control {
    /// Its name for people.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.names().1)
    }
}

/// What the controls see of one image.
#[derive(Clone, Debug)]
pub(crate) struct ControlFeatures {
    mean_colour: Vec<f64>,
    spectrum: Vec<f64>,
    moments: Vec<f64>,
    /// None where there is no backbone.
    taps: Option<Vec<f32>>,
}

impl ControlFeatures {
    /// Those of a square image, rows of pixels of R, G and B from 0 to 1, with what a backbone sees of it.
    pub(crate) fn of(image: &[f32], taps: Option<Vec<f32>>) -> Self {
        let (mean, moments) = moments(image);
        Self { mean_colour: mean.to_vec(), spectrum: spectrum(image), moments, taps }
    }
}

/// The mean of each channel; then three skewnesses, three kurtoses, and the correlations of red and green, red and blue,
/// green and blue.
fn moments(image: &[f32]) -> ([f64; 3], Vec<f64>) {
    let pixels = image.as_chunks::<3>().0;
    let average = |of_pixel: &dyn Fn([f64; 3]) -> f64| {
        pixels.iter().map(|pixel| of_pixel(pixel.map(f64::from))).sum::<f64>() / pixels.len().max(1) as f64
    };
    let mean: [f64; 3] = std::array::from_fn(|c| average(&|pixel| pixel[c]));
    let power = |c: usize, exponent: i32| average(&|pixel| (pixel[c] - mean[c]).powi(exponent));
    // A channel without variance has neither shape nor company.
    let variance: [f64; 3] = std::array::from_fn(|c| power(c, 2).max(1e-12));
    let mut others: Vec<f64> = (0..3).map(|c| power(c, 3) / variance[c].powf(1.5)).collect();
    others.extend((0..3).map(|c| power(c, 4) / variance[c].powi(2) - 3.0));
    others.extend([(0, 1), (0, 2), (1, 2)].map(|(a, b)| {
        average(&|pixel| (pixel[a] - mean[a]) * (pixel[b] - mean[b])) / (variance[a] * variance[b]).sqrt()
    }));
    (mean, others)
}

/// An image that a control is fitted to, with what the controls see of it in its own colours.
pub(crate) type Example<'a> = (&'a Subject, &'a ControlFeatures);

/// A control that was fitted to some images.
pub(crate) struct Fitted {
    control: Control,
    regression: Logistic,
    magnifications: Vec<u32>,
    widths: Vec<u32>,
}

impl Fitted {
    /// Fits a control; none where the images are all of one class, or lack what it knows of images.
    pub(crate) fn to(control: Control, examples: &[Example<'_>]) -> Option<Self> {
        let is_there = |label: &Label| examples.iter().any(|(subject, _)| subject.truth == *label);
        if !Label::ALL.iter().all(is_there) {
            return None;
        }
        let strata = examples.iter().filter_map(|(subject, _)| subject.stratum);
        let magnifications: BTreeSet<u32> = strata.clone().map(|stratum| stratum.magnification).collect();
        let widths: BTreeSet<u32> = strata.map(|stratum| stratum.width).collect();
        let mut fitted = Self {
            control,
            regression: Logistic::fit(&[], &[], control.c()),
            magnifications: magnifications.into_iter().collect(),
            widths: widths.into_iter().collect(),
        };
        let rows = examples.iter().map(|(subject, features)| fitted.row(features, subject.stratum));
        let rows = rows.collect::<Option<Vec<_>>>()?;
        let labels: Vec<Label> = examples.iter().map(|(subject, _)| subject.truth).collect();
        fitted.regression = Logistic::fit(&rows, &labels, control.c());
        Some(fitted)
    }

    /// The margin of an image; none where it lacks what the control knows of images.
    pub(crate) fn margin(&self, features: &ControlFeatures, stratum: Option<Stratum>) -> Option<f64> {
        Some(self.regression.margin(&self.row(features, stratum)?))
    }

    fn row(&self, features: &ControlFeatures, stratum: Option<Stratum>) -> Option<Vec<f64>> {
        match self.control {
            Control::MeanColour => Some(features.mean_colour.clone()),
            Control::Spectrum => Some(features.spectrum.clone()),
            Control::Moments => Some(features.moments.clone()),
            Control::FrozenTaps => Some(features.taps.as_ref()?.iter().copied().map(f64::from).collect()),
            Control::Strata => {
                let Stratum { magnification, width } = stratum?;
                let is = |same: bool| f64::from(u8::from(same));
                let magnifications = self.magnifications.iter().map(|other| is(*other == magnification));
                Some(magnifications.chain(self.widths.iter().map(|other| is(*other == width))).collect())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// import numpy as np; from scipy.stats import skew, kurtosis
    /// k = np.arange(12 * 12 * 3); x = ((k * 37 + k * k) % 101 / 100).reshape(-1, 3)
    /// c = np.corrcoef(x.T); print(skew(x), kurtosis(x), c[0, 1], c[0, 2], c[1, 2])
    /// ```
    #[test]
    fn moments_are_those_of_scipy_and_numpy() {
        let image: Vec<f32> = (0..12 * 12 * 3_u64).map(|k| ((k * 37 + k * k) % 101) as f32 / 100.0).collect();
        let wanted =
            [-0.1030415, -0.0808853, -0.0432691, -1.2414930, -1.3149248, -1.3691012, 0.0620383, 0.0413541, -0.0558447];
        for (got, want) in ControlFeatures::of(&image, None).moments.into_iter().zip(wanted) {
            assert!((got - want).abs() < 1e-5, "{got} instead of {want}");
        }
    }

    #[test]
    fn a_control_that_lacks_what_it_knows_is_not_fitted() {
        let features = ControlFeatures::of(&[0.5; 12], None);
        let subjects = Label::ALL.map(|truth| Subject::drawn(truth, "1", None));
        let both = subjects.each_ref().map(|subject| (subject, &features));
        assert!(Fitted::to(Control::MeanColour, &both).is_some());
        assert!(Fitted::to(Control::Strata, &both).is_none() && Fitted::to(Control::FrozenTaps, &both).is_none());
        assert!(Fitted::to(Control::MeanColour, &both[..1]).is_none(), "one class");
    }
}
