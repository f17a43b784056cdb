//! Mean and variance of each channel.
//!
//! In: (rows, channels). Out: [`Moments`], put together from those of tiles of rows, each of which is read once from
//! memory.

use candle_core::{Result, Tensor, bail};
use rayon::prelude::*;

use crate::kernels::simd::{Level, Simd, add, get, over_columns};
use crate::kernels::slices;

/// Rows that are treated together, so that they are still in the level-1 cache when the next columns are.
const ROWS: usize = 64;
const TILE: usize = 256;

/// Mean and (population) variance of each channel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moments {
    pub(crate) mean: Vec<f32>,
    pub(crate) variance: Vec<f32>,
}

impl Moments {
    /// The moments of each channel of `x` (..., channels), over all its rows, by the instructions that every processor
    /// has.
    pub(crate) fn of(x: &Tensor) -> Result<Self> {
        let channels = x.dims().last().copied().unwrap_or(0);
        if x.elem_count() == 0 {
            bail!("moments of no rows, shape {:?}", x.shape());
        }
        slices::with([x], |[x]| Self::of_rows(Level::Portable, x, channels))
    }

    /// The moments of each column of a row-major matrix.
    pub(crate) fn of_rows(level: Level, rows: &[f32], width: usize) -> Self {
        let tiles = rows.par_chunks(TILE * width).map(|tile| Partial::of(level, tile, width));
        combined(&tiles.collect::<Vec<_>>())
    }
}

/// The moments of one tile; tiles are put together in their order, so that sums do not depend on the threads.
pub(crate) struct Partial {
    rows: usize,
    mean: Vec<f32>,
    /// Sum of the squared distances from the mean.
    squares: Vec<f32>,
}

impl Partial {
    /// Of a row-major tile of `width` columns.
    pub(crate) fn of(level: Level, tile: &[f32], width: usize) -> Self {
        let rows = tile.len() / width;
        let mut mean = vec![0.0; width];
        tile.chunks(ROWS * width).for_each(|rows| over_columns!(level, width, sum(rows, width, &mut mean)));
        mean.iter_mut().for_each(|m| *m /= rows as f32);
        let mut squares = vec![0.0; width];
        let add = |rows| over_columns!(level, width, squared(rows, width, &mean, &mut squares));
        tile.chunks(ROWS * width).for_each(add);
        Self { rows, mean, squares }
    }
}

/// The moments of all tiles, by the formula of Chan, Golub and LeVeque.
pub(crate) fn combined(partial: &[Partial]) -> Moments {
    let width = partial.first().map_or(0, |first| first.mean.len());
    let (mut mean, mut squares, mut rows) = (vec![0f64; width], vec![0f64; width], 0f64);
    for tile in partial {
        let (share, total) = (tile.rows as f64, rows + tile.rows as f64);
        for c in 0..width {
            let distance = f64::from(tile.mean[c]) - mean[c];
            mean[c] += distance * share / total;
            squares[c] += f64::from(tile.squares[c]) + distance * distance * rows * share / total;
        }
        rows = total;
    }
    let variance = squares.iter().map(|s| (s / rows) as f32).collect();
    Moments { mean: mean.iter().map(|m| *m as f32).collect(), variance }
}

/// Adds each column's sum.
#[inline(always)]
fn sum<S: Simd>(simd: S, column: usize, tile: &[f32], width: usize, sums: &mut [f32]) {
    let mut sum = simd.splat(0.0);
    for row in tile.chunks_exact(width) {
        sum = simd.add(sum, get(simd, row, column));
    }
    add(simd, sums, column, sum);
}

/// Adds each column's squared distances from its mean.
#[inline(always)]
fn squared<S: Simd>(simd: S, column: usize, tile: &[f32], width: usize, mean: &[f32], sums: &mut [f32]) {
    let (mut sum, mean) = (simd.splat(0.0), get(simd, mean, column));
    for row in tile.chunks_exact(width) {
        let distance = simd.sub(get(simd, row, column), mean);
        sum = simd.mul_add(distance, distance, sum);
    }
    add(simd, sums, column, sum);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::ops::gradcheck::filled;

    #[test]
    fn every_level_gives_the_moments_of_the_definition() -> Result<()> {
        // More than two tiles, and columns that fill no vector.
        let (rows, width) = (2 * TILE + 70, 21);
        let x = filled(&[rows, width], 1).flatten_all()?.to_vec1::<f32>()?;
        for level in Level::available() {
            let got = Moments::of_rows(level, &x, width);
            for c in 0..width {
                let column = || x.chunks_exact(width).map(|row| f64::from(row[c]));
                let mean = column().sum::<f64>() / rows as f64;
                let variance = column().map(|x| (x - mean).powi(2)).sum::<f64>() / rows as f64;
                assert!((f64::from(got.mean[c]) - mean).abs() < 1e-6, "{level}: {} instead of {mean}", got.mean[c]);
                assert!((f64::from(got.variance[c]) / variance - 1.0).abs() < 1e-5, "{level}: {variance}");
            }
        }
        Ok(())
    }

    #[test]
    fn moments_of_numbers_far_from_zero_stay_exact() -> Result<()> {
        let near = filled(&[1000, 3], 1);
        let far = (&near + 1000.0)?;
        let (near, far) = (Moments::of(&near)?, Moments::of(&far)?);
        for c in 0..3 {
            assert!((near.variance[c] / far.variance[c] - 1.0).abs() < 1e-3, "{near:?} {far:?}");
        }
        Ok(())
    }
}
