//! Batch normalisation as training uses it: per channel a scale and a shift forward, and backward two sums over all
//! rows, from which the gradients of gamma, beta and the input follow.

use crate::kernels::moments::Moments;
use crate::kernels::ops::batch_norm::NormMode;
use crate::kernels::simd::lanes::{add, get, over_columns, put};
use crate::kernels::simd::{Level, Simd};

/// Rows that are treated together: so few that they are still in the level-1 cache when the next columns are.
fn rows_at_once(width: usize) -> usize {
    (2048 / width).max(4)
}

/// A batch normalisation in one step: `x * scale + shift`.
pub struct TrainedNorm {
    mode: NormMode,
    mean: Vec<f32>,
    /// One over the standard deviation.
    inverse: Vec<f32>,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl TrainedNorm {
    /// By the given moments, which for [`NormMode::Batch`] must be those of what is normalised.
    pub fn new(gamma: &[f32], beta: &[f32], moments: &Moments, mode: NormMode, epsilon: f64) -> Self {
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

    /// Of all channels.
    pub(crate) fn whole(&self) -> NormSlice<'_> {
        self.slice(0, self.mean.len())
    }

    /// What follows from the sums over `rows` rows.
    pub(crate) fn gradient(&self, sums: &Sums, rows: usize) -> NormGradient {
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

/// Some channels of an [`TrainedNorm`].
#[derive(Clone, Copy)]
pub(crate) struct NormSlice<'a> {
    pub(crate) mean: &'a [f32],
    pub(crate) scale: &'a [f32],
    pub(crate) shift: &'a [f32],
}

/// Gradients of one batch normalisation.
pub struct NormGradient {
    /// Of its scale.
    pub gamma: Vec<f32>,
    /// Of its shift.
    pub beta: Vec<f32>,
    /// Of its input, besides scale times the output's.
    pub(crate) correction: Correction,
}

/// What the gradient of a normalised x loses: `slope * (x - mean) + offset` for each channel. It is linear in x, so
/// what several normalisations of the same x take away can be added up and taken once.
#[derive(Clone, Default)]
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
#[derive(Clone)]
pub(crate) struct Sums {
    pub(crate) sum: Vec<f64>,
    pub(crate) product: Vec<f64>,
}

impl Sums {
    pub(crate) fn none(channels: usize) -> Self {
        Self { sum: vec![0.0; channels], product: vec![0.0; channels] }
    }

    /// Adds a tile's sums to the channels from `first` on.
    pub(crate) fn add(&mut self, first: usize, tile: &TileSums) {
        let add = |to: &mut [f64], from: &[f32]| to.iter_mut().zip(from).for_each(|(a, b)| *a += f64::from(*b));
        add(&mut self.sum[first..], &tile.sum);
        add(&mut self.product[first..], &tile.product);
    }
}

/// The sums over one tile.
pub(crate) struct TileSums {
    pub(crate) sum: Vec<f32>,
    pub(crate) product: Vec<f32>,
}

impl TileSums {
    pub(crate) fn none(channels: usize) -> Self {
        Self { sum: vec![0.0; channels], product: vec![0.0; channels] }
    }

    /// Adds to the sums of the columns from `column` on.
    #[inline(always)]
    pub(crate) fn add<S: Simd>(&mut self, simd: S, column: usize, sum: S::Vector, product: S::Vector) {
        add(simd, &mut self.sum, column, sum);
        add(simd, &mut self.product, column, product);
    }
}

/// `max(x * scale + shift, 0)` of the rows of `x` into rows that lie `stride` apart.
pub(crate) fn normalise_relu(level: Level, x: &[f32], norm: NormSlice<'_>, out: &mut [f32], stride: usize) {
    #[inline(always)]
    fn kernel<S: Simd>(simd: S, column: usize, x: &[f32], norm: NormSlice<'_>, out: &mut [f32], stride: usize) {
        let (scale, shift) = (get(simd, norm.scale, column), get(simd, norm.shift, column));
        let zero = simd.splat(0.0);
        for (x, out) in x.chunks_exact(norm.scale.len()).zip(out.chunks_mut(stride)) {
            put(simd, out, column, simd.max(simd.mul_add(get(simd, x, column), scale, shift), zero));
        }
    }
    let (width, rows) = (norm.scale.len(), rows_at_once(stride));
    for (x, out) in x.chunks(rows * width).zip(out.chunks_mut(rows * stride)) {
        over_columns!(level, width, kernel(x, norm, out, stride));
    }
}

/// Backward through ReLU and the scale. `through` holds the gradient of the ReLU's output, in rows `stride` apart, and
/// is overwritten by that output itself; scale times the gradient is added to `gradient`, the sums to `sums`.
pub(crate) fn relu_backward(
    level: Level,
    x: &[f32],
    norm: NormSlice<'_>,
    (through, stride): (&mut [f32], usize),
    gradient: &mut [f32],
    sums: &mut TileSums,
) {
    #[inline(always)]
    fn kernel<S: Simd>(
        simd: S,
        column: usize,
        x: &[f32],
        norm: NormSlice<'_>,
        (through, stride): (&mut [f32], usize),
        gradient: &mut [f32],
        sums: &mut TileSums,
    ) {
        let (scale, shift) = (get(simd, norm.scale, column), get(simd, norm.shift, column));
        let (mean, zero) = (get(simd, norm.mean, column), simd.splat(0.0));
        let (mut sum, mut product) = (zero, zero);
        let width = norm.scale.len();
        let rows = x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)).zip(through.chunks_mut(stride));
        for ((x, gradient), through) in rows {
            let x = get(simd, x, column);
            let out = simd.mul_add(x, scale, shift);
            let g = simd.where_positive(out, get(simd, through, column));
            put(simd, through, column, simd.max(out, zero));
            sum = simd.add(sum, g);
            product = simd.mul_add(g, simd.sub(x, mean), product);
            put(simd, gradient, column, simd.mul_add(g, scale, get(simd, gradient, column)));
        }
        sums.add(simd, column, sum, product);
    }
    let (width, rows) = (norm.scale.len(), rows_at_once(stride));
    let blocks = x.chunks(rows * width).zip(gradient.chunks_mut(rows * width)).zip(through.chunks_mut(rows * stride));
    for ((x, gradient), through) in blocks {
        over_columns!(level, width, kernel(x, norm, (&mut *through, stride), gradient, sums));
    }
}

/// Backward through ReLU alone: `gradient` is cut where the ReLU cut, the sums are added to `sums`.
pub(crate) fn cut(level: Level, x: &[f32], norm: NormSlice<'_>, gradient: &mut [f32], sums: &mut TileSums) {
    #[inline(always)]
    fn kernel<S: Simd>(
        simd: S,
        column: usize,
        x: &[f32],
        norm: NormSlice<'_>,
        gradient: &mut [f32],
        sums: &mut TileSums,
    ) {
        let (scale, shift) = (get(simd, norm.scale, column), get(simd, norm.shift, column));
        let (mean, zero) = (get(simd, norm.mean, column), simd.splat(0.0));
        let (mut sum, mut product) = (zero, zero);
        let width = norm.scale.len();
        for (x, gradient) in x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
            let x = get(simd, x, column);
            let g = simd.where_positive(simd.mul_add(x, scale, shift), get(simd, gradient, column));
            put(simd, gradient, column, g);
            sum = simd.add(sum, g);
            product = simd.mul_add(g, simd.sub(x, mean), product);
        }
        sums.add(simd, column, sum, product);
    }
    let width = norm.scale.len();
    let size = rows_at_once(width) * width;
    for (x, gradient) in x.chunks(size).zip(gradient.chunks_mut(size)) {
        over_columns!(level, width, kernel(x, norm, gradient, sums));
    }
}

/// `gradient = gradient * scale - slope * (x - mean) - offset`, the scale being 1 where there is none.
pub(crate) fn correct(
    level: Level,
    x: &[f32],
    mean: &[f32],
    scale: Option<&[f32]>,
    (slope, offset): (&[f32], &[f32]),
    gradient: &mut [f32],
) {
    #[inline(always)]
    fn kernel<S: Simd>(
        simd: S,
        column: usize,
        x: &[f32],
        mean: &[f32],
        scale: Option<&[f32]>,
        (slope, offset): (&[f32], &[f32]),
        gradient: &mut [f32],
    ) {
        let scale = match scale {
            Some(scale) => get(simd, scale, column),
            None => simd.splat(1.0),
        };
        let (slope, offset) = (get(simd, slope, column), get(simd, offset, column));
        let (width, mean) = (mean.len(), get(simd, mean, column));
        for (x, gradient) in x.chunks_exact(width).zip(gradient.chunks_exact_mut(width)) {
            let lost = simd.mul_add(simd.sub(get(simd, x, column), mean), slope, offset);
            put(simd, gradient, column, simd.sub(simd.mul(get(simd, gradient, column), scale), lost));
        }
    }
    let width = mean.len();
    let size = rows_at_once(width) * width;
    for (x, gradient) in x.chunks(size).zip(gradient.chunks_mut(size)) {
        over_columns!(level, width, kernel(x, mean, scale, (slope, offset), gradient));
    }
}
