//! The product of a batch and a weight, forward only and on the calling thread: what the head computes at inference.
//!
//! In: `x` (batch, inputs) and a weight (inputs, outputs). Out: (batch, outputs). Training takes candle's own, which
//! has a gradient and several threads; to learn how many, it reads /proc/cpuinfo at each call, for which a head of a
//! few thousand numbers has no time.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor};

use crate::kernels::simd::Level;
use crate::kernels::slices;

/// Multiplies `x` (batch, inputs) with a weight (inputs, outputs). There is no gradient.
pub(crate) fn product(x: &Tensor, weight: &Tensor) -> Result<Tensor> {
    slices::ready(x)?.apply_op2_no_bwd(&slices::ready(weight)?, &ProductOp)
}

struct ProductOp;

impl CustomOp2 for ProductOp {
    fn name(&self) -> &'static str {
        "product"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (slices::of_storage(self.name(), s1, l1)?, slices::of_storage(self.name(), s2, l2)?);
        let ((rows, depth), (inputs, columns)) = (l1.shape().dims2()?, l2.shape().dims2()?);
        if depth != inputs {
            candle_core::bail!("product: {:?} does not fit {:?}", l1.shape(), l2.shape());
        }
        let mut out = vec![0.0; rows * columns];
        Level::default().vectorize(
            #[inline(always)]
            || {
                // The weight is read once, whatever the batch: it is the largest of the three.
                for (input, weights) in weight.chunks_exact(columns.max(1)).enumerate() {
                    for (out, x) in out.chunks_exact_mut(columns.max(1)).zip(x.chunks_exact(depth)) {
                        let x = x[input];
                        for (out, weight) in out.iter_mut().zip(weights) {
                            *out += x * weight;
                        }
                    }
                }
            },
        );
        slices::output(out, (rows, columns))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::ops::gradcheck::{close, filled};

    #[test]
    fn it_is_candles_product_to_rounding_and_refuses_what_does_not_fit() -> Result<()> {
        for (rows, depth, columns) in [(1, 1024, 64), (5, 192, 16), (3, 16, 2), (2, 7, 33)] {
            let (x, weight) = (filled(&[rows, depth], 1), (filled(&[depth, columns], 2) * 0.2)?);
            close(&product(&x, &weight)?, &x.matmul(&weight)?, 1e-4);
        }
        assert!(product(&filled(&[2, 3], 1), &filled(&[4, 5], 2)).is_err());
        Ok(())
    }
}
