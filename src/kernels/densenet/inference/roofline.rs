//! Where an image's time goes, against what the processor can do.

use std::fmt;
use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use serde::Serialize;

use crate::kernels::densenet::inference::at_level;
use crate::kernels::densenet::inference::gemm::Whole;
use crate::kernels::simd::{Dot, GROUP, Level, Simd, at_dot};

/// The time of one kind of layer on the way of an image through a backbone, summed over a block.
#[derive(Clone, Debug)]
pub struct LayerTiming {
    /// What is computed: `stem`, `block 2, 1x1`, ...
    pub name: String,
    /// Operations of its products: two for each multiplication that is done. Where a transform saves
    /// multiplications, those that are left.
    pub operations: f64,
    /// Time of one image on one thread.
    pub seconds: f64,
    /// What it multiplies.
    pub numbers: Numbers,
}

/// The numbers that a layer multiplies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Numbers {
    /// Floating-point ones of 32 bits.
    F32,
    /// Whole ones of 16 bits.
    Int16,
    /// Whole ones of 8 bits.
    Int8,
}

impl fmt::Display for Numbers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::F32 => "f32",
            Self::Int16 => "int16",
            Self::Int8 => "int8",
        })
    }
}

/// The clock of a walk: a time for each kind of layer.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    seconds: Mutex<Vec<f64>>,
}

impl Clock {
    /// Adds what passes from now until the result is dropped to the layers of that index.
    pub(crate) fn start(clock: Option<&Self>, index: usize) -> Option<Running<'_>> {
        clock.map(|clock| Running { clock, index, since: Instant::now() })
    }

    /// The times so far; the clock starts again.
    pub(crate) fn take(&self) -> Vec<f64> {
        std::mem::take(&mut self.seconds.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A layer that is being timed.
pub(crate) struct Running<'a> {
    clock: &'a Clock,
    index: usize,
    since: Instant,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let passed = self.since.elapsed().as_secs_f64();
        let mut seconds = self.clock.seconds.lock().unwrap_or_else(PoisonError::into_inner);
        let length = seconds.len().max(self.index + 1);
        seconds.resize(length, 0.0);
        seconds[self.index] += passed;
    }
}

/// Operations a second of one thread that does nothing but multiply and add in registers, two for each product that is added:
/// the best of a few short runs.
pub fn peak(level: Level, numbers: Numbers) -> f64 {
    match numbers {
        Numbers::F32 => at_level!(level, simd => measure(simd)),
        Numbers::Int16 => at_dot!(level, dot => measure_whole::<_, i16>(dot)),
        Numbers::Int8 => at_dot!(level, dot => measure_whole::<_, u8>(dot)),
    }
}

/// Sums that are built up side by side: enough to hide the latency, few enough for the registers of every level.
const SUMS: usize = 12;
const ROUNDS: u32 = 200_000;

fn measure<S: Simd>(simd: S) -> f64 {
    let run = || {
        let began = Instant::now();
        simd.vectorize(
            #[inline(always)]
            || {
                let (factor, addend) = (simd.splat(black_box(0.999)), simd.splat(black_box(0.001)));
                let mut sums = [simd.splat(black_box(1.0)); SUMS];
                for _ in 0..ROUNDS {
                    for sum in &mut sums {
                        *sum = simd.mul_add(*sum, factor, addend);
                    }
                }
                black_box(sums);
            },
        );
        f64::from(ROUNDS) * (2 * SUMS * S::LANES) as f64 / began.elapsed().as_secs_f64()
    };
    (0..20).map(|_| run()).fold(0.0, f64::max)
}

fn measure_whole<D: Dot, N: Whole>(dot: D) -> f64 {
    // What the numbers are changes nothing.
    let (inputs, weights) = (black_box([N::default(); GROUP]), black_box([N::Weight::default(); 16 * GROUP]));
    let run = || {
        let began = Instant::now();
        dot.vectorize(
            #[inline(always)]
            || {
                // SAFETY: there are a group of inputs and 16 groups of weights, as many as the widest level has lanes.
                let (inputs, weights) = unsafe { (N::splat(dot, inputs.as_ptr()), N::load(dot, weights.as_ptr())) };
                let mut sums = [dot.no_sums(); SUMS];
                for _ in 0..ROUNDS {
                    // Without VNNI the products could be made once for all rounds.
                    let inputs = black_box(inputs);
                    for sum in &mut sums {
                        *sum = N::add_products(dot, *sum, inputs, weights);
                    }
                }
                black_box(sums);
            },
        );
        f64::from(ROUNDS) * (2 * N::GROUP * SUMS * D::LANES) as f64 / began.elapsed().as_secs_f64()
    };
    (0..20).map(|_| run()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_has_a_peak() {
        let of = |level| [Numbers::F32, Numbers::Int16, Numbers::Int8].map(|numbers| peak(level, numbers));
        let peaks: Vec<f64> = Level::available().into_iter().flat_map(of).collect();
        assert!(peaks.iter().all(|peak| peak.is_finite() && *peak > 0.0), "{peaks:?}");
    }
}
