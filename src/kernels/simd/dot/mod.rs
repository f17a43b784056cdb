//! Sums of products of whole numbers: activations of 8 bits without a sign and weights of 8 bits with one, or both of 16
//! bits with a sign; sums of 32 bits.
//!
//! No sum is rounded, and who lays out a network sees to it that none overflows, so every level gives the same. Neighbouring
//! products of a row, four or two, go into one lane of a register, since that is what VNNI's instructions add up.

mod portable_dot;
#[cfg(target_arch = "x86_64")]
mod x86_dot;

use super::Simd;

/// Products that are added up in a lane.
pub(crate) const GROUP: usize = 4;
/// The same of 16 bits.
pub(crate) const PAIR: usize = 2;

/// The operations of a level on whole numbers.
pub(crate) trait Dot: Simd {
    /// A register full of i32: as many as a [`Simd::Vector`] has numbers.
    type Sums: Copy;
    /// [`GROUP`] weights in each lane.
    type Weights: Copy;
    /// The same [`GROUP`] activations in each lane.
    type Inputs: Copy;
    /// [`PAIR`] weights of 16 bits in each lane, or the same inputs of 16 bits in each lane.
    type Words: Copy;
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

    /// # Safety
    /// `from` must point to `LANES` pairs of weights; it need not be aligned.
    unsafe fn load_words(self, from: *const i16) -> Self::Words;

    /// # Safety
    /// `from` must point to a pair of inputs; it need not be aligned.
    unsafe fn splat_pair(self, from: *const i16) -> Self::Words;

    /// Adds the two products of each lane to its sum.
    fn add_word_products(self, sums: Self::Sums, inputs: Self::Words, weights: Self::Words) -> Self::Sums;

    /// Stores numbers rounded to the nearest whole one, a half to the even one; they must fit into 16 bits.
    ///
    /// # Safety
    /// `to` must point to `LANES` numbers that may be written; it need not be aligned.
    unsafe fn store_words(self, to: *mut i16, vector: Self::Vector);

    /// Stores numbers rounded to the nearest whole one, a half to the even one, and cut at 0 and 255.
    ///
    /// # Safety
    /// `to` must point to `LANES` bytes that may be written; it need not be aligned.
    unsafe fn store_bytes(self, to: *mut u8, vector: Self::Vector);

    /// The same of four vectors, two behind each address, which takes fewer instructions.
    ///
    /// # Safety
    /// Both of `to` must point to `2 * LANES` bytes that may be written; they need not be aligned.
    #[inline(always)]
    unsafe fn store_four(self, to: [*mut u8; 2], [a, b, c, d]: [Self::Vector; 4]) {
        // SAFETY: the caller vouches for these bytes.
        unsafe {
            self.store_bytes(to[0], a);
            self.store_bytes(to[0].add(Self::LANES), b);
            self.store_bytes(to[1], c);
            self.store_bytes(to[1].add(Self::LANES), d);
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
mod tests;
