//! The product of a few rows with a packed matrix, computed in registers: the one place where floating-point
//! numbers are multiplied.
//!
//! In: some [`Rows`]. Out: a row of products for each, scaled, shifted and cut at zero where that is asked for.

use std::ops::Range;

use half::f16;

use crate::kernels::densenet::inference::gemm::{Activation, PanelNumbers, Panels, Rows};
use crate::kernels::simd::{Simd, at_rows};

/// The most rows that a tile of any level has.
const MOST_ROWS: usize = 16;

/// Where each row of a tile is stored.
pub(crate) type TileOffsets = [usize; MOST_ROWS];

/// A number for each row of a tile.
pub(crate) type TileScales = [f32; MOST_ROWS];

/// Those of the rows of a tile, by their number.
pub(crate) fn offsets(tile: Range<usize>, mut offset: impl FnMut(usize) -> usize) -> TileOffsets {
    let mut offsets = [0; MOST_ROWS];
    offsets.iter_mut().zip(tile).for_each(|(to, row)| *to = offset(row));
    offsets
}

/// The product of each of the rows with `matrix`, to be stored from `offsets[row]` of `out` on.
pub(crate) struct Product<'a, const APART: usize> {
    pub(crate) rows: Rows<'a, f32, APART>,
    pub(crate) matrix: Panels<'a>,
    /// What happens to a product before it is stored.
    pub(crate) activation: Option<&'a Activation>,
    pub(crate) out: &'a mut [f32],
    pub(crate) offsets: TileOffsets,
}

impl<const APART: usize> Product<'_, APART> {
    /// Multiplies and stores, the padded columns too.
    ///
    /// # Panics
    /// When the sizes do not fit; none of them comes from an image.
    pub(crate) fn compute<S: Simd>(self, simd: S) {
        let (Panels { numbers, depth, columns }, count) = (self.matrix, self.rows.count);
        assert!((1..=S::ROWS).contains(&count), "rows of a tile");
        assert!(depth > 0 && self.rows.reach(depth), "numbers of the rows");
        assert!(self.offsets[..count].iter().all(|offset| offset + columns <= self.out.len()), "room for a product");
        assert!(columns % (2 * S::LANES) == 0, "whole panels");
        assert!(self.activation.is_none_or(|a| a.scale.len() >= columns && a.shift.len() >= columns), "channels");
        match numbers {
            PanelNumbers::F32(numbers) => self.by_rows(simd, numbers),
            PanelNumbers::F16(numbers) => self.by_rows(simd, numbers),
        }
    }

    /// Picks the tile of the number of rows: a tile's accumulators are registers, so their number is part of the code.
    fn by_rows<S: Simd, W: Weight>(self, simd: S, numbers: &[W]) {
        assert_eq!(numbers.len(), self.matrix.depth * self.matrix.columns);
        at_rows!(self.rows.count, S::ROWS, ROWS => self.tile::<S, W, ROWS>(simd, numbers));
    }

    /// Multiplies ROWS rows with `numbers`, those of the matrix.
    fn tile<S: Simd, W: Weight, const ROWS: usize>(self, simd: S, numbers: &[W]) {
        let Self { rows, matrix: Panels { depth, .. }, activation, out, offsets } = self;
        let width = 2 * S::LANES;
        let Some(offsets) = offsets.first_chunk::<ROWS>() else { return };
        simd.vectorize(
            #[inline(always)]
            || {
                for (panel, weights) in numbers.chunks_exact(depth * width).enumerate() {
                    let mut sums = [[simd.splat(0.0); 2]; ROWS];
                    for (index, weights) in weights.chunks(rows.piece * width).enumerate() {
                        // SAFETY: `compute` has checked that the rows reach `depth`, and so does this piece of them as
                        // far as there are weights.
                        unsafe {
                            let piece = rows.data.as_ptr().add(index * rows.next);
                            accumulate::<S, W, APART, ROWS>(simd, piece, weights, &mut sums);
                        }
                    }
                    let column = panel * width;
                    // SAFETY: `compute` has checked that the activation and each row of `out` have room for all
                    // columns, of which these are a part.
                    unsafe {
                        if let Some(activation) = activation {
                            activate(simd, activation, column, &mut sums);
                        }
                        for ([left, right], offset) in sums.into_iter().zip(offsets) {
                            let to = out.as_mut_ptr().add(offset + column);
                            simd.store(to, left);
                            simd.store(to.add(S::LANES), right);
                        }
                    }
                }
            },
        );
    }
}

/// A number of a packed matrix.
trait Weight: Copy {
    /// # Safety
    /// `from` must point to `S::LANES` weights.
    unsafe fn load<S: Simd>(simd: S, from: *const Self) -> S::Vector;
}

impl Weight for f32 {
    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, from: *const Self) -> S::Vector {
        // SAFETY: the caller vouches for it.
        unsafe { simd.load(from) }
    }
}

impl Weight for f16 {
    #[inline(always)]
    unsafe fn load<S: Simd>(simd: S, from: *const Self) -> S::Vector {
        // SAFETY: the caller vouches for it.
        unsafe { simd.load_f16(from) }
    }
}

/// Steps from a weight that is used to one that is fetched.
const AHEAD: usize = 24;

/// Adds to `sums` as many steps of the product as there are `weights`, two vectors each.
///
/// # Safety
/// `piece` must point to ROWS rows of that many numbers, `APART` from each other.
#[inline(always)]
unsafe fn accumulate<S: Simd, W: Weight, const APART: usize, const ROWS: usize>(
    simd: S,
    piece: *const f32,
    weights: &[W],
    sums: &mut [[S::Vector; 2]; ROWS],
) {
    let (length, weights) = (weights.len() / (2 * S::LANES), weights.as_ptr());
    for k in 0..length {
        // SAFETY: the caller vouches for the rows; the weights are a slice.
        unsafe {
            simd.prefetch(weights.wrapping_add(2 * (k + AHEAD) * S::LANES));
            let left = W::load(simd, weights.add(2 * k * S::LANES));
            let right = W::load(simd, weights.add((2 * k + 1) * S::LANES));
            for (row, sums) in sums.iter_mut().enumerate() {
                let number = simd.splat(*piece.add(row * APART + k));
                sums[0] = simd.mul_add(number, left, sums[0]);
                sums[1] = simd.mul_add(number, right, sums[1]);
            }
        }
    }
}

/// Activates the sums of the two vectors of columns from `column` on.
///
/// # Safety
/// The activation must have these columns.
#[inline(always)]
unsafe fn activate<S: Simd, const ROWS: usize>(
    simd: S,
    activation: &Activation,
    column: usize,
    sums: &mut [[S::Vector; 2]; ROWS],
) {
    for half in 0..2 {
        let column = column + half * S::LANES;
        // SAFETY: the caller vouches for these reads.
        let (scale, shift) = unsafe {
            (simd.load(activation.scale.as_ptr().add(column)), simd.load(activation.shift.as_ptr().add(column)))
        };
        for sums in sums.iter_mut() {
            sums[half] = simd.max(simd.mul_add(sums[half], scale, shift), simd.splat(0.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::densenet::inference::FoldedNorm;
    use crate::kernels::densenet::inference::gemm::{Packed, Strip};
    use crate::kernels::simd::{Level, at_level};

    /// `count` numbers from -1 to 1.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
    }

    fn check(level: Level, rows: usize, depth: usize, columns: usize, halves: bool, activate: bool) {
        fn run<S: Simd>(simd: S, [rows, depth, columns]: [usize; 3], halves: bool, activate: bool) {
            let rows = rows.min(S::ROWS);
            let left = numbers(rows * depth, 1);
            let mut right = numbers(depth * columns, 2);
            if halves {
                right.iter_mut().for_each(|weight| *weight = f16::from_f32(*weight).to_f32());
            }
            let norm = FoldedNorm { scale: numbers(columns, 3), shift: numbers(columns, 4) };
            let packed = Packed::new(&right, depth, columns, 2 * S::LANES, halves);
            let mut strip = Strip::new(rows, depth);
            strip.begin(rows);
            left.chunks_exact(depth).enumerate().for_each(|(row, numbers)| strip.put(row, 0, numbers));
            let stride = packed.padded_columns() + 3;
            let mut out = vec![f32::NAN; rows * stride];
            let offsets = offsets(0..rows, |row| row * stride);
            let activation = Activation::new(&norm);
            let activation = activate.then_some(&activation);
            let matrix = packed.matrix(0);
            Product { rows: strip.rows(), matrix, activation, out: &mut out, offsets }.compute(simd);
            for row in 0..rows {
                for column in 0..columns {
                    let products = (0..depth).map(|k| f64::from(left[row * depth + k] * right[k * columns + column]));
                    let mut want: f64 = products.sum();
                    if activate {
                        want = (want * f64::from(norm.scale[column]) + f64::from(norm.shift[column])).max(0.0);
                    }
                    let got = f64::from(out[row * stride + column]);
                    assert!((got - want).abs() < 1e-4, "{rows}x{depth}x{columns}: {got} instead of {want}");
                }
                assert!(out[row * stride + packed.padded_columns()..(row + 1) * stride].iter().all(|x| x.is_nan()));
            }
        }
        at_level!(level, simd => run(simd, [rows, depth, columns], halves, activate))
    }

    #[test]
    fn a_tile_multiplies_at_every_level_for_any_size() {
        for level in Level::available() {
            for rows in 1..=13 {
                check(level, rows, 147, 64, rows % 2 == 0, rows % 3 == 0);
            }
            for (depth, columns) in [(1, 1), (128, 32), (129, 33), (300, 12), (127, 128)] {
                check(level, 5, depth, columns, false, true);
            }
        }
    }
}
