//! Batch normalisation over the last axis, forward and backward.
//!
//! In: `x` (..., channels), gamma and beta (channels). Out: the shape of `x`. In training the moments are those of the
//! batch ([`crate::kernels::Moments::of`]) and the gradient runs through them; at inference they are the moving ones.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::kernels::norm::{BatchNorm, NormGradient, Sums, TileSums};
use crate::kernels::slices;

/// Normalises `x` (..., channels) by `norm`, which was made from the numbers of `gamma` and `beta`:
/// `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.
pub(crate) fn batch_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, norm: BatchNorm) -> Result<Tensor> {
    let channels = x.dims().last().copied().unwrap_or(0);
    let sizes = [gamma.elem_count(), beta.elem_count(), norm.whole().shift.len()];
    if channels == 0 || sizes != [channels; 3] {
        bail!("batch_norm: {sizes:?} parameters and moments do not fit {channels} channels");
    }
    slices::ready(x)?.apply_op3(&slices::ready(gamma)?, &slices::ready(beta)?, norm)
}

/// Rows that are summed in f32 before they are added up in f64; fixed, so that sums do not depend on the threads.
const ROWS: usize = 256;

fn forward(norm: &BatchNorm, x: &[f32]) -> Vec<f32> {
    let norm = norm.whole();
    let channels = norm.scale.len();
    let mut out = vec![0.0; x.len()];
    let chunks = out.par_chunks_mut(ROWS * channels).zip(x.par_chunks(ROWS * channels));
    chunks.for_each(|(out, x)| {
        for (out, x) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
            for (((o, x), scale), shift) in out.iter_mut().zip(x).zip(norm.scale).zip(norm.shift) {
                *o = x * scale + shift;
            }
        }
    });
    out
}

/// The gradients of x, and of gamma and beta.
fn backward(norm: &BatchNorm, x: &[f32], gradient: &[f32]) -> (Vec<f32>, NormGradient) {
    let (mean, scale) = (norm.whole().mean, norm.whole().scale);
    let channels = mean.len();
    let size = ROWS * channels;
    let tiles = x.par_chunks(size).zip(gradient.par_chunks(size)).map(|(x, gradient)| {
        let mut sums = TileSums::none(channels);
        for (x, gradient) in x.chunks_exact(channels).zip(gradient.chunks_exact(channels)) {
            for c in 0..channels {
                sums.sum[c] += gradient[c];
                sums.product[c] += gradient[c] * (x[c] - mean[c]);
            }
        }
        sums
    });
    let mut sums = Sums::<f64>::none(channels);
    tiles.collect::<Vec<_>>().iter().for_each(|tile| sums.add(0, tile));
    let of_norm = norm.gradient(&sums, x.len() / channels);
    let (slope, offset) = (&of_norm.correction.slope, &of_norm.correction.offset);
    let mut dx = vec![0.0; x.len()];
    let chunks = dx.par_chunks_mut(size).zip(x.par_chunks(size)).zip(gradient.par_chunks(size));
    chunks.for_each(|((dx, x), gradient)| {
        let rows = dx.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
        for ((dx, x), gradient) in rows.zip(gradient.chunks_exact(channels)) {
            for c in 0..channels {
                dx[c] = scale[c] * gradient[c] - slope[c] * (x[c] - mean[c]) - offset[c];
            }
        }
    });
    (dx, of_norm)
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        _: &CpuStorage,
        _: &Layout,
        _: &CpuStorage,
        _: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        slices::output(forward(self, slices::of_storage(self.name(), s1, l1)?), l1.shape().clone())
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, of_norm) = slices::with([x, gradient], |[x, gradient]| backward(self, x, gradient))?;
        Ok((
            Some(slices::tensor(dx, x.shape())?),
            Some(slices::tensor(of_norm.gamma, gamma.shape())?),
            Some(slices::tensor(of_norm.beta, beta.shape())?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::moments::Moments;
    use crate::kernels::norm::NormMode;
    use crate::kernels::ops::gradcheck::{check, close, filled};

    const EPSILON: f64 = 1.001e-5;

    fn inputs() -> [Tensor; 3] {
        [filled(&[3, 2, 2, 5], 1), filled(&[5], 2), filled(&[5], 3)]
    }

    fn normalised(t: &[Tensor], moments: &Moments, mode: NormMode) -> Result<Tensor> {
        let norm = BatchNorm::new(&t[1].to_vec1()?, &t[2].to_vec1()?, moments, mode, EPSILON);
        batch_norm(&t[0], &t[1], &t[2], norm)
    }

    #[test]
    fn gradients_run_through_the_batch_moments() {
        check(&inputs(), |t| normalised(t, &Moments::of(&t[0])?, NormMode::Batch));
    }

    #[test]
    fn gradients_stop_at_the_moving_moments() -> Result<()> {
        let moments = Moments::of(&filled(&[7, 5], 9))?;
        check(&inputs(), |t| normalised(t, &moments, NormMode::Moving));
        Ok(())
    }

    #[test]
    fn agrees_with_candle_in_training() -> Result<()> {
        let x = filled(&[600, 6], 1);
        let (gamma, beta) = (filled(&[6], 2), filled(&[6], 3));
        let theirs = candle_nn::BatchNorm::new(
            6,
            Tensor::zeros(6, candle_core::DType::F32, x.device())?,
            Tensor::ones(6, candle_core::DType::F32, x.device())?,
            gamma.clone(),
            beta.clone(),
            EPSILON,
        )?;
        let ours = normalised(&[x.clone(), gamma, beta], &Moments::of(&x)?, NormMode::Batch)?;
        close(&ours, &theirs.forward_train(&x)?, 1e-5);
        Ok(())
    }
}
