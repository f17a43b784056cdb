//! A network laid out for one size of images, and the walk of an image through it.
//!
//! Threads divide an image by bands: whole rows of pixels. Only what a 3x3 convolution reads crosses from band to band,
//! so the second half of a layer and the first half of the next one are one step, and a band's way through both is one
//! piece of it. Two bottleneck buffers take turns: a step reads one and writes the other.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Result, bail};
use rayon::prelude::*;

use crate::kernels::densenet::inference::layers::{DenseLayer, Kernel, TimedLayer, Transition};
use crate::kernels::densenet::inference::roofline::Clock;
use crate::kernels::densenet::inference::shared_buffer::Shared;
use crate::kernels::densenet::inference::stem_layer::{Bordered, Stem, StemConvolution};
use crate::kernels::densenet::inference::thread_memory::{Needs, Plane, Scratch, Share};
use crate::kernels::densenet::inference::thread_team::{MOST_PIECES, Team, Worker, alone};
use crate::kernels::densenet::inference::{BackboneWeights, BlockWeights, TapMap};
use crate::kernels::densenet::winograd::OUTPUTS;
use crate::kernels::simd::{Level, Simd};

/// What is timed of a block: the way into it, and both halves of its layers.
const TIMED: usize = 3;

/// A laid-out network of any level.
pub(crate) trait Walk: Send + Sync {
    /// Channels of all blocks that are pooled.
    fn taps(&self) -> usize;
    /// Computes the taps of an image, with a team or on this thread alone, and lets the clock time each kind of layer.
    /// What the taps are averages of is copied out where it is asked for.
    fn walk(
        self: Arc<Self>,
        image: &[f32],
        taps: &mut [f32],
        maps: Option<&mut Vec<TapMap>>,
        team: Option<&Team>,
        clock: Option<&Clock>,
    );
    /// What is timed, in the order of the clock's.
    fn layers(&self) -> Vec<TimedLayer>;
}

/// What a plan is made of.
pub(crate) struct Laid<'a, K> {
    pub(crate) weights: &'a BackboneWeights<K>,
    pub(crate) level: Level,
    /// Pixels along an image's side.
    pub(crate) size: usize,
    pub(crate) threads: usize,
}

pub(crate) struct Plan<S, K: Kernel<S>> {
    simd: S,
    size: usize,
    threads: usize,
    stem: Stem<K::Stem>,
    blocks: Vec<BlockOf<S, K>>,
    /// Buffers that no image is using.
    arenas: Mutex<Vec<Arc<ArenaOf<S, K>>>>,
}

struct Block<L, T> {
    plane: Plane,
    layers: Vec<L>,
    /// Channels behind the last layer.
    channels: usize,
    pooled: bool,
    tap: bool,
    transition: Option<T>,
    /// Whether its layers go by tiles of Winograd's, which are not divided.
    by_tiles: bool,
}

/// What one image needs.
struct Arena<P, T> {
    image: Bordered<P>,
    blocks: Vec<BlockBuffers<T>>,
    scratch: Vec<Mutex<Scratch>>,
}

type PixelOf<S, K> = <<K as Kernel<S>>::Stem as StemConvolution<S>>::Number;
type InnerOf<S, K> = <<K as Kernel<S>>::Dense as DenseLayer<S>>::Inner;
type BuffersOf<S, K> = BlockBuffers<InnerOf<S, K>>;
type BlockOf<S, K> = Block<<K as Kernel<S>>::Dense, <K as Kernel<S>>::Transition>;
/// A block that an image has gone through, and where its channels lie.
type Walked<'a, S, K> = (&'a BlockOf<S, K>, &'a BuffersOf<S, K>);
type ArenaOf<S, K> = Arena<PixelOf<S, K>, InnerOf<S, K>>;

struct BlockBuffers<T> {
    /// (height, width, stride): the block's input and what each layer has added.
    channels: Shared<f32>,
    /// (bordered height, bordered width, bottleneck), zero at the border; the layers use them in turns.
    bottlenecks: [Shared<T>; 2],
}

impl<S: Simd, K: Kernel<S>> Plan<S, K> {
    pub(crate) fn new(simd: S, of: Laid<'_, K>) -> Result<Self> {
        let Laid { weights, level, size, threads } = of;
        let stem = Stem::new(&weights.stem)?;
        let mut side = stem.output(size);
        let mut channels = stem.filters;
        let mut blocks = Vec::new();
        for (index, block) in weights.blocks.iter().enumerate() {
            if side == 0 || block.transition.is_some() == (index + 1 == weights.blocks.len()) {
                bail!("backbone: images of {size} pixels a side do not fit its {} blocks", weights.blocks.len());
            }
            let block = Block::new::<S, K>(level, block, side, channels)?;
            channels = block.transition.as_ref().map_or(0, Transition::filters);
            side /= 2;
            blocks.push(block);
        }
        Ok(Self { simd, size, threads, stem, blocks, arenas: Mutex::new(Vec::new()) })
    }

    /// Buffers that no image is using: of those that were given back, a helper that came too late may still hold some.
    fn arena(&self) -> Arc<ArenaOf<S, K>> {
        let mut spare = self.arenas.lock().unwrap_or_else(PoisonError::into_inner);
        let free = spare.iter_mut().position(|arena| Arc::get_mut(arena).is_some());
        let free = free.map(|index| spare.swap_remove(index));
        drop(spare);
        free.unwrap_or_else(|| {
            Arc::new(Arena {
                image: self.stem.bordered(self.size),
                blocks: self.blocks.iter().map(Block::buffers).collect(),
                scratch: (0..self.threads).map(|_| Mutex::new(self.scratch())).collect(),
            })
        })
    }

    /// Steps of the way through the network: one into each block, and one for each of its layers.
    fn steps(&self) -> usize {
        self.blocks.iter().map(|block| 1 + block.layers.len()).sum()
    }

    fn scratch(&self) -> Scratch {
        let layers = self.blocks.iter().flat_map(|block| &block.layers).map(DenseLayer::needs);
        let transitions = self.blocks.iter().filter_map(|block| block.transition.as_ref()).map(Transition::needs);
        Scratch::new::<S>(layers.chain(transitions).fold(self.stem.needs(self.size), Needs::or))
    }

    /// One thread's way through the network.
    fn work(&self, arena: &ArenaOf<S, K>, mut worker: Worker<'_>, clock: Option<&Clock>) {
        let scratch = &mut *arena.scratch[worker.index].lock().unwrap_or_else(PoisonError::into_inner);
        let mut before: Option<Walked<'_, S, K>> = None;
        for (index, (block, buffers)) in self.blocks.iter().zip(&arena.blocks).enumerate() {
            let (first, bands) = (TIMED * index, block.bands(worker.count));
            // SAFETY: in a step a band's rows are touched by the piece alone that they belong to, but for the step into the
            // next block, which reads all and writes none; and no step begins before all pieces of the one before are
            // done. No borrow outlives its statement.
            let own = |share: &Share| unsafe { buffers.channels.write(share.plane.own(&share.rows)) };
            // SAFETY: as above; what the step reads of all bands is the other one of the two buffers.
            let inner = |share: &Share, layer: usize| unsafe {
                buffers.bottlenecks[layer % 2].write(share.plane.own_bordered(&share.rows))
            };
            let reduce = |layer: usize, share: &Share, scratch: &mut Scratch| {
                if let Some(next) = block.layers.get(layer) {
                    let _running = Clock::start(clock, first + 1);
                    next.reduce(self.simd, own(share), inner(share, layer), share, scratch);
                }
            };
            worker.step(bands, |index| {
                let share = &block.band(index, bands);
                let running = Clock::start(clock, first);
                match before {
                    None => self.stem.compute(self.simd, &arena.image, self.size, own(share), share, scratch),
                    Some((Block { transition: Some(transition), plane, .. }, source)) => {
                        // SAFETY: the block before is done, and nobody writes to it any more.
                        let source = unsafe { source.channels.read(source.channels.all()) };
                        transition.compute(self.simd, source, *plane, own(share), share, scratch);
                    }
                    Some(_) => {}
                }
                drop(running);
                reduce(0, share, scratch);
            });
            for (number, layer) in block.layers.iter().enumerate() {
                worker.step(bands, |index| {
                    let share = &block.band(index, bands);
                    let running = Clock::start(clock, first + 2);
                    let bottleneck = &buffers.bottlenecks[number % 2];
                    // SAFETY: the step before has written to it, and this one writes to the other of the two.
                    let inner = unsafe { bottleneck.read(bottleneck.all()) };
                    layer.expand(self.simd, inner, own(share), share, scratch);
                    drop(running);
                    reduce(number + 1, share, scratch);
                });
            }
            before = Some((block, buffers));
        }
    }
}

impl<S: Simd, K: Kernel<S>> Walk for Plan<S, K> {
    fn taps(&self) -> usize {
        self.blocks.iter().filter(|block| block.pooled).map(|block| block.channels).sum()
    }

    fn layers(&self) -> Vec<TimedLayer> {
        let mut layers = Vec::new();
        let timed = |name, operations, numbers| TimedLayer { name, operations, numbers };
        let mut before: Option<&K::Transition> = None;
        for (index, block) in self.blocks.iter().enumerate() {
            let (side, number) = (block.plane.width, index + 1);
            layers.push(match before {
                None => timed("stem".into(), self.stem.operations(self.size), K::OF_OTHERS),
                Some(transition) => timed(format!("transition {index}"), transition.operations(side), K::OF_OTHERS),
            });
            let sum = |operations: fn(&K::Dense, usize) -> f64| -> f64 {
                block.layers.iter().map(|layer| operations(layer, side)).sum()
            };
            layers.push(timed(format!("block {number}, 1x1"), sum(DenseLayer::reduce_operations), K::OF_DENSE));
            layers.push(timed(format!("block {number}, 3x3"), sum(DenseLayer::expand_operations), K::OF_DENSE));
            before = block.transition.as_ref();
        }
        layers
    }

    fn walk(
        self: Arc<Self>,
        image: &[f32],
        taps: &mut [f32],
        mut maps: Option<&mut Vec<TapMap>>,
        team: Option<&Team>,
        clock: Option<&Clock>,
    ) {
        let mut arena = self.arena();
        if let Some(arena) = Arc::get_mut(&mut arena) {
            self.stem.border(self.simd, image, self.size, &mut arena.image);
        }
        match team {
            Some(team) => {
                let (plan, arena) = (self.clone(), arena.clone());
                team.run(self.steps(), move |worker| plan.work(&arena, worker, None));
            }
            None => alone(|worker| self.work(&arena, worker, clock)),
        }
        let mut rest = taps;
        for (block, buffers) in self.blocks.iter().zip(&arena.blocks).filter(|(block, _)| block.pooled) {
            let (tap, behind) = rest.split_at_mut(block.channels);
            // SAFETY: all steps are done.
            let channels = unsafe { buffers.channels.read(buffers.channels.all()) };
            average(self.simd, channels, block.plane, tap);
            if let Some(maps) = maps.as_mut().filter(|_| block.tap) {
                let pixels = channels.chunks_exact(block.plane.stride);
                let values = pixels.flat_map(|pixel| &pixel[..block.channels]).copied().collect();
                maps.push(TapMap { side: block.plane.width, channels: block.channels, values });
            }
            rest = behind;
        }
        // An image that panics takes its buffers with it.
        self.arenas.lock().unwrap_or_else(PoisonError::into_inner).push(arena);
    }
}

/// The mean of each channel over all pixels.
fn average<S: Simd>(simd: S, channels: &[f32], plane: Plane, tap: &mut [f32]) {
    tap.fill(0.0);
    simd.vectorize(
        #[inline(always)]
        || {
            for pixel in channels.chunks_exact(plane.stride) {
                for (sum, channel) in tap.iter_mut().zip(pixel) {
                    *sum += channel;
                }
            }
        },
    );
    let share = 1.0 / (plane.height * plane.width) as f32;
    tap.iter_mut().for_each(|sum| *sum *= share);
}

impl<L, T> Block<L, T> {
    fn new<S: Simd, K>(level: Level, weights: &BlockWeights<K>, side: usize, channels: usize) -> Result<Self>
    where
        K: Kernel<S, Dense = L, Transition = T>,
        L: DenseLayer<S, Kernel = K>,
        T: Transition<S>,
    {
        let mut grown = channels;
        let mut inputs = Vec::new();
        for layer in &weights.layers {
            inputs.push(grown);
            grown += L::growth(layer);
        }
        // Packing and transforming all kernels is much of the program's start, so all processors do it.
        let pairs = weights.layers.par_iter().zip(inputs);
        let layers: Vec<L> =
            pairs.map(|(layer, channels)| L::new(level, layer, channels, side)).collect::<Result<_>>()?;
        let transition = weights.transition.as_ref().map(|t| T::new(t, grown, side / 2)).transpose()?;
        // Vectors and panels may reach beyond a pixel's last channel, by less than one panel.
        let panel = K::PANEL.max(2 * S::LANES);
        let stride = grown.next_multiple_of(panel) + panel;
        let tiles = side.div_ceil(OUTPUTS) * OUTPUTS;
        let bottleneck = layers.iter().map(L::bottleneck).max().unwrap_or(0);
        let plane = Plane { height: side, width: side, stride, bottleneck, bordered: tiles + 2 };
        let by_tiles = layers.iter().any(L::by_tiles);
        Ok(Self { plane, layers, channels: grown, pooled: weights.pooled, tap: weights.tap, transition, by_tiles })
    }

    fn buffers<I: Copy + Default>(&self) -> BlockBuffers<I> {
        let Plane { height, width, stride, bottleneck, bordered } = self.plane;
        let inner = || Shared::zeros(bordered * bordered * bottleneck);
        BlockBuffers { channels: Shared::zeros(height * width * stride), bottlenecks: [inner(), inner()] }
    }

    /// Into how many bands a team of so many threads divides the rows. One for each thread: in smaller ones the weights,
    /// which each band reads, would come through the caches more often.
    fn bands(&self, threads: usize) -> usize {
        threads.min(MOST_PIECES).min(self.units())
    }

    /// A band of the rows of pixels: whole tiles, where the layers go by tiles.
    fn band(&self, index: usize, bands: usize) -> Share {
        let (height, units) = (self.plane.height, self.units());
        let row = |band: usize| (band * units / bands * self.unit()).min(height);
        Share { plane: self.plane, rows: row(index)..row(index + 1) }
    }

    /// Rows that are not divided.
    fn unit(&self) -> usize {
        if self.by_tiles { OUTPUTS } else { 1 }
    }

    fn units(&self) -> usize {
        self.plane.height.div_ceil(self.unit())
    }
}
