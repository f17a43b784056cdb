//! The levels of x86-64: AVX2 and AVX-512, each also with VNNI, by their intrinsics.
//!
//! All have the same operations under different names, so they are one macro's work.

use std::arch::x86_64::*;

use half::f16;

use super::Simd;

/// A level's token, which implements [`Simd`] by the named intrinsics. `features` are what its code is compiled for,
/// and what the processor is asked for.
macro_rules! level {
    (
        $name:ident {
            features: $features:literal = [$($feature:tt),+],
            vector: $vector:ty,
            lanes: $lanes:literal,
            rows: $rows:literal,
            load: $load:ident,
            load_f16: $widen:ident($load_half:ident($half:ty)),
            store: $store:ident,
            splat: $splat:ident,
            of_two: [$($operation:ident: $of_two:ident),+],
            mul_add: $mul_add:ident,
            where_positive: |$gate:ident, $kept:ident| $where_positive:expr $(,)?
        }
    ) => {
        /// The proof that this processor has the level's instructions.
        #[derive(Clone, Copy)]
        pub(crate) struct $name(());

        impl $name {
            /// The token, on a processor that has the instructions.
            pub(crate) fn new() -> Option<Self> {
                ($(is_x86_feature_detected!($feature))&&+).then_some(Self(()))
            }
        }

        impl Simd for $name {
            type Vector = $vector;
            const LANES: usize = $lanes;
            const ROWS: usize = $rows;
            const WIDENS: bool = true;

            #[inline(always)]
            fn vectorize<R>(self, f: impl FnOnce() -> R) -> R {
                #[target_feature(enable = $features)]
                fn compiled_for_level<R>(f: impl FnOnce() -> R) -> R {
                    f()
                }
                // SAFETY: the token proves that the processor has these instructions.
                unsafe { compiled_for_level(f) }
            }

            #[inline(always)]
            unsafe fn load(self, from: *const f32) -> $vector {
                // SAFETY: the caller vouches for `LANES` numbers, the token for the instruction.
                unsafe { $load(from) }
            }

            #[inline(always)]
            unsafe fn load_f16(self, from: *const f16) -> $vector {
                // SAFETY: the caller vouches for `LANES` numbers, the token for the instructions.
                unsafe { $widen($load_half(from.cast::<$half>())) }
            }

            #[inline(always)]
            unsafe fn store(self, to: *mut f32, vector: $vector) {
                // SAFETY: the caller vouches for `LANES` numbers, the token for the instruction.
                unsafe { $store(to, vector) }
            }

            #[inline(always)]
            fn prefetch<T>(self, address: *const T) {
                // SAFETY: a prefetch reads nothing that the program sees, and faults at no address.
                unsafe { _mm_prefetch::<_MM_HINT_T0>(address.cast()) }
            }

            #[inline(always)]
            fn splat(self, number: f32) -> $vector {
                // SAFETY: the token proves that the processor has the instruction; so below.
                unsafe { $splat(number) }
            }

            $(
                #[inline(always)]
                fn $operation(self, a: $vector, b: $vector) -> $vector {
                    // SAFETY: as in `splat`.
                    unsafe { $of_two(a, b) }
                }
            )+

            #[inline(always)]
            fn where_positive(self, $gate: $vector, $kept: $vector) -> $vector {
                // SAFETY: as in `splat`.
                unsafe { $where_positive }
            }

            #[inline(always)]
            fn mul_add(self, a: $vector, b: $vector, c: $vector) -> $vector {
                // SAFETY: as in `splat`.
                unsafe { $mul_add(a, b, c) }
            }
        }
    };
}

/// A token with registers of 256 bits and the given features.
macro_rules! of_256_bits {
    ($name:ident, $features:literal = [$($feature:tt),+]) => {
        level!($name {
            features: $features = [$($feature),+],
            vector: __m256,
            lanes: 8,
            rows: 6,
            load: _mm256_loadu_ps,
            load_f16: _mm256_cvtph_ps(_mm_loadu_si128(__m128i)),
            store: _mm256_storeu_ps,
            splat: _mm256_set1_ps,
            of_two: [add: _mm256_add_ps, sub: _mm256_sub_ps, mul: _mm256_mul_ps, max: _mm256_max_ps],
            mul_add: _mm256_fmadd_ps,
            where_positive: |gate, a| _mm256_and_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(gate, _mm256_setzero_ps()), a),
        });
    };
}

/// A token with registers of 512 bits and the given features.
macro_rules! of_512_bits {
    ($name:ident, $features:literal = [$($feature:tt),+]) => {
        level!($name {
            features: $features = [$($feature),+],
            vector: __m512,
            lanes: 16,
            rows: 13,
            load: _mm512_loadu_ps,
            load_f16: _mm512_cvtph_ps(_mm256_loadu_si256(__m256i)),
            store: _mm512_storeu_ps,
            splat: _mm512_set1_ps,
            of_two: [add: _mm512_add_ps, sub: _mm512_sub_ps, mul: _mm512_mul_ps, max: _mm512_max_ps],
            mul_add: _mm512_fmadd_ps,
            where_positive: |gate, a| _mm512_maskz_mov_ps(_mm512_cmp_ps_mask::<_CMP_GT_OQ>(gate, _mm512_setzero_ps()), a),
        });
    };
}

of_256_bits!(Avx2, "avx2,fma,f16c" = ["avx2", "fma", "f16c"]);
of_256_bits!(AvxVnni, "avx2,fma,f16c,avxvnni" = ["avx2", "fma", "f16c", "avxvnni"]);
of_512_bits!(Avx512, "avx512f,avx2,fma,f16c" = ["avx512f", "avx2", "fma", "f16c"]);
of_512_bits!(
    Avx512Vnni,
    "avx512f,avx512bw,avx512vnni,avx2,fma,f16c" = ["avx512f", "avx512bw", "avx512vnni", "avx2", "fma", "f16c"]
);
