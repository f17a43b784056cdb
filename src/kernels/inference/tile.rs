//! The product of a few rows with a packed matrix, computed in registers: the one place where multiplications happen.
//!
//! In: a [`Strip`] of rows. Out: a row of products for each, scaled, shifted and cut at zero where that is asked for.

use super::aligned::Aligned;
use super::packed::{PanelNumbers, Panels};
use crate::kernels::simd::Simd;
use half::f16;

/// Numbers of a row that lie side by side; the rows' next numbers lie behind those of all rows. The constant distance
/// of the rows lets a tile address them all from one pointer, and a piece of all rows fits into a level-1 cache.
pub(super) const PIECE: usize = 128;

/// At most `S::ROWS` rows of equal depth, piece by piece.
#[derive(Debug)]
pub(super) struct Strip {
    data: Aligned<f32>,
    rows: usize,
}

impl Strip {
    /// Room for `rows` rows of `depth` numbers.
    pub(super) fn new(rows: usize, depth: usize) -> Self {
        Self { data: Aligned::zeros(rows * depth.next_multiple_of(PIECE)), rows: 0 }
    }

    /// Takes the strip for `rows` rows from here on.
    pub(super) fn begin(&mut self, rows: usize) {
        self.rows = rows;
    }

    /// Where a row's numbers from `PIECE * piece` on lie.
    #[inline(always)]
    pub(super) fn piece(&mut self, row: usize, piece: usize) -> &mut [f32] {
        &mut self.data[(piece * self.rows + row) * PIECE..][..PIECE]
    }

    /// Copies numbers into a row, from its number `at` on.
    pub(super) fn put(&mut self, row: usize, at: usize, numbers: &[f32]) {
        let (mut at, mut rest) = (at, numbers);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(PIECE - at % PIECE));
            self.piece(row, at / PIECE)[at % PIECE..][..now.len()].copy_from_slice(now);
            (at, rest) = (at + now.len(), later);
        }
    }

    /// The rows, to be multiplied.
    pub(super) fn rows(&self) -> Rows<'_, PIECE> {
        Rows::in_pieces(&self.data, self.rows)
    }
}

/// Some rows in memory, each of which begins `APART` numbers behind the one before; they may overlap.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows<'a, const APART: usize> {
    pub(super) data: &'a [f32],
    pub(super) count: usize,
    /// Numbers of a row that lie side by side.
    pub(super) piece: usize,
    /// From the first of them to the first of the next piece.
    pub(super) next: usize,
}

impl<'a> Rows<'a, PIECE> {
    /// The rows of a buffer that is laid out like a [`Strip`].
    pub(super) fn in_pieces(data: &'a [f32], count: usize) -> Self {
        Self { data, count, piece: PIECE, next: count * PIECE }
    }
}

impl<const APART: usize> Rows<'_, APART> {
    /// Whether `depth` numbers of each row lie in the data.
    fn reach(&self, depth: usize) -> bool {
        let last = (depth - 1) / self.piece * self.next + (self.count - 1) * APART;
        // Every piece ends no later than a whole last one, and only the last one may be cut.
        let cut = (depth - 1) % self.piece + 1;
        let before = if depth > self.piece { last - self.next + self.piece } else { 0 };
        (last + cut).max(before) <= self.data.len()
    }
}

/// `max(scale * x + shift, 0)` for each column: a batch normalisation and its ReLU. As long as the padded columns.
#[derive(Debug)]
pub(super) struct Activation {
    pub(super) scale: Aligned<f32>,
    pub(super) shift: Aligned<f32>,
}

impl Activation {
    /// From a scale and a shift a channel; channels beyond are zero, up to a multiple of [`PIECE`].
    pub(super) fn new(scale: &[f32], shift: &[f32]) -> Self {
        let padded = |numbers: &[f32]| {
            let mut padded = Aligned::zeros(numbers.len().next_multiple_of(PIECE));
            padded[..numbers.len()].copy_from_slice(numbers);
            padded
        };
        Self { scale: padded(scale), shift: padded(shift) }
    }
}

/// Multiplies each of the rows with `matrix` and stores the products from `offsets[row]` of `out` on. Writes the padded
/// columns too.
///
/// # Panics
/// When the sizes do not fit; none of them comes from a picture.
pub(super) fn product<S: Simd, const APART: usize>(
    simd: S,
    rows: Rows<'_, APART>,
    matrix: Panels<'_>,
    activation: Option<&Activation>,
    out: &mut [f32],
    offsets: &[usize],
) {
    let Panels { numbers, depth, columns } = matrix;
    assert!(offsets.len() == rows.count && (1..=S::ROWS).contains(&rows.count), "rows of a tile");
    assert!(depth > 0 && rows.reach(depth), "numbers of the rows");
    assert!(offsets.iter().all(|offset| offset + columns <= out.len()), "room for a product");
    assert!(columns % (2 * S::LANES) == 0, "whole panels");
    assert!(activation.is_none_or(|a| a.scale.len() >= columns && a.shift.len() >= columns), "channels");
    match numbers {
        PanelNumbers::F32(numbers) => {
            assert_eq!(numbers.len(), depth * columns);
            by_rows::<S, f32, APART>(simd, rows, numbers, depth, activation, out, offsets);
        }
        PanelNumbers::F16(numbers) => {
            assert_eq!(numbers.len(), depth * columns);
            by_rows::<S, f16, APART>(simd, rows, numbers, depth, activation, out, offsets);
        }
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

/// Picks the tile of the number of rows: a tile's accumulators are registers, so their number is part of the code.
fn by_rows<S: Simd, W: Weight, const APART: usize>(
    simd: S,
    rows: Rows<'_, APART>,
    numbers: &[W],
    depth: usize,
    activation: Option<&Activation>,
    out: &mut [f32],
    offsets: &[usize],
) {
    macro_rules! tiles {
        ($($count:literal)+) => {
            match offsets.len() {
                $($count if const { $count <= S::ROWS } => tile::<S, W, APART, $count>(simd, rows, numbers, depth, activation, out, offsets),)+
                _ => {}
            }
        };
    }
    tiles!(1 2 3 4 5 6 7 8 9 10 11 12 13);
}

fn tile<S: Simd, W: Weight, const APART: usize, const ROWS: usize>(
    simd: S,
    rows: Rows<'_, APART>,
    numbers: &[W],
    depth: usize,
    activation: Option<&Activation>,
    out: &mut [f32],
    offsets: &[usize],
) {
    let width = 2 * S::LANES;
    let Some(offsets) = offsets.first_chunk::<ROWS>() else { return };
    simd.vectorize(
        #[inline(always)]
        || {
            for (panel, weights) in numbers.chunks_exact(depth * width).enumerate() {
                let mut sums = [[simd.splat(0.0); 2]; ROWS];
                for (index, first) in (0..depth).step_by(rows.piece).enumerate() {
                    let length = (depth - first).min(rows.piece);
                    // SAFETY: `product` has checked that the rows reach `depth`, and the panel holds `depth` rows of two
                    // vectors.
                    unsafe {
                        let piece = rows.data.as_ptr().add(index * rows.next);
                        let weights = weights.as_ptr().add(first * width);
                        accumulate::<S, W, APART, ROWS>(simd, piece, weights, length, &mut sums);
                    }
                }
                let column = panel * width;
                // SAFETY: `product` has checked that the activation and each row of `out` have room for all columns, of
                // which these are a part.
                unsafe {
                    if let Some(Activation { scale, shift }) = activation {
                        let (scale, shift) = (scale.as_ptr().add(column), shift.as_ptr().add(column));
                        let scale = [simd.load(scale), simd.load(scale.add(S::LANES))];
                        let shift = [simd.load(shift), simd.load(shift.add(S::LANES))];
                        for sums in &mut sums {
                            for half in 0..2 {
                                sums[half] =
                                    simd.max(simd.mul_add(sums[half], scale[half], shift[half]), simd.splat(0.0));
                            }
                        }
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

/// Steps from a weight that is used to one that is fetched.
const AHEAD: usize = 24;

/// Adds `length` steps of the product to `sums`.
///
/// # Safety
/// `piece` must point to ROWS rows of `length` numbers, `APART` from each other, and `weights` to `length` rows of two
/// vectors.
#[inline(always)]
unsafe fn accumulate<S: Simd, W: Weight, const APART: usize, const ROWS: usize>(
    simd: S,
    piece: *const f32,
    weights: *const W,
    length: usize,
    sums: &mut [[S::Vector; 2]; ROWS],
) {
    for k in 0..length {
        // SAFETY: the caller vouches for these reads.
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

#[cfg(test)]
mod tests {
    use super::super::packed::Packed;
    use super::*;
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
            let (scale, shift) = (numbers(columns, 3), numbers(columns, 4));
            let packed = Packed::new(&right, depth, columns, 2 * S::LANES, halves);
            let mut strip = Strip::new(rows, depth);
            strip.begin(rows);
            left.chunks_exact(depth).enumerate().for_each(|(row, numbers)| strip.put(row, 0, numbers));
            let stride = packed.padded_columns() + 3;
            let mut out = vec![f32::NAN; rows * stride];
            let offsets: Vec<usize> = (0..rows).map(|row| row * stride).collect();
            let activation = Activation::new(&scale, &shift);
            let activation = activate.then_some(&activation);
            product(simd, strip.rows(), packed.matrix(0), activation, &mut out, &offsets);
            for row in 0..rows {
                for column in 0..columns {
                    let products = (0..depth).map(|k| f64::from(left[row * depth + k] * right[k * columns + column]));
                    let mut want: f64 = products.sum();
                    if activate {
                        want = (want * f64::from(scale[column]) + f64::from(shift[column])).max(0.0);
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
    fn rows_reach_as_far_as_their_last_number() {
        let rows = |length: usize| Rows::<6> { data: &[0.0; 100][..length], count: 3, piece: 7, next: 20 };
        // The last number of the last row: two pieces down, two rows across, and its place in the third piece.
        for (depth, length) in [(1, 13), (7, 19), (8, 33), (14, 39), (15, 53), (17, 55)] {
            assert!(rows(length).reach(depth) && !rows(length - 1).reach(depth), "{depth}");
        }
        // Pieces that lie close together: a whole one may end behind a cut one.
        let close = Rows::<1> { data: &[0.0; 8], count: 1, piece: 8, next: 2 };
        assert!(close.reach(9) && !Rows { data: &close.data[..7], ..close }.reach(9));
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
