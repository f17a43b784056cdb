//! The convolution at the start, its norm and ReLU, and the maximum behind them, a line at a time.

use std::ops::Range;

use candle_core::{Result, bail};

use crate::kernels::densenet::inference::StemWeights;
use crate::kernels::densenet::inference::gemm::{Activation, Packed, Product, Rows, offsets};
use crate::kernels::densenet::inference::thread_memory::{MANY_ROWS, Needs, Plane, Scratch, Share, pack, tiles};
use crate::kernels::im2col::Geometry;
use crate::kernels::simd::Simd;
use crate::kernels::slices;

/// The convolution at the start, its norm and ReLU, and the maximum behind them.
pub(crate) struct FoldedStem {
    conv: Geometry,
    pool: Geometry,
    kernel: Packed,
    norm: Activation,
    pub(crate) filters: usize,
}

/// Red, green and blue.
const COLOURS: usize = 3;
/// Numbers from one window of the convolution to the next: it moves by two pixels.
const APART: usize = 2 * COLOURS;

impl FoldedStem {
    pub(crate) fn new<S: Simd>(weights: &StemWeights) -> Result<Self> {
        let StemWeights { conv, kernel, norm, pool } = weights;
        let (depth, filters) = (conv.kernel * conv.kernel * COLOURS, norm.scale.len());
        if kernel.elem_count() != depth * filters || norm.shift.len() != filters || filters == 0 {
            bail!("backbone: a stem of {} weights does not fit {filters} filters", kernel.elem_count());
        }
        if conv.stride * COLOURS != APART {
            bail!("backbone: a stem that moves by {} pixels", conv.stride);
        }
        let kernel = slices::with([kernel], |[kernel]| pack::<S>(kernel, depth, filters, MANY_ROWS))?;
        Ok(Self { conv: *conv, pool: *pool, kernel, norm: Activation::new(norm), filters })
    }

    /// Pixels along a side behind the maximum.
    pub(crate) fn output(&self, size: usize) -> usize {
        self.pool.output(self.conv.output(size))
    }

    /// Floating-point operations of the convolution.
    pub(crate) fn operations(&self, size: usize) -> f64 {
        let (side, kernel) = (self.conv.output(size), self.conv.kernel);
        (2 * side * side * kernel * kernel * COLOURS * self.filters) as f64
    }

    pub(crate) fn needs(&self, size: usize) -> Needs {
        let line = self.conv.output(size) * self.kernel.padded_columns();
        let side = size + 2 * self.conv.padding;
        Needs { bordered: side * side * COLOURS, lines: self.pool.kernel * line, ..Needs::default() }
    }

    /// From an image of `size` pixels a side to the share's rows of the first block, `own`.
    pub(crate) fn compute<S: Simd>(
        &self,
        simd: S,
        image: &[f32],
        size: usize,
        own: &mut [f32],
        share: &Share,
        scratch: &mut Scratch,
    ) {
        let side = self.conv.output(size);
        let line = side * self.kernel.padded_columns();
        let Share { plane, rows } = share;
        let mut next = (rows.start * self.pool.stride).saturating_sub(self.pool.padding);
        let last = (rows.end.saturating_sub(1) * self.pool.stride + self.pool.kernel - self.pool.padding).min(side);
        self.border(image, size, next..last, &mut scratch.bordered);
        for y in rows.clone() {
            let top = (y * self.pool.stride).saturating_sub(self.pool.padding);
            let bottom = (y * self.pool.stride + self.pool.kernel - self.pool.padding).min(side);
            for line_y in next.max(top)..bottom {
                self.line(simd, size, line_y, scratch);
            }
            next = bottom;
            let lines = top..bottom;
            let own = &mut own[(y - rows.start) * plane.width * plane.stride..];
            self.maximum(simd, &scratch.lines, lines.map(|y| y % self.pool.kernel * line), side, own, *plane);
        }
    }

    /// Copies what these lines of the convolution see of the image to where zeros surround it.
    fn border(&self, image: &[f32], size: usize, lines: Range<usize>, bordered: &mut [f32]) {
        let Geometry { kernel, stride, padding } = self.conv;
        let (side, line) = (size + 2 * padding, size * COLOURS);
        let end = (lines.end.saturating_sub(1) * stride + kernel).saturating_sub(padding).min(size);
        for y in (lines.start * stride).saturating_sub(padding)..end {
            let to = ((y + padding) * side + padding) * COLOURS;
            bordered[to..to + line].copy_from_slice(&image[y * line..][..line]);
        }
    }

    /// One line of the convolution, normed and cut at zero, to its place among the last few.
    fn line<S: Simd>(&self, simd: S, size: usize, y: usize, scratch: &mut Scratch) {
        let Geometry { kernel, stride, padding } = self.conv;
        let (side, columns) = (self.conv.output(size), self.kernel.padded_columns());
        let next = (size + 2 * padding) * COLOURS;
        let line = &mut scratch.lines[y % self.pool.kernel * side * columns..][..side * columns];
        for tile in tiles::<S>(side) {
            // The windows of neighbours overlap, and each is a piece of as many lines as the kernel has.
            let data = &scratch.bordered[y * stride * next + tile.start * APART..];
            let rows = Rows::<APART> { data, count: tile.len(), piece: kernel * COLOURS, next };
            let (matrix, offsets) = (self.kernel.matrix(0), offsets(tile, |x| x * columns));
            Product { rows, matrix, activation: Some(&self.norm), out: line, offsets }.compute(simd);
        }
    }

    /// The maximum over windows of the lines that begin at `lines`; what lies outside the image never wins, since
    /// nothing is below zero.
    fn maximum<S: Simd>(
        &self,
        simd: S,
        buffer: &[f32],
        lines: impl Iterator<Item = usize> + Clone,
        side: usize,
        own: &mut [f32],
        plane: Plane,
    ) {
        let columns = self.kernel.padded_columns();
        let Geometry { kernel, stride, padding } = self.pool;
        simd.vectorize(
            #[inline(always)]
            || {
                for x in 0..plane.width {
                    let left = (x * stride).saturating_sub(padding);
                    let right = (x * stride + kernel - padding).min(side);
                    let pixel = &mut own[x * plane.stride..][..columns];
                    for channel in (0..columns).step_by(S::LANES) {
                        let mut best = simd.splat(0.0);
                        for line in lines.clone() {
                            let window = &buffer[line + left * columns..line + right * columns];
                            for pixel in window.chunks_exact(columns) {
                                // SAFETY: `channel` is a multiple of LANES below `columns`, which is one too.
                                best = simd.max(best, unsafe { simd.load(pixel.as_ptr().add(channel)) });
                            }
                        }
                        // SAFETY: as above.
                        unsafe { simd.store(pixel.as_mut_ptr().add(channel), best) };
                    }
                }
            },
        );
    }
}
