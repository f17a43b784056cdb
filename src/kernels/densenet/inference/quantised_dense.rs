//! A dense layer in whole numbers: norm, ReLU, 1x1, norm, ReLU, 3x3; what one thread computes of it.
//!
//! Activations go from 0 to 255 in steps of their channel, weights from -127 to 127 in steps of their filter. The norms are
//! scaled so that they put out steps, and a product's sums become steps of the next convolution at once. What the layer
//! adds to its block is floating-point, as the block is. Winograd's transforms would need wider numbers, so the 3x3
//! convolution multiplies directly, which is as fast: an instruction takes four times the products.

use candle_core::{Result, bail};

use crate::kernels::densenet::inference::gemm::{Activation, DotProduct, PANEL, PIECE, PackedWhole, Windows, offsets};
use crate::kernels::densenet::inference::layers::DenseLayer;
use crate::kernels::densenet::inference::thread_memory::{Needs, Scratch, Share, tiles};
use crate::kernels::densenet::inference::{LayerWeights, QuantisedKernel};
use crate::kernels::simd::{Dot, Level};

/// See the file's head; the result is laid behind the layer's input.
pub(crate) struct QuantisedDense {
    /// Of the input.
    channels: usize,
    growth: usize,
    /// From the input to steps.
    norm1: Activation,
    conv1: PackedWhole<u8>,
    /// From sums to steps of the second convolution, with the norm between.
    finish1: Activation,
    conv2: PackedWhole<u8>,
    finish2: Activation,
}

impl<D: Dot> DenseLayer<D> for QuantisedDense {
    type Kernel = QuantisedKernel;
    type Inner = u8;

    fn new(_: Level, weights: &LayerWeights<QuantisedKernel>, channels: usize, _: usize) -> Result<Self> {
        let LayerWeights { norm1, conv1, norm2, conv2 } = weights;
        let bottleneck = norm2.scale.len();
        let growth = <Self as DenseLayer<D>>::growth(weights);
        if norm1.scale.len() != channels {
            bail!("backbone: a dense layer's norm of {} channels behind {channels}", norm1.scale.len());
        }
        conv1.check(norm1, 1, bottleneck)?;
        conv2.check(norm2, 9, growth)?;
        let norm1 = norm1.in_steps(&conv1.steps);
        let finish1 = conv1.finish.then(norm2).in_steps(&conv2.steps);
        if !(norm1.is_finite() && finish1.is_finite() && conv2.finish.is_finite()) {
            bail!("backbone: the norms around a dense layer's whole numbers overflow");
        }
        let padded = bottleneck.next_multiple_of(PANEL);
        let mut kernel = vec![0; 9 * padded * growth];
        let taps = conv2.weights.chunks_exact(bottleneck * growth).zip(kernel.chunks_exact_mut(padded * growth));
        taps.for_each(|(weights, padded)| padded[..weights.len()].copy_from_slice(weights));
        Ok(Self {
            channels,
            growth,
            norm1: Activation::new(&norm1),
            conv1: PackedWhole::new(&conv1.weights, bottleneck),
            finish1: Activation::new(&finish1),
            conv2: PackedWhole::new(&kernel, growth),
            finish2: Activation::new(&conv2.finish),
        })
    }

    fn growth(weights: &LayerWeights<QuantisedKernel>) -> usize {
        weights.conv2.finish.scale.len()
    }

    fn bottleneck(&self) -> usize {
        self.conv1.columns
    }

    fn by_tiles(&self) -> bool {
        false
    }

    fn needs(&self) -> Needs {
        let bytes = self.channels.next_multiple_of(PIECE).max(9 * self.conv1.columns);
        Needs { bytes, ..Needs::default() }
    }

    fn reduce_operations(&self, side: usize) -> f64 {
        (2 * side * side * self.channels * self.conv1.columns) as f64
    }

    fn expand_operations(&self, side: usize) -> f64 {
        (2 * side * side * 9 * self.conv1.columns * self.growth) as f64
    }

    fn reduce(&self, dot: D, own: &[f32], inner: &mut [u8], share: &Share, scratch: &mut Scratch) {
        let (plane, strip) = (share.plane, &mut scratch.bytes);
        for tile in tiles(share.pixels(), D::DOT_ROWS) {
            strip.begin(tile.len());
            let pixels = own[tile.start * plane.stride..].chunks_exact(plane.stride).take(tile.len());
            strip.quantise(dot, pixels, &self.norm1, self.channels);
            let (matrix, finish, offsets) = (&self.conv1, &self.finish1, share.bordered(tile));
            DotProduct { rows: strip.rows().into(), matrix, scales: None, finish, out: inner, offsets }.compute(dot);
        }
    }

    fn expand(&self, dot: D, inner: &[u8], own: &mut [f32], share: &Share, scratch: &mut Scratch) {
        if [self.conv1.columns, share.plane.bottleneck] == [PIECE; 2] {
            return self.windows(dot, inner, own, share);
        }
        let (plane, strip) = (share.plane, &mut scratch.bytes);
        let channels = self.conv1.columns;
        for tile in tiles(share.pixels(), D::DOT_ROWS) {
            strip.begin(tile.len());
            for (row, pixel) in tile.clone().enumerate() {
                let (y, x) = share.position(pixel);
                for tap in 0..9 {
                    let from = ((y + tap / 3) * plane.bordered + x + tap % 3) * plane.bottleneck;
                    strip.put(row, tap * channels, &inner[from..][..channels]);
                }
            }
            let offsets = offsets(tile, |pixel| pixel * plane.stride + self.channels);
            let (matrix, finish) = (&self.conv2, &self.finish2);
            DotProduct { rows: strip.rows().into(), matrix, scales: None, finish, out: own, offsets }.compute(dot);
        }
    }
}

impl QuantisedDense {
    /// The second half where a pixel's bottleneck is a piece: then the windows of a row of pixels need not be gathered.
    fn windows<D: Dot>(&self, dot: D, inner: &[u8], own: &mut [f32], share: &Share) {
        let plane = share.plane;
        let (matrix, finish, down) = (&self.conv2, &self.finish2, plane.bordered * PIECE);
        for (line, y) in share.rows.clone().enumerate() {
            for tile in tiles(plane.width, D::DOT_ROWS) {
                let data = &inner[y * down + tile.start * PIECE..];
                let rows = Windows::<_, PIECE> { data, count: tile.len(), piece: PIECE, across: PIECE, down };
                let pixel = |x| (line * plane.width + x) * plane.stride + self.channels;
                DotProduct { rows, matrix, scales: None, finish, out: own, offsets: offsets(tile, pixel) }.compute(dot);
            }
        }
    }
}
