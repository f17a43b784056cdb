//! The way from a dense block to the next: batch norm, ReLU, 2x2 average, 1x1 convolution. The average commutes with
//! the convolution, which then has a quarter of the work. Nothing is kept; the backward pass makes it again.

use std::ops::Range;

use rayon::prelude::*;

use crate::kernels::densenet::training::{BatchShape, FeatureGradient, FeatureMaps, Workspace, panels::WIDEST};
use crate::kernels::matmul::{Matrix, Sizes, matmul, transpose};
use crate::kernels::moments::{Partial, combined};
use crate::kernels::norm::{BatchNorm, NormGradient, NormSlice, Sums, TileSums};
use crate::kernels::scratch::with_scratch;
use crate::kernels::simd::{Simd, get, over_columns, put};
use crate::kernels::slices::add_all;

/// Pixels behind the average that are made at once.
const TILE: usize = 128;
/// Groups of images of the kernel's gradient; fixed, so that the order of additions does not depend on the threads.
const GROUPS: usize = 8;

/// Images of half the size, an odd last row or column left out.
fn halved(images: BatchShape) -> BatchShape {
    BatchShape { height: images.height / 2, width: images.width / 2, ..images }
}

/// The features that the next block begins with. `weight` is (channels, filters).
pub(crate) fn forward(workspace: &mut Workspace, input: &FeatureMaps, norm: &BatchNorm, weight: &[f32]) -> FeatureMaps {
    let level = workspace.level;
    let filters = weight.len() / input.channels();
    let mut out = FeatureMaps::empty(workspace, halved(input.images), filters);
    let rows = out.images.rows();
    let mut tasks: Vec<(usize, Vec<&mut [f32]>)> = (0..rows).step_by(TILE).map(|first| (first, Vec::new())).collect();
    let columns: Vec<Range<usize>> = out.panels.iter().map(|panel| panel.channels.clone()).collect();
    for panel in &mut out.panels {
        let width = panel.width();
        tasks.iter_mut().zip(panel.data.chunks_mut(TILE * width)).for_each(|(task, share)| task.1.push(share));
    }
    let channels = input.channels();
    let tile = |(first, mut outs): (usize, Vec<&mut [f32]>)| {
        let count = outs[0].len() / columns[0].len();
        with_scratch([count * channels], |[act]| {
            let pixels = windows(input.images, first..first + count, 0);
            for panel in &input.panels {
                let slice = norm.slice(panel.channels.start, panel.width());
                let act = &mut act[panel.channels.start..];
                over_columns!(level, panel.width(), pool(&panel.data, slice, &pixels, act, channels));
            }
            for (out, columns) in outs.iter_mut().zip(&columns) {
                let weight = Matrix::of(weight, filters).columns_from(columns.start);
                let sizes = Sizes { rows: count, depth: channels, columns: columns.len() };
                matmul(level, Matrix::of(act, channels), weight, out, sizes, false);
            }
        });
        outs.iter().zip(&columns).map(|(out, columns)| Partial::of(level, out, columns.len())).collect()
    };
    let partial: Vec<Vec<Partial>> = tasks.into_par_iter().map(tile).collect();
    let mut partial: Vec<_> = partial.into_iter().map(Vec::into_iter).collect();
    for _ in &columns {
        let panel: Vec<Partial> = partial.iter_mut().filter_map(Iterator::next).collect();
        let moments = combined(&panel);
        out.moments.mean.extend(moments.mean);
        out.moments.variance.extend(moments.variance);
    }
    out
}

/// Backward from the gradient of what [`forward`] made, the first channels of `output`. Overwrites the input's gradient
/// with this share of it, and returns the kernel's and the norm's.
pub(crate) fn backward(
    workspace: &mut Workspace,
    input: &FeatureMaps,
    norm: &BatchNorm,
    weight: &[f32],
    (output, upstream): (&FeatureMaps, &FeatureGradient),
    gradient: &mut FeatureGradient,
) -> (Vec<f32>, NormGradient) {
    let level = workspace.level;
    let channels = input.channels();
    let filters = weight.len() / channels;
    let (large, small) = (input.images, output.images);
    let turned = transpose(weight, filters);
    let group = large.count.div_ceil(GROUPS);
    let task = |start| ImageTask { images: start..(start + group).min(large.count), gradient: Vec::new() };
    let mut tasks: Vec<ImageTask<'_>> = (0..large.count).step_by(group).map(task).collect();
    for (panel, gradient) in input.panels.iter().zip(&mut gradient.panels) {
        let shares = gradient.chunks_mut(group * large.pixels() * panel.width());
        tasks.iter_mut().zip(shares).for_each(|(task, share)| task.gradient.push(share));
    }
    let run = |mut task: ImageTask<'_>| {
        let mut kernel = vec![0.0; weight.len()];
        let mut sums: Vec<TileSums> = input.panels.iter().map(|panel| TileSums::none(panel.width())).collect();
        // Pixels that no average takes get no gradient.
        if large.height % 2 + large.width % 2 > 0 {
            task.gradient.iter_mut().for_each(|gradient| gradient.fill(0.0));
        }
        let rows = task.images.start * small.pixels()..task.images.end * small.pixels();
        for first in rows.clone().step_by(TILE) {
            let tile = first..(first + TILE).min(rows.end);
            let count = tile.len();
            with_scratch([count * filters, count * channels, count * WIDEST], |[dy, act, settled]| {
                for (index, panel) in output.up_to(filters).iter().enumerate() {
                    let settled = &mut settled[..count * panel.width()];
                    upstream.settle(level, output, index, &tile, settled);
                    for (dy, row) in dy.chunks_exact_mut(filters).zip(settled.chunks_exact(panel.width())) {
                        dy[panel.channels.clone()].copy_from_slice(row);
                    }
                }
                let sizes = Sizes { rows: count, depth: filters, columns: channels };
                matmul(level, Matrix::of(dy, filters), Matrix::of(&turned, channels), act, sizes, false);
                let base = task.images.start * large.pixels();
                let pixels = windows(large, tile.clone(), base);
                let panels = input.panels.iter().zip(&mut task.gradient).zip(&mut sums);
                for ((panel, gradient), sums) in panels {
                    let (x, width) = (panel.rows(&(base..task.images.end * large.pixels())), panel.width());
                    let norm = norm.slice(panel.channels.start, width);
                    let act = &mut act[panel.channels.start..];
                    over_columns!(
                        level,
                        width,
                        unpool((x, &mut *gradient), norm, &pixels, (&mut *act, channels), sums)
                    );
                }
                let sizes = Sizes { rows: channels, depth: count, columns: filters };
                matmul(level, Matrix::transposed(act, channels), Matrix::of(dy, filters), &mut kernel, sizes, true);
            });
        }
        (kernel, sums)
    };
    let done: Vec<(Vec<f32>, Vec<TileSums>)> = tasks.into_par_iter().map(run).collect();
    let mut kernel = vec![0.0; weight.len()];
    let mut sums = Sums::<f64>::none(channels);
    add_all(&mut kernel, &done.iter().map(|(kernel, _)| kernel.as_slice()).collect::<Vec<_>>());
    for (_, tiles) in &done {
        input.panels.iter().zip(tiles).for_each(|(panel, tile)| sums.add(panel.channels.start, tile));
    }
    let norm = norm.gradient(&sums, large.rows());
    gradient.correction.add(&norm.correction);
    (kernel, norm)
}

/// Some images, and their rows of each panel's gradient.
struct ImageTask<'a> {
    images: Range<usize>,
    gradient: Vec<&'a mut [f32]>,
}

/// The four pixels that each output of a tile is the average of, counted from `base`.
fn windows(images: BatchShape, tile: Range<usize>, base: usize) -> Vec<[usize; 4]> {
    let (small, width) = (halved(images), images.width);
    let window = |out: usize| {
        let (image, pixel) = (out / small.pixels(), out % small.pixels());
        let first = image * images.pixels() + pixel / small.width * 2 * width + pixel % small.width * 2 - base;
        [first, first + 1, first + width, first + width + 1]
    };
    tile.map(window).collect()
}

/// The averages of the normalised input, in rows `stride` apart.
#[inline(always)]
fn pool<S: Simd>(
    simd: S,
    column: usize,
    x: &[f32],
    norm: NormSlice<'_>,
    pixels: &[[usize; 4]],
    out: &mut [f32],
    stride: usize,
) {
    let (scale, shift) = (get(simd, norm.scale, column), get(simd, norm.shift, column));
    let (zero, quarter, width) = (simd.splat(0.0), simd.splat(0.25), norm.scale.len());
    for (window, out) in pixels.iter().zip(out.chunks_mut(stride)) {
        let mut sum = zero;
        for &pixel in window {
            let y = simd.mul_add(get(simd, x, pixel * width + column), scale, shift);
            sum = simd.add(sum, simd.max(y, zero));
        }
        put(simd, out, column, simd.mul(sum, quarter));
    }
}

/// Backward through the average, ReLU and the scale. `through` holds the averages' gradient, in rows `stride` apart,
/// and is overwritten by the averages; scale times the gradient is written to `gradient`, the sums are added to `sums`.
#[inline(always)]
fn unpool<S: Simd>(
    simd: S,
    column: usize,
    (x, gradient): (&[f32], &mut [f32]),
    norm: NormSlice<'_>,
    pixels: &[[usize; 4]],
    (through, stride): (&mut [f32], usize),
    sums: &mut TileSums,
) {
    let (scale, shift) = (get(simd, norm.scale, column), get(simd, norm.shift, column));
    let (mean, zero, quarter) = (get(simd, norm.mean, column), simd.splat(0.0), simd.splat(0.25));
    let (mut total, mut product, width) = (zero, zero, norm.scale.len());
    for (window, through) in pixels.iter().zip(through.chunks_mut(stride)) {
        let upstream = simd.mul(get(simd, through, column), quarter);
        let mut sum = zero;
        for &pixel in window {
            let at = pixel * width + column;
            let x = get(simd, x, at);
            let out = simd.mul_add(x, scale, shift);
            let g = simd.where_positive(out, upstream);
            sum = simd.add(sum, simd.max(out, zero));
            total = simd.add(total, g);
            product = simd.mul_add(g, simd.sub(x, mean), product);
            put(simd, gradient, at, simd.mul(g, scale));
        }
        put(simd, through, column, simd.mul(sum, quarter));
    }
    sums.add_vectors(simd, column, total, product);
}
