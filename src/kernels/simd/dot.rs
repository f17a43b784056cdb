//! Sums of products of whole numbers: activations of 8 bits without a sign, weights of 8 bits with one, sums of 32.
//!
//! No sum is rounded, and who lays out a network sees to it that none overflows, so every level gives the same. Four neighbouring products of a row go into one
//! lane of a register, since that is what VNNI's instruction adds up.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::*;
use std::array;

use super::Simd;
use super::portable::Numbers;
#[cfg(target_arch = "x86_64")]
use super::x86::{Avx2, Avx512Vnni, AvxVnni};

/// Products that are added up in a lane.
pub(crate) const GROUP: usize = 4;

/// The operations of a level on whole numbers.
pub(crate) trait Dot: Simd {
    /// A register full of i32: as many as a [`Simd::Vector`] has numbers.
    type Sums: Copy;
    /// [`GROUP`] weights in each lane.
    type Weights: Copy;
    /// The same [`GROUP`] activations in each lane.
    type Inputs: Copy;
    /// Rows of a register tile two vectors wide.
    const DOT_ROWS: usize;

    fn no_sums(self) -> Self::Sums;

    /// # Safety
    /// `from` must point to `LANES` groups of weights; it need not be aligned.
    unsafe fn load_weights(self, from: *const i8) -> Self::Weights;

    /// # Safety
    /// `from` must point to a group of activations; it need not be aligned.
    unsafe fn splat_group(self, from: *const u8) -> Self::Inputs;

    /// Adds the four products of each lane to its sum.
    fn add_products(self, sums: Self::Sums, inputs: Self::Inputs, weights: Self::Weights) -> Self::Sums;

    fn to_numbers(self, sums: Self::Sums) -> Self::Vector;

    /// Stores numbers rounded to the nearest whole one, a half to the even one, and cut at 0 and 255.
    ///
    /// # Safety
    /// `to` must point to `LANES` bytes that may be written; it need not be aligned.
    unsafe fn store_bytes(self, to: *mut u8, vector: Self::Vector);

    /// The same of four vectors, one behind the other, which takes fewer instructions.
    ///
    /// # Safety
    /// `to` must point to `4 * LANES` bytes that may be written; it need not be aligned.
    #[inline(always)]
    unsafe fn store_four(self, to: *mut u8, vectors: [Self::Vector; 4]) {
        for (index, vector) in vectors.into_iter().enumerate() {
            // SAFETY: the caller vouches for these bytes.
            unsafe { self.store_bytes(to.add(index * Self::LANES), vector) }
        }
    }
}

impl<const N: usize> Dot for Numbers<N> {
    type Sums = [i32; N];
    type Weights = [[i8; GROUP]; N];
    type Inputs = [u8; GROUP];
    const DOT_ROWS: usize = 4;

    #[inline(always)]
    fn no_sums(self) -> [i32; N] {
        [0; N]
    }

    #[inline(always)]
    unsafe fn load_weights(self, from: *const i8) -> [[i8; GROUP]; N] {
        // SAFETY: the caller vouches for the groups.
        unsafe { from.cast::<[[i8; GROUP]; N]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn splat_group(self, from: *const u8) -> [u8; GROUP] {
        // SAFETY: the caller vouches for the group.
        unsafe { from.cast::<[u8; GROUP]>().read_unaligned() }
    }

    #[inline(always)]
    fn add_products(self, sums: [i32; N], inputs: [u8; GROUP], weights: [[i8; GROUP]; N]) -> [i32; N] {
        let product = |lane: usize, at: usize| i32::from(inputs[at]) * i32::from(weights[lane][at]);
        array::from_fn(|lane| sums[lane] + product(lane, 0) + product(lane, 1) + product(lane, 2) + product(lane, 3))
    }

    #[inline(always)]
    fn to_numbers(self, sums: [i32; N]) -> [f32; N] {
        sums.map(|sum| sum as f32)
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, vector: [f32; N]) {
        // A conversion from f32 is cut at the ends of the type.
        let bytes = vector.map(|number| number.round_ties_even() as u8);
        // SAFETY: the caller vouches for `LANES` bytes.
        unsafe { to.cast::<[u8; N]>().write_unaligned(bytes) }
    }
}

/// What the registers of 256 bits do alike, whichever instruction multiplies.
#[cfg(target_arch = "x86_64")]
macro_rules! of_256_bits {
    () => {
        type Sums = __m256i;

        #[inline(always)]
        fn no_sums(self) -> __m256i {
            // SAFETY: the token proves that the processor has the instruction; so below.
            unsafe { _mm256_setzero_si256() }
        }

        #[inline(always)]
        fn to_numbers(self, sums: __m256i) -> __m256 {
            // SAFETY: as in `no_sums`.
            unsafe { _mm256_cvtepi32_ps(sums) }
        }

        #[inline(always)]
        unsafe fn store_bytes(self, to: *mut u8, vector: __m256) {
            // SAFETY: the caller vouches for 8 bytes, the token for the instructions. Packing cuts at the ends of the
            // narrower type, and every number is cut at 255 before, where the conversion to i32 could fail.
            unsafe {
                let whole = _mm256_cvtps_epi32(_mm256_min_ps(vector, _mm256_set1_ps(255.0)));
                let words = _mm_packus_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
                _mm_storel_epi64(to.cast(), _mm_packus_epi16(words, words));
            }
        }

        #[inline(always)]
        unsafe fn store_four(self, to: *mut u8, [a, b, c, d]: [__m256; 4]) {
            // SAFETY: the caller vouches for 32 bytes, the token for the instructions. Packing works on halves of registers,
            // so the groups of four bytes are put into their order at the end.
            unsafe {
                let most = _mm256_set1_ps(255.0);
                let first = _mm256_packs_epi32(
                    _mm256_cvtps_epi32(_mm256_min_ps(a, most)),
                    _mm256_cvtps_epi32(_mm256_min_ps(b, most)),
                );
                let second = _mm256_packs_epi32(
                    _mm256_cvtps_epi32(_mm256_min_ps(c, most)),
                    _mm256_cvtps_epi32(_mm256_min_ps(d, most)),
                );
                let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
                let bytes = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(first, second), order);
                _mm256_storeu_si256(to.cast(), bytes);
            }
        }
    };
}

#[cfg(target_arch = "x86_64")]
impl Dot for Avx2 {
    /// The weights at even and at odd places, in 16 bits.
    type Weights = [__m256i; 2];
    /// The activations at even and at odd places, in 16 bits.
    type Inputs = [__m256i; 2];
    /// Weights and activations take twice the registers here.
    const DOT_ROWS: usize = 4;

    of_256_bits!();

    #[inline(always)]
    unsafe fn load_weights(self, from: *const i8) -> [__m256i; 2] {
        // SAFETY: the caller vouches for 8 groups, the token for the instructions.
        unsafe {
            let weights = _mm256_loadu_si256(from.cast());
            [_mm256_srai_epi16::<8>(_mm256_slli_epi16::<8>(weights)), _mm256_srai_epi16::<8>(weights)]
        }
    }

    #[inline(always)]
    unsafe fn splat_group(self, from: *const u8) -> [__m256i; 2] {
        // SAFETY: the caller vouches for a group, the token for the instructions.
        unsafe {
            let group = _mm256_set1_epi32(from.cast::<i32>().read_unaligned());
            [_mm256_and_si256(group, _mm256_set1_epi16(255)), _mm256_srli_epi16::<8>(group)]
        }
    }

    /// The instruction that multiplies bytes adds two products in 16 bits, where they may not fit; this one adds in 32.
    #[inline(always)]
    fn add_products(self, sums: __m256i, inputs: [__m256i; 2], weights: [__m256i; 2]) -> __m256i {
        // SAFETY: as in `no_sums`.
        unsafe {
            let even = _mm256_madd_epi16(inputs[0], weights[0]);
            let odd = _mm256_madd_epi16(inputs[1], weights[1]);
            _mm256_add_epi32(sums, _mm256_add_epi32(even, odd))
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Dot for AvxVnni {
    type Weights = __m256i;
    type Inputs = __m256i;
    const DOT_ROWS: usize = 6;

    of_256_bits!();

    #[inline(always)]
    unsafe fn load_weights(self, from: *const i8) -> __m256i {
        // SAFETY: the caller vouches for 8 groups, the token for the instruction.
        unsafe { _mm256_loadu_si256(from.cast()) }
    }

    #[inline(always)]
    unsafe fn splat_group(self, from: *const u8) -> __m256i {
        // SAFETY: the caller vouches for a group, the token for the instruction.
        unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    fn add_products(self, sums: __m256i, inputs: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: as in `no_sums`.
        unsafe { _mm256_dpbusd_avx_epi32(sums, inputs, weights) }
    }
}

#[cfg(target_arch = "x86_64")]
impl Dot for Avx512Vnni {
    type Sums = __m512i;
    type Weights = __m512i;
    type Inputs = __m512i;
    const DOT_ROWS: usize = 13;

    #[inline(always)]
    fn no_sums(self) -> __m512i {
        // SAFETY: the token proves that the processor has the instruction; so below.
        unsafe { _mm512_setzero_si512() }
    }

    #[inline(always)]
    unsafe fn load_weights(self, from: *const i8) -> __m512i {
        // SAFETY: the caller vouches for 16 groups, the token for the instruction.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn splat_group(self, from: *const u8) -> __m512i {
        // SAFETY: the caller vouches for a group, the token for the instruction.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    fn add_products(self, sums: __m512i, inputs: __m512i, weights: __m512i) -> __m512i {
        // SAFETY: as in `no_sums`.
        unsafe { _mm512_dpbusd_epi32(sums, inputs, weights) }
    }

    #[inline(always)]
    fn to_numbers(self, sums: __m512i) -> __m512 {
        // SAFETY: as in `no_sums`.
        unsafe { _mm512_cvtepi32_ps(sums) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, vector: __m512) {
        // SAFETY: the caller vouches for 16 bytes, the token for the instructions. The numbers are cut at 255 before,
        // where the conversion to i32 could fail, and at 0, since the narrowing takes them to have no sign.
        unsafe {
            let whole = _mm512_cvtps_epi32(_mm512_min_ps(vector, _mm512_set1_ps(255.0)));
            let bytes = _mm512_cvtusepi32_epi8(_mm512_max_epi32(whole, _mm512_setzero_si512()));
            _mm_storeu_si128(to.cast(), bytes);
        }
    }

    #[inline(always)]
    unsafe fn store_four(self, to: *mut u8, [a, b, c, d]: [__m512; 4]) {
        // SAFETY: the caller vouches for 64 bytes, the token for the instructions. Packing works on quarters of registers, so
        // the groups of four bytes are put into their order at the end.
        unsafe {
            let most = _mm512_set1_ps(255.0);
            let first = _mm512_packs_epi32(
                _mm512_cvtps_epi32(_mm512_min_ps(a, most)),
                _mm512_cvtps_epi32(_mm512_min_ps(b, most)),
            );
            let second = _mm512_packs_epi32(
                _mm512_cvtps_epi32(_mm512_min_ps(c, most)),
                _mm512_cvtps_epi32(_mm512_min_ps(d, most)),
            );
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            let bytes = _mm512_permutexvar_epi32(order, _mm512_packus_epi16(first, second));
            _mm512_storeu_si512(to.cast(), bytes);
        }
    }
}

/// `$body` with `$dot` bound to the best token for whole numbers up to `$level`. A processor may have AVX-512 without its
/// VNNI.
macro_rules! at_dot {
    ($level:expr, $dot:ident => $body:expr) => {
        'done: {
            #[cfg(target_arch = "x86_64")]
            {
                use $crate::kernels::simd::{Avx2, Avx512Vnni, AvxVnni, Level};
                if let (Some($dot), true) = (Avx512Vnni::new(), $level >= Level::Avx512) {
                    break 'done $body;
                }
                if let (Some($dot), true) = (AvxVnni::new(), $level >= Level::AvxVnni) {
                    break 'done $body;
                }
                if let (Some($dot), true) = (Avx2::new(), $level >= Level::Avx2) {
                    break 'done $body;
                }
            }
            let _ = $level;
            let $dot = $crate::kernels::simd::PORTABLE;
            $body
        }
    };
}
pub(crate) use at_dot;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::simd::Level;

    /// Sums of products, and bytes of numbers, one vector and four at a time.
    fn everything(level: Level) -> (Vec<f32>, Vec<u8>, Vec<u8>) {
        fn run<D: Dot>(dot: D) -> (Vec<f32>, Vec<u8>, Vec<u8>) {
            // The largest products of both signs, which 16 bits do not hold two of, and others.
            let inputs: [[u8; GROUP]; 2] = [[255; GROUP], [0, 1, 128, 255]];
            let weight = |i: usize| [-127, 127, 1, -1, 64, -100, 0, 99][(i / 3 + i / 16) % 8];
            let weights: Vec<i8> = (0..16 * GROUP).map(weight).collect();
            let numbers: Vec<f32> =
                (0..64).map(|i| [-3e9, -1.0, 0.5, 1.5, 254.5, 255.5, 3e9, 7.49, i as f32][i % 9]).collect();
            let (mut sums, mut bytes, mut fours) = (vec![0.0; 16], vec![1; 64], vec![1; 64]);
            dot.vectorize(
                #[inline(always)]
                || {
                    for first in (0..16).step_by(D::LANES) {
                        // SAFETY: all arrays hold 16 lanes, of which these are `LANES`.
                        unsafe {
                            let weights = dot.load_weights(weights.as_ptr().add(first * GROUP));
                            let mut sum = dot.no_sums();
                            for group in &inputs {
                                sum = dot.add_products(sum, dot.splat_group(group.as_ptr()), weights);
                            }
                            dot.store(sums.as_mut_ptr().add(first), dot.to_numbers(sum));
                        }
                    }
                    for first in (0..64).step_by(4 * D::LANES) {
                        // SAFETY: both arrays hold 64 numbers, of which these are four vectors.
                        unsafe {
                            let mut vectors = [dot.splat(0.0); 4];
                            for (index, vector) in vectors.iter_mut().enumerate() {
                                let at = first + index * D::LANES;
                                *vector = dot.load(numbers.as_ptr().add(at));
                                dot.store_bytes(bytes.as_mut_ptr().add(at), *vector);
                            }
                            dot.store_four(fours.as_mut_ptr().add(first), vectors);
                        }
                    }
                },
            );
            (sums, bytes, fours)
        }
        at_dot!(level, dot => run(dot))
    }

    #[test]
    fn every_level_sums_and_rounds_alike_and_nothing_overflows() {
        let want = everything(Level::Portable);
        assert_eq!(want.0[0], (255 * (-127 - 127 - 127 + 127) + (-127 * 129 + 127 * 255)) as f32);
        assert_eq!(want.1[..9], [0, 0, 0, 2, 254, 255, 255, 7, 8]);
        assert_eq!(want.1, want.2);
        for level in Level::available() {
            assert_eq!(everything(level), want, "{level}");
        }
    }
}
