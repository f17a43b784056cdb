//! What stands before the dense blocks: convolution, batch norm, ReLU and maximum. Only what the convolution makes is
//! kept; the maximum's places are found again in the backward pass.

use rayon::prelude::*;

use crate::kernels::densenet::training::norm_loops::correct;
use crate::kernels::densenet::training::{BatchShape, FeatureGradient, FeatureMaps, Workspace};
use crate::kernels::im2col::{Geometry, PatchPlane};
use crate::kernels::moments::{Moments, Partial, combined};
use crate::kernels::norm::{BatchNorm, NormGradient, NormSlice, Sums, TileSums};
use crate::kernels::ops::conv2d;
use crate::kernels::simd::{Simd, add, get, over_columns, put};

/// What the convolution of the stem made.
pub(crate) struct Stem {
    images: BatchShape,
    /// (pixels, filters).
    data: Vec<f32>,
    /// Of each filter, over all pixels.
    pub(crate) moments: Moments,
}

impl Stem {
    /// Convolves images (count, height, width, channels) with `weight` (kernel * kernel * channels, filters).
    pub(crate) fn convolve(
        workspace: &mut Workspace,
        x: &[f32],
        input: BatchShape,
        geometry: Geometry,
        weight: &[f32],
    ) -> Self {
        let plane = plane(x, input, geometry);
        let filters = weight.len() / plane.depth();
        let images = BatchShape { count: input.count, height: plane.out_height, width: plane.out_width };
        let mut data = workspace.take(images.rows() * filters);
        conv2d::forward(workspace.level, x, weight, plane, filters, &mut data);
        let moments = Moments::of_rows(workspace.level, &data, filters);
        Self { images, data, moments }
    }

    /// The features that the first block begins with.
    pub(crate) fn pool(&self, workspace: &mut Workspace, norm: &BatchNorm, geometry: Geometry) -> FeatureMaps {
        let level = workspace.level;
        let BatchShape { count, height, width } = self.images;
        let filters = self.moments.mean.len();
        let images = BatchShape { count, height: geometry.output(height), width: geometry.output(width) };
        let windows = windows(self.images, geometry);
        let mut features = FeatureMaps::empty(workspace, images, filters);
        for panel in &mut features.panels {
            let (channels, columns) = (panel.channels.clone(), panel.width());
            let slice = norm.slice(channels.start, columns);
            let outs = panel.data.par_chunks_exact_mut(images.pixels() * columns);
            let pairs = outs.zip(self.data.par_chunks_exact(self.images.pixels() * filters));
            let image = |(out, x): (&mut [f32], &[f32])| {
                let x = &x[channels.start..];
                over_columns!(level, columns, maximum((x, filters), slice, &windows, out));
                Partial::of(level, out, columns)
            };
            let moments = combined(&pairs.map(image).collect::<Vec<_>>());
            features.moments.mean.extend(moments.mean);
            features.moments.variance.extend(moments.variance);
        }
        features
    }

    /// Backward from the gradient of what [`Stem::pool`] made, the first channels of `output`: the
    /// gradients of the kernel and of the norm.
    pub(crate) fn backward(
        &self,
        workspace: &Workspace,
        (x, input): (&[f32], BatchShape),
        (convolution, pool): (Geometry, Geometry),
        norm: &BatchNorm,
        (output, upstream): (&FeatureMaps, &FeatureGradient),
    ) -> (Vec<f32>, NormGradient) {
        let level = workspace.level;
        let (plane, filters) = (plane(x, input, convolution), self.moments.mean.len());
        let windows = windows(self.images, pool);
        let size = self.images.pixels() * filters;
        // The gradient behind the norm of one image, and its sums.
        let behind = |image: usize, gradient: &mut [f32]| -> TileSums {
            let x = &self.data[image * size..][..size];
            let rows = image * output.images.pixels()..(image + 1) * output.images.pixels();
            gradient.fill(0.0);
            let mut sums = TileSums::none(filters);
            for (index, panel) in output.up_to(filters).iter().enumerate() {
                let (channels, columns) = (panel.channels.clone(), panel.width());
                let mut settled = vec![0.0; rows.len() * columns];
                upstream.settle(level, output, index, &rows, &mut settled);
                let mut tile = TileSums::none(columns);
                let norm = norm.slice(channels.start, columns);
                let (x, gradient) = (&x[channels.start..], &mut gradient[channels.start..]);
                over_columns!(
                    level,
                    columns,
                    maximum_backward((x, &mut *gradient, filters), norm, &windows, &settled, &mut tile)
                );
                sums.sum[channels.clone()].copy_from_slice(&tile.sum);
                sums.product[channels].copy_from_slice(&tile.product);
            }
            sums
        };
        let images = (0..input.count).into_par_iter();
        let tiles = images.map_init(|| vec![0.0; size], |gradient, image| behind(image, gradient));
        let tiles: Vec<TileSums> = tiles.collect();
        let mut sums = Sums::<f64>::none(filters);
        tiles.iter().for_each(|tile| sums.add(0, tile));
        let gradient = norm.gradient(&sums, self.images.rows());
        let kernel = conv2d::weight_gradient(workspace.level, x, plane, filters, |image, out| {
            behind(image, out);
            let x = &self.data[image * size..][..size];
            let correction = (&gradient.correction.slope[..], &gradient.correction.offset[..]);
            correct(level, x, norm.whole().mean, Some(norm.whole().scale), correction, out);
        });
        (kernel, gradient)
    }

    pub(crate) fn release(self, workspace: &mut Workspace) {
        workspace.give(self.data);
    }
}

fn plane(x: &[f32], input: BatchShape, geometry: Geometry) -> PatchPlane {
    PatchPlane::new(geometry, input.height, input.width, x.len() / input.rows())
}

/// The pixels under each position of the pool, in the order of their rows.
fn windows(images: BatchShape, geometry: Geometry) -> Vec<Vec<usize>> {
    let BatchShape { height, width, .. } = images;
    let Geometry { kernel, stride, padding } = geometry;
    let inside = |first: usize, size: usize| {
        (first * stride..first * stride + kernel)
            .filter_map(move |at| at.checked_sub(padding))
            .filter(move |&at| at < size)
    };
    let (rows, columns) = (geometry.output(height), geometry.output(width));
    let window = |index: usize| {
        let (top, left) = (index / columns, index % columns);
        inside(top, height).flat_map(|y| inside(left, width).map(move |x| y * width + x)).collect()
    };
    (0..rows * columns).map(window).collect()
}

/// The largest normalised value of each window, or zero. The rows of `x` lie `stride` apart.
#[inline(always)]
fn maximum<S: Simd>(
    simd: S,
    column: usize,
    (x, stride): (&[f32], usize),
    norm: NormSlice<'_>,
    windows: &[Vec<usize>],
    out: &mut [f32],
) {
    let (scale, shift) = (get(simd, norm.scale, column), get(simd, norm.shift, column));
    for (window, out) in windows.iter().zip(out.chunks_exact_mut(norm.scale.len())) {
        let mut largest = simd.splat(0.0);
        for pixel in window {
            let value = simd.mul_add(get(simd, x, pixel * stride + column), scale, shift);
            largest = simd.max(value, largest);
        }
        put(simd, out, column, largest);
    }
}

/// Adds the gradient of each window's maximum to that of the first pixel that has it, where it is above zero.
#[inline(always)]
fn maximum_backward<S: Simd>(
    simd: S,
    column: usize,
    (x, gradient, stride): (&[f32], &mut [f32], usize),
    norm: NormSlice<'_>,
    windows: &[Vec<usize>],
    upstream: &[f32],
    sums: &mut TileSums,
) {
    let (scale, shift) = (get(simd, norm.scale, column), get(simd, norm.shift, column));
    let (mean, zero) = (get(simd, norm.mean, column), simd.splat(0.0));
    let (mut sum, mut product) = (zero, zero);
    for (window, upstream) in windows.iter().zip(upstream.chunks_exact(norm.scale.len())) {
        let mut largest = zero;
        for pixel in window {
            let value = simd.mul_add(get(simd, x, pixel * stride + column), scale, shift);
            largest = simd.max(value, largest);
        }
        let mut rest = simd.where_positive(largest, get(simd, upstream, column));
        sum = simd.add(sum, rest);
        for &pixel in window {
            let at = pixel * stride + column;
            let x = get(simd, x, at);
            // What is smaller than the largest leaves all of it to the others.
            let left = simd.where_positive(simd.sub(largest, simd.mul_add(x, scale, shift)), rest);
            let taken = simd.sub(rest, left);
            rest = left;
            product = simd.mul_add(taken, simd.sub(x, mean), product);
            add(simd, gradient, at, taken);
        }
    }
    sums.add_vectors(simd, column, sum, product);
}
