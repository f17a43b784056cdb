//! Batch normalisation over the last axis, forward and backward.
//!
//! In: `x` (..., channels), gamma and beta (channels). Out: the shape of `x`. In training the moments are those of
//! the batch ([`Moments::of`]) and the gradient runs through them; at inference they are the moving ones.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use crate::kernels::moments::Moments;
use crate::kernels::slices;

/// Where the moments come from, which decides whether the gradient runs through them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NormMode {
    /// The moments are those of this very `x`.
    Batch,
    /// The moments are constants.
    Moving,
}

/// What a batch normalisation is besides its gamma and beta.
#[derive(Clone, Debug)]
pub struct Normalisation {
    /// What is normalised by.
    pub moments: Moments,
    /// Where the moments come from.
    pub mode: NormMode,
    /// Added to the variance.
    pub epsilon: f64,
}

/// Normalises `x` (..., channels): `gamma * (x - mean) / sqrt(variance + epsilon) + beta`.
///
/// # Errors
/// When the shapes do not fit each other.
pub fn batch_norm(x: &Tensor, gamma: &Tensor, beta: &Tensor, how: Normalisation) -> Result<Tensor> {
    let Normalisation { moments, mode, epsilon } = how;
    let channels = x.dims().last().copied().unwrap_or(0);
    let sizes = [gamma.elem_count(), beta.elem_count(), moments.mean.len(), moments.variance.len()];
    if channels == 0 || sizes != [channels; 4] {
        bail!("batch_norm: {sizes:?} parameters and moments do not fit {channels} channels");
    }
    let deviation = |variance: &f32| (1.0 / (f64::from(*variance) + epsilon).sqrt()) as f32;
    let inverse = moments.variance.iter().map(deviation).collect();
    let op = BatchNorm { mean: moments.mean, inverse, mode };
    slices::ready(x)?.apply_op3(&slices::ready(gamma)?, &slices::ready(beta)?, op)
}

/// Rows that are summed in f32 before they are added up in f64; fixed, so that sums do not depend on the threads.
const ROWS: usize = 256;

/// The sums of all groups of rows, in their order.
fn total(partial: Vec<Vec<f32>>, width: usize) -> Vec<f64> {
    let mut total = vec![0f64; width];
    for sum in partial {
        total.iter_mut().zip(sum).for_each(|(t, s)| *t += f64::from(s));
    }
    total
}

struct BatchNorm {
    mean: Vec<f32>,
    /// One over the standard deviation.
    inverse: Vec<f32>,
    mode: NormMode,
}

impl BatchNorm {
    fn forward(&self, x: &[f32], gamma: &[f32], beta: &[f32]) -> Vec<f32> {
        let channels = gamma.len();
        let scale: Vec<f32> = gamma.iter().zip(&self.inverse).map(|(g, i)| g * i).collect();
        let shift: Vec<f32> = beta.iter().zip(&scale).zip(&self.mean).map(|((b, s), m)| b - s * m).collect();
        let mut out = vec![0.0; x.len()];
        let chunks = out.par_chunks_mut(ROWS * channels).zip(x.par_chunks(ROWS * channels));
        chunks.for_each(|(out, x)| {
            for (out, x) in out.chunks_exact_mut(channels).zip(x.chunks_exact(channels)) {
                for (((o, x), scale), shift) in out.iter_mut().zip(x).zip(&scale).zip(&shift) {
                    *o = x * scale + shift;
                }
            }
        });
        out
    }

    /// The gradients of x, gamma and beta.
    fn backward(&self, x: &[f32], gamma: &[f32], gradient: &[f32]) -> (Vec<f32>, Vec<f32>, Vec<f32>) {
        let channels = gamma.len();
        let rows = (x.len() / channels) as f64;
        let size = ROWS * channels;
        let partial = x.par_chunks(size).zip(gradient.par_chunks(size)).map(|(x, gradient)| {
            let mut sums = vec![0f32; 2 * channels];
            let (sum, product) = sums.split_at_mut(channels);
            for (x, gradient) in x.chunks_exact(channels).zip(gradient.chunks_exact(channels)) {
                for c in 0..channels {
                    sum[c] += gradient[c];
                    product[c] += gradient[c] * (x[c] - self.mean[c]);
                }
            }
            sums
        });
        let sums = total(partial.collect(), 2 * channels);
        let (sum, product) = sums.split_at(channels);
        let dgamma: Vec<f32> = product.iter().zip(&self.inverse).map(|(p, i)| (p * f64::from(*i)) as f32).collect();
        let dbeta: Vec<f32> = sum.iter().map(|s| *s as f32).collect();
        // dx = scale * (g - mean(g) - normalised(x) * mean(g * normalised(x))), the last two only through the batch's
        // own moments; written as scale * g - slope * (x - mean) - offset.
        let scale: Vec<f32> = gamma.iter().zip(&self.inverse).map(|(g, i)| g * i).collect();
        let through = if self.mode == NormMode::Batch { 1.0 / rows } else { 0.0 };
        let slope: Vec<f32> = (0..channels)
            .map(|c| (f64::from(scale[c]) * f64::from(self.inverse[c]).powi(2) * product[c] * through) as f32)
            .collect();
        let offset: Vec<f32> = (0..channels).map(|c| (f64::from(scale[c]) * sum[c] * through) as f32).collect();
        let mut dx = vec![0.0; x.len()];
        let chunks = dx.par_chunks_mut(size).zip(x.par_chunks(size)).zip(gradient.par_chunks(size));
        chunks.for_each(|((dx, x), gradient)| {
            let rows = dx.chunks_exact_mut(channels).zip(x.chunks_exact(channels));
            for ((dx, x), gradient) in rows.zip(gradient.chunks_exact(channels)) {
                for c in 0..channels {
                    dx[c] = scale[c] * gradient[c] - slope[c] * (x[c] - self.mean[c]) - offset[c];
                }
            }
        });
        (dx, dgamma, dbeta)
    }
}

impl CustomOp3 for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn cpu_fwd(
        &self,
        s1: &CpuStorage,
        l1: &Layout,
        s2: &CpuStorage,
        l2: &Layout,
        s3: &CpuStorage,
        l3: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let x = slices::of_storage(self.name(), s1, l1)?;
        let gamma = slices::of_storage(self.name(), s2, l2)?;
        let beta = slices::of_storage(self.name(), s3, l3)?;
        slices::output(self.forward(x, gamma, beta), l1.shape().clone())
    }

    fn bwd(
        &self,
        x: &Tensor,
        gamma: &Tensor,
        beta: &Tensor,
        _: &Tensor,
        gradient: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>, Option<Tensor>)> {
        let (dx, dgamma, dbeta) =
            slices::with([x, gamma, gradient], |[x, gamma, gradient]| self.backward(x, gamma, gradient))?;
        Ok((
            Some(slices::tensor(dx, x.shape())?),
            Some(slices::tensor(dgamma, gamma.shape())?),
            Some(slices::tensor(dbeta, beta.shape())?),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::ops::gradcheck::{check, close, filled};

    const EPSILON: f64 = 1.001e-5;

    fn inputs() -> [Tensor; 3] {
        [filled(&[3, 2, 2, 5], 1), filled(&[5], 2), filled(&[5], 3)]
    }

    fn how(moments: Moments, mode: NormMode) -> Normalisation {
        Normalisation { moments, mode, epsilon: EPSILON }
    }

    #[test]
    fn gradients_run_through_the_batch_moments() {
        check(&inputs(), |t| batch_norm(&t[0], &t[1], &t[2], how(Moments::of(&t[0])?, NormMode::Batch)));
    }

    #[test]
    fn gradients_stop_at_the_moving_moments() -> Result<()> {
        let moments = Moments::of(&filled(&[7, 5], 9))?;
        check(&inputs(), |t| batch_norm(&t[0], &t[1], &t[2], how(moments.clone(), NormMode::Moving)));
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
        let ours = batch_norm(&x, &gamma, &beta, how(Moments::of(&x)?, NormMode::Batch))?;
        close(&ours, &theirs.forward_train(&x)?, 1e-5);
        Ok(())
    }
}
