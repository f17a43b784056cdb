//! Inverted dropout from a seed; candle's own cannot be seeded on the CPU.

use candle_core::{Result, Tensor};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::kernels::slices;

/// Sets each element to zero with probability `rate` and scales the others by `1 / (1 - rate)`. The same seed and
/// shape drop the same elements.
pub(crate) fn dropout(x: &Tensor, rate: f64, seed: u64) -> Result<Tensor> {
    if rate <= 0.0 {
        return Ok(x.clone());
    }
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let kept = (1.0 / (1.0 - rate)) as f32;
    let mask = (0..x.elem_count()).map(|_| if rng.random::<f64>() < rate { 0.0 } else { kept }).collect();
    x.mul(&slices::tensor(mask, x.shape())?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::ops::gradcheck::{check, filled};

    #[test]
    fn gradients_agree_with_finite_differences() {
        check(&[filled(&[4, 9], 1)], |t| dropout(&t[0], 0.45, 7));
    }

    #[test]
    fn drops_the_share_it_was_asked_for_and_keeps_the_mean() -> Result<()> {
        let ones = Tensor::ones((100, 100), candle_core::DType::F32, &candle_core::Device::Cpu)?;
        let values = dropout(&ones, 0.45, 1)?.flatten_all()?.to_vec1::<f32>()?;
        let dropped = values.iter().filter(|v| **v == 0.0).count();
        assert!((4300..4700).contains(&dropped), "{dropped}");
        assert!((values.iter().sum::<f32>() / 10_000.0 - 1.0).abs() < 0.03);
        Ok(())
    }
}
