//! The whole numbers that are multiplied: of 8 bits, or of 16.

use crate::kernels::simd::{Dot, GROUP, PAIR};

/// An input; its weights have as many bits, and a sign.
pub(crate) trait Whole: Copy + Default + Send + Sync + 'static {
    type Weight: Copy + Default + Send + Sync + 'static;
    /// A vector of a level, with a group of weights in each lane.
    type Weights<D: Dot>: Copy;
    /// The same with one group of inputs in all lanes.
    type Inputs<D: Dot>: Copy;
    /// Products that are added up in a lane.
    const GROUP: usize;

    /// # Safety
    /// `from` must point to `LANES` groups.
    unsafe fn load<D: Dot>(dot: D, from: *const Self::Weight) -> Self::Weights<D>;

    /// # Safety
    /// `from` must point to a group.
    unsafe fn splat<D: Dot>(dot: D, from: *const Self) -> Self::Inputs<D>;

    /// Adds the products of each lane to its sum.
    fn add_products<D: Dot>(dot: D, sums: D::Sums, inputs: Self::Inputs<D>, weights: Self::Weights<D>) -> D::Sums;
}

impl Whole for u8 {
    type Weight = i8;
    type Weights<D: Dot> = D::Weights;
    type Inputs<D: Dot> = D::Inputs;
    const GROUP: usize = GROUP;

    #[inline(always)]
    unsafe fn load<D: Dot>(dot: D, from: *const i8) -> D::Weights {
        // SAFETY: the caller vouches for it; so below.
        unsafe { dot.load_weights(from) }
    }

    #[inline(always)]
    unsafe fn splat<D: Dot>(dot: D, from: *const u8) -> D::Inputs {
        // SAFETY: as above.
        unsafe { dot.splat_group(from) }
    }

    #[inline(always)]
    fn add_products<D: Dot>(dot: D, sums: D::Sums, inputs: D::Inputs, weights: D::Weights) -> D::Sums {
        dot.add_products(sums, inputs, weights)
    }
}

impl Whole for i16 {
    type Weight = i16;
    type Weights<D: Dot> = D::Words;
    type Inputs<D: Dot> = D::Words;
    const GROUP: usize = PAIR;

    #[inline(always)]
    unsafe fn load<D: Dot>(dot: D, from: *const i16) -> D::Words {
        // SAFETY: as above.
        unsafe { dot.load_words(from) }
    }

    #[inline(always)]
    unsafe fn splat<D: Dot>(dot: D, from: *const i16) -> D::Words {
        // SAFETY: as above.
        unsafe { dot.splat_pair(from) }
    }

    #[inline(always)]
    fn add_products<D: Dot>(dot: D, sums: D::Sums, inputs: D::Words, weights: D::Words) -> D::Sums {
        dot.add_word_products(sums, inputs, weights)
    }
}
