//! Vectors in plain Rust: of four numbers for the level that every processor has, and of a single one.

use half::f16;

use super::Simd;

/// Vectors of N numbers.
#[derive(Clone, Copy)]
pub(crate) struct Numbers<const N: usize>;

/// Four numbers, which the compiler keeps in one register of SSE2 or NEON.
pub(crate) const PORTABLE: Numbers<4> = Numbers;
/// One number, for the columns that fill no vector.
pub(crate) const SCALAR: Numbers<1> = Numbers;

impl<const N: usize> Simd for Numbers<N> {
    type Vector = [f32; N];
    const LANES: usize = N;
    const ROWS: usize = 6;
    const WIDENS: bool = false;

    #[inline(always)]
    fn vectorize<R>(self, f: impl FnOnce() -> R) -> R {
        f()
    }

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> [f32; N] {
        // SAFETY: the caller vouches for `LANES` numbers.
        unsafe { from.cast::<[f32; N]>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn load_f16(self, from: *const f16) -> [f32; N] {
        // SAFETY: the caller vouches for `LANES` numbers.
        unsafe { from.cast::<[f16; N]>().read_unaligned() }.map(f16::to_f32)
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, vector: [f32; N]) {
        // SAFETY: the caller vouches for `LANES` numbers.
        unsafe { to.cast::<[f32; N]>().write_unaligned(vector) }
    }

    #[inline(always)]
    fn prefetch<T>(self, _: *const T) {}

    #[inline(always)]
    fn splat(self, number: f32) -> [f32; N] {
        [number; N]
    }

    #[inline(always)]
    fn add(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        std::array::from_fn(|i| a[i] + b[i])
    }

    #[inline(always)]
    fn sub(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        std::array::from_fn(|i| a[i] - b[i])
    }

    #[inline(always)]
    fn mul(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        std::array::from_fn(|i| a[i] * b[i])
    }

    #[inline(always)]
    fn max(self, a: [f32; N], b: [f32; N]) -> [f32; N] {
        std::array::from_fn(|i| if a[i] > b[i] { a[i] } else { b[i] })
    }

    #[inline(always)]
    fn where_positive(self, gate: [f32; N], a: [f32; N]) -> [f32; N] {
        std::array::from_fn(|i| if gate[i] > 0.0 { a[i] } else { 0.0 })
    }

    #[inline(always)]
    fn mul_add(self, a: [f32; N], b: [f32; N], c: [f32; N]) -> [f32; N] {
        // x86-64 without FMA would call a library function for each number; aarch64 always has the instruction.
        if cfg!(target_arch = "aarch64") {
            std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
        } else {
            std::array::from_fn(|i| a[i] * b[i] + c[i])
        }
    }
}
