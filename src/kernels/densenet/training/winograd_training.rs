//! Images by Winograd's tiles, forward and for both gradients: strips of pixels to transformed tiles, products to
//! pixels.
//!
//! A transformed set of tiles is 36 matrices, one after the other; each is (tiles, channels), or for a kernel
//! (channels, filters). The gradient of a kernel is the same formula transposed.

use std::ops::Range;

use crate::kernels::densenet::training::BatchShape;
use crate::kernels::densenet::winograd::{
    INPUTS, OUTPUTS, POSITIONS, column_of, gather, input, kernel_back, output, upstream,
};
use crate::kernels::simd::{Level, Simd, over_columns, put};

/// Tiles that are transformed at once, so that they stay in the cache.
const TILES: usize = 32;
/// The fewest pieces of the work, where there are so many rows of tiles.
const PIECES: usize = 4;

/// How images fall into tiles, rows of tiles one after the other.
#[derive(Clone, Copy)]
pub(crate) struct Grid {
    images: BatchShape,
    tall: usize,
    wide: usize,
}

impl Grid {
    pub(crate) fn new(images: BatchShape) -> Self {
        let (tall, wide) = (images.height.div_ceil(OUTPUTS), images.width.div_ceil(OUTPUTS));
        Self { images, tall, wide }
    }

    /// Pieces of the work: rows of tiles, the same for any number of threads.
    pub(crate) fn pieces(&self) -> Vec<Range<usize>> {
        let total = self.images.count * self.tall;
        let size = (TILES / self.wide).clamp(1, total.div_ceil(PIECES).max(1));
        (0..total).step_by(size).map(|start| start..(start + size).min(total)).collect()
    }

    /// Tiles in rows of tiles.
    pub(crate) fn tiles(&self, rows: &Range<usize>) -> usize {
        rows.len() * self.wide
    }

    /// The pixels that rows of tiles cover.
    pub(crate) fn pixels(&self, rows: &Range<usize>) -> Range<usize> {
        let first = |row: usize| row / self.tall * self.images.pixels() + row % self.tall * OUTPUTS * self.images.width;
        first(rows.start)..first(rows.end)
    }

    /// Numbers in a strip of that many channels: the six lines of pixels that a row of tiles sees, a border with them.
    pub(crate) fn strip(&self, channels: usize) -> usize {
        INPUTS * self.line(channels)
    }

    fn line(&self, channels: usize) -> usize {
        (self.wide * OUTPUTS + 2) * channels
    }

    /// Calls `each` with the strip of each row of tiles and the number of its first tile. `fill` writes a line of
    /// pixels (width, channels), given its first pixel among those of all images; beyond the images are zeros.
    pub(crate) fn strips(
        &self,
        rows: &Range<usize>,
        channels: usize,
        strip: &mut [f32],
        fill: impl Fn(usize, &mut [f32]),
        mut each: impl FnMut(&[f32], usize),
    ) {
        let BatchShape { height, width, .. } = self.images;
        for (index, row) in rows.clone().enumerate() {
            let (image, top) = (row / self.tall, row % self.tall * OUTPUTS);
            for (y, line) in (top..).zip(strip.chunks_exact_mut(self.line(channels))) {
                // The first line lies above the tile.
                let Some(y) = y.checked_sub(1).filter(|y| *y < height) else {
                    line.fill(0.0);
                    continue;
                };
                let (left, rest) = line.split_at_mut(channels);
                let (inside, right) = rest.split_at_mut(width * channels);
                left.fill(0.0);
                right.fill(0.0);
                fill((image * height + y) * width, inside);
            }
            each(strip, index * self.wide);
        }
    }

    /// Puts the outputs (pixels of these rows of tiles, channels) together from `products`, which are overwritten no
    /// further than they were read.
    pub(crate) fn outputs(&self, level: Level, rows: &Range<usize>, products: &[f32], out: &mut [f32]) {
        let BatchShape { height, width, .. } = self.images;
        let channels = products.len() / POSITIONS / self.tiles(rows);
        let start = self.pixels(rows).start;
        for (index, row) in rows.clone().enumerate() {
            let first = (self.pixels(&(row..row)).start - start) * channels;
            let lines = (height - row % self.tall * OUTPUTS).min(OUTPUTS);
            let out = &mut out[first..first + lines * width * channels];
            let place = (channels, self.tiles(rows), index * self.wide);
            over_columns!(level, channels, output_row(products, place, out, width));
        }
    }
}

/// Transforms the tiles of a strip into `planes`, from tile `first` of `tiles` on.
#[inline(always)]
pub(crate) fn inputs<S: Simd>(
    simd: S,
    column: usize,
    strip: &[f32],
    channels: usize,
    planes: &mut [f32],
    place: (usize, usize),
) {
    let side = {
        #[inline(always)]
        |d| input(simd, d)
    };
    transformed(simd, column, (strip, 0), channels, planes, place, side);
}

/// Transforms the gradients of a strip's outputs, which lie inside its border, for the kernel's gradient.
#[inline(always)]
pub(crate) fn upstreams<S: Simd>(
    simd: S,
    column: usize,
    strip: &[f32],
    channels: usize,
    planes: &mut [f32],
    place: (usize, usize),
) {
    let side = {
        #[inline(always)]
        |y| upstream(simd, y)
    };
    transformed(simd, column, (strip, strip.len() / INPUTS + channels), channels, planes, place, side);
}

/// Transforms tiles of N times N pixels, whose first begins at `start` of the strip, by the transform of one side.
#[inline(always)]
fn transformed<S: Simd, const N: usize>(
    simd: S,
    column: usize,
    (strip, start): (&[f32], usize),
    channels: usize,
    planes: &mut [f32],
    (tiles, first): (usize, usize),
    side: impl Fn([S::Vector; N]) -> [S::Vector; INPUTS],
) {
    let line = strip.len() / INPUTS;
    for x in 0..(line / channels - 2) / OUTPUTS {
        let mut columns = [[simd.splat(0.0); INPUTS]; N];
        for (j, column_j) in columns.iter_mut().enumerate() {
            *column_j = side(gather(simd, strip, start + (x * OUTPUTS + j) * channels + column, line));
        }
        for i in 0..INPUTS {
            for (j, value) in side(column_of(&columns, i)).into_iter().enumerate() {
                let plane = i * INPUTS + j;
                put(simd, planes, (plane * tiles + first + x) * channels + column, value);
            }
        }
    }
}

/// A row of tiles back to at most four lines of pixels; what lies beyond the image is left out.
#[inline(always)]
fn output_row<S: Simd>(
    simd: S,
    column: usize,
    products: &[f32],
    (channels, tiles, first): (usize, usize, usize),
    out: &mut [f32],
    width: usize,
) {
    for x in 0..width.div_ceil(OUTPUTS) {
        let plane = tiles * channels;
        let mut columns = [[simd.splat(0.0); OUTPUTS]; INPUTS];
        for (j, column_j) in columns.iter_mut().enumerate() {
            let at = j * plane + (first + x) * channels + column;
            *column_j = output(simd, gather(simd, products, at, INPUTS * plane));
        }
        for (i, line) in out.chunks_exact_mut(width * channels).enumerate() {
            for (j, value) in output(simd, column_of(&columns, i)).into_iter().enumerate() {
                if x * OUTPUTS + j < width {
                    put(simd, line, (x * OUTPUTS + j) * channels + column, value);
                }
            }
        }
    }
}

/// The gradient of a kernel (9, channels, filters) from that of its 36 matrices.
#[inline(always)]
pub(crate) fn kernel_gradient<S: Simd>(simd: S, column: usize, planes: &[f32], gradient: &mut [f32]) {
    let size = gradient.len() / 9;
    let mut columns = [[simd.splat(0.0); 3]; INPUTS];
    for (j, column_j) in columns.iter_mut().enumerate() {
        *column_j = kernel_back(simd, gather(simd, planes, j * size + column, INPUTS * size));
    }
    for i in 0..3 {
        for (j, value) in kernel_back(simd, column_of(&columns, i)).into_iter().enumerate() {
            put(simd, gradient, (i * 3 + j) * size + column, value);
        }
    }
}
