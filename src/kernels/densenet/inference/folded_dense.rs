//! A dense layer: norm, ReLU, 1x1, norm, ReLU, 3x3; what one thread computes of it.

use std::ops::Range;

use candle_core::{Result, Tensor, bail};

use crate::kernels::densenet::inference::LayerWeights;
use crate::kernels::densenet::inference::gemm::{Activation, PIECE, Packed, Product, Rows, offsets};
use crate::kernels::densenet::inference::layers::DenseLayer;
use crate::kernels::densenet::inference::thread_memory::{MANY_ROWS, Needs, Scratch, Share, pack, tiles};
use crate::kernels::densenet::inference::winograd_inference::{self as winograd, Distances};
use crate::kernels::densenet::winograd::{OUTPUTS, POSITIONS, kernels};
use crate::kernels::simd::{Level, Simd};
use crate::kernels::slices;

/// Norm, ReLU, 1x1, norm, ReLU, 3x3; the result is laid behind the layer's input.
pub(crate) struct FoldedDense {
    /// Of the input.
    channels: usize,
    bottleneck: usize,
    growth: usize,
    norm1: Activation,
    conv1: Packed,
    norm2: Activation,
    /// One matrix (3 * 3 * bottleneck, growth); or, by tiles, a matrix (bottleneck, growth) for each position.
    conv2: Packed,
    by_tiles: bool,
}

/// Pixels of a plane from which on tiles are worth their transforms: below, their larger kernels, which are read for
/// each image, cost more than the multiplications that they save.
const LEAST_PIXELS: usize = 64;

impl<S: Simd> DenseLayer<S> for FoldedDense {
    type Kernel = Tensor;
    type Inner = f32;

    fn growth(weights: &LayerWeights<Tensor>) -> usize {
        weights.conv2.elem_count() / (9 * weights.norm2.scale.len()).max(1)
    }

    fn new(level: Level, weights: &LayerWeights<Tensor>, channels: usize, side: usize) -> Result<Self> {
        let LayerWeights { norm1, conv1, norm2, conv2 } = weights;
        let bottleneck = norm2.scale.len();
        let growth = <Self as DenseLayer<S>>::growth(weights);
        let fits = norm1.scale.len() == channels
            && norm1.shift.len() == channels
            && norm2.shift.len() == bottleneck
            && conv1.elem_count() == channels * bottleneck
            && conv2.elem_count() == 9 * bottleneck * growth
            && conv2.elem_count() * conv1.elem_count() > 0;
        if !fits {
            bail!(
                "backbone: a dense layer of {} and {} weights on {channels} channels",
                conv1.elem_count(),
                conv2.elem_count()
            );
        }
        let by_tiles = side * side >= LEAST_PIXELS;
        let (conv1, conv2) = slices::with([conv1, conv2], |[conv1, conv2]| {
            let conv1 = pack::<S>(conv1, channels, bottleneck, side * side);
            if !by_tiles {
                return (conv1, pack::<S>(conv2, 9 * bottleneck, growth, side * side));
            }
            let mut kernel = vec![0.0; POSITIONS * bottleneck * growth];
            kernels(level, conv2, &mut kernel);
            // Few rows are multiplied with these, but f16 would hardly hold a sum exactly.
            (conv1, pack::<S>(&kernel, bottleneck, growth, MANY_ROWS))
        })?;
        let (norm1, norm2) = (Activation::new(norm1), Activation::new(norm2));
        Ok(Self { channels, bottleneck, growth, norm1, conv1, norm2, conv2, by_tiles })
    }

    fn bottleneck(&self) -> usize {
        self.conv1.padded_columns()
    }

    fn by_tiles(&self) -> bool {
        self.by_tiles
    }

    fn reduce_operations(&self, side: usize) -> f64 {
        (2 * side * side * self.channels * self.bottleneck) as f64
    }

    fn expand_operations(&self, side: usize) -> f64 {
        let products = if self.by_tiles { POSITIONS * side.div_ceil(OUTPUTS).pow(2) } else { 9 * side * side };
        (2 * products * self.bottleneck * self.growth) as f64
    }

    fn needs(&self) -> Needs {
        if !self.by_tiles {
            return Needs { depth: self.channels.max(9 * self.bottleneck), ..Needs::default() };
        }
        Needs {
            depth: self.channels,
            transformed: POSITIONS * self.position(S::ROWS),
            products: POSITIONS * S::ROWS * self.conv2.padded_columns(),
            ..Needs::default()
        }
    }

    fn reduce(&self, simd: S, own: &[f32], inner: &mut [f32], share: &Share, scratch: &mut Scratch) {
        let (plane, strip) = (share.plane, &mut scratch.strip);
        for tile in tiles(share.pixels(), S::ROWS) {
            strip.begin(tile.len());
            let pixels = own[tile.start * plane.stride..].chunks_exact(plane.stride).take(tile.len());
            strip.activate(simd, pixels.map(|pixel| [pixel]), &self.norm1, self.channels);
            let (matrix, activation, offsets) = (self.conv1.matrix(0), Some(&self.norm2), share.bordered(tile));
            Product { rows: strip.rows(), matrix, activation, out: inner, offsets }.compute(simd);
        }
    }

    fn expand(&self, simd: S, inner: &[f32], own: &mut [f32], share: &Share, scratch: &mut Scratch) {
        if !self.by_tiles {
            return self.directly(simd, inner, own, share, scratch);
        }
        let wide = share.plane.width.div_ceil(OUTPUTS);
        let first = share.rows.start / OUTPUTS * wide;
        for group in tiles(share.rows.len().div_ceil(OUTPUTS) * wide, S::ROWS) {
            self.transformed(simd, inner, own, share, first + group.start..first + group.end, scratch);
        }
    }
}

impl FoldedDense {
    /// Numbers from one position of `count` transformed tiles to the next. Positions that lay a multiple of 4096 bytes
    /// apart would all fall into the same few places of a level-1 cache; a cache line more keeps them apart.
    fn position(&self, count: usize) -> usize {
        count * self.bottleneck.next_multiple_of(PIECE) + 16
    }

    fn directly<S: Simd>(&self, simd: S, inner: &[f32], own: &mut [f32], share: &Share, scratch: &mut Scratch) {
        let (plane, strip) = (share.plane, &mut scratch.strip);
        for tile in tiles(share.pixels(), S::ROWS) {
            strip.begin(tile.len());
            for (row, pixel) in tile.clone().enumerate() {
                let (y, x) = share.position(pixel);
                for tap in 0..9 {
                    let from = ((y + tap / 3) * plane.bordered + x + tap % 3) * plane.bottleneck;
                    strip.put(row, tap * self.bottleneck, &inner[from..][..self.bottleneck]);
                }
            }
            let offsets = offsets(tile, |pixel| pixel * plane.stride + self.channels);
            let matrix = self.conv2.matrix(0);
            Product { rows: strip.rows(), matrix, activation: None, out: own, offsets }.compute(simd);
        }
    }

    /// Computes a group of tiles, counted row by row over the whole plane.
    fn transformed<S: Simd>(
        &self,
        simd: S,
        inner: &[f32],
        own: &mut [f32],
        share: &Share,
        group: Range<usize>,
        scratch: &mut Scratch,
    ) {
        let Scratch { transformed, products, .. } = scratch;
        let plane = share.plane;
        let wide = plane.width.div_ceil(OUTPUTS);
        let (count, columns) = (group.len(), self.conv2.padded_columns());
        let size = self.position(count);
        let (across, down) = (plane.bottleneck, plane.bordered * plane.bottleneck);
        simd.vectorize(
            #[inline(always)]
            || {
                for (row, tile) in group.clone().enumerate() {
                    let inputs = &inner[tile / wide * OUTPUTS * down + tile % wide * OUTPUTS * across..];
                    for (piece, first) in (0..self.bottleneck).step_by(PIECE).enumerate() {
                        let transformed = &mut transformed[(piece * count + row) * PIECE..];
                        let channels = PIECE.min(self.bottleneck - first);
                        let distances = Distances { down, across, position: size };
                        winograd::forward(simd, &inputs[first..], transformed, distances, channels);
                    }
                }
            },
        );
        let offsets = offsets(0..count, |row| row * columns);
        for position in 0..POSITIONS {
            let rows = Rows::in_pieces(&transformed[position * size..][..size], count);
            let out = &mut products[position * count * columns..][..count * columns];
            let matrix = self.conv2.matrix(position);
            Product { rows, matrix, activation: None, out, offsets }.compute(simd);
        }
        let distances = Distances { down: plane.width * plane.stride, across: plane.stride, position: count * columns };
        simd.vectorize(
            #[inline(always)]
            || {
                for (row, tile) in group.enumerate() {
                    let (y, x) = (tile / wide * OUTPUTS, tile % wide * OUTPUTS);
                    let to = ((y - share.rows.start) * plane.width + x) * plane.stride + self.channels;
                    let inside = [OUTPUTS.min(plane.height - y), OUTPUTS.min(plane.width - x)];
                    winograd::back(simd, &products[row * columns..], &mut own[to..], distances, self.growth, inside);
                }
            },
        );
    }
}
