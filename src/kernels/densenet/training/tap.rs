//! The mean of each channel over an image, where the head looks into a block, forward and backward.

use rayon::prelude::*;

use crate::kernels::densenet::training::{FeatureGradient, FeatureMaps, Workspace};
use crate::kernels::simd::{Simd, add, get, over_columns, put};

/// The means (images, channels).
pub(crate) fn forward(workspace: &Workspace, features: &FeatureMaps) -> Vec<f32> {
    let (pixels, channels) = (features.images.pixels(), features.channels());
    let mut out = vec![0.0; features.images.count * channels];
    out.par_chunks_exact_mut(channels).enumerate().for_each(|(image, out)| {
        let rows = image * pixels..(image + 1) * pixels;
        for panel in &features.panels {
            let (rows, out) = (panel.rows(&rows), &mut out[panel.channels.clone()]);
            over_columns!(workspace.level, panel.width(), mean(rows, out));
        }
    });
    out
}

/// Adds what each pixel has of the means' gradient (images, channels) to that of the features, or writes it there.
pub(crate) fn backward(
    workspace: &Workspace,
    features: &FeatureMaps,
    upstream: &[f32],
    gradient: &mut FeatureGradient,
    accumulate: bool,
) {
    let (pixels, channels) = (features.images.pixels(), features.channels());
    for (panel, gradient) in features.panels.iter().zip(&mut gradient.panels) {
        let width = panel.width();
        let images = gradient.par_chunks_exact_mut(pixels * width).zip(upstream.par_chunks_exact(channels));
        images.for_each(|(gradient, upstream)| {
            let upstream = &upstream[panel.channels.clone()];
            over_columns!(workspace.level, width, spread(upstream, accumulate, gradient));
        });
    }
}

#[inline(always)]
fn mean<S: Simd>(simd: S, column: usize, rows: &[f32], out: &mut [f32]) {
    let mut sum = simd.splat(0.0);
    for row in rows.chunks_exact(out.len()) {
        sum = simd.add(sum, get(simd, row, column));
    }
    let share = simd.splat(out.len() as f32 / rows.len() as f32);
    put(simd, out, column, simd.mul(sum, share));
}

#[inline(always)]
fn spread<S: Simd>(simd: S, column: usize, upstream: &[f32], accumulate: bool, gradient: &mut [f32]) {
    let share = simd.splat(upstream.len() as f32 / gradient.len() as f32);
    let each = simd.mul(get(simd, upstream, column), share);
    for row in gradient.chunks_exact_mut(upstream.len()) {
        if accumulate {
            add(simd, row, column, each);
        } else {
            put(simd, row, column, each);
        }
    }
}
