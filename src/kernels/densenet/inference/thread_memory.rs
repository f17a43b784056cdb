//! What the layers share: how a block's pixels lie in its buffers, the buffers of a thread, and the cutting of rows into
//! register tiles.

use std::ops::Range;

use crate::kernels::densenet::inference::gemm::{Aligned, Packed, Strip, TileOffsets, offsets};
use crate::kernels::simd::Simd;

/// The sizes of a dense block's buffers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plane {
    /// Rows of pixels.
    pub(crate) height: usize,
    /// Pixels of a row.
    pub(crate) width: usize,
    /// Numbers from one pixel to the next in the block's own buffer.
    pub(crate) stride: usize,
    /// The same in a bottleneck buffer.
    pub(crate) bottleneck: usize,
    /// Pixels of a row of a bottleneck buffer, its border among them.
    pub(crate) bordered: usize,
}

impl Plane {
    /// Where rows of pixels lie in the block's own buffer.
    pub(crate) fn own(&self, rows: &Range<usize>) -> Range<usize> {
        rows.start * self.width * self.stride..rows.end * self.width * self.stride
    }

    /// Where rows of pixels lie in a bottleneck buffer, which has one row of border above them.
    pub(crate) fn own_bordered(&self, rows: &Range<usize>) -> Range<usize> {
        (rows.start + 1) * self.bordered * self.bottleneck..(rows.end + 1) * self.bordered * self.bottleneck
    }
}

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

    /// Where some of these pixels lie in the share's rows of a bottleneck buffer.
    pub(crate) fn bordered(&self, tile: Range<usize>) -> TileOffsets {
        let Plane { width, bottleneck, bordered, .. } = self.plane;
        let (mut row, mut column) = (tile.start / width, tile.start % width);
        // A division for each pixel would take a hundredth of an image's time.
        offsets(tile, |_| {
            let place = (row * bordered + column + 1) * bottleneck;
            (row, column) = if column + 1 == width { (row + 1, 0) } else { (row, column + 1) };
            place
        })
    }
}

/// The buffers of one thread, which all layers share.
#[derive(Debug)]
pub(crate) struct Scratch {
    pub(crate) strip: Strip<f32>,
    pub(crate) bytes: Strip<u8>,
    pub(crate) words: Strip<i16>,
    /// Transformed inputs: for each position the pieces of a tile's rows.
    pub(crate) transformed: Aligned<f32>,
    /// For each position the products of a tile's rows.
    pub(crate) products: Aligned<f32>,
    /// The last lines of the stem's convolution.
    pub(crate) lines: Aligned<f32>,
}

/// What a layer needs of a [`Scratch`], in numbers; `depth`, `bytes` and `words` are the depths of the strips' rows.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Needs {
    pub(crate) depth: usize,
    pub(crate) bytes: usize,
    pub(crate) words: usize,
    pub(crate) transformed: usize,
    pub(crate) products: usize,
    pub(crate) lines: usize,
}

impl Needs {
    /// What is enough for both.
    pub(crate) fn or(self, other: Self) -> Self {
        Self {
            depth: self.depth.max(other.depth),
            bytes: self.bytes.max(other.bytes),
            words: self.words.max(other.words),
            transformed: self.transformed.max(other.transformed),
            products: self.products.max(other.products),
            lines: self.lines.max(other.lines),
        }
    }
}

impl Scratch {
    pub(crate) fn new<S: Simd>(needs: Needs) -> Self {
        Self {
            strip: Strip::new(S::ROWS, needs.depth),
            bytes: Strip::new(S::ROWS, needs.bytes),
            words: Strip::new(S::ROWS, needs.words),
            transformed: Aligned::zeros(needs.transformed),
            products: Aligned::zeros(needs.products),
            lines: Aligned::zeros(needs.lines),
        }
    }
}

/// Cuts `count` rows into tiles of at most `rows`, all but equal.
pub(crate) fn tiles(count: usize, rows: usize) -> impl Iterator<Item = Range<usize>> {
    let tiles = count.div_ceil(rows);
    (0..tiles).map(move |tile| tile * count / tiles..(tile + 1) * count / tiles)
}

/// Rows that are multiplied with a matrix, from which on its weights are kept as f32.
pub(crate) const MANY_ROWS: usize = 256;

/// Packs matrices with which `rows` rows of an image are multiplied.
pub(crate) fn pack<S: Simd>(matrices: &[f32], depth: usize, columns: usize, rows: usize) -> Packed {
    Packed::new(matrices, depth, columns, 2 * S::LANES, S::WIDENS && rows < MANY_ROWS)
}
