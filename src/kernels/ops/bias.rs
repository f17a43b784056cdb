//! A bias added to each row, with or without the ReLU that follows it, forward and backward.
//!
//! In: `x` (..., channels) and a bias (channels). Out: the shape of `x`.

use candle_core::{CpuStorage, CustomOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::kernels::slices;

/// Adds a bias to `x` (..., channels).
pub(crate) fn bias(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    apply(x, bias, false)
}

/// Adds a bias to `x` (..., channels) and cuts what is below zero.
pub(crate) fn bias_relu(x: &Tensor, bias: &Tensor) -> Result<Tensor> {
    apply(x, bias, true)
}

fn apply(x: &Tensor, bias: &Tensor, relu: bool) -> Result<Tensor> {
    if x.dims().last() != Some(&bias.dims1()?) {
        bail!("bias: {:?} does not fit {:?}", bias.shape(), x.shape());
    }
    slices::ready(x)?.apply_op2(&slices::ready(bias)?, Bias { relu })
}

struct Bias {
    relu: bool,
}

const ROWS: usize = 256;

impl CustomOp2 for Bias {
    fn name(&self) -> &'static str {
        "bias"
    }

    fn cpu_fwd(&self, s1: &CpuStorage, l1: &Layout, s2: &CpuStorage, l2: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, bias) = (slices::of_storage(self.name(), s1, l1)?, slices::of_storage(self.name(), s2, l2)?);
        let floor = if self.relu { 0.0 } else { f32::NEG_INFINITY };
        let mut out = x.to_vec();
        out.par_chunks_mut(ROWS * bias.len()).for_each(|rows| {
            for row in rows.chunks_exact_mut(bias.len()) {
                row.iter_mut().zip(bias).for_each(|(x, b)| *x = (*x + b).max(floor));
            }
        });
        slices::output(out, l1.shape().clone())
    }

    fn bwd(
        &self,
        x: &Tensor,
        bias: &Tensor,
        out: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        let channels = bias.dims1()?;
        let dx = slices::with([gradient, out], |[gradient, out]| {
            let mut dx = gradient.to_vec();
            if self.relu {
                dx.par_iter_mut().with_min_len(1 << 14).zip(out).for_each(|(dx, &out)| {
                    *dx = if out > 0.0 { *dx } else { 0.0 };
                });
            }
            dx
        })?;
        let partial: Vec<Vec<f32>> = dx
            .par_chunks(ROWS * channels)
            .map(|rows| {
                let mut sum = vec![0.0; channels];
                rows.chunks_exact(channels).for_each(|row| slices::add_into(&mut sum, row));
                sum
            })
            .collect();
        let mut sum = vec![0.0; channels];
        partial.iter().for_each(|addend| slices::add_into(&mut sum, addend));
        Ok((Some(slices::tensor(dx, x.shape())?), Some(slices::tensor(sum, bias.shape())?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::ops::gradcheck::{check, close, filled};

    #[test]
    fn gradients_agree_with_finite_differences() {
        let inputs = [filled(&[3, 4, 5], 1), (filled(&[5], 2) * 0.05).unwrap()];
        check(&inputs, |t| bias(&t[0], &t[1]));
        check(&inputs, |t| bias_relu(&t[0], &t[1]));
    }

    #[test]
    fn agrees_with_candle() -> Result<()> {
        let (x, b) = (filled(&[700, 5], 1), filled(&[5], 2));
        close(&bias_relu(&x, &b)?, &x.broadcast_add(&b)?.relu()?, 0.0);
        Ok(())
    }
}
