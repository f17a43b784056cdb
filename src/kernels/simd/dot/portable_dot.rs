//! Whole numbers without instructions of their own.

use std::array;

use super::{Dot, GROUP, PAIR};
use crate::kernels::simd::portable::Numbers;

impl<const N: usize> Dot for Numbers<N> {
    type Sums = [i32; N];
    type Weights = [[i8; GROUP]; N];
    type Inputs = [u8; GROUP];
    type Words = [[i16; PAIR]; N];
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
    unsafe fn load_words(self, from: *const i16) -> [[i16; PAIR]; N] {
        // SAFETY: the caller vouches for the pairs.
        unsafe { from.cast::<[[i16; PAIR]; N]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn splat_pair(self, from: *const i16) -> [[i16; PAIR]; N] {
        // SAFETY: the caller vouches for the pair.
        [unsafe { from.cast::<[i16; PAIR]>().read_unaligned() }; N]
    }

    #[inline(always)]
    fn add_word_products(self, sums: [i32; N], inputs: [[i16; PAIR]; N], weights: [[i16; PAIR]; N]) -> [i32; N] {
        let product = |lane: usize, at: usize| i32::from(inputs[lane][at]) * i32::from(weights[lane][at]);
        array::from_fn(|lane| sums[lane].wrapping_add(product(lane, 0)).wrapping_add(product(lane, 1)))
    }

    #[inline(always)]
    unsafe fn store_words(self, to: *mut i16, vector: [f32; N]) {
        let words = vector.map(|number| number.round_ties_even() as i16);
        // SAFETY: the caller vouches for `LANES` numbers.
        unsafe { to.cast::<[i16; N]>().write_unaligned(words) }
    }

    #[inline(always)]
    unsafe fn store_bytes(self, to: *mut u8, vector: [f32; N]) {
        // A conversion from f32 is cut at the ends of the type.
        let bytes = vector.map(|number| number.round_ties_even() as u8);
        // SAFETY: the caller vouches for `LANES` bytes.
        unsafe { to.cast::<[u8; N]>().write_unaligned(bytes) }
    }
}
