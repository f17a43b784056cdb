//! A network laid out for one size of images, and the walk of an image through it.
//!
//! Threads divide an image by rows of pixels. A thread owns its rows of a block's channels from the first layer to the
//! last; only what a 3x3 convolution reads crosses to its neighbours, so a layer needs one wait: two bottleneck
//! buffers take turns, and a thread that writes the next one disturbs nobody who still reads the last.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use candle_core::{Result, bail};
use rayon::prelude::*;

use crate::kernels::densenet::inference::folded_dense::FoldedDense;
use crate::kernels::densenet::inference::folded_stem::FoldedStem;
use crate::kernels::densenet::inference::folded_transition::FoldedTransition;
use crate::kernels::densenet::inference::roofline::Clock;
use crate::kernels::densenet::inference::thread_memory::{Needs, Plane, Scratch, Share};
use crate::kernels::densenet::inference::thread_team::{Shared, Team, Worker, alone};
use crate::kernels::densenet::inference::{BackboneWeights, BlockWeights};
use crate::kernels::densenet::winograd::OUTPUTS;
use crate::kernels::simd::{Level, Simd};

/// What is timed of a block: the way into it, and both halves of its layers.
const TIMED: usize = 3;

/// A laid-out network of any level.
pub(crate) trait Walk: Send + Sync {
    /// Channels of all taps.
    fn taps(&self) -> usize;
    /// Computes the taps of an image, with a team or on this thread alone, and lets the clock time each kind of layer.
    fn walk(&self, image: &[f32], taps: &mut [f32], team: Option<&Team>, clock: Option<&Clock>);
    /// Name and operations of what is timed, in the order of the clock's.
    fn layers(&self) -> Vec<(String, f64)>;
}

pub(crate) struct Plan<S> {
    simd: S,
    size: usize,
    threads: usize,
    stem: FoldedStem,
    blocks: Vec<FoldedBlock>,
    /// Buffers that no image is using.
    arenas: Mutex<Vec<Arena>>,
}

struct FoldedBlock {
    plane: Plane,
    layers: Vec<FoldedDense>,
    /// Channels behind the last layer.
    channels: usize,
    tap: bool,
    transition: Option<FoldedTransition>,
}

/// What one image needs.
struct Arena {
    blocks: Vec<BlockBuffers>,
    scratch: Vec<Mutex<Scratch>>,
}

struct BlockBuffers {
    /// (height, width, stride): the block's input and what each layer has added.
    channels: Shared,
    /// (bordered height, bordered width, bottleneck), zero at the border; the layers use them in turns.
    bottlenecks: [Shared; 2],
}

impl<S: Simd> Plan<S> {
    pub(crate) fn new(simd: S, level: Level, weights: &BackboneWeights, size: usize, threads: usize) -> Result<Self> {
        let stem = FoldedStem::new::<S>(&weights.stem)?;
        let mut side = stem.output(size);
        let mut channels = stem.filters;
        let mut blocks = Vec::new();
        for (index, block) in weights.blocks.iter().enumerate() {
            if side == 0 || block.transition.is_some() == (index + 1 == weights.blocks.len()) {
                bail!("backbone: images of {size} pixels a side do not fit its {} blocks", weights.blocks.len());
            }
            let block = FoldedBlock::new::<S>(level, block, side, channels)?;
            channels = block.transition.as_ref().map_or(0, |transition| transition.filters);
            side /= 2;
            blocks.push(block);
        }
        Ok(Self { simd, size, threads, stem, blocks, arenas: Mutex::new(Vec::new()) })
    }

    fn arena(&self) -> Arena {
        let spare = self.arenas.lock().unwrap_or_else(PoisonError::into_inner).pop();
        spare.unwrap_or_else(|| Arena {
            blocks: self.blocks.iter().map(FoldedBlock::buffers).collect(),
            scratch: (0..self.threads).map(|_| Mutex::new(self.scratch())).collect(),
        })
    }

    fn scratch(&self) -> Scratch {
        let layers = self.blocks.iter().flat_map(|block| &block.layers).map(FoldedDense::needs::<S>);
        let transitions = self.blocks.iter().filter_map(|block| block.transition.as_ref()).map(FoldedTransition::needs);
        Scratch::new::<S>(layers.chain(transitions).fold(self.stem.needs(self.size), Needs::or))
    }

    /// One thread's share of the walk.
    fn work(&self, image: &[f32], arena: &Arena, worker: Worker<'_>, clock: Option<&Clock>) {
        let scratch = &mut *arena.scratch[worker.index].lock().unwrap_or_else(PoisonError::into_inner);
        let mut before: Option<(&FoldedBlock, &BlockBuffers)> = None;
        for (index, (block, buffers)) in self.blocks.iter().zip(&arena.blocks).enumerate() {
            let first = TIMED * index;
            let share = Share { plane: block.plane, rows: block.rows(worker) };
            let Share { plane, rows } = &share;
            // SAFETY: these rows are this thread's alone until the block's end, where all threads wait before any of
            // them reads the others' rows. That goes for each `own` below, of which none outlives its statement.
            let own = || unsafe { buffers.channels.write(plane.own(rows)) };
            match before {
                None => {
                    let _running = Clock::start(clock, first);
                    self.stem.compute(self.simd, image, self.size, own(), &share, scratch);
                }
                Some((FoldedBlock { transition: Some(transition), plane: from, .. }, source)) => {
                    worker.wait();
                    let _running = Clock::start(clock, first);
                    // SAFETY: the wait has ended all writing to the block before.
                    let source = unsafe { source.channels.read(source.channels.all()) };
                    transition.compute(self.simd, source, *from, own(), &share, scratch);
                }
                Some(_) => {}
            }
            for (layer, bottleneck) in block.layers.iter().zip(buffers.bottlenecks.iter().cycle()) {
                // SAFETY: until the wait nobody reads this buffer: a thread that still reads the other one of the two
                // has not been at this layer's wait, and those who read this one two layers ago have all been at
                // the wait of the layer between.
                let inner = unsafe { bottleneck.write(plane.own_bordered(rows)) };
                let running = Clock::start(clock, first + 1);
                layer.reduce(self.simd, own(), inner, &share, scratch);
                drop(running);
                worker.wait();
                let _running = Clock::start(clock, first + 2);
                // SAFETY: the next to write to this buffer does so behind the next layer's wait.
                let inner = unsafe { bottleneck.read(bottleneck.all()) };
                layer.expand(self.simd, inner, own(), &share, scratch);
            }
            before = Some((block, buffers));
        }
    }
}

impl<S: Simd> Walk for Plan<S> {
    fn taps(&self) -> usize {
        self.blocks.iter().filter(|block| block.tap).map(|block| block.channels).sum()
    }

    fn layers(&self) -> Vec<(String, f64)> {
        let mut layers = Vec::new();
        let mut before: Option<&FoldedBlock> = None;
        for (index, block) in self.blocks.iter().enumerate() {
            let (side, number) = (block.plane.width, index + 1);
            layers.push(match before.and_then(|block| block.transition.as_ref()) {
                None => ("stem".into(), self.stem.operations(self.size)),
                Some(transition) => (format!("transition {index}"), transition.operations(side)),
            });
            let sum = |operations: fn(&FoldedDense, usize) -> f64| -> f64 {
                block.layers.iter().map(|layer| operations(layer, side)).sum()
            };
            layers.push((format!("block {number}, 1x1"), sum(FoldedDense::reduce_operations)));
            layers.push((format!("block {number}, 3x3"), sum(FoldedDense::expand_operations)));
            before = Some(block);
        }
        layers
    }

    fn walk(&self, image: &[f32], taps: &mut [f32], team: Option<&Team>, clock: Option<&Clock>) {
        let arena = self.arena();
        match team {
            Some(team) => team.run(|worker| self.work(image, &arena, worker, clock)),
            None => alone(|worker| self.work(image, &arena, worker, clock)),
        }
        let mut rest = taps;
        for (block, buffers) in self.blocks.iter().zip(&arena.blocks).filter(|(block, _)| block.tap) {
            let (tap, behind) = rest.split_at_mut(block.channels);
            // SAFETY: all threads are done.
            average(unsafe { buffers.channels.read(buffers.channels.all()) }, block.plane, tap);
            rest = behind;
        }
        // An image that panics takes its buffers with it.
        self.arenas.lock().unwrap_or_else(PoisonError::into_inner).push(arena);
    }
}

/// The mean of each channel over all pixels.
fn average(channels: &[f32], plane: Plane, tap: &mut [f32]) {
    tap.fill(0.0);
    for pixel in channels.chunks_exact(plane.stride) {
        tap.iter_mut().zip(pixel).for_each(|(sum, channel)| *sum += channel);
    }
    let share = 1.0 / (plane.height * plane.width) as f32;
    tap.iter_mut().for_each(|sum| *sum *= share);
}

impl FoldedBlock {
    fn new<S: Simd>(level: Level, weights: &BlockWeights, side: usize, channels: usize) -> Result<Self> {
        let mut grown = channels;
        let mut inputs = Vec::new();
        for layer in &weights.layers {
            inputs.push(grown);
            grown += layer.growth();
        }
        // Packing and transforming all kernels is much of the program's start, so all processors do it.
        let pairs = weights.layers.par_iter().zip(inputs);
        let layers: Vec<FoldedDense> = pairs
            .map(|(layer, channels)| FoldedDense::new::<S>(level, layer, channels, side))
            .collect::<Result<_>>()?;
        let transition =
            weights.transition.as_ref().map(|t| FoldedTransition::new::<S>(t, grown, side / 2)).transpose()?;
        // Vectors and panels may reach beyond a pixel's last channel, by less than one panel.
        let stride = grown.next_multiple_of(2 * S::LANES) + 2 * S::LANES;
        let tiles = side.div_ceil(OUTPUTS) * OUTPUTS;
        let bottleneck = layers.iter().map(FoldedDense::bottleneck).max().unwrap_or(0);
        let plane = Plane { height: side, width: side, stride, bottleneck, bordered: tiles + 2 };
        Ok(Self { plane, layers, channels: grown, tap: weights.tap, transition })
    }

    fn buffers(&self) -> BlockBuffers {
        let Plane { height, width, stride, bottleneck, bordered } = self.plane;
        let inner = || Shared::zeros(bordered * bordered * bottleneck);
        BlockBuffers { channels: Shared::zeros(height * width * stride), bottlenecks: [inner(), inner()] }
    }

    /// The rows of pixels that a thread computes: whole tiles, where the layers go by tiles.
    fn rows(&self, worker: Worker<'_>) -> Range<usize> {
        let height = self.plane.height;
        let step = if self.layers.iter().any(|layer| layer.by_tiles) { OUTPUTS } else { 1 };
        let share = worker.share(height.div_ceil(step));
        (share.start * step).min(height)..(share.end * step).min(height)
    }
}
