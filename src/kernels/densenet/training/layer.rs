//! A dense layer: batch norm, ReLU, 1x1, batch norm, ReLU, 3x3; what it makes is appended to its input.

use rayon::prelude::*;

use crate::kernels::densenet::training::{
    FeatureGradient, FeatureMaps, Workspace, conv3x3, norm_loops, pointwise, winograd_training,
};
use crate::kernels::{BatchNorm, Moments, NormGradient};

/// Rows that a thread treats at once.
const TILE: usize = 256;

/// What the 1x1 convolution of a layer made.
pub(crate) struct Squeezed {
    /// (pixels, filters).
    data: Vec<f32>,
    /// Of each filter, over all pixels.
    pub(crate) moments: Moments,
}

impl Squeezed {
    /// Normalises all channels of `features` and convolves them with `weight` (channels, filters).
    pub(crate) fn forward(workspace: &mut Workspace, features: &FeatureMaps, norm: &BatchNorm, weight: &[f32]) -> Self {
        let filters = weight.len() / features.channels();
        let mut data = workspace.take(features.images.rows() * filters);
        let moments = pointwise::forward(workspace.level, features, norm, weight, &mut data);
        Self { data, moments }
    }

    /// Normalises this, convolves it with `weight` (9 * filters, growth) and appends the result to `features`.
    pub(crate) fn grow(&self, workspace: &mut Workspace, features: &mut FeatureMaps, norm: &BatchNorm, weight: &[f32]) {
        let growth = weight.len() / 9 / self.moments.mean.len();
        let mut out = workspace.take(features.images.rows() * growth);
        let moments = conv3x3::forward(self.input(workspace, features, norm), weight, &mut out);
        features.push(out, &moments);
    }

    fn input<'a>(&'a self, workspace: &Workspace, features: &FeatureMaps, norm: &'a BatchNorm) -> conv3x3::Input<'a> {
        let grid = winograd_training::Grid::new(features.images);
        conv3x3::Input { level: workspace.level, grid, x: &self.data, norm }
    }

    /// Backward from panel `panel` of `features`, which [`Squeezed::grow`] appended. Adds to the gradient of the panels
    /// before it, and takes the memory back.
    pub(crate) fn backward(
        self,
        workspace: &mut Workspace,
        (features, panel): (&FeatureMaps, usize),
        (norm1, weight1): (&BatchNorm, &[f32]),
        (norm2, weight2): (&BatchNorm, &[f32]),
        gradient: &mut FeatureGradient,
    ) -> LayerGradient {
        let level = workspace.level;
        let mut through = workspace.take(self.data.len());
        let input = self.input(workspace, features, norm2);
        let (conv2, second) = conv3x3::backward(input, weight2, (features, gradient, panel), &mut through);
        let norm = norm2.whole();
        let correction = (&second.correction.slope[..], &second.correction.offset[..]);
        let size = TILE * norm.mean.len();
        through.par_chunks_mut(size).zip(self.data.par_chunks(size)).for_each(|(through, x)| {
            norm_loops::correct(level, x, norm.mean, Some(norm.scale), correction, through);
        });
        let (conv1, first) = pointwise::backward(level, features, norm1, weight1, &through, gradient);
        workspace.give(through);
        workspace.give(self.data);
        LayerGradient { norm1: first, conv1, norm2: second, conv2 }
    }
}

/// The gradients of a dense layer's parameters.
pub(crate) struct LayerGradient {
    pub(crate) norm1: NormGradient,
    pub(crate) conv1: Vec<f32>,
    pub(crate) norm2: NormGradient,
    pub(crate) conv2: Vec<f32>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::densenet::training::{BatchShape, tap};
    use crate::kernels::ops::gradcheck::{filled, hold_to_differences};
    use crate::kernels::{Level, NormMode};

    const IMAGES: BatchShape = BatchShape { count: 2, height: 5, width: 6 };
    const INPUTS: usize = 3;
    const FILTERS: usize = 4;
    const GROWTH: usize = 2;
    const EPSILON: f64 = 1e-3;

    fn numbers(count: usize, seed: u64) -> Vec<f32> {
        filled(&[count], seed).to_vec1().unwrap()
    }

    /// Input, gamma and beta of the first norm, its kernel, gamma and beta of the second, its kernel.
    fn parameters() -> Vec<Vec<f32>> {
        let sizes = [IMAGES.rows() * INPUTS, INPUTS, INPUTS, INPUTS * FILTERS, FILTERS, FILTERS, 9 * FILTERS * GROWTH];
        (1..).zip(sizes).map(|(seed, size)| numbers(size, seed)).collect()
    }

    /// The sum of all features, each times a number that says how much it counts in its image, and its gradients.
    fn loss(p: &[Vec<f32>], mode: NormMode) -> (f64, Vec<Vec<f32>>) {
        let level = Level::default();
        let mut workspace = Workspace::new(level);
        let mut features = FeatureMaps::empty(&mut workspace, IMAGES, INPUTS);
        features.panels[0].data.copy_from_slice(&p[0]);
        features.moments = Moments::of_rows(level, &p[0], INPUTS);
        let moving = |channels: usize| Moments { mean: vec![0.1; channels], variance: vec![0.5; channels] };
        let norm = |gamma: &[f32], beta: &[f32], batch: &Moments| match mode {
            NormMode::Batch => BatchNorm::new(gamma, beta, batch, mode, EPSILON),
            NormMode::Moving => BatchNorm::new(gamma, beta, &moving(gamma.len()), mode, EPSILON),
        };
        let norm1 = norm(&p[1], &p[2], &features.moments);
        let squeezed = Squeezed::forward(&mut workspace, &features, &norm1, &p[3]);
        let norm2 = norm(&p[4], &p[5], &squeezed.moments);
        squeezed.grow(&mut workspace, &mut features, &norm2, &p[6]);

        let direction = numbers(IMAGES.count * (INPUTS + GROWTH), 9);
        let means = tap::forward(&workspace, &features);
        let loss = means.iter().zip(&direction).map(|(m, d)| f64::from(*m) * f64::from(*d)).sum();
        let mut gradient = FeatureGradient::empty(&mut workspace, &features);
        tap::backward(&workspace, &features, &direction, &mut gradient, false);
        let second = (&norm2, &p[6][..]);
        let of = squeezed.backward(&mut workspace, (&features, 1), (&norm1, &p[3]), second, &mut gradient);
        let mut input = vec![0.0; p[0].len()];
        gradient.settle(level, &features, 0, &(0..IMAGES.rows()), &mut input);
        (loss, vec![input, of.norm1.gamma, of.norm1.beta, of.conv1, of.norm2.gamma, of.norm2.beta, of.conv2])
    }

    #[test]
    fn gradients_of_a_dense_layer_agree_with_finite_differences() {
        for mode in [NormMode::Batch, NormMode::Moving] {
            let parameters = parameters();
            let (_, claimed) = loss(&parameters, mode);
            hold_to_differences(&parameters, &claimed, (2e-3, 0.03), |moved| loss(moved, mode).0);
        }
    }
}
