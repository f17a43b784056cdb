//! The fit loop: epochs of steps, validation after each, callbacks after that.
//!
//! In: a [`State`], a [`Recipe`], the two parts and a seed. Out: the state at the end of the training, or where it was
//! interrupted; going on from there gives the same bytes as never having stopped.

pub(crate) mod adam;
pub(crate) mod callbacks;
pub(crate) mod history;
pub(crate) mod learning_rate;
pub(crate) mod loss;
pub(crate) mod seed;
pub(crate) mod state;
pub(crate) mod step;

use std::time::Instant;

use rand::Rng;

use crate::diagnosis::{Label, Threshold};
use crate::evaluate::{Figures, Metric, Scored};
use crate::kernels::Level;
use crate::kernels::densenet::training::Workspace;
use crate::model::{InferenceNetwork, Network};
use crate::train::fit::learning_rate::schedule;
use crate::train::fit::loss::predictions;
use crate::train::fit::seed::{Purpose, stream};
use crate::train::fit::state::Snapshot;
use crate::train::samples::{CHUNK, Sample, Samples};
use crate::train::{Epoch, Progress, Recipe, State, TrainError, step};

/// Trains on the first of `parts` and validates on the second, from where `state` is to the recipe's end. The second
/// may be empty where the recipe decides nothing by it; then nothing is measured. `save` is given each state from which
/// the training can go on later: after each epoch, and when it was asked to stop, which ends it with an error.
pub(crate) fn fit(
    state: &mut State,
    recipe: &Recipe,
    [samples, validation]: &[Samples; 2],
    seed: u64,
    progress: &mut dyn Progress,
    save: &dyn Fn(&State, &mut dyn Progress) -> Result<(), TrainError>,
) -> Result<(), TrainError> {
    check_classes("train", &samples.labels)?;
    check_validation(recipe, &validation.labels)?;
    let mut workspace = Workspace::new(Level::default());
    while !state.ended(recipe) {
        let is_over = train(state, recipe, samples, seed, &mut workspace, progress)?;
        if is_over {
            conclude(state, recipe, validation, progress)?;
        }
        save(state, progress)?;
        if !is_over || progress.interrupted() && !state.ended(recipe) {
            return Err(TrainError::Interrupted(state.reached()));
        }
    }
    Ok(())
}

/// Refuses a validation part that nothing can be measured on. It may be empty where the recipe decides nothing by it.
pub(crate) fn check_validation(recipe: &Recipe, labels: &[Label]) -> Result<(), TrainError> {
    match recipe.steered_by() {
        _ if !labels.is_empty() => check_classes("validation", labels),
        Some(by) => Err(TrainError::NothingHeldOut(recipe.name.clone(), by)),
        None => Ok(()),
    }
}

/// Refuses a part from which nothing can be learned or measured: it is empty or holds one class.
pub(crate) fn check_classes(part: &'static str, labels: &[Label]) -> Result<(), TrainError> {
    let malignant = labels.iter().filter(|label| **label == Label::Malignant).count();
    match (labels.len() - malignant, malignant) {
        (0, 0) => Err(TrainError::EmptyPart(part)),
        (benign, malignant) if benign == 0 || malignant == 0 => Err(TrainError::OneClass(part, benign, malignant)),
        _ => Ok(()),
    }
}

/// Does the steps of an epoch that are not done yet; `false` where it was asked to stop before the last one.
fn train(
    state: &mut State,
    recipe: &Recipe,
    samples: &Samples,
    seed: u64,
    workspace: &mut Workspace,
    progress: &mut dyn Progress,
) -> Result<bool, TrainError> {
    let State { network, adam, position, .. } = state;
    let shown = samples.shown(&recipe.augmentation, seed, position.epochs);
    let steps = shown.len().div_ceil(recipe.batch);
    let what = format!("epoch {} of {}", position.epochs + 1, recipe.epochs);
    progress.start(&what, shown.len(), position.running.seen);
    let mut batches = shown.chunks(recipe.batch).skip(position.steps);
    let draw = |batch: &[Sample]| samples.batch(batch);
    let mut next = batches.next().map(|batch| (batch, draw(batch)));
    while let Some((batch, images)) = next.take() {
        if progress.interrupted() {
            return Ok(false);
        }
        let started = Instant::now();
        let number = position.epochs * steps + position.steps;
        let dropout = stream(seed, Purpose::Dropout, number).random();
        let rate = position.learning_rate * schedule(recipe, (number + 1) as f64 / steps as f64);
        let (images, targets) = (images?, samples.targets(batch, recipe.label_smoothing));
        let memory = (&mut *adam, &mut *workspace);
        // The next step's images are drawn beside this one.
        let coming = batches.next();
        let (done, drawn) =
            rayon::join(|| step(network, memory, recipe, (&images, &targets), dropout, rate), || coming.map(draw));
        next = coming.zip(drawn);
        let (loss, right) = done?;
        if !loss.is_finite() {
            return Err(TrainError::Diverged(loss, position.epochs + 1));
        }
        position.running.add(batch.len(), loss, right);
        position.running.seconds += started.elapsed().as_secs_f64();
        position.steps += 1;
        progress.advance(batch.len(), Some(position.running.mean_loss()));
    }
    Ok(true)
}

/// Validates after an epoch, and lets the callbacks see what came out.
fn conclude(
    state: &mut State,
    recipe: &Recipe,
    validation: &Samples,
    progress: &mut dyn Progress,
) -> Result<(), TrainError> {
    let figures = Figures::of_decisions(&validate(&state.network, recipe, validation, progress)?, Threshold::HALF);
    let position = &mut state.position;
    position.epochs += 1;
    position.steps = 0;
    let running = std::mem::take(&mut position.running);
    let rate = position.learning_rate * schedule(recipe, position.epochs as f64);
    let epoch = Epoch::of(position.epochs, rate, running, &figures);
    progress.epoch(&epoch);
    state.history.push(epoch.clone());

    if validation.labels.is_empty() {
        return Ok(());
    }
    let loss = figures.get(Metric::Nll).unwrap_or(f64::NAN);
    if let Some(plateau) = &recipe.plateau {
        position.learning_rate = position.plateau.epoch(plateau, loss, position.learning_rate);
    }
    if let Some(stopping) = &recipe.early_stopping {
        position.stopped = position.early_stopping.epoch(stopping, loss);
    }
    if position.best.epoch(position.epochs, loss) {
        let weights = state.network.parameters().stored()?;
        state.best = Some(Snapshot { epoch, weights });
    }
    Ok(())
}

/// Classifies the images by the inference walk, laid out anew from the weights as they are now.
fn validate(
    network: &Network,
    recipe: &Recipe,
    samples: &Samples,
    progress: &mut dyn Progress,
) -> Result<Vec<Scored>, TrainError> {
    let all = samples.as_they_are();
    let mut scored = Vec::new();
    if all.is_empty() {
        return Ok(scored);
    }
    progress.start("validation", all.len(), 0);
    // Each image has a thread, since there are more images than threads.
    let network = InferenceNetwork::new(network, recipe.preprocess.size as usize, Level::default(), 1)?;
    for batch in all.chunks(CHUNK) {
        let logits = network.forward(&samples.batch(batch)?)?;
        scored.extend(predictions(&logits, &samples.targets(batch, 0.0))?);
        progress.advance(batch.len(), None);
    }
    Ok(scored)
}

#[cfg(test)]
mod tests;
