//! Where an image's time goes, against what the processor can do.

use std::hint::black_box;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use crate::kernels::densenet::inference::at_level;
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
    /// Whether its products are of whole numbers.
    pub whole_numbers: bool,
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

/// Floating-point operations a second of one thread that does nothing but multiply and add in registers, two for each
/// multiply-add: the best of a few short runs.
pub fn peak(level: Level) -> f64 {
    at_level!(level, simd => measure(simd))
}

/// The same of whole numbers: operations a second, two for each product that is added.
pub fn peak_of_whole_numbers(level: Level) -> f64 {
    at_dot!(level, dot => measure_whole(dot))
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

fn measure_whole<D: Dot>(dot: D) -> f64 {
    let (inputs, weights) = (black_box([3u8; GROUP]), black_box([5i8; 16 * GROUP]));
    let run = || {
        let began = Instant::now();
        dot.vectorize(
            #[inline(always)]
            || {
                // SAFETY: there are a group of inputs and 16 groups of weights, as many as the widest level has lanes.
                let (inputs, weights) =
                    unsafe { (dot.splat_group(inputs.as_ptr()), dot.load_weights(weights.as_ptr())) };
                let mut sums = [dot.no_sums(); SUMS];
                for _ in 0..ROUNDS {
                    // Without VNNI the products could be made once for all rounds.
                    let inputs = black_box(inputs);
                    for sum in &mut sums {
                        *sum = dot.add_products(*sum, inputs, weights);
                    }
                }
                black_box(sums);
            },
        );
        f64::from(ROUNDS) * (2 * GROUP * SUMS * D::LANES) as f64 / began.elapsed().as_secs_f64()
    };
    (0..20).map(|_| run()).fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_has_a_peak() {
        let peaks: Vec<f64> =
            Level::available().into_iter().flat_map(|l| [peak(l), peak_of_whole_numbers(l)]).collect();
        assert!(peaks.iter().all(|peak| peak.is_finite() && *peak > 0.0), "{peaks:?}");
    }
}
