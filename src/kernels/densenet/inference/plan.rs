//! A network laid out for one size of images, and the walk of an image through it.
//!
//! Threads divide an image by bands: whole rows of pixels. Only what a 3x3 convolution reads crosses from band to band,
//! so the second half of a layer and the first half of the next one are one step, and a band's way through both is one
//! piece of it. Two bottleneck buffers take turns: a step reads one and writes the other.

use std::sync::{Arc, Mutex, PoisonError};

use candle_core::{Result, bail};
use rayon::prelude::*;

use crate::kernels::densenet::inference::folded_stem::FoldedStem;
use crate::kernels::densenet::inference::folded_transition::FoldedTransition;
use crate::kernels::densenet::inference::gemm::Aligned;
use crate::kernels::densenet::inference::roofline::Clock;
use crate::kernels::densenet::inference::shared_buffer::Shared;
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

/// A kind of layer that is timed.
pub(crate) struct TimedLayer {
    pub(crate) name: String,
    pub(crate) operations: f64,
    pub(crate) whole_numbers: bool,
}

/// A dense layer that is laid out, by floating-point or by whole numbers.
pub(crate) trait DenseLayer<S>: Sized + Send + Sync + 'static {
    /// What it is made of.
    type Weights: Sync;
    /// A number of a bottleneck buffer.
    type Inner: Copy + Default + Send + Sync;
    /// Columns of a panel of its matrices.
    const PANEL: usize;
    /// Whether its products are of whole numbers.
    const WHOLE_NUMBERS: bool;

    /// Lays a layer out that reads `channels` channels of a plane of `side` pixels a side.
    fn new(level: Level, weights: &Self::Weights, channels: usize, side: usize) -> Result<Self>;
    /// Channels that a layer of these weights adds.
    fn growth(weights: &Self::Weights) -> usize;
    /// Channels between its convolutions, with those that fill up a panel.
    fn bottleneck(&self) -> usize;
    /// Whether its 3x3 convolution goes by tiles of Winograd's.
    fn by_tiles(&self) -> bool;
    /// What it needs of a thread's memory.
    fn needs(&self) -> Needs;
    /// Operations of the 1x1 convolution.
    fn reduce_operations(&self, side: usize) -> f64;
    /// Operations of the 3x3 convolution, or of its products by tiles.
    fn expand_operations(&self, side: usize) -> f64;
    /// The first half, for the share's rows: `own` is where they lie, `inner` where their bottlenecks go.
    fn reduce(&self, simd: S, own: &[f32], inner: &mut [Self::Inner], share: &Share, scratch: &mut Scratch);
    /// The second half: from the bottlenecks of all rows to the new channels of the share's rows.
    fn expand(&self, simd: S, inner: &[Self::Inner], own: &mut [f32], share: &Share, scratch: &mut Scratch);
}

/// What a plan is made of.
pub(crate) struct Laid<'a, W> {
    pub(crate) weights: &'a BackboneWeights<W>,
    pub(crate) level: Level,
    /// Pixels along an image's side.
    pub(crate) size: usize,
    pub(crate) threads: usize,
}

pub(crate) struct Plan<S, L: DenseLayer<S>> {
    simd: S,
    size: usize,
    threads: usize,
    stem: FoldedStem,
    blocks: Vec<FoldedBlock<L>>,
    /// Buffers that no image is using.
    arenas: Mutex<Vec<Arc<Arena<L::Inner>>>>,
}

struct FoldedBlock<L> {
    plane: Plane,
    layers: Vec<L>,
    /// Channels behind the last layer.
    channels: usize,
    pooled: bool,
    tap: bool,
    transition: Option<FoldedTransition>,
}

/// What one image needs.
struct Arena<T> {
    /// The image with zeros around it; what is zero stays so.
    image: Aligned<f32>,
    blocks: Vec<BlockBuffers<T>>,
    scratch: Vec<Mutex<Scratch>>,
}

struct BlockBuffers<T> {
    /// (height, width, stride): the block's input and what each layer has added.
    channels: Shared<f32>,
    /// (bordered height, bordered width, bottleneck), zero at the border; the layers use them in turns.
    bottlenecks: [Shared<T>; 2],
}

impl<S: Simd, L: DenseLayer<S>> Plan<S, L> {
    pub(crate) fn new(simd: S, of: Laid<'_, L::Weights>) -> Result<Self> {
        let Laid { weights, level, size, threads } = of;
        let stem = FoldedStem::new::<S>(&weights.stem)?;
        let mut side = stem.output(size);
        let mut channels = stem.filters;
        let mut blocks = Vec::new();
        for (index, block) in weights.blocks.iter().enumerate() {
            if side == 0 || block.transition.is_some() == (index + 1 == weights.blocks.len()) {
                bail!("backbone: images of {size} pixels a side do not fit its {} blocks", weights.blocks.len());
            }
            let block = FoldedBlock::<L>::new::<S>(level, block, side, channels)?;
            channels = block.transition.as_ref().map_or(0, |transition| transition.filters);
            side /= 2;
            blocks.push(block);
        }
        Ok(Self { simd, size, threads, stem, blocks, arenas: Mutex::new(Vec::new()) })
    }

    /// Buffers that no image is using: of those that were given back, a helper that came too late may still hold some.
    fn arena(&self) -> Arc<Arena<L::Inner>> {
        let mut spare = self.arenas.lock().unwrap_or_else(PoisonError::into_inner);
        let free = spare.iter_mut().position(|arena| Arc::get_mut(arena).is_some());
        let free = free.map(|index| spare.swap_remove(index));
        drop(spare);
        free.unwrap_or_else(|| {
            Arc::new(Arena {
                image: Aligned::zeros(self.stem.bordered(self.size)),
                blocks: self.blocks.iter().map(FoldedBlock::buffers::<S>).collect(),
                scratch: (0..self.threads).map(|_| Mutex::new(self.scratch())).collect(),
            })
        })
    }

    /// Steps of the way through the network: one into each block, and one for each of its layers.
    fn steps(&self) -> usize {
        self.blocks.iter().map(|block| 1 + block.layers.len()).sum()
    }

    fn scratch(&self) -> Scratch {
        let layers = self.blocks.iter().flat_map(|block| &block.layers).map(L::needs);
        let transitions = self.blocks.iter().filter_map(|block| block.transition.as_ref()).map(FoldedTransition::needs);
        Scratch::new::<S>(layers.chain(transitions).fold(self.stem.needs(self.size), Needs::or))
    }

    /// One thread's way through the network.
    fn work(&self, arena: &Arena<L::Inner>, mut worker: Worker<'_>, clock: Option<&Clock>) {
        let scratch = &mut *arena.scratch[worker.index].lock().unwrap_or_else(PoisonError::into_inner);
        let mut before: Option<(&FoldedBlock<L>, &BlockBuffers<L::Inner>)> = None;
        for (index, (block, buffers)) in self.blocks.iter().zip(&arena.blocks).enumerate() {
            let (first, bands) = (TIMED * index, block.bands::<S>(worker.count));
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
                let share = &block.band::<S>(index, bands);
                let running = Clock::start(clock, first);
                match before {
                    None => self.stem.compute(self.simd, &arena.image, self.size, own(share), share, scratch),
                    Some((FoldedBlock { transition: Some(transition), plane, .. }, source)) => {
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
                    let share = &block.band::<S>(index, bands);
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

impl<S: Simd, L: DenseLayer<S>> Walk for Plan<S, L> {
    fn taps(&self) -> usize {
        self.blocks.iter().filter(|block| block.pooled).map(|block| block.channels).sum()
    }

    fn layers(&self) -> Vec<TimedLayer> {
        let mut layers = Vec::new();
        let timed = |name, operations, whole_numbers| TimedLayer { name, operations, whole_numbers };
        let mut before: Option<&FoldedBlock<L>> = None;
        for (index, block) in self.blocks.iter().enumerate() {
            let (side, number) = (block.plane.width, index + 1);
            layers.push(match before.and_then(|block| block.transition.as_ref()) {
                None => timed("stem".into(), self.stem.operations(self.size), false),
                Some(transition) => timed(format!("transition {index}"), transition.operations(side), false),
            });
            let sum = |operations: fn(&L, usize) -> f64| -> f64 {
                block.layers.iter().map(|layer| operations(layer, side)).sum()
            };
            layers.push(timed(format!("block {number}, 1x1"), sum(L::reduce_operations), L::WHOLE_NUMBERS));
            layers.push(timed(format!("block {number}, 3x3"), sum(L::expand_operations), L::WHOLE_NUMBERS));
            before = Some(block);
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
            self.stem.border(image, self.size, &mut arena.image);
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
            average(channels, block.plane, tap);
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
fn average(channels: &[f32], plane: Plane, tap: &mut [f32]) {
    tap.fill(0.0);
    for pixel in channels.chunks_exact(plane.stride) {
        tap.iter_mut().zip(pixel).for_each(|(sum, channel)| *sum += channel);
    }
    let share = 1.0 / (plane.height * plane.width) as f32;
    tap.iter_mut().for_each(|sum| *sum *= share);
}

impl<L> FoldedBlock<L> {
    fn new<S: Simd>(level: Level, weights: &BlockWeights<L::Weights>, side: usize, channels: usize) -> Result<Self>
    where
        L: DenseLayer<S>,
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
        let transition =
            weights.transition.as_ref().map(|t| FoldedTransition::new::<S>(t, grown, side / 2)).transpose()?;
        // Vectors and panels may reach beyond a pixel's last channel, by less than one panel.
        let panel = L::PANEL.max(2 * S::LANES);
        let stride = grown.next_multiple_of(panel) + panel;
        let tiles = side.div_ceil(OUTPUTS) * OUTPUTS;
        let bottleneck = layers.iter().map(L::bottleneck).max().unwrap_or(0);
        let plane = Plane { height: side, width: side, stride, bottleneck, bordered: tiles + 2 };
        Ok(Self { plane, layers, channels: grown, pooled: weights.pooled, tap: weights.tap, transition })
    }

    fn buffers<S>(&self) -> BlockBuffers<L::Inner>
    where
        L: DenseLayer<S>,
    {
        let Plane { height, width, stride, bottleneck, bordered } = self.plane;
        let inner = || Shared::zeros(bordered * bordered * bottleneck);
        BlockBuffers { channels: Shared::zeros(height * width * stride), bottlenecks: [inner(), inner()] }
    }

    /// Into how many bands a team of so many threads divides the rows. One for each thread: in smaller ones the weights,
    /// which each band reads, would come through the caches more often.
    fn bands<S>(&self, threads: usize) -> usize
    where
        L: DenseLayer<S>,
    {
        threads.min(MOST_PIECES).min(self.units::<S>())
    }

    /// A band of the rows of pixels: whole tiles, where the layers go by tiles.
    fn band<S>(&self, index: usize, bands: usize) -> Share
    where
        L: DenseLayer<S>,
    {
        let (height, units) = (self.plane.height, self.units::<S>());
        let row = |band: usize| (band * units / bands * self.unit::<S>()).min(height);
        Share { plane: self.plane, rows: row(index)..row(index + 1) }
    }

    /// Rows that are not divided.
    fn unit<S>(&self) -> usize
    where
        L: DenseLayer<S>,
    {
        if self.layers.iter().any(L::by_tiles) { OUTPUTS } else { 1 }
    }

    fn units<S>(&self) -> usize
    where
        L: DenseLayer<S>,
    {
        self.plane.height.div_ceil(self.unit::<S>())
    }
}
