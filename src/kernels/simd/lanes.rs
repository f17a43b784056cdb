//! Loops over the columns of row-major matrices, a vector of neighbouring columns at a time.
//!
//! In: a kernel written over [`Simd`] that treats the columns from a given one on, as many as a vector holds. Out:
//! every column treated once: the last few, that fill no vector, one by one. Loads and stores are checked.
#![allow(unsafe_code)]

use crate::kernels::simd::Simd;

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
                while column + $crate::kernels::simd::lanes(simd) <= $width {
                    $kernel(simd, column, $($argument),*);
                    column += $crate::kernels::simd::lanes(simd);
                }
                while column < $width {
                    $kernel($crate::kernels::simd::SCALAR, column, $($argument),*);
                    column += 1;
                }
            },
        ))
    };
}
pub(crate) use over_columns;
