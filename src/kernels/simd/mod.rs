//! Vector instructions at several levels, chosen when the program runs.
//!
//! In: nothing, or the name of a level. Out: a [`Level`]; inside this room, a [`Simd`] token of that level. A
//! kernel is written once, over `S: Simd`, and runs inside [`Simd::vectorize`]. A token can only be had on a processor
//! that has the instructions, so its methods are safe. `portable` and `x86` hold the tokens. What multiplies whole
//! numbers is written over [`Dot`]; its tokens are of `dot`.
#![allow(unsafe_code)]

mod dot;
mod lanes;
mod portable;
#[cfg(target_arch = "x86_64")]
mod x86;

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use half::f16;

pub(crate) use dot::{Dot, GROUP, PAIR, at_dot};
pub(crate) use lanes::{add, get, lanes, over_columns, put};
pub(crate) use portable::{PORTABLE, SCALAR};
#[cfg(target_arch = "x86_64")]
pub(crate) use x86::{Avx2, Avx512, Avx512Vnni, AvxVnni};

/// Which vector instructions the kernels use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every processor of the architecture has: SSE2 on x86-64, NEON on aarch64.
    Portable,
    /// AVX2, FMA and F16C: x86-64 since 2013, and all that Cloud Run promises.
    Avx2,
    /// AVX-VNNI, on top of those: what multiplies whole numbers, on processors without AVX-512.
    AvxVnni,
    /// AVX-512 F, on top of AVX2, FMA and F16C; with its VNNI where the processor has that.
    Avx512,
}

/// What [`Level::force`] chose.
static FORCED: OnceLock<Level> = OnceLock::new();

impl Level {
    /// The levels of this processor, the lowest first.
    pub fn available() -> Vec<Self> {
        let mut levels = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            levels.extend(Avx2::new().map(|_| Self::Avx2));
            levels.extend(AvxVnni::new().map(|_| Self::AvxVnni));
            levels.extend(Avx512::new().map(|_| Self::Avx512));
        }
        levels
    }

    /// Makes the level of that name the default of this process, for all that is loaded or trained from here on, so
    /// that no signature on the way need carry it. A program calls this before its first network, as `lobule` does with
    /// `LOBULE_SIMD`; a second call changes nothing.
    ///
    /// # Errors
    /// When no level has that name, or this processor lacks it.
    pub fn force(name: &str) -> Result<(), LevelError> {
        let level: Self = name.parse()?;
        if !Self::available().contains(&level) {
            return Err(LevelError::Lacking { name: name.into() });
        }
        FORCED.get_or_init(|| level);
        Ok(())
    }

    /// Runs `f` compiled for this level, or for what every processor has where this one lacks it; what `f` calls must be
    /// `#[inline(always)]` to be compiled so too. For other rooms, whose loops the compiler turns into vectors by itself.
    pub(crate) fn vectorize<R>(self, f: impl FnOnce() -> R) -> R {
        at_level!(self, simd => simd.vectorize(f))
    }

    /// Whether the dense layers are faster in whole numbers than in floating-point ones. By AVX2 alone they are not:
    /// it takes several instructions where VNNI takes one, and Winograd's transforms serve floating-point numbers only.
    pub(crate) fn gains_by_whole_numbers(self) -> bool {
        #[cfg(target_arch = "x86_64")]
        {
            (self >= Self::AvxVnni && AvxVnni::new().is_some()) || (self >= Self::Avx512 && Avx512Vnni::new().is_some())
        }
        #[cfg(not(target_arch = "x86_64"))]
        false
    }

    const ALL: [(Self, &str); 4] =
        [(Self::Portable, "portable"), (Self::Avx2, "avx2"), (Self::AvxVnni, "avx-vnni"), (Self::Avx512, "avx512")];
}

impl Default for Level {
    /// What [`Level::force`] chose, or else the highest level of this processor.
    fn default() -> Self {
        FORCED.get().copied().unwrap_or_else(|| Self::available().pop().unwrap_or(Self::Portable))
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(level, _)| level == self).map_or("", |(_, name)| name);
        f.pad(name)
    }
}

impl FromStr for Level {
    type Err = LevelError;

    fn from_str(name: &str) -> Result<Self, LevelError> {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        found.map(|(level, _)| *level).ok_or_else(|| LevelError::Unknown { name: name.into() })
    }
}

/// Why a level cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LevelError {
    /// No level has that name.
    #[error(
        "LOBULE_SIMD is {name:?}; it must be avx512, avx-vnni, avx2 or portable, or unset for the best of this processor"
    )]
    Unknown {
        /// What was asked for.
        name: String,
    },
    /// The processor lacks those instructions.
    #[error("LOBULE_SIMD is {name}, which this processor lacks; unset it, or set it to portable")]
    Lacking {
        /// What was asked for.
        name: String,
    },
}

/// The vector operations of one level. `Copy`, without size: the token is the proof that the instructions are there.
pub(crate) trait Simd: Copy + Send + Sync + 'static {
    /// A register full of f32.
    type Vector: Copy;
    /// Numbers in a vector.
    const LANES: usize;
    /// Rows of a register tile two vectors wide: as many as the registers hold, with room for three operands.
    const ROWS: usize;
    /// Whether there is an instruction that widens f16.
    const WIDENS: bool;

    /// Runs `f` compiled for this level; what `f` calls must be `#[inline(always)]` to be compiled so too.
    fn vectorize<R>(self, f: impl FnOnce() -> R) -> R;

    /// # Safety
    /// `from` must point to `LANES` numbers; it need not be aligned.
    unsafe fn load(self, from: *const f32) -> Self::Vector;

    /// # Safety
    /// `from` must point to `LANES` numbers; it need not be aligned.
    unsafe fn load_f16(self, from: *const f16) -> Self::Vector;

    /// # Safety
    /// `to` must point to `LANES` numbers that may be written; it need not be aligned.
    unsafe fn store(self, to: *mut f32, vector: Self::Vector);

    /// Asks for the cache line at an address, which may lie anywhere.
    fn prefetch<T>(self, address: *const T);
    fn splat(self, number: f32) -> Self::Vector;
    fn add(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn sub(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn mul(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn max(self, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    /// `a` where `gate` is above zero, and zero elsewhere: the gradient of ReLU.
    fn where_positive(self, gate: Self::Vector, a: Self::Vector) -> Self::Vector;
    /// `a * b + c`, rounded once where the processor can.
    fn mul_add(self, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
}

/// `$body` with `$simd` bound to the token of `$level`.
macro_rules! at_level {
    ($level:expr, $simd:ident => $body:expr) => {
        'done: {
            #[cfg(target_arch = "x86_64")]
            match $level {
                $crate::kernels::simd::Level::Avx512 => {
                    if let Some($simd) = $crate::kernels::simd::Avx512::new() {
                        break 'done $body;
                    }
                }
                // What floating-point numbers gain by AVX-VNNI is nothing.
                $crate::kernels::simd::Level::Avx2 | $crate::kernels::simd::Level::AvxVnni => {
                    if let Some($simd) = $crate::kernels::simd::Avx2::new() {
                        break 'done $body;
                    }
                }
                $crate::kernels::simd::Level::Portable => {}
            }
            let _ = $level;
            let $simd = $crate::kernels::simd::PORTABLE;
            $body
        }
    };
}
pub(crate) use at_level;

/// `$body` with `$rows` as a constant of the value of `$count`, from 1 to `$most`, the rows of a level's tile: a tile's sums
/// are registers, so their number is part of the code.
macro_rules! at_rows {
    (@ $count:expr, $most:expr, $rows:ident => $body:expr, $($number:literal)+) => {
        match $count {
            $($number if const { $number <= $most } => {
                const $rows: usize = $number;
                $body
            })+
            _ => {}
        }
    };
    ($count:expr, $most:expr, $rows:ident => $body:expr) => {
        $crate::kernels::simd::at_rows!(@ $count, $most, $rows => $body, 1 2 3 4 5 6 7 8 9 10 11 12 13)
    };
}
pub(crate) use at_rows;

#[cfg(test)]
mod tests {
    use super::*;

    /// Every operation on `LANES` numbers that are no round ones, laid end to end.
    fn everything(level: Level) -> Vec<f32> {
        fn run<S: Simd>(simd: S) -> Vec<f32> {
            let mut out = Vec::new();
            for first in (0..16).step_by(S::LANES) {
                let numbers: Vec<f32> = (first..first + S::LANES).map(|i| (i as f32 - 7.3) * 0.37).collect();
                let halves: Vec<f16> = numbers.iter().map(|n| f16::from_f32(n * 3.1)).collect();
                let mut stored = vec![0f32; 8 * S::LANES];
                simd.vectorize(
                    #[inline(always)]
                    || {
                        // SAFETY: the arrays hold `LANES` numbers, `stored` eight times as many.
                        unsafe {
                            let (a, b) = (simd.load(numbers.as_ptr()), simd.load_f16(halves.as_ptr()));
                            let c = simd.splat(0.7);
                            let results = [
                                a,
                                b,
                                simd.add(a, b),
                                simd.sub(a, b),
                                simd.mul(a, b),
                                simd.max(a, c),
                                simd.where_positive(a, b),
                            ];
                            for (i, result) in results.into_iter().enumerate() {
                                simd.store(stored.as_mut_ptr().add(i * S::LANES), result);
                            }
                            simd.store(stored.as_mut_ptr().add(7 * S::LANES), simd.mul_add(a, b, c));
                        }
                    },
                );
                out.push(stored);
            }
            (0..8).flat_map(|i| out.iter().flat_map(move |s| s[i * S::LANES..][..S::LANES].to_vec())).collect()
        }
        at_level!(level, simd => run(simd))
    }

    #[test]
    fn every_level_of_this_processor_computes_the_same() {
        let want = everything(Level::Portable);
        assert_eq!(want[16], f16::from_f32(-7.3 * 0.37 * 3.1).to_f32());
        for level in Level::available() {
            for (got, want) in everything(level).iter().zip(&want) {
                assert!((got - want).abs() <= 1e-6 * want.abs(), "{level}: {got} instead of {want}");
            }
        }
    }

    #[test]
    fn a_level_is_known_by_its_name() {
        for (level, name) in Level::ALL {
            assert_eq!(level.to_string(), name);
            assert_eq!(name.parse::<Level>().unwrap(), level);
        }
        assert!("sse9".parse::<Level>().unwrap_err().to_string().contains("portable"));
    }
}
