//! DenseNet's backbone as it classifies: the inference walk.
//!
//! In: the weights once, then images. Out: the global average of each tap. An [`InferenceBackbone`] is built for one
//! size of images: batch norms become a scale and a shift, kernels are packed or transformed, every buffer is planned,
//! and after the first images next to nothing is allocated. To candle it is one operator. A dense block is one buffer that each
//! layer adds its channels to, batch norm and ReLU happen on the way into a product or out of it, and large 3x3
//! convolutions go through Winograd's transforms.
//!
//! The files, from the outside in: `plan` lays a network out and walks it; `layers` says what it wants of one, `stem_layer`,
//! `folded_dense` or, in whole numbers, `quantised_dense`, and `transition_layer` compute a layer each, by gathering rows into a
//! `strip` and multiplying; `strip`, `tile` and `dot_tile` (all in `gemm`) and `winograd_inference` are the inner loops; `packed`,
//! `packed_whole` and `aligned` (in `gemm`), `thread_memory`, `shared_buffer` and `thread_team` hold the weights, the
//! buffers and the threads. `roofline` measures where the time goes.
#![allow(unsafe_code)]

mod folded_dense;
mod gemm;
mod layers;
mod plan;
mod quantised_dense;
mod roofline;
mod shared_buffer;
mod stem_layer;
mod thread_memory;
mod thread_team;
mod transition_layer;
mod weights;
mod winograd_inference;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::kernels::simd::{Level, Simd, at_dot, at_level};
use crate::kernels::slices;
use layers::{Kernel, TimedLayer};
use plan::{Laid, Plan, Walk};
use roofline::Clock;
pub use roofline::{LayerTiming, Numbers, peak};
use thread_team::Team;
pub(crate) use weights::{
    BackboneWeights, BlockWeights, FoldedNorm, LayerWeights, QuantisedKernel, StemWeights, TransitionWeights,
    WordKernel,
};

/// What a tap is the average of: the channels of a dense block behind its last layer, at each position.
pub(crate) struct TapMap {
    /// Rows, and positions of a row.
    pub(crate) side: usize,
    pub(crate) channels: usize,
    /// (side, side, channels).
    pub(crate) values: Vec<f32>,
}

fn plan<S: Simd, K: Kernel<S>>(simd: S, of: Laid<'_, K>) -> Result<Arc<dyn Walk>> {
    Ok(Arc::new(Plan::new(simd, of)?))
}

/// A backbone that is ready for images of one size. Shared by reference between threads.
pub(crate) struct InferenceBackbone {
    plan: Arc<dyn Walk>,
    team: Team,
    size: usize,
    taps: usize,
    /// Images that are being computed.
    busy: AtomicUsize,
}

impl InferenceBackbone {
    /// Lays the network out for square images of `size` pixels a side, for `threads` threads.
    pub(crate) fn new(weights: &BackboneWeights<Tensor>, size: usize, level: Level, threads: usize) -> Result<Self> {
        let team = Team::new(threads.max(1));
        let of = Laid { weights, level, size, threads: team.size };
        Ok(Self::with(at_level!(level, simd => plan(simd, of))?, team, size))
    }

    /// The same in whole numbers: of 8 bits in the dense layers, of 16 elsewhere.
    pub(crate) fn quantised(
        weights: &BackboneWeights<QuantisedKernel>,
        size: usize,
        level: Level,
        threads: usize,
    ) -> Result<Self> {
        let team = Team::new(threads.max(1));
        let of = Laid { weights, level, size, threads: team.size };
        Ok(Self::with(at_dot!(level, dot => plan(dot, of))?, team, size))
    }

    fn with(plan: Arc<dyn Walk>, team: Team, size: usize) -> Self {
        Self { taps: plan.taps(), plan, team, size, busy: AtomicUsize::new(0) }
    }

    /// The taps of one image (size, size, 3): all threads at its service when it is alone, one when it is not.
    fn taps(&self, image: &[f32], taps: &mut [f32], maps: Option<&mut Vec<TapMap>>) {
        let alone = self.busy.fetch_add(1, Ordering::AcqRel) == 0;
        let _leaves = Leaves(&self.busy);
        self.plan.clone().walk(image, taps, maps, alone.then_some(&self.team), None);
    }

    /// The taps of one image (size, size, 3), and what each is the average of.
    pub(crate) fn taps_with_maps(&self, image: &[f32]) -> Result<(Vec<f32>, Vec<TapMap>)> {
        self.check(image)?;
        let (mut taps, mut maps) = (vec![0.0; self.taps], Vec::new());
        self.taps(image, &mut taps, Some(&mut maps));
        Ok((taps, maps))
    }

    fn check(&self, image: &[f32]) -> Result<()> {
        if image.len() != self.size * self.size * 3 {
            bail!("backbone: an image of {} numbers instead of {2}x{2}x{1}", image.len(), 3, self.size);
        }
        Ok(())
    }

    /// Where the time of an image (size, size, 3) goes on one thread: medians of `rounds` walks by kind of layer.
    pub(crate) fn layer_timings(&self, image: &[f32], rounds: usize) -> Result<Vec<LayerTiming>> {
        self.check(image)?;
        let (clock, mut taps) = (Clock::default(), vec![0.0; self.taps]);
        let mut walks: Vec<Vec<f64>> = Vec::new();
        for _ in 0..rounds.max(1) {
            self.plan.clone().walk(image, &mut taps, None, None, Some(&clock));
            walks.push(clock.take());
        }
        let median = |layer: usize| {
            let mut seconds: Vec<f64> = walks.iter().map(|walk| walk[layer]).collect();
            seconds.sort_by(f64::total_cmp);
            seconds[seconds.len() / 2]
        };
        let layers = self.plan.layers().into_iter().enumerate();
        let timed = |(index, layer): (usize, TimedLayer)| {
            let TimedLayer { name, operations, numbers } = layer;
            LayerTiming { name, operations, seconds: median(index), numbers }
        };
        Ok(layers.map(timed).collect())
    }
}

/// Counts an image out, also when computing it panics.
struct Leaves<'a>(&'a AtomicUsize);

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl CustomOp1 for InferenceBackbone {
    fn name(&self) -> &'static str {
        "backbone"
    }

    /// (batch, size, size, 3) to (batch, channels of all taps).
    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (batch, height, width, channels) = layout.shape().dims4()?;
        if [height, width, channels] != [self.size, self.size, 3] {
            bail!("backbone: images of {height}x{width}x{channels} instead of {0}x{0}x3", self.size);
        }
        let images = slices::of_storage(self.name(), storage, layout)?;
        let mut taps = vec![0.0; batch * self.taps];
        // A single image stays on the thread that brings it; of several, each has a thread.
        if batch == 1 {
            self.taps(images, &mut taps, None);
        } else {
            let pairs = images.par_chunks_exact(height * width * channels).zip(taps.par_chunks_exact_mut(self.taps));
            pairs.for_each(|(image, taps)| self.taps(image, taps, None));
        }
        slices::output(taps, (batch, self.taps))
    }
}
