//! One step of training: forward, loss, backward, Adam.

use candle_core::Tensor;

use super::adam::Adam;
use super::error::TrainError;
use super::loss::{loss, right};
use super::recipe::Recipe;
use crate::diagnosis::Label;
use crate::kernels::training::Workspace;
use crate::model::Network;

/// Moves `network` by one step on pictures (batch, height, width, 3). Returns the mean loss before it, and of how many
/// pictures the network was right; `dropout` decides what is dropped, `rate` is Adam's step size.
///
/// # Errors
/// When the pictures do not fit the network.
pub fn step(
    network: &Network,
    (adam, workspace): (&mut Adam, &mut Workspace),
    recipe: &Recipe,
    (pictures, labels): (&Tensor, &[Label]),
    dropout: u64,
    rate: f64,
) -> Result<(f64, usize), TrainError> {
    let pass = network.learn(pictures, recipe.training(dropout), workspace)?;
    let loss = loss(pass.logits(), labels, recipe.label_smoothing)?;
    let right = right(pass.logits(), labels)?;
    adam.step(&pass.backward(&loss, workspace)?, rate)?;
    Ok((f64::from(loss.to_scalar::<f32>()?), right))
}
