//! The convolution at the start, its norm and ReLU, and the maximum behind them, a line at a time.

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
        Needs { lines: self.pool.kernel * line, ..Needs::default() }
    }

    /// Numbers of an image of `size` pixels a side with the zeros around it that the convolution reads.
    pub(crate) fn bordered(&self, size: usize) -> usize {
        (size + 2 * self.conv.padding).pow(2) * COLOURS
    }

    /// Copies an image to where zeros surround it.
    pub(crate) fn border(&self, image: &[f32], size: usize, bordered: &mut [f32]) {
        let padding = self.conv.padding;
        let (side, line) = (size + 2 * padding, size * COLOURS);
        for (y, pixels) in image.chunks_exact(line).enumerate() {
            let to = ((y + padding) * side + padding) * COLOURS;
            bordered[to..to + line].copy_from_slice(pixels);
        }
    }

    /// From a bordered image of `size` pixels a side to the share's rows of the first block, `own`.
    pub(crate) fn compute<S: Simd>(
        &self,
        simd: S,
        bordered: &[f32],
        size: usize,
        own: &mut [f32],
        share: &Share,
        scratch: &mut Scratch,
    ) {
        let side = self.conv.output(size);
        let line = side * self.kernel.padded_columns();
        let Share { plane, rows } = share;
        let mut next = (rows.start * self.pool.stride).saturating_sub(self.pool.padding);
        for y in rows.clone() {
            let top = (y * self.pool.stride).saturating_sub(self.pool.padding);
            let bottom = (y * self.pool.stride + self.pool.kernel - self.pool.padding).min(side);
            for line_y in next.max(top)..bottom {
                self.line(simd, bordered, size, line_y, &mut scratch.lines);
            }
            next = bottom;
            let lines = top..bottom;
            let own = &mut own[(y - rows.start) * plane.width * plane.stride..];
            self.maximum(simd, &scratch.lines, lines.map(|y| y % self.pool.kernel * line), side, own, *plane);
        }
    }

    /// One line of the convolution, normed and cut at zero, to its place among the last few.
    fn line<S: Simd>(&self, simd: S, bordered: &[f32], size: usize, y: usize, lines: &mut [f32]) {
        let Geometry { kernel, stride, padding } = self.conv;
        let (side, columns) = (self.conv.output(size), self.kernel.padded_columns());
        let next = (size + 2 * padding) * COLOURS;
        let line = &mut lines[y % self.pool.kernel * side * columns..][..side * columns];
        for tile in tiles(side, S::ROWS) {
            // The windows of neighbours overlap, and each is a piece of as many lines as the kernel has.
            let data = &bordered[y * stride * next + tile.start * APART..];
            let rows = Rows::<f32, APART> { data, count: tile.len(), piece: kernel * COLOURS, next };
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
