//! Batch norm, ReLU and 3x3 convolution of a dense layer, forward and backward, by Winograd's transforms. Of the
//! forward pass only what comes in is kept; the backward pass normalises and transforms it again.

use std::ops::Range;

use rayon::prelude::*;

use crate::kernels::densenet::training::norm_loops::{cut, normalise_relu};
use crate::kernels::densenet::training::winograd_training::{Grid, inputs, kernel_gradient, upstreams};
use crate::kernels::densenet::training::{FeatureGradient, FeatureMaps};
use crate::kernels::densenet::winograd::{POSITIONS, kernels};
use crate::kernels::matmul::{Matrix, Sizes, matmul, transpose};
use crate::kernels::moments::{Moments, Partial, combined};
use crate::kernels::norm::{BatchNorm, NormGradient, Sums, TileSums};
use crate::kernels::scratch::with_scratch;
use crate::kernels::simd::{Level, over_columns};
use crate::kernels::slices::add_all;

/// Groups of pieces of the kernel's gradient; fixed, so that the order of additions does not depend on the threads.
const GROUPS: usize = 8;

/// What comes in, (pixels, channels), and how it is normalised.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a> {
    pub(crate) level: Level,
    pub(crate) grid: Grid,
    pub(crate) x: &'a [f32],
    pub(crate) norm: &'a BatchNorm,
}

impl Input<'_> {
    fn channels(&self) -> usize {
        self.norm.whole().scale.len()
    }

    /// The transformed tiles of the normalised input.
    fn planes(&self, piece: &Range<usize>, strip: &mut [f32], planes: &mut [f32]) {
        let channels = self.channels();
        let fill = |first: usize, line: &mut [f32]| {
            let x = &self.x[first * channels..first * channels + line.len()];
            normalise_relu(self.level, x, self.norm.whole(), line, channels);
        };
        let tiles = self.grid.tiles(piece);
        self.grid.strips(piece, channels, strip, fill, |strip, first| {
            over_columns!(self.level, channels, inputs(strip, channels, planes, (tiles, first)));
        });
    }

    /// `out` cut into the pixels of each piece.
    fn cut<'o>(&self, pieces: &[Range<usize>], mut out: &'o mut [f32], width: usize) -> Vec<&'o mut [f32]> {
        let share = |piece: &Range<usize>| {
            let (share, rest) = std::mem::take(&mut out).split_at_mut(self.grid.pixels(piece).len() * width);
            out = rest;
            share
        };
        pieces.iter().map(share).collect()
    }
}

/// The 36 products of matrices of planes.
fn products(level: Level, a: &[f32], b: &[f32], out: &mut [f32], sizes: Sizes) {
    let Sizes { rows, depth, columns } = sizes;
    let planes = a.chunks_exact(rows * depth).zip(b.chunks_exact(depth * columns));
    for ((a, b), out) in planes.zip(out.chunks_exact_mut(rows * columns)) {
        matmul(level, Matrix::of(a, depth), Matrix::of(b, columns), out, sizes, false);
    }
}

/// `out` (pixels, filters), and its moments. `weight` is (9, channels, filters).
pub(crate) fn forward(input: Input<'_>, weight: &[f32], out: &mut [f32]) -> Moments {
    let (level, grid, channels) = (input.level, input.grid, input.channels());
    let filters = weight.len() / 9 / channels;
    let pieces = grid.pieces();
    let outs = input.cut(&pieces, out, filters);
    with_scratch([POSITIONS * channels * filters], |[kernel]| {
        kernels(level, weight, kernel);
        let piece = |(piece, out): (&Range<usize>, &mut [f32])| {
            let tiles = grid.tiles(piece);
            let sizes = [grid.strip(channels), POSITIONS * tiles * channels, POSITIONS * tiles * filters];
            with_scratch(sizes, |[strip, planes, product]| {
                input.planes(piece, strip, planes);
                products(level, planes, kernel, product, Sizes { rows: tiles, depth: channels, columns: filters });
                grid.outputs(level, piece, product, out);
            });
            Partial::of(level, out, filters)
        };
        combined(&pieces.par_iter().zip(outs).map(piece).collect::<Vec<_>>())
    })
}

/// Backward from the gradient of panel `panel` of `features`, which [`forward`] made. Writes the gradient of what came
/// in to `out` and returns the kernel's and the norm's.
pub(crate) fn backward(
    input: Input<'_>,
    weight: &[f32],
    (features, gradient, panel): (&FeatureMaps, &FeatureGradient, usize),
    out: &mut [f32],
) -> (Vec<f32>, NormGradient) {
    let (level, grid, channels) = (input.level, input.grid, input.channels());
    let filters = weight.len() / 9 / channels;
    let pieces = grid.pieces();
    let group = pieces.len().div_ceil(GROUPS);
    let mut outs = input.cut(&pieces, out, channels);
    let taps = weight.chunks_exact(channels * filters).rev();
    let taps: Vec<f32> = taps.flat_map(|tap| transpose(tap, filters)).collect();
    let settle = |first: usize, line: &mut [f32]| {
        gradient.settle(level, features, panel, &(first..first + line.len() / filters), line);
    };
    let size = POSITIONS * channels * filters;
    let groups: Vec<(Vec<f32>, Vec<TileSums>)> = with_scratch([size], |[turned]| {
        kernels(level, &taps, turned);
        let groups = pieces.par_chunks(group).zip(outs.par_chunks_mut(group));
        let group = |(pieces, outs): (&[Range<usize>], &mut [&mut [f32]])| {
            let mut kernel = vec![0.0; weight.len()];
            let mut sums = Vec::new();
            with_scratch([size], |[planes]| {
                planes.fill(0.0);
                for (piece, out) in pieces.iter().zip(outs) {
                    sums.push(piece_backward(input, (&settle, filters), (piece, turned), out, planes));
                }
                over_columns!(level, kernel.len() / 9, kernel_gradient(planes, &mut kernel));
            });
            (kernel, sums)
        };
        groups.map(group).collect()
    });
    let mut sums = Sums::<f64>::none(channels);
    groups.iter().flat_map(|(_, tiles)| tiles).for_each(|tile| sums.add(0, tile));
    let mut kernel = vec![0.0; weight.len()];
    add_all(&mut kernel, &groups.iter().map(|(kernel, _)| kernel.as_slice()).collect::<Vec<_>>());
    (kernel, input.norm.gradient(&sums, features.images.rows()))
}

/// The gradient of one piece behind its norm, with its sums, and what the piece adds to that of the kernel's matrices.
/// `settle` writes the gradient of a line of the output (width, filters), given its first pixel.
fn piece_backward(
    input: Input<'_>,
    (settle, filters): (&impl Fn(usize, &mut [f32]), usize),
    (piece, turned): (&Range<usize>, &[f32]),
    out: &mut [f32],
    planes_gradient: &mut [f32],
) -> TileSums {
    let (level, grid, channels) = (input.level, input.grid, input.channels());
    let tiles = grid.tiles(piece);
    let (wide, narrow) = (POSITIONS * tiles * channels, POSITIONS * tiles * filters);
    let strip = grid.strip(channels.max(filters));
    with_scratch([strip, wide, narrow, narrow], |[strip, planes, tiled, outputs]| {
        grid.strips(piece, filters, &mut strip[..grid.strip(filters)], settle, |strip, first| {
            over_columns!(level, filters, inputs(strip, filters, tiled, (tiles, first)));
            over_columns!(level, filters, upstreams(strip, filters, outputs, (tiles, first)));
        });
        // The kernel's gradient first: the planes are used again for the input's.
        input.planes(piece, &mut strip[..grid.strip(channels)], planes);
        let sizes = Sizes { rows: channels, depth: tiles, columns: filters };
        let factors = planes.chunks_exact(tiles * channels).zip(outputs.chunks_exact(tiles * filters));
        for ((x, y), sum) in factors.zip(planes_gradient.chunks_exact_mut(channels * filters)) {
            matmul(level, Matrix::transposed(x, channels), Matrix::of(y, filters), sum, sizes, true);
        }
        products(level, tiled, turned, planes, Sizes { rows: tiles, depth: filters, columns: channels });
        grid.outputs(level, piece, planes, out);
    });
    let (mut sums, pixels) = (TileSums::none(channels), grid.pixels(piece));
    let x = &input.x[pixels.start * channels..pixels.end * channels];
    cut(level, x, input.norm.whole(), out, &mut sums);
    sums
}
