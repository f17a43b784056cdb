//! What the layers share: the buffers of a thread, and the cutting of rows into register tiles.

use std::ops::Range;

use crate::kernels::densenet::inference::FoldedNorm;
use crate::kernels::densenet::inference::gemm::aligned::Aligned;
use crate::kernels::densenet::inference::gemm::packed::Packed;
use crate::kernels::densenet::inference::gemm::strip::{Activation, Strip};
use crate::kernels::densenet::inference::plane::Plane;
use crate::kernels::simd::Simd;

/// The rows of pixels of a plane that one thread computes.
#[derive(Clone, Debug)]
pub(crate) struct Share {
    pub(crate) plane: Plane,
    pub(crate) rows: Range<usize>,
}

impl Share {
    /// Pixels of these rows.
    pub(crate) fn pixels(&self) -> usize {
        self.rows.len() * self.plane.width
    }

    /// Row and column, in the whole plane, of one of these pixels.
    pub(crate) fn position(&self, pixel: usize) -> (usize, usize) {
        (self.rows.start + pixel / self.plane.width, pixel % self.plane.width)
    }
}

/// The buffers of one thread, which all layers share.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) strip: Strip,
    /// Transformed inputs: for each position the pieces of a tile's rows.
    pub(crate) transformed: Aligned<f32>,
    /// For each position the products of a tile's rows.
    pub(crate) products: Aligned<f32>,
    /// The image with zeros around it, as far as this thread needs it; what is zero stays so.
    pub(crate) bordered: Aligned<f32>,
    /// The last lines of the stem's convolution.
    pub(crate) lines: Aligned<f32>,
}

/// What a layer needs of a [`Scratch`], in numbers; `depth` is that of a strip's rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) depth: usize,
    pub(crate) transformed: usize,
    pub(crate) products: usize,
    pub(crate) bordered: usize,
    pub(crate) lines: usize,
}

impl Needs {
    /// What is enough for both.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            transformed: self.transformed.max(other.transformed),
            products: self.products.max(other.products),
            bordered: self.bordered.max(other.bordered),
            lines: self.lines.max(other.lines),
        }
    }
}

impl Scratch {
    pub(crate) fn new<S: Simd>(needs: Needs) -> Self {
        Self {
            strip: Strip::new(S::ROWS, needs.depth),
            transformed: Aligned::zeros(needs.transformed),
            products: Aligned::zeros(needs.products),
            bordered: Aligned::zeros(needs.bordered),
            lines: Aligned::zeros(needs.lines),
        }
    }
}

/// Cuts `count` rows into tiles of at most `S::ROWS`, all but equal.
pub(crate) fn tiles<S: Simd>(count: usize) -> impl Iterator<Item = Range<usize>> {
    let tiles = count.div_ceil(S::ROWS);
    (0..tiles).map(move |tile| tile * count / tiles..(tile + 1) * count / tiles)
}

/// The most rows that a tile of any level has.
const MOST_ROWS: usize = 16;

/// Where each row of a tile is stored.
pub(crate) fn offsets(tile: Range<usize>, offset: impl Fn(usize) -> usize) -> [usize; MOST_ROWS] {
    let mut offsets = [0; MOST_ROWS];
    offsets.iter_mut().zip(tile).for_each(|(to, row)| *to = offset(row));
    offsets
}

pub(crate) fn activation(norm: &FoldedNorm) -> Activation {
    Activation::new(&norm.scale, &norm.shift)
}

/// Rows that are multiplied with a matrix, from which on its weights are kept as f32.
pub(crate) const MANY_ROWS: usize = 256;

/// Packs matrices with which `rows` rows of an image are multiplied.
pub(crate) fn pack<S: Simd>(matrices: &[f32], depth: usize, columns: usize, rows: usize) -> Packed {
    Packed::new(matrices, depth, columns, 2 * S::LANES, S::WIDENS && rows < MANY_ROWS)
}
