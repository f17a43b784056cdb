//! The transforms of Winograd's 3x3 convolution F(4x4, 3x3), forward and for both gradients: tiles of 4x4 outputs from
//! 6x6 inputs with 36 multiplications a channel pair instead of 144 (Lavin and Gray, CVPR 2016).
//!
//! A transformed set of tiles is 36 matrices, one after the other; each is (tiles, channels), or for a kernel
//! (channels, filters). The gradient of a kernel is the same formula transposed.

use std::ops::Range;

use super::super::lanes::{get, over_columns, put};
use super::super::simd::{Level, Simd};
use super::panels::Pictures;

/// Outputs along a tile's side.
const SIDE: usize = 4;
/// Inputs along a tile's side.
const REACH: usize = SIDE + 2;
/// Products of a tile.
pub(super) const PLANES: usize = REACH * REACH;
/// Tiles that are transformed at once, so that they stay in the cache.
const TILES: usize = 32;
/// The fewest pieces of the work, where there are so many rows of tiles.
const PIECES: usize = 4;

/// How pictures fall into tiles, rows of tiles one after the other.
#[derive(Clone, Copy)]
pub(super) struct Grid {
    pictures: Pictures,
    tall: usize,
    wide: usize,
}

impl Grid {
    pub(super) fn new(pictures: Pictures) -> Self {
        let (tall, wide) = (pictures.height.div_ceil(SIDE), pictures.width.div_ceil(SIDE));
        Self { pictures, tall, wide }
    }

    /// Pieces of the work: rows of tiles, the same for any number of threads.
    pub(super) fn pieces(&self) -> Vec<Range<usize>> {
        let total = self.pictures.count * self.tall;
        let size = (TILES / self.wide).clamp(1, total.div_ceil(PIECES).max(1));
        (0..total).step_by(size).map(|start| start..(start + size).min(total)).collect()
    }

    /// Tiles in rows of tiles.
    pub(super) fn tiles(&self, rows: &Range<usize>) -> usize {
        rows.len() * self.wide
    }

    /// The pixels that rows of tiles cover.
    pub(super) fn pixels(&self, rows: &Range<usize>) -> Range<usize> {
        let first =
            |row: usize| row / self.tall * self.pictures.pixels() + row % self.tall * SIDE * self.pictures.width;
        first(rows.start)..first(rows.end)
    }

    /// Numbers in a strip of that many channels: the six lines of pixels that a row of tiles sees, a border with them.
    pub(super) fn strip(&self, channels: usize) -> usize {
        REACH * self.line(channels)
    }

    fn line(&self, channels: usize) -> usize {
        (self.wide * SIDE + 2) * channels
    }

    /// Calls `each` with the strip of each row of tiles and the number of its first tile. `fill` writes a line of
    /// pixels (width, channels), given its first pixel among those of all pictures; beyond the pictures are zeros.
    pub(super) fn strips(
        &self,
        rows: &Range<usize>,
        channels: usize,
        strip: &mut [f32],
        fill: impl Fn(usize, &mut [f32]),
        mut each: impl FnMut(&[f32], usize),
    ) {
        let Pictures { height, width, .. } = self.pictures;
        for (index, row) in rows.clone().enumerate() {
            let (picture, top) = (row / self.tall, row % self.tall * SIDE);
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
                fill((picture * height + y) * width, inside);
            }
            each(strip, index * self.wide);
        }
    }

    /// Puts the outputs (pixels of these rows of tiles, channels) together from `products`, which are overwritten no
    /// further than they were read.
    pub(super) fn outputs(&self, level: Level, rows: &Range<usize>, products: &[f32], out: &mut [f32]) {
        let Pictures { height, width, .. } = self.pictures;
        let channels = products.len() / PLANES / self.tiles(rows);
        let start = self.pixels(rows).start;
        for (index, row) in rows.clone().enumerate() {
            let first = (self.pixels(&(row..row)).start - start) * channels;
            let lines = (height - row % self.tall * SIDE).min(SIDE);
            let out = &mut out[first..first + lines * width * channels];
            output_row(level, products, (channels, self.tiles(rows), index * self.wide), out, width);
        }
    }
}

#[inline(always)]
fn scaled<S: Simd>(simd: S, a: S::Vector, by: f32) -> S::Vector {
    simd.mul(a, simd.splat(by))
}

/// `a * by + c`.
#[inline(always)]
fn scaled_add<S: Simd>(simd: S, a: S::Vector, by: f32, c: S::Vector) -> S::Vector {
    simd.mul_add(a, simd.splat(by), c)
}

#[inline(always)]
fn input<S: Simd>(simd: S, d: [S::Vector; 6]) -> [S::Vector; 6] {
    let even = scaled_add(simd, d[2], -4.0, d[4]);
    let odd = scaled_add(simd, d[1], -4.0, d[3]);
    let (near, far) = (simd.sub(d[4], d[2]), simd.sub(d[3], d[1]));
    let first = scaled_add(simd, d[0], 4.0, scaled_add(simd, d[2], -5.0, d[4]));
    let last = scaled_add(simd, d[1], 4.0, scaled_add(simd, d[3], -5.0, d[5]));
    let (plus, minus) = (scaled_add(simd, far, 2.0, near), scaled_add(simd, far, -2.0, near));
    [first, simd.add(even, odd), simd.sub(even, odd), plus, minus, last]
}

#[inline(always)]
fn output<S: Simd>(simd: S, m: [S::Vector; 6]) -> [S::Vector; 4] {
    let (sum1, gap1) = (simd.add(m[1], m[2]), simd.sub(m[1], m[2]));
    let (sum2, gap2) = (simd.add(m[3], m[4]), simd.sub(m[3], m[4]));
    let first = simd.add(m[0], simd.add(sum1, sum2));
    let last = simd.add(scaled_add(simd, gap2, 8.0, gap1), m[5]);
    [first, scaled_add(simd, gap2, 2.0, gap1), scaled_add(simd, sum2, 4.0, sum1), last]
}

/// The transpose of [`output`].
#[inline(always)]
fn upstream<S: Simd>(simd: S, y: [S::Vector; 4]) -> [S::Vector; 6] {
    let (even, odd) = (simd.add(y[0], y[2]), simd.add(y[1], y[3]));
    let even2 = scaled_add(simd, y[2], 4.0, y[0]);
    let odd2 = scaled(simd, scaled_add(simd, y[3], 4.0, y[1]), 2.0);
    [y[0], simd.add(even, odd), simd.sub(even, odd), simd.add(even2, odd2), simd.sub(even2, odd2), y[3]]
}

#[inline(always)]
fn kernel<S: Simd>(simd: S, g: [S::Vector; 3]) -> [S::Vector; 6] {
    let ends = scaled(simd, simd.add(g[0], g[2]), -1.0 / 6.0);
    let far = scaled_add(simd, g[2], 1.0 / 6.0, scaled(simd, g[0], 1.0 / 24.0));
    let (middle, half) = (scaled(simd, g[1], -1.0 / 6.0), scaled(simd, g[1], 1.0 / 12.0));
    let first = scaled(simd, g[0], 0.25);
    [first, simd.add(ends, middle), simd.sub(ends, middle), simd.add(far, half), simd.sub(far, half), g[2]]
}

/// The transpose of [`kernel`].
#[inline(always)]
fn kernel_back<S: Simd>(simd: S, u: [S::Vector; 6]) -> [S::Vector; 3] {
    let near = scaled(simd, simd.add(u[1], u[2]), -1.0 / 6.0);
    let far = simd.add(u[3], u[4]);
    let middle = scaled(simd, simd.sub(u[2], u[1]), 1.0 / 6.0);
    let first = scaled_add(simd, u[0], 0.25, scaled_add(simd, far, 1.0 / 24.0, near));
    let last = simd.add(u[5], scaled_add(simd, far, 1.0 / 6.0, near));
    [first, scaled_add(simd, simd.sub(u[3], u[4]), 1.0 / 12.0, middle), last]
}

/// Column `j` of a matrix of vectors. A loop, as closures handed to the standard library are not compiled for the level.
#[inline(always)]
fn column_of<V: Copy, const N: usize, const M: usize>(rows: &[[V; N]; M], j: usize) -> [V; M] {
    let mut column = [rows[0][j]; M];
    for (value, row) in column.iter_mut().zip(rows) {
        *value = row[j];
    }
    column
}

/// Numbers from places `step` apart.
#[inline(always)]
fn gather<S: Simd, const N: usize>(simd: S, from: &[f32], first: usize, step: usize) -> [S::Vector; N] {
    let mut column = [simd.splat(0.0); N];
    for (i, value) in column.iter_mut().enumerate() {
        *value = get(simd, from, first + i * step);
    }
    column
}

/// Transforms the tiles of a strip into `planes`, from tile `first` of `tiles` on.
pub(super) fn inputs(level: Level, strip: &[f32], channels: usize, planes: &mut [f32], (tiles, first): (usize, usize)) {
    #[inline(always)]
    fn tile<S: Simd>(
        simd: S,
        column: usize,
        strip: &[f32],
        channels: usize,
        planes: &mut [f32],
        (tiles, first): (usize, usize),
    ) {
        let line = strip.len() / REACH;
        for x in 0..(line / channels - 2) / SIDE {
            let mut columns = [[simd.splat(0.0); REACH]; REACH];
            for (j, column_j) in columns.iter_mut().enumerate() {
                *column_j = input(simd, gather(simd, strip, (x * SIDE + j) * channels + column, line));
            }
            for i in 0..REACH {
                for (j, value) in input(simd, column_of(&columns, i)).into_iter().enumerate() {
                    let plane = i * REACH + j;
                    put(simd, planes, (plane * tiles + first + x) * channels + column, value);
                }
            }
        }
    }
    over_columns!(level, channels, tile(strip, channels, planes, (tiles, first)))
}

/// Transforms the gradients of a strip's outputs, which lie inside its border, for the kernel's gradient.
pub(super) fn upstreams(
    level: Level,
    strip: &[f32],
    channels: usize,
    planes: &mut [f32],
    (tiles, first): (usize, usize),
) {
    #[inline(always)]
    fn tile<S: Simd>(
        simd: S,
        column: usize,
        strip: &[f32],
        channels: usize,
        planes: &mut [f32],
        (tiles, first): (usize, usize),
    ) {
        let line = strip.len() / REACH;
        for x in 0..(line / channels - 2) / SIDE {
            let mut columns = [[simd.splat(0.0); REACH]; SIDE];
            for (j, column_j) in columns.iter_mut().enumerate() {
                *column_j = upstream(simd, gather(simd, strip, line + (x * SIDE + j + 1) * channels + column, line));
            }
            for i in 0..REACH {
                for (j, value) in upstream(simd, column_of(&columns, i)).into_iter().enumerate() {
                    let plane = i * REACH + j;
                    put(simd, planes, (plane * tiles + first + x) * channels + column, value);
                }
            }
        }
    }
    over_columns!(level, channels, tile(strip, channels, planes, (tiles, first)))
}

/// A row of tiles back to at most four lines of pixels; what lies beyond the picture is left out.
fn output_row(
    level: Level,
    products: &[f32],
    (channels, tiles, first): (usize, usize, usize),
    out: &mut [f32],
    width: usize,
) {
    #[inline(always)]
    fn tile<S: Simd>(
        simd: S,
        column: usize,
        products: &[f32],
        (channels, tiles, first): (usize, usize, usize),
        out: &mut [f32],
        width: usize,
    ) {
        for x in 0..width.div_ceil(SIDE) {
            let plane = tiles * channels;
            let mut columns = [[simd.splat(0.0); SIDE]; REACH];
            for (j, column_j) in columns.iter_mut().enumerate() {
                let at = j * plane + (first + x) * channels + column;
                *column_j = output(simd, gather(simd, products, at, REACH * plane));
            }
            for (i, line) in out.chunks_exact_mut(width * channels).enumerate() {
                for (j, value) in output(simd, column_of(&columns, i)).into_iter().enumerate() {
                    if x * SIDE + j < width {
                        put(simd, line, (x * SIDE + j) * channels + column, value);
                    }
                }
            }
        }
    }
    over_columns!(level, channels, tile(products, (channels, tiles, first), out, width))
}

/// The 36 matrices of a kernel (9, channels, filters).
pub(super) fn kernels(level: Level, weight: &[f32], planes: &mut [f32]) {
    #[inline(always)]
    fn tile<S: Simd>(simd: S, column: usize, weight: &[f32], planes: &mut [f32]) {
        let size = weight.len() / 9;
        let mut columns = [[simd.splat(0.0); REACH]; 3];
        for (j, column_j) in columns.iter_mut().enumerate() {
            *column_j = kernel(simd, gather(simd, weight, j * size + column, 3 * size));
        }
        for i in 0..REACH {
            for (j, value) in kernel(simd, column_of(&columns, i)).into_iter().enumerate() {
                put(simd, planes, (i * REACH + j) * size + column, value);
            }
        }
    }
    over_columns!(level, weight.len() / 9, tile(weight, planes))
}

/// The gradient of a kernel (9, channels, filters) from that of its 36 matrices.
pub(super) fn kernel_gradient(level: Level, planes: &[f32], gradient: &mut [f32]) {
    #[inline(always)]
    fn tile<S: Simd>(simd: S, column: usize, planes: &[f32], gradient: &mut [f32]) {
        let size = gradient.len() / 9;
        let mut columns = [[simd.splat(0.0); 3]; REACH];
        for (j, column_j) in columns.iter_mut().enumerate() {
            *column_j = kernel_back(simd, gather(simd, planes, j * size + column, REACH * size));
        }
        for i in 0..3 {
            for (j, value) in kernel_back(simd, column_of(&columns, i)).into_iter().enumerate() {
                put(simd, gradient, (i * 3 + j) * size + column, value);
            }
        }
    }
    over_columns!(level, gradient.len() / 9, tile(planes, gradient))
}
