//! The product of a few rows of whole numbers with a packed matrix, computed in registers: the one place where whole
//! numbers are multiplied.
//!
//! In: some [`Windows`] of inputs in steps. Out: a row for each, scaled and shifted, as floating-point numbers or, cut
//! and rounded, in steps of the next convolution.

use crate::kernels::densenet::inference::gemm::{Activation, PANEL, PackedWhole, Rows, TileOffsets, TileScales, Whole};
use crate::kernels::simd::{Dot, at_rows};

/// Some rows of inputs, each of which begins `APART` behind the one before; they may overlap, as the windows of a
/// convolution on neighbouring pixels do. A row's pieces lie in lines of three.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Windows<'a, N, const APART: usize> {
    pub(crate) data: &'a [N],
    pub(crate) count: usize,
    /// Numbers of a row that lie side by side, whole groups.
    pub(crate) piece: usize,
    /// From a piece to the next one of its line.
    pub(crate) across: usize,
    /// From a line to the next.
    pub(crate) down: usize,
}

impl<'a, N, const APART: usize> From<Rows<'a, N, APART>> for Windows<'a, N, APART> {
    fn from(Rows { data, count, piece, next }: Rows<'a, N, APART>) -> Self {
        Self { data, count, piece, across: next, down: 3 * next }
    }
}

impl<N, const APART: usize> Windows<'_, N, APART> {
    /// Where a piece of the first row begins.
    #[inline(always)]
    fn piece(&self, index: usize) -> usize {
        index / 3 * self.down + index % 3 * self.across
    }

    /// Whether `depth` numbers of each row lie in the data.
    fn reach(&self, depth: usize) -> bool {
        let end =
            |piece: usize| self.piece(piece) + (self.count - 1) * APART + self.piece.min(depth - piece * self.piece);
        // Each piece begins no later than the third one behind it; only the last one may be cut.
        let pieces = depth.div_ceil(self.piece);
        (pieces.saturating_sub(4)..pieces).all(|piece| end(piece) <= self.data.len())
    }
}

/// The product of each of the rows with `matrix`, to be stored from `offsets[row]` of `out` on.
pub(crate) struct DotProduct<'a, N: Whole, T, const APART: usize> {
    pub(crate) rows: Windows<'a, N, APART>,
    pub(crate) matrix: &'a PackedWhole<N>,
    /// What a sum of each row is multiplied with first, where they are not all alike.
    pub(crate) scales: Option<TileScales>,
    /// `scale * sum + shift` is stored.
    pub(crate) finish: &'a Activation,
    pub(crate) out: &'a mut [T],
    pub(crate) offsets: TileOffsets,
}

/// What a product can be stored as.
pub(crate) trait Stored: Copy {
    /// Stores two vectors of each of two rows, which may be the same.
    ///
    /// # Safety
    /// Both of `to` must point to `2 * D::LANES` of them that may be written.
    unsafe fn store<D: Dot>(dot: D, to: [*mut Self; 2], rows: [[D::Vector; 2]; 2]);
}

impl Stored for f32 {
    #[inline(always)]
    unsafe fn store<D: Dot>(dot: D, to: [*mut Self; 2], rows: [[D::Vector; 2]; 2]) {
        for (to, [left, right]) in to.into_iter().zip(rows) {
            // SAFETY: the caller vouches for it.
            unsafe {
                dot.store(to, left);
                dot.store(to.add(D::LANES), right);
            }
        }
    }
}

impl Stored for u8 {
    #[inline(always)]
    unsafe fn store<D: Dot>(dot: D, to: [*mut Self; 2], [[a, b], [c, d]]: [[D::Vector; 2]; 2]) {
        // SAFETY: the caller vouches for it.
        unsafe { dot.store_four(to, [a, b, c, d]) }
    }
}

impl<N: Whole, T: Stored, const APART: usize> DotProduct<'_, N, T, APART> {
    /// Multiplies and stores, the padded columns too.
    ///
    /// # Panics
    /// When the sizes do not fit; none of them comes from an image.
    pub(crate) fn compute<D: Dot>(self, dot: D) {
        let (PackedWhole { numbers, groups, columns }, count) = (self.matrix, self.rows.count);
        assert!((1..=D::DOT_ROWS).contains(&count), "rows of a tile");
        assert!(*groups > 0 && self.rows.piece > 0 && self.rows.piece.is_multiple_of(N::GROUP), "whole groups");
        assert!(self.rows.reach(groups * N::GROUP), "numbers of the rows");
        assert!(self.offsets[..count].iter().all(|offset| offset + columns <= self.out.len()), "room for a product");
        assert!(numbers.len() == groups * N::GROUP * columns && columns % PANEL == 0, "whole panels");
        assert!(self.finish.scale.len() >= *columns && self.finish.shift.len() >= *columns, "channels");
        at_rows!(count, D::DOT_ROWS, ROWS => match self.scales {
            None => self.tile::<D, ROWS, false>(dot),
            Some(_) => self.tile::<D, ROWS, true>(dot),
        });
    }

    fn tile<D: Dot, const ROWS: usize, const SCALED: bool>(self, dot: D) {
        let Self { rows, matrix: PackedWhole { numbers, groups, .. }, scales, finish, out, offsets } = self;
        let (numbers, scale, shift) = (&numbers[..], &finish.scale[..], &finish.shift[..]);
        let scales = scales.unwrap_or_default();
        let (Some(offsets), Some(scales)) = (offsets.first_chunk::<ROWS>(), scales.first_chunk::<ROWS>()) else {
            return;
        };
        dot.vectorize(
            #[inline(always)]
            || {
                for (panel, weights) in numbers.chunks_exact(groups * N::GROUP * PANEL).enumerate() {
                    for part in (0..PANEL).step_by(2 * D::LANES) {
                        let mut sums = [[dot.no_sums(); 2]; ROWS];
                        for (index, weights) in weights.chunks(rows.piece * PANEL).enumerate() {
                            // SAFETY: `compute` has checked that the rows reach all groups, and so does this piece of
                            // them as far as there are weights, each chunk of which is of whole groups.
                            unsafe {
                                let piece = rows.data.as_ptr().add(rows.piece(index));
                                accumulate::<D, N, APART, ROWS>(dot, piece, weights, part, &mut sums);
                            }
                        }
                        let column = panel * PANEL + part;
                        // SAFETY: `compute` has checked that `finish` and each row of `out` have room for all columns,
                        // of which these are a part.
                        unsafe {
                            let (scale, shift) = (scale.as_ptr().add(column), shift.as_ptr().add(column));
                            let finishes = [0, D::LANES].map(|at| (dot.load(scale.add(at)), dot.load(shift.add(at))));
                            let out = out.as_mut_ptr().add(column);
                            let (pairs, last) = sums.as_chunks::<2>();
                            let of_pairs = offsets.as_chunks::<2>().0.iter().zip(scales.as_chunks::<2>().0);
                            for ([first, second], (offsets, [of_first, of_second])) in pairs.iter().zip(of_pairs) {
                                let rows = [(first, of_first), (second, of_second)];
                                let rows =
                                    rows.map(|(sums, of_row)| finished::<D, SCALED>(dot, *sums, *of_row, finishes));
                                T::store(dot, offsets.map(|offset| out.add(offset)), rows);
                            }
                            if let [row] = last {
                                let row = finished::<D, SCALED>(dot, *row, scales[ROWS - 1], finishes);
                                T::store(dot, [out.add(offsets[ROWS - 1]); 2], [row; 2]);
                            }
                        }
                    }
                }
            },
        );
    }
}

/// What is stored of two vectors of sums: scaled as their row is, and then as `finishes` says, a scale and a shift for each.
#[inline(always)]
fn finished<D: Dot, const SCALED: bool>(
    dot: D,
    sums: [D::Sums; 2],
    of_row: f32,
    [(scale, shift), (right_scale, right_shift)]: [(D::Vector, D::Vector); 2],
) -> [D::Vector; 2] {
    let [mut left, mut right] = [dot.to_numbers(sums[0]), dot.to_numbers(sums[1])];
    if SCALED {
        let of_row = dot.splat(of_row);
        (left, right) = (dot.mul(left, of_row), dot.mul(right, of_row));
    }
    [dot.mul_add(left, scale, shift), dot.mul_add(right, right_scale, right_shift)]
}

/// Groups from one that is used to one that is fetched.
const AHEAD: usize = 16;

/// Adds to `sums` the products of as many groups as there are `weights`, for two vectors of the panel's columns from `part`
/// on.
///
/// # Safety
/// `piece` must point to ROWS rows of that many groups, `APART` from each other; `part` must leave room for two vectors.
#[inline(always)]
unsafe fn accumulate<D: Dot, N: Whole, const APART: usize, const ROWS: usize>(
    dot: D,
    piece: *const N,
    weights: &[N::Weight],
    part: usize,
    sums: &mut [[D::Sums; 2]; ROWS],
) {
    let (length, weights) = (weights.len() / (N::GROUP * PANEL), weights.as_ptr().wrapping_add(part * N::GROUP));
    for k in 0..length {
        // SAFETY: the caller vouches for the rows; the weights are a slice of whole panels' groups.
        unsafe {
            let group = weights.add(k * N::GROUP * PANEL);
            dot.prefetch(group.wrapping_add(AHEAD * N::GROUP * PANEL));
            let left = N::load(dot, group);
            let right = N::load(dot, group.add(N::GROUP * D::LANES));
            for (row, sums) in sums.iter_mut().enumerate() {
                let inputs = N::splat(dot, piece.add(row * APART + k * N::GROUP));
                sums[0] = N::add_products(dot, sums[0], inputs, left);
                sums[1] = N::add_products(dot, sums[1], inputs, right);
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
            let (packed, finish) = (PackedWhole::<u8>::new(&right, columns), Activation::new(&norm));
            let mut strip = Strip::new(rows, depth.next_multiple_of(u8::GROUP));
            strip.begin(rows);
            left.chunks_exact(depth).enumerate().for_each(|(row, numbers)| strip.put(row, 0, numbers));
            let stride = packed.columns + 3;
            let offsets = offsets(0..rows, |row| row * stride);
            let (mut numbers, mut bytes) = (vec![f32::NAN; rows * stride], vec![77; rows * stride]);
            let (matrix, finish) = (&packed, &finish);
            DotProduct { rows: strip.rows().into(), matrix, scales: None, finish, out: &mut numbers, offsets }
                .compute(dot);
            DotProduct { rows: strip.rows().into(), matrix, scales: None, finish, out: &mut bytes, offsets }
                .compute(dot);
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

    /// Overlapping windows of 16 bits, whose rows have scales of their own, against the definition.
    fn check_words(level: Level, count: usize) {
        const APART: usize = 6;
        const PIECE: usize = 22;
        const PIECES: usize = 7;
        const COLUMNS: usize = 40;
        fn run<D: Dot>(dot: D, count: usize) {
            let (count, next) = (count.min(D::DOT_ROWS), 120);
            let data: Vec<i16> = (0..PIECES * next).map(|i| (i * 7919 % 8191) as i16 - 4095).collect();
            // The first column's sums are nearly as large as they can be.
            let weight = |i: usize| if i.is_multiple_of(COLUMNS) { 3000 } else { (i * 104_729 % 4001) as i16 - 2000 };
            let right: Vec<i16> = (0..PIECE * PIECES * COLUMNS).map(weight).collect();
            let norm = FoldedNorm { scale: vec![0.25; COLUMNS], shift: vec![3.0; COLUMNS] };
            let (packed, finish) = (PackedWhole::<i16>::new(&right, COLUMNS), Activation::new(&norm));
            let scales: TileScales = std::array::from_fn(|row| 1.0 / (row + 1) as f32);
            let mut out = vec![f32::NAN; count * packed.columns];
            let offsets = offsets(0..count, |row| row * packed.columns);
            let rows = Rows::<i16, APART> { data: &data, count, piece: PIECE, next };
            let (matrix, scales) = (&packed, Some(scales));
            DotProduct { rows: rows.into(), matrix, scales, finish: &finish, out: &mut out, offsets }.compute(dot);
            for (row, column) in (0..count).flat_map(|row| (0..COLUMNS).map(move |column| (row, column))) {
                let product = |k: usize| {
                    let input = data[k / PIECE * next + row * APART + k % PIECE];
                    i64::from(input) * i64::from(right[k * COLUMNS + column])
                };
                let sum = i32::try_from((0..PIECE * PIECES).map(product).sum::<i64>()).unwrap();
                let want = sum as f32 * (1.0 / (row + 1) as f32) * 0.25 + 3.0;
                let got = out[row * packed.columns + column];
                assert!((got - want).abs() <= 1e-6 * want.abs(), "{row}, {column}: {got} instead of {want}");
            }
        }
        at_dot!(level, dot => run(dot, count))
    }

    #[test]
    fn a_tile_multiplies_words_exactly_at_every_level() {
        for level in Level::available() {
            (1..=13).for_each(|count| check_words(level, count));
        }
    }
}
