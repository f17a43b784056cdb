//! Mean and variance of each channel, from tiles of rows.

use rayon::prelude::*;

use super::super::lanes::{add, get, over_columns};
use super::super::norm::Moments;
use super::super::simd::{Level, Simd};

/// Rows that are treated together, so that they are still in the level-1 cache when the next columns are.
const ROWS: usize = 64;
/// Rows of a tile.
const TILE: usize = 256;

/// The moments of one tile; tiles are put together in their order, so that sums do not depend on the threads.
pub(super) struct Partial {
    rows: usize,
    mean: Vec<f32>,
    /// Sum of the squared distances from the mean.
    squares: Vec<f32>,
}

impl Partial {
    /// Of a row-major tile of `width` columns.
    pub(super) fn of(level: Level, tile: &[f32], width: usize) -> Self {
        let rows = tile.len() / width;
        let mut mean = vec![0.0; width];
        tile.chunks(ROWS * width).for_each(|rows| sums(level, rows, width, &mut mean));
        mean.iter_mut().for_each(|m| *m /= rows as f32);
        let mut squares = vec![0.0; width];
        tile.chunks(ROWS * width).for_each(|rows| squared(level, rows, width, &mean, &mut squares));
        Self { rows, mean, squares }
    }
}

/// The moments of all tiles, by the formula of Chan, Golub and LeVeque.
pub(super) fn combined(partial: &[Partial]) -> Moments {
    let width = partial.first().map_or(0, |first| first.mean.len());
    let (mut mean, mut squares, mut rows) = (vec![0f64; width], vec![0f64; width], 0f64);
    for part in partial {
        let (share, total) = (part.rows as f64, rows + part.rows as f64);
        for c in 0..width {
            let distance = f64::from(part.mean[c]) - mean[c];
            mean[c] += distance * share / total;
            squares[c] += f64::from(part.squares[c]) + distance * distance * rows * share / total;
        }
        rows = total;
    }
    let variance = squares.iter().map(|s| (s / rows) as f32).collect();
    Moments { mean: mean.iter().map(|m| *m as f32).collect(), variance }
}

/// The moments of each column of a row-major matrix.
pub(super) fn of_rows(level: Level, rows: &[f32], width: usize) -> Moments {
    let partial: Vec<Partial> = rows.par_chunks(TILE * width).map(|tile| Partial::of(level, tile, width)).collect();
    combined(&partial)
}

/// Adds each column's sum.
fn sums(level: Level, tile: &[f32], width: usize, sums: &mut [f32]) {
    #[inline(always)]
    fn kernel<S: Simd>(simd: S, column: usize, tile: &[f32], width: usize, sums: &mut [f32]) {
        let mut sum = simd.splat(0.0);
        for row in tile.chunks_exact(width) {
            sum = simd.add(sum, get(simd, row, column));
        }
        add(simd, sums, column, sum);
    }
    over_columns!(level, width, kernel(tile, width, sums))
}

/// Adds each column's squared distances from its mean.
fn squared(level: Level, tile: &[f32], width: usize, mean: &[f32], sums: &mut [f32]) {
    #[inline(always)]
    fn kernel<S: Simd>(simd: S, column: usize, tile: &[f32], width: usize, mean: &[f32], sums: &mut [f32]) {
        let (mut sum, mean) = (simd.splat(0.0), get(simd, mean, column));
        for row in tile.chunks_exact(width) {
            let distance = simd.sub(get(simd, row, column), mean);
            sum = simd.mul_add(distance, distance, sum);
        }
        add(simd, sums, column, sum);
    }
    over_columns!(level, width, kernel(tile, width, mean, sums))
}
