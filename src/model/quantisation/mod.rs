//! The convolutions of the dense layers in whole numbers: which they are, and how they are fitted to images.
//!
//! In: a [`crate::model::Network`] and preprocessed images. Out: a [`QuantisedConv`] for each convolution of its dense
//! layers; in the stem and the transitions, whose errors reach everything behind them, there is nothing to fit: when a
//! network is loaded their kernels are rounded to 16 bits. The head stays as it is. `fit` walks through the network twice at once,
//! exactly and in whole numbers, so that each convolution is fitted to what those before it really put out. `rounding`
//! makes one convolution's whole numbers, and `cholesky` is what it needs of linear algebra.
//!
//! Nothing here is made for speed of classification: a network is fitted once, and its whole numbers are kept.

mod cholesky;
#[cfg(test)]
mod file_tests;
mod fit;
mod gate;
mod rounding;
mod tensors;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use fit::fit;
pub use gate::Quantisation;
pub(super) use tensors::{take_from, tensors};

/// One convolution of a dense layer in whole numbers.
///
/// An input channel's activation `a`, behind its norm and ReLU, becomes `n = round_ties_even(a / step)`, from 0 to 255.
/// The output of a filter is `(sum of n * weight) as f32 * scale + shift`; the steps are in the weights already.
#[derive(Clone, Debug, PartialEq)]
pub struct QuantisedConv {
    /// (taps * channels, filters), row-major, where the row of a channel is `tap * channels + channel` as in the kernels
    /// of [`crate::model::Parameters`]; from -127 to 127.
    pub weights: Vec<i8>,
    /// What a step of each input channel is worth: its activation is `step * n`. (channels), finite and above 0.
    pub steps: Vec<f32>,
    /// What an output channel's sum of products of whole numbers is multiplied with. (filters), finite and above 0.
    pub scales: Vec<f32>,
    /// What is added then: the mean error of the output on the calibration images, taken back. (filters)
    pub shifts: Vec<f32>,
}

/// By the name of the convolution, for example `features.denseblock1.denselayer1.conv1`.
pub type QuantisedConvs = BTreeMap<String, QuantisedConv>;
