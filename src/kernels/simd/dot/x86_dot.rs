//! Whole numbers by AVX2, AVX-VNNI and the VNNI of AVX-512.

use std::arch::x86_64::*;

use super::Dot;
use crate::kernels::simd::x86::{Avx2, Avx512Vnni, AvxVnni};

/// What the registers of 256 bits do alike, whichever instruction multiplies.
macro_rules! of_256_bits {
    () => {
        type Sums = __m256i;
        type Words = __m256i;

        #[inline(always)]
        unsafe fn load_words(self, from: *const i16) -> __m256i {
            // SAFETY: the caller vouches for 8 pairs, the token for the instruction.
            unsafe { _mm256_loadu_si256(from.cast()) }
        }

        #[inline(always)]
        unsafe fn splat_pair(self, from: *const i16) -> __m256i {
            // SAFETY: the caller vouches for a pair, the token for the instruction.
            unsafe { _mm256_set1_epi32(from.cast::<i32>().read_unaligned()) }
        }

        #[inline(always)]
        unsafe fn store_words(self, to: *mut i16, vector: __m256) {
            // SAFETY: the caller vouches for 8 numbers, the token for the instructions.
            unsafe {
                let whole = _mm256_cvtps_epi32(vector);
                let words = _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256::<1>(whole));
                _mm_storeu_si128(to.cast(), words);
            }
        }

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
        unsafe fn store_four(self, to: [*mut u8; 2], [a, b, c, d]: [__m256; 4]) {
            // SAFETY: the caller vouches for 16 bytes behind each, the token for the instructions. Packing works on halves of registers,
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
                _mm_storeu_si128(to[0].cast(), _mm256_castsi256_si128(bytes));
                _mm_storeu_si128(to[1].cast(), _mm256_extracti128_si256::<1>(bytes));
            }
        }
    };
}

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

    #[inline(always)]
    fn add_word_products(self, sums: __m256i, inputs: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: as in `no_sums`.
        unsafe { _mm256_add_epi32(sums, _mm256_madd_epi16(inputs, weights)) }
    }
}

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

    #[inline(always)]
    fn add_word_products(self, sums: __m256i, inputs: __m256i, weights: __m256i) -> __m256i {
        // SAFETY: as in `no_sums`.
        unsafe { _mm256_dpwssd_avx_epi32(sums, inputs, weights) }
    }
}

impl Dot for Avx512Vnni {
    type Sums = __m512i;
    type Weights = __m512i;
    type Inputs = __m512i;
    type Words = __m512i;
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
    unsafe fn load_words(self, from: *const i16) -> __m512i {
        // SAFETY: the caller vouches for 16 pairs, the token for the instruction.
        unsafe { _mm512_loadu_si512(from.cast()) }
    }

    #[inline(always)]
    unsafe fn splat_pair(self, from: *const i16) -> __m512i {
        // SAFETY: the caller vouches for a pair, the token for the instruction.
        unsafe { _mm512_set1_epi32(from.cast::<i32>().read_unaligned()) }
    }

    #[inline(always)]
    fn add_word_products(self, sums: __m512i, inputs: __m512i, weights: __m512i) -> __m512i {
        // SAFETY: as in `no_sums`.
        unsafe { _mm512_dpwssd_epi32(sums, inputs, weights) }
    }

    #[inline(always)]
    unsafe fn store_words(self, to: *mut i16, vector: __m512) {
        // SAFETY: the caller vouches for 16 numbers, the token for the instructions.
        unsafe { _mm256_storeu_si256(to.cast(), _mm512_cvtsepi32_epi16(_mm512_cvtps_epi32(vector))) }
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
    unsafe fn store_four(self, to: [*mut u8; 2], [a, b, c, d]: [__m512; 4]) {
        // SAFETY: the caller vouches for 32 bytes behind each, the token for the instructions. Packing works on quarters of registers, so
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
            _mm256_storeu_si256(to[0].cast(), _mm512_castsi512_si256(bytes));
            _mm256_storeu_si256(to[1].cast(), _mm512_extracti64x4_epi64::<1>(bytes));
        }
    }
}
