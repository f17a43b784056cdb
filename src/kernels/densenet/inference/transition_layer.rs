//! The way from one dense block to the next: norm, ReLU, 2x2 average, 1x1; what one thread computes of it, in
//! floating-point or in whole numbers.
//!
//! The average commutes with the convolution, which then has a quarter of the work.

use std::ops::Range;

use candle_core::{Result, bail};

use crate::kernels::densenet::inference::gemm::{
    Activation, DotProduct, MOST, PIECE, Packed, PackedWhole, Product, offsets,
};
use crate::kernels::densenet::inference::layers::Transition;
use crate::kernels::densenet::inference::thread_memory::{Needs, Plane, Scratch, Share, pack, tiles};
use crate::kernels::densenet::inference::{FoldedNorm, TransitionWeights, WordKernel};
use crate::kernels::simd::{Dot, Simd};
use crate::kernels::slices;

/// By floating-point numbers.
pub(crate) struct FoldedTransition {
    channels: usize,
    filters: usize,
    norm: Activation,
    conv: Packed,
}

impl TransitionWeights {
    /// Channels that it puts out.
    fn filters(&self, channels: usize) -> Result<usize> {
        let Self { norm, conv } = self;
        let filters = conv.elem_count() / channels.max(1);
        if norm.scale.len() != channels
            || norm.shift.len() != channels
            || conv.elem_count() != channels * filters
            || filters == 0
        {
            bail!("backbone: a transition of {} weights on {channels} channels", conv.elem_count());
        }
        Ok(filters)
    }
}

impl<S: Simd> Transition<S> for FoldedTransition {
    fn new(weights: &TransitionWeights, channels: usize, side: usize) -> Result<Self> {
        let TransitionWeights { norm, conv } = weights;
        let filters = weights.filters(channels)?;
        let conv = slices::with([conv], |[conv]| pack::<S>(conv, channels, filters, side * side))?;
        Ok(Self { channels, filters, norm: Activation::new(norm), conv })
    }

    fn filters(&self) -> usize {
        self.filters
    }

    fn needs(&self) -> Needs {
        Needs { depth: self.channels, ..Needs::default() }
    }

    fn operations(&self, side: usize) -> f64 {
        (2 * side * side * self.channels * self.filters) as f64
    }

    fn compute(&self, simd: S, source: &[f32], from: Plane, own: &mut [f32], share: &Share, scratch: &mut Scratch) {
        let (plane, strip) = (share.plane, &mut scratch.strip);
        for tile in tiles(share.pixels(), S::ROWS) {
            strip.begin(tile.len());
            strip.activate(simd, windows(source, from, share, tile.clone()), &self.norm, self.channels);
            let (matrix, offsets) = (self.conv.matrix(0), offsets(tile, |pixel| pixel * plane.stride));
            Product { rows: strip.rows(), matrix, activation: None, out: own, offsets }.compute(simd);
        }
    }
}

/// By whole numbers of 16 bits: each pixel's averages are in steps of its own.
pub(crate) struct WordTransition {
    channels: usize,
    filters: usize,
    norm: Activation,
    conv: PackedWhole<i16>,
    finish: Activation,
}

impl<D: Dot> Transition<D> for WordTransition {
    fn new(weights: &TransitionWeights, channels: usize, _: usize) -> Result<Self> {
        let TransitionWeights { norm, conv } = weights;
        let filters = weights.filters(channels)?;
        let WordKernel { weights, scales } = slices::with([conv], |[conv]| WordKernel::of(conv, filters, MOST))?;
        let finish = FoldedNorm { shift: vec![0.0; filters], scale: scales };
        Ok(Self {
            channels,
            filters,
            norm: Activation::new(norm),
            conv: PackedWhole::new(&weights, filters),
            finish: Activation::new(&finish),
        })
    }

    fn filters(&self) -> usize {
        self.filters
    }

    fn needs(&self) -> Needs {
        let words = self.channels.next_multiple_of(PIECE);
        Needs { depth: self.channels, words, ..Needs::default() }
    }

    fn operations(&self, side: usize) -> f64 {
        (2 * side * side * self.channels * self.filters) as f64
    }

    fn compute(&self, dot: D, source: &[f32], from: Plane, own: &mut [f32], share: &Share, scratch: &mut Scratch) {
        let (plane, strip, words) = (share.plane, &mut scratch.strip, &mut scratch.words);
        for tile in tiles(share.pixels(), D::DOT_ROWS) {
            strip.begin(tile.len());
            strip.activate(dot, windows(source, from, share, tile.clone()), &self.norm, self.channels);
            let scales = Some(words.take_steps(dot, strip, self.channels));
            let offsets = offsets(tile, |pixel| pixel * plane.stride);
            let (matrix, finish) = (&self.conv, &self.finish);
            DotProduct { rows: words.rows().into(), matrix, scales, finish, out: own, offsets }.compute(dot);
        }
    }
}

/// The 2x2 pixels of the block before that each pixel of a tile is made of.
fn windows<'a>(
    source: &'a [f32],
    from: Plane,
    share: &Share,
    tile: Range<usize>,
) -> impl Iterator<Item = [&'a [f32]; 4]> {
    tile.map(move |pixel| {
        let (y, x) = share.position(pixel);
        let corner = (2 * y * from.width + 2 * x) * from.stride;
        let below = corner + from.width * from.stride;
        let pixels = [corner, corner + from.stride, below, below + from.stride];
        pixels.map(|start| &source[start..][..from.stride])
    })
}
