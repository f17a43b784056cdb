//! What a backbone is made of: the norms of its layers, and their kernels in floating-point or in whole numbers.

use candle_core::{Result, Tensor, bail};

use crate::kernels::im2col::Geometry;

/// The convolution at the start, its norm and ReLU, and the maximum behind them.
pub(crate) struct StemWeights {
    pub(crate) conv: Geometry,
    /// (kernel * kernel * channels, filters).
    pub(crate) kernel: Tensor,
    pub(crate) norm: FoldedNorm,
    pub(crate) pool: Geometry,
}

/// Norm, ReLU, 1x1, norm, ReLU, 3x3.
pub(crate) struct LayerWeights<K> {
    pub(crate) norm1: FoldedNorm,
    /// (channels, bottleneck).
    pub(crate) conv1: K,
    pub(crate) norm2: FoldedNorm,
    /// (3 * 3 * bottleneck, growth).
    pub(crate) conv2: K,
}

/// Norm, ReLU, 1x1, 2x2 average.
pub(crate) struct TransitionWeights {
    pub(crate) norm: FoldedNorm,
    /// (channels, filters).
    pub(crate) conv: Tensor,
}

/// A dense block and the way to the next one.
pub(crate) struct BlockWeights<K> {
    pub(crate) layers: Vec<LayerWeights<K>>,
    /// Whether the averages of its channels are asked for.
    pub(crate) pooled: bool,
    /// Whether the head sees them, so that a map of them can be asked for too; only where they are pooled.
    pub(crate) tap: bool,
    pub(crate) transition: Option<TransitionWeights>,
}

/// All tensors of a backbone; the kernels of its dense layers are a [`Tensor`] each or a [`QuantisedKernel`] each.
pub(crate) struct BackboneWeights<K> {
    pub(crate) stem: StemWeights,
    pub(crate) blocks: Vec<BlockWeights<K>>,
}

/// A batch normalisation with moving moments: `scale * x + shift` for each channel.
pub(crate) struct FoldedNorm {
    pub(crate) scale: Vec<f32>,
    pub(crate) shift: Vec<f32>,
}

impl FoldedNorm {
    /// This one, and then `second` of what it puts out.
    pub(crate) fn then(&self, second: &Self) -> Self {
        let scale = self.scale.iter().zip(&second.scale).map(|(a, b)| a * b).collect();
        let shifts = self.shift.iter().zip(&second.scale).zip(&second.shift);
        Self { scale, shift: shifts.map(|((shift, scale), second)| shift * scale + second).collect() }
    }

    /// This one, so that it puts out how many of each channel's `steps` there are.
    pub(crate) fn in_steps(&self, steps: &[f32]) -> Self {
        let divided = |numbers: &[f32]| numbers.iter().zip(steps).map(|(number, step)| number / step).collect();
        Self { scale: divided(&self.scale), shift: divided(&self.shift) }
    }

    /// Whether its numbers are some: rounding to whole numbers would hide what is none.
    pub(crate) fn is_finite(&self) -> bool {
        self.scale.iter().chain(&self.shift).all(|number| number.is_finite())
    }
}

/// A convolution in whole numbers of 8 bits, behind a norm and ReLU.
pub(crate) struct QuantisedKernel {
    /// (kernel * kernel * channels, filters), from -127 to 127.
    pub(crate) weights: Vec<i8>,
    /// What an activation of 1 is worth, for each channel; they go from 0 to 255.
    pub(crate) steps: Vec<f32>,
    /// From sums of products to outputs, for each filter.
    pub(crate) finish: FoldedNorm,
}

impl QuantisedKernel {
    /// Checks that it is a convolution with `taps` weights for each of the norm's channels and for each filter, and that its
    /// sums fit into 32 bits.
    ///
    /// # Errors
    /// When it is not, or they do not.
    pub(crate) fn check(&self, norm: &FoldedNorm, taps: usize, filters: usize) -> Result<()> {
        let (channels, depth) = (norm.scale.len(), taps * norm.scale.len());
        let fits = [norm.shift.len(), self.steps.len()] == [channels; 2]
            && [self.finish.scale.len(), self.finish.shift.len()] == [filters; 2]
            && self.weights.len() == depth * filters
            && !self.weights.is_empty();
        if !fits {
            bail!("backbone: {} whole numbers on {channels} channels for {filters} filters", self.weights.len());
        }
        if depth > i32::MAX as usize / (255 * 127) {
            bail!("backbone: a convolution of whole numbers on {depth} inputs");
        }
        Ok(())
    }
}

/// A kernel in whole numbers of 16 bits: so near to the floating-point one that it need not be fitted to images.
pub(crate) struct WordKernel {
    /// (depth, filters).
    pub(crate) weights: Vec<i16>,
    /// What a weight of 1 is worth, for each filter.
    pub(crate) scales: Vec<f32>,
}

impl WordKernel {
    /// Rounds a kernel (depth, filters) so that products with inputs from -`most` to `most` add up to less than 32 bits.
    pub(crate) fn of(kernel: &[f32], filters: usize, most: f32) -> Self {
        let mut largest = vec![0f64; filters];
        let mut sums = vec![0f64; filters];
        for weights in kernel.chunks_exact(filters) {
            for ((weight, largest), sum) in weights.iter().zip(&mut largest).zip(&mut sums) {
                *largest = largest.max(f64::from(weight.abs()));
                *sum += f64::from(weight.abs());
            }
        }
        // Rounding may add half a step to each weight.
        let room = f64::from(i32::MAX) / f64::from(most) - (kernel.len() / filters) as f64;
        let scale = |(largest, sum): (f64, f64)| (largest / f64::from(i16::MAX)).max(sum / room) as f32;
        // A filter without weights has any scale.
        let scales: Vec<f32> =
            largest.into_iter().zip(sums).map(scale).map(|scale| if scale > 0.0 { scale } else { 1.0 }).collect();
        let rounded = |(index, weight): (usize, &f32)| (weight / scales[index % filters]).round_ties_even() as i16;
        Self { weights: kernel.iter().enumerate().map(rounded).collect(), scales }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_near_their_kernel_and_no_sum_overflows() {
        // Three filters of 1,000 weights: alike ones, one that is far larger than the rest, and none.
        let kernel: Vec<f32> =
            (0..1000).flat_map(|i| [(i % 7) as f32 - 3.1, if i == 5 { -4.0 } else { 0.01 }, 0.0]).collect();
        let WordKernel { weights, scales } = WordKernel::of(&kernel, 3, 4095.0);
        for (index, (weight, word)) in kernel.iter().zip(&weights).enumerate() {
            assert!((weight - f32::from(*word) * scales[index % 3]).abs() <= 0.501 * scales[index % 3], "{index}");
        }
        for filter in 0..3 {
            let sum: i64 = weights.iter().skip(filter).step_by(3).map(|word| 4095 * i64::from(word.abs())).sum();
            assert!(sum <= i64::from(i32::MAX), "{filter}: {sum}");
            assert!(sum > i64::from(i32::MAX) / 3 || filter > 0, "{sum}: the words use their bits");
        }
        assert_eq!((weights[5 * 3 + 1], scales[2]), (-i16::MAX, 1.0));
    }
}
