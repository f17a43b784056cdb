//! The product of a few rows of whole numbers with a packed matrix, computed in registers: the one place where whole
//! numbers are multiplied.
//!
//! In: some [`Windows`] of activations in steps. Out: a row for each, scaled and shifted, as floating-point numbers or, cut
//! and rounded, in steps of the next convolution.

use crate::kernels::densenet::inference::gemm::tile::MOST_ROWS;
use crate::kernels::densenet::inference::gemm::{Activation, PANEL, PIECE, PackedBytes, Rows};
use crate::kernels::simd::{Dot, GROUP, at_rows};

/// Some rows of activations, each of which begins [`PIECE`] behind the one before; they may overlap, as the windows of a 3x3
/// convolution on neighbouring pixels do. A row's pieces lie in lines of three.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows<'a> {
    pub(crate) data: &'a [u8],
    pub(crate) count: usize,
    /// From a piece to the next one of its line.
    pub(crate) across: usize,
    /// From a line to the next.
    pub(crate) down: usize,
}

impl<'a> From<Rows<'a, u8, PIECE>> for Windows<'a> {
    fn from(Rows { data, count, next, .. }: Rows<'a, u8, PIECE>) -> Self {
        Self { data, count, across: next, down: 3 * next }
    }
}

impl Windows<'_> {
    /// Where a piece of the first row begins.
    #[inline(always)]
    fn piece(&self, index: usize) -> usize {
        index / 3 * self.down + index % 3 * self.across
    }

    /// Whether `depth` numbers of each row lie in the data.
    fn reach(&self, depth: usize) -> bool {
        let end = |piece: usize| self.piece(piece) + (self.count - 1) * PIECE + PIECE.min(depth - piece * PIECE);
        (0..depth.div_ceil(PIECE)).all(|piece| end(piece) <= self.data.len())
    }
}

/// The product of each of the rows with `matrix`, to be stored from `offsets[row]` of `out` on.
pub(crate) struct DotProduct<'a, T> {
    pub(crate) rows: Windows<'a>,
    pub(crate) matrix: &'a PackedBytes,
    /// `scale * sum + shift` is stored.
    pub(crate) finish: &'a Activation,
    pub(crate) out: &'a mut [T],
    pub(crate) offsets: [usize; MOST_ROWS],
}

/// What a product can be stored as.
pub(crate) trait Stored: Copy {
    /// # Safety
    /// `to` must point to `D::LANES` of them that may be written.
    unsafe fn store<D: Dot>(dot: D, to: *mut Self, vector: D::Vector);
}

impl Stored for f32 {
    #[inline(always)]
    unsafe fn store<D: Dot>(dot: D, to: *mut Self, vector: D::Vector) {
        // SAFETY: the caller vouches for it.
        unsafe { dot.store(to, vector) }
    }
}

impl Stored for u8 {
    #[inline(always)]
    unsafe fn store<D: Dot>(dot: D, to: *mut Self, vector: D::Vector) {
        // SAFETY: the caller vouches for it.
        unsafe { dot.store_bytes(to, vector) }
    }
}

impl<T: Stored> DotProduct<'_, T> {
    /// Multiplies and stores, the padded columns too.
    ///
    /// # Panics
    /// When the sizes do not fit; none of them comes from an image.
    pub(crate) fn compute<D: Dot>(self, dot: D) {
        let (PackedBytes { numbers, groups, columns }, count) = (self.matrix, self.rows.count);
        assert!((1..=D::DOT_ROWS).contains(&count), "rows of a tile");
        assert!(*groups > 0 && self.rows.reach(groups * GROUP), "numbers of the rows");
        assert!(self.offsets[..count].iter().all(|offset| offset + columns <= self.out.len()), "room for a product");
        assert!(numbers.len() == groups * GROUP * columns && columns % PANEL == 0, "whole panels");
        assert!(self.finish.scale.len() >= *columns && self.finish.shift.len() >= *columns, "channels");
        at_rows!(count, D::DOT_ROWS, ROWS => self.tile::<D, ROWS>(dot));
    }

    fn tile<D: Dot, const ROWS: usize>(self, dot: D) {
        let Self { rows, matrix: PackedBytes { numbers, groups, .. }, finish, out, offsets } = self;
        let (numbers, scale, shift) = (&numbers[..], &finish.scale[..], &finish.shift[..]);
        let Some(offsets) = offsets.first_chunk::<ROWS>() else { return };
        dot.vectorize(
            #[inline(always)]
            || {
                for (panel, weights) in numbers.chunks_exact(groups * GROUP * PANEL).enumerate() {
                    for part in (0..PANEL).step_by(2 * D::LANES) {
                        let mut sums = [[dot.no_sums(); 2]; ROWS];
                        for (index, weights) in weights.chunks(PIECE * PANEL).enumerate() {
                            // SAFETY: `compute` has checked that the rows reach all groups, and so does this piece of
                            // them as far as there are weights, each chunk of which is of whole groups.
                            unsafe {
                                let piece = rows.data.as_ptr().add(rows.piece(index));
                                accumulate::<D, ROWS>(dot, piece, weights, part, &mut sums);
                            }
                        }
                        let column = panel * PANEL + part;
                        // SAFETY: `compute` has checked that `finish` and each row of `out` have room for all columns,
                        // of which these are a part.
                        unsafe {
                            let (scale, shift) = (scale.as_ptr().add(column), shift.as_ptr().add(column));
                            let scales = [dot.load(scale), dot.load(scale.add(D::LANES))];
                            let shifts = [dot.load(shift), dot.load(shift.add(D::LANES))];
                            for ([left, right], offset) in sums.into_iter().zip(offsets) {
                                let to = out.as_mut_ptr().add(offset + column);
                                T::store(dot, to, dot.mul_add(dot.to_numbers(left), scales[0], shifts[0]));
                                let right = dot.mul_add(dot.to_numbers(right), scales[1], shifts[1]);
                                T::store(dot, to.add(D::LANES), right);
                            }
                        }
                    }
                }
            },
        );
    }
}

/// Groups from one that is used to one that is fetched.
const AHEAD: usize = 16;

/// Adds to `sums` the products of as many groups as there are `weights`, for two vectors of the panel's columns from `part`
/// on.
///
/// # Safety
/// `piece` must point to ROWS rows of that many groups, [`PIECE`] from each other; `part` must leave room for two vectors.
#[inline(always)]
unsafe fn accumulate<D: Dot, const ROWS: usize>(
    dot: D,
    piece: *const u8,
    weights: &[i8],
    part: usize,
    sums: &mut [[D::Sums; 2]; ROWS],
) {
    let (length, weights) = (weights.len() / (GROUP * PANEL), weights.as_ptr().wrapping_add(part * GROUP));
    for k in 0..length {
        // SAFETY: the caller vouches for the rows; the weights are a slice of whole panels' groups.
        unsafe {
            let group = weights.add(k * GROUP * PANEL);
            dot.prefetch(group.wrapping_add(AHEAD * GROUP * PANEL));
            let left = dot.load_weights(group);
            let right = dot.load_weights(group.add(GROUP * D::LANES));
            for (row, sums) in sums.iter_mut().enumerate() {
                let inputs = dot.splat_group(piece.add(row * PIECE + k * GROUP));
                sums[0] = dot.add_products(sums[0], inputs, left);
                sums[1] = dot.add_products(sums[1], inputs, right);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::densenet::inference::FoldedNorm;
    use crate::kernels::densenet::inference::gemm::{Strip, offsets};
    use crate::kernels::simd::{Level, at_dot};

    /// A product with `finish` 1/4 and 3 by columns, against the definition.
    fn check(level: Level, [rows, depth, columns]: [usize; 3]) {
        fn run<D: Dot>(dot: D, [rows, depth, columns]: [usize; 3]) {
            let rows = rows.min(D::DOT_ROWS);
            let left: Vec<u8> =
                (0..rows * depth).map(|i| if i % 5 == 0 { 255 } else { (i * 7919 % 256) as u8 }).collect();
            let right: Vec<i8> =
                (0..depth * columns).map(|i| (i * 104_729 % 255) as i16 - 127).map(|w| w as i8).collect();
            let norm = FoldedNorm { scale: vec![0.25; columns], shift: vec![3.0; columns] };
            let (packed, finish) = (PackedBytes::new(&right, columns), Activation::new(&norm));
            let mut strip = Strip::new(rows, depth.next_multiple_of(GROUP));
            strip.begin(rows);
            left.chunks_exact(depth).enumerate().for_each(|(row, numbers)| strip.put(row, 0, numbers));
            let stride = packed.columns + 3;
            let offsets = offsets(0..rows, |row| row * stride);
            let (mut numbers, mut bytes) = (vec![f32::NAN; rows * stride], vec![77; rows * stride]);
            let (matrix, finish) = (&packed, &finish);
            DotProduct { rows: strip.rows().into(), matrix, finish, out: &mut numbers, offsets }.compute(dot);
            DotProduct { rows: strip.rows().into(), matrix, finish, out: &mut bytes, offsets }.compute(dot);
            for row in 0..rows {
                for column in 0..columns {
                    let product = |k: usize| i32::from(left[row * depth + k]) * i32::from(right[k * columns + column]);
                    let want = (0..depth).map(product).sum::<i32>() as f32 * 0.25 + 3.0;
                    assert_eq!(numbers[row * stride + column], want, "{rows}x{depth}x{columns}");
                    assert_eq!(bytes[row * stride + column], want.round_ties_even() as u8, "{rows}x{depth}x{columns}");
                }
                let behind = row * stride + packed.columns..(row + 1) * stride;
                assert!(numbers[behind.clone()].iter().all(|x| x.is_nan()) && bytes[behind] == [77; 3]);
            }
        }
        at_dot!(level, dot => run(dot, [rows, depth, columns]))
    }

    #[test]
    fn a_tile_multiplies_whole_numbers_exactly_at_every_level() {
        for level in Level::available() {
            for rows in 1..=13 {
                check(level, [rows, 128, 64]);
            }
            for sizes in [[1, 1, 1], [5, 1152, 32], [4, 130, 33], [3, 127, 12]] {
                check(level, sizes);
            }
        }
    }
}
