//! The convolution at the start, its norm and ReLU, and the maximum behind them, a line at a time; the convolution in
//! floating-point or in whole numbers of 16 bits.

use candle_core::{Result, bail};

use crate::kernels::densenet::inference::gemm::{
    Activation, Aligned, DotProduct, MOST, Packed, PackedWhole, Product, Rows, TileOffsets, Whole, offsets,
};
use crate::kernels::densenet::inference::thread_memory::{MANY_ROWS, Needs, Plane, Scratch, Share, pack, tiles};
use crate::kernels::densenet::inference::{FoldedNorm, StemWeights, WordKernel};
use crate::kernels::im2col::Geometry;
use crate::kernels::simd::{Dot, PAIR, Simd};
use crate::kernels::slices;

/// The convolution at the start, its norm and ReLU, and the maximum behind them.
pub(crate) struct Stem<C> {
    conv: Geometry,
    pool: Geometry,
    pub(crate) filters: usize,
    convolution: C,
}

/// Red, green and blue.
const COLOURS: usize = 3;
/// Numbers from one window of the convolution to the next: it moves by two pixels.
const APART: usize = 2 * COLOURS;

/// An image with zeros around it.
pub(crate) struct Bordered<T> {
    /// What is zero stays so.
    pixels: Aligned<T>,
    /// What a number of the pixels is worth.
    step: f32,
}

/// The stem's convolution and its norm, laid out.
pub(crate) trait StemConvolution<S>: Sized + Send + Sync + 'static {
    /// A number of the image that it reads.
    type Number: Copy + Default + Send + Sync;
    /// Windows that are multiplied at once, at most.
    const ROWS: usize;

    /// Lays out a kernel whose windows have `line` numbers in a line.
    fn new(weights: &StemWeights, line: usize) -> Result<Self>;
    /// Filters with those that fill up a panel.
    fn columns(&self) -> usize;
    /// Numbers of a window's line that are multiplied.
    fn line(&self) -> usize;
    /// What a number is to be worth in an image.
    fn step(&self, simd: S, image: &[f32]) -> f32;
    /// Takes in some pixels.
    fn take(&self, simd: S, pixels: &[f32], step: f32, to: &mut [Self::Number]);
    /// Multiplies windows and norms the sums; what is below zero may stay so.
    fn multiply(&self, simd: S, rows: Windows<'_, Self::Number>, step: f32, out: &mut [f32], offsets: TileOffsets);
}

/// Windows of the image, whose pieces are as many lines as the kernel has.
type Windows<'a, T> = Rows<'a, T, APART>;

impl<C> Stem<C> {
    pub(crate) fn new<S>(weights: &StemWeights) -> Result<Self>
    where
        C: StemConvolution<S>,
    {
        let StemWeights { conv, kernel, norm, pool } = weights;
        let (line, filters) = (conv.kernel * COLOURS, norm.scale.len());
        if kernel.elem_count() != conv.kernel * line * filters || norm.shift.len() != filters || filters == 0 {
            bail!("backbone: a stem of {} weights does not fit {filters} filters", kernel.elem_count());
        }
        if conv.stride * COLOURS != APART {
            bail!("backbone: a stem that moves by {} pixels", conv.stride);
        }
        Ok(Self { conv: *conv, pool: *pool, filters, convolution: C::new(weights, line)? })
    }

    /// Pixels along a side behind the maximum.
    pub(crate) fn output(&self, size: usize) -> usize {
        self.pool.output(self.conv.output(size))
    }

    /// Operations of the convolution.
    pub(crate) fn operations(&self, size: usize) -> f64 {
        let (side, kernel) = (self.conv.output(size), self.conv.kernel);
        (2 * side * side * kernel * kernel * COLOURS * self.filters) as f64
    }

    pub(crate) fn needs<S>(&self, size: usize) -> Needs
    where
        C: StemConvolution<S>,
    {
        Needs { lines: self.pool.kernel * self.conv.output(size) * self.convolution.columns(), ..Needs::default() }
    }

    /// Room for an image of `size` pixels a side, with the zeros around it that the convolution reads.
    pub(crate) fn bordered<S>(&self, size: usize) -> Bordered<C::Number>
    where
        C: StemConvolution<S>,
    {
        let side = size + 2 * self.conv.padding;
        // The last window's lines may be filled up with what lies behind them.
        Bordered { pixels: Aligned::zeros(side * side * COLOURS + PAIR), step: 1.0 }
    }

    /// Takes an image to where zeros surround it.
    pub(crate) fn border<S: Copy>(&self, simd: S, image: &[f32], size: usize, bordered: &mut Bordered<C::Number>)
    where
        C: StemConvolution<S>,
    {
        let padding = self.conv.padding;
        let (side, line) = (size + 2 * padding, size * COLOURS);
        bordered.step = self.convolution.step(simd, image);
        for (y, pixels) in image.chunks_exact(line).enumerate() {
            let to = ((y + padding) * side + padding) * COLOURS;
            self.convolution.take(simd, pixels, bordered.step, &mut bordered.pixels[to..to + line]);
        }
    }

    /// From a bordered image of `size` pixels a side to the share's rows of the first block, `own`.
    pub(crate) fn compute<S: Simd>(
        &self,
        simd: S,
        bordered: &Bordered<C::Number>,
        size: usize,
        own: &mut [f32],
        share: &Share,
        scratch: &mut Scratch,
    ) where
        C: StemConvolution<S>,
    {
        let side = self.conv.output(size);
        let line = side * self.convolution.columns();
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

    /// One line of the convolution, normed, to its place among the last few.
    fn line<S: Simd>(&self, simd: S, bordered: &Bordered<C::Number>, size: usize, y: usize, lines: &mut [f32])
    where
        C: StemConvolution<S>,
    {
        let (side, columns) = (self.conv.output(size), self.convolution.columns());
        let next = (size + 2 * self.conv.padding) * COLOURS;
        let line = &mut lines[y % self.pool.kernel * side * columns..][..side * columns];
        for tile in tiles(side, C::ROWS) {
            let data = &bordered.pixels[y * self.conv.stride * next + tile.start * APART..];
            let windows = Windows { data, count: tile.len(), piece: self.convolution.line(), next };
            self.convolution.multiply(simd, windows, bordered.step, line, offsets(tile, |x| x * columns));
        }
    }

    /// The maximum over windows of the lines that begin at `lines`, and zero: that is the ReLU, and why what lies outside
    /// the image need not be looked at.
    fn maximum<S: Simd>(
        &self,
        simd: S,
        buffer: &[f32],
        lines: impl Iterator<Item = usize> + Clone,
        side: usize,
        own: &mut [f32],
        plane: Plane,
    ) where
        C: StemConvolution<S>,
    {
        let columns = self.convolution.columns();
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

/// By floating-point numbers.
pub(crate) struct FoldedStem {
    kernel: Packed,
    norm: Activation,
    line: usize,
}

impl<S: Simd> StemConvolution<S> for FoldedStem {
    type Number = f32;
    const ROWS: usize = S::ROWS;

    fn new(weights: &StemWeights, line: usize) -> Result<Self> {
        let StemWeights { conv, kernel, norm, .. } = weights;
        let (depth, filters) = (conv.kernel * line, norm.scale.len());
        let kernel = slices::with([kernel], |[kernel]| pack::<S>(kernel, depth, filters, MANY_ROWS))?;
        Ok(Self { kernel, norm: Activation::new(norm), line })
    }

    fn columns(&self) -> usize {
        self.kernel.padded_columns()
    }

    fn line(&self) -> usize {
        self.line
    }

    fn step(&self, _: S, _: &[f32]) -> f32 {
        1.0
    }

    fn take(&self, _: S, pixels: &[f32], _: f32, to: &mut [f32]) {
        to.copy_from_slice(pixels);
    }

    fn multiply(&self, simd: S, rows: Windows<'_, f32>, _: f32, out: &mut [f32], offsets: TileOffsets) {
        Product { rows, matrix: self.kernel.matrix(0), activation: Some(&self.norm), out, offsets }.compute(simd);
    }
}

/// By whole numbers of 16 bits: an image is in steps of its own, of which its largest number has [`MOST`].
pub(crate) struct WordStem {
    kernel: PackedWhole<i16>,
    /// From sums to normed outputs.
    finish: Activation,
    line: usize,
}

impl<D: Dot> StemConvolution<D> for WordStem {
    type Number = i16;
    const ROWS: usize = D::DOT_ROWS;

    fn new(weights: &StemWeights, line: usize) -> Result<Self> {
        let StemWeights { conv, kernel, norm, .. } = weights;
        let filters = norm.scale.len();
        let WordKernel { weights, scales } = slices::with([kernel], |[kernel]| WordKernel::of(kernel, filters, MOST))?;
        let padded = line.next_multiple_of(i16::GROUP);
        let mut matrix = vec![0; conv.kernel * padded * filters];
        let lines = weights.chunks_exact(line * filters).zip(matrix.chunks_exact_mut(padded * filters));
        lines.for_each(|(weights, padded)| padded[..weights.len()].copy_from_slice(weights));
        let scale = scales.iter().zip(&norm.scale).map(|(of_weight, of_norm)| of_weight * of_norm).collect();
        let finish = Activation::new(&FoldedNorm { scale, shift: norm.shift.clone() });
        Ok(Self { kernel: PackedWhole::new(&matrix, filters), finish, line: padded })
    }

    fn columns(&self) -> usize {
        self.kernel.columns
    }

    fn line(&self) -> usize {
        self.line
    }

    fn step(&self, dot: D, image: &[f32]) -> f32 {
        // As many as the widest level has lanes, twice over.
        let mut largest = [0f32; 32];
        dot.vectorize(
            #[inline(always)]
            || {
                let (blocks, rest) = image.as_chunks::<32>();
                for numbers in blocks {
                    for (largest, number) in largest.iter_mut().zip(numbers) {
                        *largest = if number.abs() > *largest { number.abs() } else { *largest };
                    }
                }
                largest.iter_mut().zip(rest).for_each(|(largest, number)| *largest = largest.max(number.abs()));
            },
        );
        largest.into_iter().fold(0.0, f32::max) / MOST
    }

    fn take(&self, dot: D, pixels: &[f32], step: f32, to: &mut [i16]) {
        let inverse = if step > 0.0 { 1.0 / step } else { 0.0 };
        let whole = pixels.len() - pixels.len() % D::LANES;
        dot.vectorize(
            #[inline(always)]
            || {
                for (pixels, to) in pixels.chunks_exact(D::LANES).zip(to.chunks_exact_mut(D::LANES)) {
                    // SAFETY: both chunks are of LANES numbers.
                    unsafe {
                        let steps = dot.mul(dot.load(pixels.as_ptr()), dot.splat(inverse));
                        dot.store_words(to.as_mut_ptr(), steps);
                    }
                }
            },
        );
        let rest = pixels[whole..].iter().zip(&mut to[whole..]);
        rest.for_each(|(pixel, to)| *to = (pixel * inverse).round_ties_even() as i16);
    }

    fn multiply(&self, dot: D, rows: Windows<'_, i16>, step: f32, out: &mut [f32], offsets: TileOffsets) {
        let (matrix, scales, finish) = (&self.kernel, Some([step; _]), &self.finish);
        DotProduct { rows: rows.into(), matrix, scales, finish, out, offsets }.compute(dot);
    }
}
