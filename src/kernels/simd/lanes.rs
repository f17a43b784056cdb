//! Loops over the columns of row-major matrices, a vector of neighbouring columns at a time.
//!
//! In: a kernel written over [`Simd`] that treats the columns from a given one on, as many as a vector holds. Out:
//! every column treated once: the last few, that fill no vector, one by one. Loads and stores are checked.
#![allow(unsafe_code)]

use half::f16;

use crate::kernels::simd::Simd;

/// One number, for the columns that fill no vector.
#[derive(Clone, Copy)]
pub(crate) struct Scalar;

impl Simd for Scalar {
    type Vector = f32;
    const LANES: usize = 1;
    const ROWS: usize = 1;
    const WIDENS: bool = false;

    #[inline(always)]
    fn vectorize<R>(self, f: impl FnOnce() -> R) -> R {
        f()
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> f32 {
        // SAFETY: the caller vouches for one number.
        unsafe { from.read() }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const f16) -> f32 {
        // SAFETY: the caller vouches for one number.
        unsafe { from.read() }.to_f32()
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, vector: f32) {
        // SAFETY: the caller vouches for one number.
        unsafe { to.write(vector) }
    }

    #[inline(always)]
    fn prefetch<T>(self, _: *const T) {}

    #[inline(always)]
    fn splat(self, number: f32) -> f32 {
        number
    }

    #[inline(always)]
    fn add(self, a: f32, b: f32) -> f32 {
        a + b
    }

    #[inline(always)]
    fn sub(self, a: f32, b: f32) -> f32 {
        a - b
    }

    #[inline(always)]
    fn mul(self, a: f32, b: f32) -> f32 {
        a * b
    }

    #[inline(always)]
    fn max(self, a: f32, b: f32) -> f32 {
        if a > b { a } else { b }
    }

    #[inline(always)]
    fn where_positive(self, gate: f32, a: f32) -> f32 {
        if gate > 0.0 { a } else { 0.0 }
    }

    #[inline(always)]
    fn mul_add(self, a: f32, b: f32, c: f32) -> f32 {
        a * b + c
    }
}

/// The numbers from `at` on.
#[inline(always)]
pub(crate) fn get<S: Simd>(simd: S, from: &[f32], at: usize) -> S::Vector {
    let from = &from[at..at + S::LANES];
    // SAFETY: the slice holds `LANES` numbers.
    unsafe { simd.load(from.as_ptr()) }
}

/// Overwrites the numbers from `at` on.
#[inline(always)]
pub(crate) fn put<S: Simd>(simd: S, to: &mut [f32], at: usize, vector: S::Vector) {
    let to = &mut to[at..at + S::LANES];
    // SAFETY: the slice holds `LANES` numbers.
    unsafe { simd.store(to.as_mut_ptr(), vector) }
}

/// Adds to the numbers from `at` on.
#[inline(always)]
pub(crate) fn add<S: Simd>(simd: S, to: &mut [f32], at: usize, vector: S::Vector) {
    let sum = simd.add(get(simd, to, at), vector);
    put(simd, to, at, sum);
}

/// Numbers in a vector of the token's level.
#[inline(always)]
pub(crate) fn lanes<S: Simd>(_: S) -> usize {
    S::LANES
}

/// Calls `$kernel(simd, column, arguments ...)` for the columns from 0 to `$width`, compiled for `$level`.
macro_rules! over_columns {
    ($level:expr, $width:expr, $kernel:ident($($argument:expr),* $(,)?)) => {
        $crate::kernels::simd::at_level!($level, simd => $crate::kernels::simd::Simd::vectorize(
            simd,
            #[inline(always)]
            || {
                let mut column = 0;
                while column + $crate::kernels::simd::lanes::lanes(simd) <= $width {
                    $kernel(simd, column, $($argument),*);
                    column += $crate::kernels::simd::lanes::lanes(simd);
                }
                while column < $width {
                    $kernel($crate::kernels::simd::lanes::Scalar, column, $($argument),*);
                    column += 1;
                }
            },
        ))
    };
}
pub(crate) use over_columns;
