//! The rows that a product takes, as a register tile reads them, and what is written to them: activated pixels.

use crate::kernels::densenet::inference::FoldedNorm;
use crate::kernels::densenet::inference::gemm::{Aligned, TileScales};
use crate::kernels::simd::{Dot, Simd};

/// Numbers of a row that lie side by side; the rows' next numbers lie behind those of all rows. The constant distance
/// of the rows lets a tile address them all from one pointer, and a piece of all rows fits into a level-1 cache.
pub(crate) const PIECE: usize = 128;

/// As many rows of equal depth as a register tile has, piece by piece.
#[derive(Debug)]
pub(crate) struct Strip<T> {
    data: Aligned<T>,
    rows: usize,
}

impl<T: Copy + Default> Strip<T> {
    /// Room for `rows` rows of `depth` numbers.
    pub(crate) fn new(rows: usize, depth: usize) -> Self {
        Self { data: Aligned::zeros(rows * depth.next_multiple_of(PIECE)), rows: 0 }
    }

    /// Takes the strip for `rows` rows from here on.
    pub(crate) fn begin(&mut self, rows: usize) {
        self.rows = rows;
    }

    /// Where a row's numbers from `PIECE * piece` on lie.
    #[inline(always)]
    fn piece(&mut self, row: usize, piece: usize) -> &mut [T] {
        &mut self.data[(piece * self.rows + row) * PIECE..][..PIECE]
    }

    /// Copies numbers into a row, from its number `at` on.
    pub(crate) fn put(&mut self, row: usize, at: usize, numbers: &[T]) {
        let (mut at, mut rest) = (at, numbers);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(PIECE - at % PIECE));
            self.piece(row, at / PIECE)[at % PIECE..][..now.len()].copy_from_slice(now);
            (at, rest) = (at + now.len(), later);
        }
    }

    pub(crate) fn rows(&self) -> Rows<'_, T, PIECE> {
        Rows::in_pieces(&self.data, self.rows)
    }
}

impl Strip<f32> {
    /// Fills row after row with the average of N activated pixels, the first `channels` numbers of each.
    ///
    /// # Panics
    /// When a pixel has fewer channels, rounded up to whole vectors, or the activation has.
    pub(crate) fn activate<'a, S: Simd, const N: usize>(
        &mut self,
        simd: S,
        rows: impl Iterator<Item = [&'a [f32]; N]>,
        norm: &Activation,
        channels: usize,
    ) {
        let channels = channels.next_multiple_of(S::LANES);
        let Activation { scale, shift } = norm;
        assert!(scale.len() >= channels && shift.len() >= channels, "channels of an activation");
        simd.vectorize(
            #[inline(always)]
            || {
                let (zero, share) = (simd.splat(0.0), simd.splat(1.0 / N as f32));
                for (row, pixels) in rows.enumerate() {
                    for pixel in pixels {
                        assert!(pixel.len() >= channels, "channels of a pixel");
                    }
                    for first in (0..channels).step_by(PIECE) {
                        let target = self.piece(row, first / PIECE);
                        for at in (0..PIECE.min(channels - first)).step_by(S::LANES) {
                            let channel = first + at;
                            // SAFETY: the assertions above hold the reads, which end at a multiple of LANES not above
                            // `channels`, inside their slices; a piece is a whole number of vectors.
                            unsafe {
                                let scale = simd.load(scale.as_ptr().add(channel));
                                let shift = simd.load(shift.as_ptr().add(channel));
                                let mut sum = zero;
                                for (index, pixel) in pixels.iter().enumerate() {
                                    let x = simd.load(pixel.as_ptr().add(channel));
                                    let activated = simd.max(simd.mul_add(x, scale, shift), zero);
                                    sum = if index == 0 { activated } else { simd.add(sum, activated) };
                                }
                                simd.store(target.as_mut_ptr().add(at), simd.mul(sum, share));
                            }
                        }
                    }
                }
            },
        );
    }
}

impl Strip<u8> {
    /// Fills row after row with activated pixels in whole numbers, the first `channels` of each; the norm is in steps.
    ///
    /// # Panics
    /// When a pixel has fewer channels, rounded up to whole vectors, or the norm has.
    pub(crate) fn quantise<'a, D: Dot>(
        &mut self,
        dot: D,
        rows: impl Iterator<Item = &'a [f32]>,
        norm: &Activation,
        channels: usize,
    ) {
        let channels = channels.next_multiple_of(D::LANES);
        let Activation { scale, shift } = norm;
        assert!(scale.len() >= channels && shift.len() >= channels, "channels of an activation");
        dot.vectorize(
            #[inline(always)]
            || {
                for (row, pixel) in rows.enumerate() {
                    assert!(pixel.len() >= channels, "channels of a pixel");
                    let (pixel, scale, shift) = (pixel.as_ptr(), scale.as_ptr(), shift.as_ptr());
                    for first in (0..channels).step_by(PIECE) {
                        let target = self.piece(row, first / PIECE).as_mut_ptr();
                        let (mut at, end) = (0, PIECE.min(channels - first));
                        // SAFETY: the assertions hold the reads, which end at a multiple of LANES not above `channels`, inside
                        // their slices; a piece is a whole number of vectors. Storing cuts at zero, so the ReLU is in it.
                        unsafe {
                            while at + 4 * D::LANES <= end {
                                let mut vectors = [dot.splat(0.0); 4];
                                for (index, vector) in vectors.iter_mut().enumerate() {
                                    *vector = in_steps(dot, pixel, scale, shift, first + at + index * D::LANES);
                                }
                                let target = target.add(at);
                                dot.store_four([target, target.add(2 * D::LANES)], vectors);
                                at += 4 * D::LANES;
                            }
                            while at < end {
                                dot.store_bytes(target.add(at), in_steps(dot, pixel, scale, shift, first + at));
                                at += D::LANES;
                            }
                        }
                    }
                }
            },
        );
    }
}

/// Normed activations from a channel on, in steps.
///
/// # Safety
/// All three must have a vector of numbers there.
#[inline(always)]
unsafe fn in_steps<D: Dot>(
    dot: D,
    pixel: *const f32,
    scale: *const f32,
    shift: *const f32,
    channel: usize,
) -> D::Vector {
    // SAFETY: the caller vouches for the reads.
    unsafe { dot.mul_add(dot.load(pixel.add(channel)), dot.load(scale.add(channel)), dot.load(shift.add(channel))) }
}

/// What the largest number of a row becomes in 16 bits; more of these leave its weights less of the 32 bits of a sum.
pub(crate) const MOST: f32 = 4095.0;

impl Strip<i16> {
    /// Takes over the rows of a strip, the first `channels` numbers of each, none of which is below zero: each row in steps
    /// of which its largest number has [`MOST`]. Says what a step of each is worth.
    ///
    /// # Panics
    /// When there are more rows than a tile has.
    pub(crate) fn take_steps<D: Dot>(&mut self, dot: D, from: &mut Strip<f32>, channels: usize) -> TileScales {
        let channels = channels.next_multiple_of(D::LANES);
        let (mut scales, mut of_lanes) = (TileScales::default(), [0.0; 16]);
        self.begin(from.rows);
        dot.vectorize(
            #[inline(always)]
            || {
                for (row, scale) in scales[..from.rows].iter_mut().enumerate() {
                    let mut largest = dot.splat(0.0);
                    for first in (0..channels).step_by(PIECE) {
                        let numbers = from.piece(row, first / PIECE).as_ptr();
                        for at in (0..PIECE.min(channels - first)).step_by(D::LANES) {
                            // SAFETY: a piece is a whole number of vectors, and so are the channels.
                            largest = dot.max(largest, unsafe { dot.load(numbers.add(at)) });
                        }
                    }
                    // SAFETY: no level has more than 16 lanes.
                    unsafe { dot.store(of_lanes.as_mut_ptr(), largest) };
                    let largest = of_lanes.into_iter().fold(0.0, f32::max);
                    *scale = largest / MOST;
                    let steps = dot.splat(if largest > 0.0 { MOST / largest } else { 0.0 });
                    for first in (0..channels).step_by(PIECE) {
                        let numbers = from.piece(row, first / PIECE).as_ptr();
                        let target = self.piece(row, first / PIECE).as_mut_ptr();
                        for at in (0..PIECE.min(channels - first)).step_by(D::LANES) {
                            // SAFETY: as above, in both strips.
                            unsafe { dot.store_words(target.add(at), dot.mul(dot.load(numbers.add(at)), steps)) }
                        }
                    }
                }
            },
        );
        scales
    }
}

/// Some rows in memory, each of which begins `APART` numbers behind the one before; they may overlap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rows<'a, T, const APART: usize> {
    pub(crate) data: &'a [T],
    pub(crate) count: usize,
    /// Numbers of a row that lie side by side.
    pub(crate) piece: usize,
    /// From the first of them to the first of the next piece.
    pub(crate) next: usize,
}

impl<'a, T> Rows<'a, T, PIECE> {
    /// The rows of a buffer that is laid out like a [`Strip`].
    pub(crate) fn in_pieces(data: &'a [T], count: usize) -> Self {
        Self { data, count, piece: PIECE, next: count * PIECE }
    }
}

impl<T, const APART: usize> Rows<'_, T, APART> {
    /// Whether `depth` numbers of each row lie in the data.
    pub(crate) fn reach(&self, depth: usize) -> bool {
        let last = (depth - 1) / self.piece * self.next + (self.count - 1) * APART;
        // Every piece ends no later than a whole last one, and only the last one may be cut.
        let cut = (depth - 1) % self.piece + 1;
        let before = if depth > self.piece { last - self.next + self.piece } else { 0 };
        (last + cut).max(before) <= self.data.len()
    }
}

/// `max(scale * x + shift, 0)` for each column: a batch normalisation and its ReLU. As long as the padded columns.
#[derive(Debug)]
pub(crate) struct Activation {
    pub(crate) scale: Aligned<f32>,
    pub(crate) shift: Aligned<f32>,
}

impl Activation {
    /// Channels beyond the norm's are zero, up to a multiple of [`PIECE`].
    pub(crate) fn new(norm: &FoldedNorm) -> Self {
        let padded = |numbers: &[f32]| {
            let mut padded = Aligned::zeros(numbers.len().next_multiple_of(PIECE));
            padded[..numbers.len()].copy_from_slice(numbers);
            padded
        };
        Self { scale: padded(&norm.scale), shift: padded(&norm.shift) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::{Level, at_level};

    /// Two rows of the average of N activated pixels, over more than a piece, against the definition.
    fn check<const N: usize>(level: Level) {
        const CHANNELS: usize = PIECE + 2;
        fn run<S: Simd, const N: usize>(simd: S, rows: &[[&[f32]; N]], norm: &Activation) -> Strip<f32> {
            let mut strip = Strip::new(rows.len(), CHANNELS);
            strip.begin(rows.len());
            strip.activate(simd, rows.iter().copied(), norm, CHANNELS);
            strip
        }
        let number = |i: usize| ((i * 7919) % 2003) as f32 / 1001.5 - 1.0;
        let numbers: Vec<f32> = (0..2 * N * 2 * PIECE).map(number).collect();
        let pixels: Vec<&[f32]> = numbers.chunks_exact(2 * PIECE).collect();
        let rows: Vec<[&[f32]; N]> = pixels.chunks_exact(N).map(|row| std::array::from_fn(|i| row[i])).collect();
        let (scale, shift) = (numbers[..CHANNELS].to_vec(), numbers[CHANNELS..2 * CHANNELS].to_vec());
        let norm = Activation::new(&FoldedNorm { scale, shift });
        let mut strip = at_level!(level, simd => run(simd, &rows, &norm));
        for (row, channel) in (0..2).flat_map(|row| (0..CHANNELS).map(move |channel| (row, channel))) {
            let activated = |pixel: &&[f32]| (pixel[channel] * norm.scale[channel] + norm.shift[channel]).max(0.0);
            let want = rows[row].iter().map(activated).sum::<f32>() / N as f32;
            let got = strip.piece(row, channel / PIECE)[channel % PIECE];
            assert!((got - want).abs() < 1e-6, "{level}: {got} instead of {want} at {row}, {channel}");
        }
    }

    #[test]
    fn a_strip_holds_averages_of_activated_pixels_at_every_level() {
        for level in Level::available() {
            check::<1>(level);
            check::<4>(level);
        }
    }

    #[test]
    fn rows_reach_as_far_as_their_last_number() {
        let rows = |length: usize| Rows::<f32, 6> { data: &[0.0; 100][..length], count: 3, piece: 7, next: 20 };
        // The last number of the last row: two pieces down, two rows across, and its place in the third piece.
        for (depth, length) in [(1, 13), (7, 19), (8, 33), (14, 39), (15, 53), (17, 55)] {
            assert!(rows(length).reach(depth) && !rows(length - 1).reach(depth), "{depth}");
        }
        // Pieces that lie close together: a whole one may end behind a cut one.
        let close = Rows::<f32, 1> { data: &[0.0; 8], count: 1, piece: 8, next: 2 };
        assert!(close.reach(9) && !Rows { data: &close.data[..7], ..close }.reach(9));
    }
}
