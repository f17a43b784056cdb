//! A dense layer: batch norm, ReLU, 1x1, batch norm, ReLU, 3x3; what it makes is appended to its input.

use super::super::norm::Moments;
use super::affine::{Affine, NormGradient, correct};
use super::conv3x3::{self, Input};
use super::panels::{FeatureGradient, Features};
use super::pointwise;
use super::winograd::Grid;
use super::workspace::Workspace;
use rayon::prelude::*;

/// Rows that a thread treats at once.
const TILE: usize = 256;

/// What the 1x1 convolution of a layer made.
pub struct Squeezed {
    /// (pixels, filters).
    data: Vec<f32>,
    /// Of each filter, over all pixels.
    pub moments: Moments,
}

impl Squeezed {
    /// Normalises all channels of `features` and convolves them with `weight` (channels, filters).
    pub fn forward(workspace: &mut Workspace, features: &Features, norm: &Affine, weight: &[f32]) -> Self {
        let filters = weight.len() / features.channels();
        let mut data = workspace.take(features.pictures.rows() * filters);
        let moments = pointwise::forward(workspace.level(), features, norm, weight, &mut data);
        Self { data, moments }
    }

    /// Normalises this, convolves it with `weight` (9 * filters, growth) and appends the result to `features`.
    pub fn grow(&self, workspace: &mut Workspace, features: &mut Features, norm: &Affine, weight: &[f32]) {
        let growth = weight.len() / 9 / self.moments.mean.len();
        let mut out = workspace.take(features.pictures.rows() * growth);
        let moments = conv3x3::forward(self.input(workspace, features, norm), weight, &mut out);
        features.push(out, &moments);
    }

    fn input<'a>(&'a self, workspace: &Workspace, features: &Features, norm: &'a Affine) -> Input<'a> {
        Input { level: workspace.level(), grid: Grid::new(features.pictures), x: &self.data, norm }
    }

    /// Backward from panel `panel` of `features`, which [`Squeezed::grow`] appended. Adds to the gradient of the panels
    /// before it, and takes the memory back.
    pub fn backward(
        self,
        workspace: &mut Workspace,
        (features, panel): (&Features, usize),
        (norm1, weight1): (&Affine, &[f32]),
        (norm2, weight2): (&Affine, &[f32]),
        gradient: &mut FeatureGradient,
    ) -> LayerGradient {
        let level = workspace.level();
        let mut through = workspace.take(self.data.len());
        let input = self.input(workspace, features, norm2);
        let (conv2, second) = conv3x3::backward(input, weight2, (features, gradient, panel), &mut through);
        let part = norm2.whole();
        let correction = (&second.correction.slope[..], &second.correction.offset[..]);
        let size = TILE * part.mean.len();
        through.par_chunks_mut(size).zip(self.data.par_chunks(size)).for_each(|(through, x)| {
            correct(level, x, part.mean, Some(part.scale), correction, through);
        });
        let (conv1, first) = pointwise::backward(level, features, norm1, weight1, &through, gradient);
        workspace.give(through);
        workspace.give(self.data);
        LayerGradient { norm1: first, conv1, norm2: second, conv2 }
    }
}

/// The gradients of a dense layer's parameters.
pub struct LayerGradient {
    /// Of the first norm.
    pub norm1: NormGradient,
    /// Of the 1x1 convolution's kernel.
    pub conv1: Vec<f32>,
    /// Of the second norm.
    pub norm2: NormGradient,
    /// Of the 3x3 convolution's kernel.
    pub conv2: Vec<f32>,
}
