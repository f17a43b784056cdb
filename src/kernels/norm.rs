//! Batch normalisation: per channel a scale and a shift forward, and backward two sums over all rows, from which the
//! gradients of gamma, beta and the input follow.

use crate::kernels::moments::Moments;
use crate::kernels::simd::{Simd, add};

/// Where the moments come from, which decides whether the gradient runs through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormMode {
    /// The moments are those of this very `x`.
    Batch,
    /// The moments are constants.
    Moving,
}

/// A batch normalisation, `x * scale + shift`, and what its gradient needs.
pub(crate) struct BatchNorm {
    mode: NormMode,
    mean: Vec<f32>,
    /// One over the standard deviation.
    inverse: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl BatchNorm {
    /// By the given moments, which for [`NormMode::Batch`] must be those of what is normalised.
    pub(crate) fn new(gamma: &[f32], beta: &[f32], moments: &Moments, mode: NormMode, epsilon: f64) -> Self {
        let deviation = |variance: &f32| (1.0 / (f64::from(*variance) + epsilon).sqrt()) as f32;
        let inverse: Vec<f32> = moments.variance.iter().map(deviation).collect();
        let scale: Vec<f32> = gamma.iter().zip(&inverse).map(|(g, i)| g * i).collect();
        let shift = beta.iter().zip(&scale).zip(&moments.mean).map(|((b, s), m)| b - s * m).collect();
        Self { mode, mean: moments.mean.clone(), inverse, scale, shift }
    }

    /// Of `width` channels from `first` on.
    pub(crate) fn slice(&self, first: usize, width: usize) -> NormSlice<'_> {
        let range = first..first + width;
        NormSlice { mean: &self.mean[range.clone()], scale: &self.scale[range.clone()], shift: &self.shift[range] }
    }

    pub(crate) fn whole(&self) -> NormSlice<'_> {
        self.slice(0, self.mean.len())
    }

    /// What follows from the sums over `rows` rows.
    pub(crate) fn gradient(&self, sums: &Sums<f64>, rows: usize) -> NormGradient {
        let gamma = sums.product.iter().zip(&self.inverse).map(|(p, i)| (p * f64::from(*i)) as f32).collect();
        let beta = sums.sum.iter().map(|s| *s as f32).collect();
        // The input's gradient is scale * (g - mean(g) - normalised(x) * mean(g * normalised(x))), the last two only
        // through the batch's own moments; written as scale * g - slope * (x - mean) - offset.
        let through = if self.mode == NormMode::Batch { 1.0 / rows as f64 } else { 0.0 };
        let slope =
            |c: usize| f64::from(self.scale[c]) * f64::from(self.inverse[c]).powi(2) * sums.product[c] * through;
        let offset = |c: usize| f64::from(self.scale[c]) * sums.sum[c] * through;
        let channels = 0..self.scale.len();
        let correction = Correction {
            slope: channels.clone().map(|c| slope(c) as f32).collect(),
            offset: channels.map(|c| offset(c) as f32).collect(),
        };
        NormGradient { gamma, beta, correction }
    }
}

/// Some channels of a [`BatchNorm`].
#[derive(Clone, Copy)]
pub(crate) struct NormSlice<'a> {
    pub(crate) mean: &'a [f32],
    pub(crate) scale: &'a [f32],
    pub(crate) shift: &'a [f32],
}

pub(crate) struct NormGradient {
    pub(crate) gamma: Vec<f32>,
    pub(crate) beta: Vec<f32>,
    /// Of its input, besides scale times the output's.
    pub(crate) correction: Correction,
}

/// What the gradient of a normalised x loses: `slope * (x - mean) + offset` for each channel. It is linear in x, so
/// what several normalisations of the same x take away can be added up and taken once.
pub(crate) struct Correction {
    pub(crate) slope: Vec<f32>,
    pub(crate) offset: Vec<f32>,
}

impl Correction {
    pub(crate) fn none(channels: usize) -> Self {
        Self { slope: vec![0.0; channels], offset: vec![0.0; channels] }
    }

    /// Adds that of the first channels.
    pub(crate) fn add(&mut self, other: &Self) {
        self.slope.iter_mut().zip(&other.slope).for_each(|(a, b)| *a += b);
        self.offset.iter_mut().zip(&other.offset).for_each(|(a, b)| *a += b);
    }
}

/// For each channel the sum of the gradient g behind the normalisation, and of g * (x - mean).
pub(crate) struct Sums<T> {
    pub(crate) sum: Vec<T>,
    pub(crate) product: Vec<T>,
}

/// The sums over one tile.
pub(crate) type TileSums = Sums<f32>;

impl<T: Copy + Default> Sums<T> {
    pub(crate) fn none(channels: usize) -> Self {
        Self { sum: vec![T::default(); channels], product: vec![T::default(); channels] }
    }
}

impl Sums<f64> {
    /// Adds a tile's sums to the channels from `first` on.
    pub(crate) fn add(&mut self, first: usize, tile: &TileSums) {
        let add = |to: &mut [f64], from: &[f32]| to.iter_mut().zip(from).for_each(|(a, b)| *a += f64::from(*b));
        add(&mut self.sum[first..], &tile.sum);
        add(&mut self.product[first..], &tile.product);
    }
}

impl TileSums {
    /// Adds to the sums of the columns from `column` on.
    #[inline(always)]
    pub(crate) fn add_vectors<S: Simd>(&mut self, simd: S, column: usize, sum: S::Vector, product: S::Vector) {
        add(simd, &mut self.sum, column, sum);
        add(simd, &mut self.product, column, product);
    }
}
