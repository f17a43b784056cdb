//! One step of training: forward, loss, backward, Adam.

use candle_core::Tensor;
use candle_core::backprop::GradStore;
use rayon::prelude::*;

use crate::kernels::densenet::training::Workspace;
use crate::model::{Mode, Network};
use crate::train::fit::loss::{loss, right};
use crate::train::{Adam, Recipe, Target, TrainError};

/// What a step came to before it moved the network: the mean loss, and how many images were right.
type Figures = (f64, usize);

/// Moves `network` by one step on images (batch, height, width, 3). Returns the mean loss before it, and of how many
/// images the network was right; `dropout` decides what is dropped, `rate` is Adam's learning rate.
///
/// # Errors
/// When the images do not fit the network.
pub fn step(
    network: &Network,
    (adam, workspace): (&mut Adam, &mut Workspace),
    recipe: &Recipe,
    batch: (&Tensor, &[Target]),
    dropout: u64,
    rate: f64,
) -> Result<(f64, usize), TrainError> {
    let (figures, gradients) = if network.sees_samples_together() {
        whole(network, workspace, recipe, batch, dropout)?
    } else {
        by_subsets(network, recipe, batch, dropout)?
    };
    adam.step(&gradients, rate)?;
    Ok(figures)
}

/// The gradients of a batch whose samples depend on each other by batch norms.
fn whole(
    network: &Network,
    workspace: &mut Workspace,
    recipe: &Recipe,
    (images, targets): (&Tensor, &[Target]),
    dropout: u64,
) -> Result<(Figures, GradStore), TrainError> {
    let pass = network.learn(images, recipe.training(dropout), workspace)?;
    let loss = loss(pass.logits(), targets)?;
    let figures = (f64::from(loss.to_scalar::<f32>()?), right(pass.logits(), targets)?);
    Ok((figures, pass.backward(&loss, workspace)?))
}

/// Samples in a subset of a batch; fixed, so that sums do not depend on the threads. Their tensors are small enough for
/// the heap to keep, so that a step need not ask the system for pages.
pub(crate) const SUBSET: usize = 8;

/// The gradients of a batch whose samples do not depend on each other: subsets of it side by side, a thread each.
fn by_subsets(
    network: &Network,
    recipe: &Recipe,
    (images, targets): (&Tensor, &[Target]),
    dropout: u64,
) -> Result<(Figures, GradStore), TrainError> {
    let subset = |(index, its_targets): (usize, &[Target])| -> Result<(Figures, GradStore), TrainError> {
        let images = images.narrow(0, index * SUBSET, its_targets.len())?;
        let training = recipe.training(dropout.wrapping_add(index as u64));
        let logits = network.forward_baseline(&images, Mode::Training(training))?;
        let share = its_targets.len() as f64 / targets.len() as f64;
        let loss = loss(&logits, its_targets)?.affine(share, 0.0)?;
        Ok(((f64::from(loss.to_scalar::<f32>()?), right(&logits, its_targets)?), loss.backward()?))
    };
    let subsets: Vec<_> = targets.par_chunks(SUBSET).enumerate().map(subset).collect::<Result<_, _>>()?;
    let mut subsets = subsets.into_iter();
    let first = subsets.next().ok_or_else(|| candle_core::Error::Msg("a step without images".into()))?;
    let ((mut loss, mut right), mut sum) = first;
    for ((its_loss, its_right), gradients) in subsets {
        loss += its_loss;
        right += its_right;
        for parameter in network.parameters().iter() {
            if let (Some(so_far), Some(addend)) = (sum.get(&parameter.var), gradients.get(&parameter.var)) {
                let together = (so_far + addend)?;
                sum.insert(&parameter.var, together);
            }
        }
    }
    Ok(((loss, right), sum))
}
