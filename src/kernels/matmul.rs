//! The product of two matrices on the calling thread, as training and the fitting of whole numbers need it.
//!
//! In: two matrices, each row-major or the transpose of one. Out: a row-major matrix, or one that is added to. The crate
//! `gemm` has six sums under way where a processor with two units for AVX-512 needs eight, and takes 1.4 times as long.
#![allow(unsafe_code)]

use crate::kernels::scratch::with_scratch;
use crate::kernels::simd::{Level, Simd, at_level, at_rows};

/// A row-major matrix or the transpose of one.
#[derive(Clone, Copy)]
pub(crate) struct Matrix<'a> {
    data: &'a [f32],
    row_stride: usize,
    column_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A row-major matrix of `columns` columns.
    pub(crate) fn of(data: &'a [f32], columns: usize) -> Self {
        Self { data, row_stride: columns, column_stride: 1 }
    }

    /// The transpose of a row-major matrix of `columns` columns.
    pub(crate) fn transposed(data: &'a [f32], columns: usize) -> Self {
        Self { data, row_stride: 1, column_stride: columns }
    }

    pub(crate) fn columns_from(self, first: usize) -> Self {
        Self { data: &self.data[first * self.column_stride..], ..self }
    }

    fn rows_from(self, first: usize) -> Self {
        Self { data: &self.data[first * self.row_stride..], ..self }
    }

    /// Writes `count` columns, and zeros up to `width`, row by row.
    fn pack(&self, to: &mut [f32], width: usize, count: usize) {
        for (row, to) in to.chunks_exact_mut(width).enumerate() {
            let (to, padding) = to.split_at_mut(count);
            let from = &self.data[row * self.row_stride..];
            if self.column_stride == 1 {
                to.copy_from_slice(&from[..count]);
            } else {
                to.iter_mut().zip(from.iter().step_by(self.column_stride)).for_each(|(to, from)| *to = *from);
            }
            padding.fill(0.0);
        }
    }

    fn holds(&self, rows: usize, columns: usize) -> bool {
        rows == 0 || columns == 0 || (rows - 1) * self.row_stride + (columns - 1) * self.column_stride < self.data.len()
    }
}

/// The sizes of a product: (rows, depth) times (depth, columns).
#[derive(Clone, Copy)]
pub(crate) struct Sizes {
    pub(crate) rows: usize,
    pub(crate) depth: usize,
    pub(crate) columns: usize,
}

/// The most steps of a product that are added up at once: as many rows of a panel stay in the nearest caches, and the
/// sum of many numbers keeps more of its digits.
const DEPTH: usize = 512;

/// Rows up to which a product has parts of [`DEPTH`] steps and a rest, where it has equal ones beyond. The built-in
/// weights were trained and quantised in this order of additions, and another would make another file.
const FEW_ROWS: usize = 64;

/// Steps from a number that is used to one that is fetched.
const AHEAD: usize = 8;

/// `out = a b`, or `out += a b`, on the calling thread.
///
/// # Panics
/// When the sizes do not fit; none of them comes from an image.
pub(crate) fn matmul(level: Level, a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], sizes: Sizes, accumulate: bool) {
    let Sizes { rows, depth, columns } = sizes;
    assert!(a.holds(rows, depth) && b.holds(depth, columns) && out.len() == rows * columns, "matmul: sizes");
    if depth == 0 {
        if !accumulate {
            out.fill(0.0);
        }
        return;
    }
    let part = if rows > FEW_ROWS { depth.div_ceil(depth.div_ceil(DEPTH)) } else { DEPTH };
    for first in (0..depth).step_by(part) {
        let (a, b) = (a.columns_from(first), b.rows_from(first));
        let sizes = Sizes { depth: part.min(depth - first), ..sizes };
        at_level!(level, simd => by_panels(simd, a, b, out, sizes, accumulate || first > 0));
    }
}

/// Panel by panel of `b`, two vectors wide, each with all rows of `a`.
fn by_panels<S: Simd>(simd: S, a: Matrix<'_>, b: Matrix<'_>, out: &mut [f32], sizes: Sizes, accumulate: bool) {
    let Sizes { rows, depth, columns } = sizes;
    let width = 2 * S::LANES;
    with_scratch([depth * width, S::ROWS * width], |[packed, edge]| {
        for column in (0..columns).step_by(width) {
            let count = width.min(columns - column);
            let panel = if count == width && b.row_stride == width {
                &b.data[column..][..depth * width]
            } else {
                b.columns_from(column).pack(packed, width, count);
                &*packed
            };
            // The numbers of rows of two tiles differ by one at most, so that none has few sums under way.
            let mut first = 0;
            for tiles in (1..=rows.div_ceil(S::ROWS)).rev() {
                let height = (rows - first).div_ceil(tiles);
                let (a, target) = (a.rows_from(first), &mut out[first * columns + column..]);
                if count == width {
                    Tile { a, panel, out: target, stride: columns, accumulate }.compute(simd, height);
                } else {
                    let out = &mut *edge;
                    Tile { a, panel, out, stride: width, accumulate: false }.compute(simd, height);
                    for (row, sums) in edge.chunks_exact(width).take(height).enumerate() {
                        for (out, sum) in target[row * columns..].iter_mut().zip(&sums[..count]) {
                            *out = if accumulate { *out + sum } else { *sum };
                        }
                    }
                }
                first += height;
            }
        }
    });
}

/// Some rows of the product with a packed panel, which are computed in registers.
struct Tile<'a> {
    a: Matrix<'a>,
    /// (depth, two vectors).
    panel: &'a [f32],
    out: &'a mut [f32],
    /// From a row of `out` to the next.
    stride: usize,
    accumulate: bool,
}

impl Tile<'_> {
    fn compute<S: Simd>(self, simd: S, height: usize) {
        let width = 2 * S::LANES;
        assert!(self.a.holds(height, self.panel.len() / width), "rows of a tile");
        assert!(self.out.len() >= (height - 1) * self.stride + width, "room for a tile");
        at_rows!(height, S::ROWS, ROWS => self.rows::<S, ROWS>(simd));
    }

    fn rows<S: Simd, const ROWS: usize>(self, simd: S) {
        let Self { a: Matrix { data, row_stride, column_stride }, panel, out, stride, accumulate } = self;
        simd.vectorize(
            #[inline(always)]
            || {
                let mut sums = [[simd.splat(0.0); 2]; ROWS];
                // An address may have one register added to it, once or twice: a pointer is good for three rows.
                let mut threes = [data.as_ptr(); 5];
                for (number, three) in threes.iter_mut().enumerate() {
                    *three = three.wrapping_add(3 * number * row_stride);
                }
                // SAFETY: `compute` has checked that `a` holds ROWS rows as long as the panel, which is a slice of whole
                // steps, and that there is room for ROWS rows of two vectors.
                unsafe {
                    for step in panel.chunks_exact(2 * S::LANES) {
                        let (left, right) = (simd.load(step.as_ptr()), simd.load(step.as_ptr().add(S::LANES)));
                        simd.prefetch(threes[0].wrapping_add(AHEAD * column_stride));
                        for (row, sums) in sums.iter_mut().enumerate() {
                            let number = simd.splat(*threes[row / 3].add(row % 3 * row_stride));
                            sums[0] = simd.mul_add(number, left, sums[0]);
                            sums[1] = simd.mul_add(number, right, sums[1]);
                        }
                        for three in &mut threes {
                            *three = three.wrapping_add(column_stride);
                        }
                    }
                    for (row, sums) in sums.into_iter().enumerate() {
                        for (half, sum) in sums.into_iter().enumerate() {
                            let to = out.as_mut_ptr().add(row * stride + half * S::LANES);
                            simd.store(to, if accumulate { simd.add(simd.load(to), sum) } else { sum });
                        }
                    }
                }
            },
        );
    }
}

/// The transpose of a row-major matrix, for a product that would otherwise turn it again for each tile.
pub(crate) fn transpose(matrix: &[f32], columns: usize) -> Vec<f32> {
    let rows = matrix.len() / columns;
    let mut out = vec![0.0; matrix.len()];
    for (r, row) in matrix.chunks_exact(columns).enumerate() {
        for (c, value) in row.iter().enumerate() {
            out[c * rows + r] = *value;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` numbers from -1 to 1.
    fn numbers(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
    }

    fn check(level: Level, [rows, depth, columns]: [usize; 3], turned: [bool; 2], accumulate: bool) {
        let (left, right) = (numbers(rows * depth, 1), numbers(depth * columns, 2));
        // As they lie in memory: the transpose of a transpose is the matrix.
        let (left_turned, right_turned) = (transpose(&left, depth), transpose(&right, columns));
        let a = if turned[0] { Matrix::transposed(&left_turned, rows) } else { Matrix::of(&left, depth) };
        let b = if turned[1] { Matrix::transposed(&right_turned, depth) } else { Matrix::of(&right, columns) };
        let before = if accumulate { numbers(rows * columns, 3) } else { vec![f32::NAN; rows * columns] };
        let mut out = before.clone();
        matmul(level, a, b, &mut out, Sizes { rows, depth, columns }, accumulate);
        for (index, got) in out.into_iter().enumerate() {
            let (row, column) = (index / columns, index % columns);
            let product = |k: usize| f64::from(left[row * depth + k]) * f64::from(right[k * columns + column]);
            let start = if accumulate { f64::from(before[index]) } else { 0.0 };
            let want = start + (0..depth).map(product).sum::<f64>();
            assert!(
                (f64::from(got) - want).abs() < 1e-3,
                "{level}, {rows}x{depth}x{columns}, {turned:?}: {got} instead of {want} in row {row}, column {column}"
            );
        }
    }

    #[test]
    fn a_product_is_right_at_every_level_for_any_size_and_order() {
        for level in Level::available() {
            for rows in 1..=28 {
                check(level, [rows, 7, 32], [rows % 2 == 0, rows % 3 == 0], rows % 5 < 2);
            }
            let (none, mut out) = ([], [f32::NAN; 15]);
            let sizes = Sizes { rows: 3, depth: 0, columns: 5 };
            matmul(level, Matrix::of(&none, 0), Matrix::of(&none, 5), &mut out, sizes, false);
            assert_eq!(out, [0.0; 15], "of no steps");
            // Of several parts, of columns that fill no panel.
            for sizes in [[65, 1300, 33], [64, 1300, 16], [5, 1025, 1], [1, 1, 1], [70, 9, 129], [0, 4, 4]] {
                for (turned, accumulate) in [([false, false], false), ([true, false], true), ([true, true], false)] {
                    check(level, sizes, turned, accumulate);
                }
            }
        }
    }

    #[test]
    fn a_panel_within_a_wider_matrix_is_taken() {
        for level in Level::available() {
            let (left, right) = (numbers(6 * 5, 1), numbers(5 * 96, 2));
            let mut whole = vec![0.0; 6 * 96];
            let sizes = Sizes { rows: 6, depth: 5, columns: 96 };
            matmul(level, Matrix::of(&left, 5), Matrix::of(&right, 96), &mut whole, sizes, false);
            let mut part = vec![0.0; 6 * 32];
            let sizes = Sizes { columns: 32, ..sizes };
            let from = Matrix::of(&right, 96).columns_from(32);
            matmul(level, Matrix::of(&left, 5), from, &mut part, sizes, false);
            for (whole, part) in whole.chunks(96).zip(part.chunks(32)) {
                assert_eq!(&whole[32..64], part, "{level}");
            }
        }
    }
}
