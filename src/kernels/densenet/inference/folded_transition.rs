//! The way from one dense block to the next: norm, ReLU, 2x2 average, 1x1; what one thread computes of it.

use candle_core::{Result, bail};

use crate::kernels::densenet::inference::TransitionWeights;
use crate::kernels::densenet::inference::gemm::{Activation, Packed, Product, offsets};
use crate::kernels::densenet::inference::thread_memory::{Needs, Plane, Scratch, Share, pack, tiles};
use crate::kernels::simd::Simd;
use crate::kernels::slices;

/// Norm, ReLU, 2x2 average, 1x1: the average commutes with the convolution, which then has a quarter of the work.
pub(crate) struct FoldedTransition {
    channels: usize,
    pub(crate) filters: usize,
    norm: Activation,
    conv: Packed,
}

impl FoldedTransition {
    pub(crate) fn new<S: Simd>(weights: &TransitionWeights, channels: usize, side: usize) -> Result<Self> {
        let TransitionWeights { norm, conv } = weights;
        let filters = conv.elem_count() / channels.max(1);
        if norm.scale.len() != channels
            || norm.shift.len() != channels
            || conv.elem_count() != channels * filters
            || filters == 0
        {
            bail!("backbone: a transition of {} weights on {channels} channels", conv.elem_count());
        }
        let conv = slices::with([conv], |[conv]| pack::<S>(conv, channels, filters, side * side))?;
        Ok(Self { channels, filters, norm: Activation::new(norm), conv })
    }

    /// Floating-point operations of the convolution to a plane of `side` pixels a side.
    pub(crate) fn operations(&self, side: usize) -> f64 {
        (2 * side * side * self.channels * self.filters) as f64
    }

    pub(crate) fn needs(&self) -> Needs {
        Needs { depth: self.channels, ..Needs::default() }
    }

    /// From the whole block before, `source`, to the share's rows of the next one, `own`.
    pub(crate) fn compute<S: Simd>(
        &self,
        simd: S,
        source: &[f32],
        from: Plane,
        own: &mut [f32],
        share: &Share,
        scratch: &mut Scratch,
    ) {
        let (plane, strip) = (share.plane, &mut scratch.strip);
        for tile in tiles(share.pixels(), S::ROWS) {
            strip.begin(tile.len());
            let windows = tile.clone().map(|pixel| {
                let (y, x) = share.position(pixel);
                let corner = (2 * y * from.width + 2 * x) * from.stride;
                let below = corner + from.width * from.stride;
                let pixels = [corner, corner + from.stride, below, below + from.stride];
                pixels.map(|start| &source[start..][..from.stride])
            });
            strip.activate(simd, windows, &self.norm, self.channels);
            let (matrix, offsets) = (self.conv.matrix(0), offsets(tile, |pixel| pixel * plane.stride));
            Product { rows: strip.rows(), matrix, activation: None, out: own, offsets }.compute(simd);
        }
    }
}
