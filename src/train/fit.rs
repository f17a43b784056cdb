//! The fit loop: epochs of steps, validation after each, the best epoch kept.
//!
//! In: a network at its start, a [`Recipe`], the two parts and a seed. Out: an [`Outcome`]. What is validated and kept
//! is a running average of the weights.

use std::time::Instant;

use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::adam::Adam;
use super::error::TrainError;
use super::history::{Epoch, Phase};
use super::loss::predictions;
use super::probe::probe;
use super::progress::{Outcome, Progress};
use super::recipe::Recipe;
use super::samples::{CHUNK, Samples};
use super::seed::{Purpose, stream};
use super::step::step;
use crate::diagnosis::{Label, Threshold};
use crate::evaluate::{Metrics, Scored};
use crate::kernels::training::Workspace;
use crate::kernels::{Level, update};
use crate::model::{Mode, Network, Parameters};
use crate::pixels::Dihedral;

/// Trains `network` by `recipe` and returns its best epoch, the one with the lowest validation loss.
///
/// # Errors
/// When a part has no pictures or one class only, the loss is no longer a number, or the progress cannot be written.
pub fn fit(
    network: &Network,
    recipe: &Recipe,
    train: &Samples,
    validation: &Samples,
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<Option<Outcome>, TrainError> {
    check("train", train)?;
    check("validation", validation)?;
    if let Some(settings) = &recipe.probe {
        probe(network, recipe, settings, (train, validation), seed, progress)?;
    }
    let average = copy(network)?;
    let mut adam = Adam::new(network.parameters().iter().map(|p| recipe.slot(p)));
    let mut workspace = Workspace::new(Level::from_environment()?);
    let mut best: Option<Outcome> = None;
    let mut order: Vec<usize> = (0..train.len()).collect();
    let steps = train.len().div_ceil(recipe.batch);
    for epoch in 0..recipe.epochs {
        order.sort_unstable();
        order.shuffle(&mut stream(seed, Purpose::Order, epoch));
        let mut views = stream(seed, Purpose::Views, epoch);
        let started = Instant::now();
        let (mut total, mut seen) = (0.0, 0);
        progress.start(&format!("epoch {} of {}", epoch + 1, recipe.epochs), train.len());
        let views = |indices: &[usize]| indices.iter().map(|_| Dihedral::ALL[views.random_range(0..8)]).collect();
        let drawn: Vec<Vec<Dihedral>> = order.chunks(recipe.batch).map(views).collect();
        let mut batches = order.chunks(recipe.batch).zip(&drawn);
        let draw = |(indices, views): (&[usize], &Vec<Dihedral>)| train.batch(indices, |position| views[position]);
        let mut ahead = batches.next().map(draw);
        for (index, indices) in order.chunks(recipe.batch).enumerate() {
            let Some(pictures) = ahead.take().transpose()? else { break };
            let number = epoch * steps + index;
            let dropout = stream(seed, Purpose::Dropout, number).random();
            let rate = recipe.learning_rate * recipe.schedule((number + 1) as f64 / steps as f64);
            let (batch, memory) = ((&pictures, &*train.targets(indices)), (&mut adam, &mut workspace));
            // The next step's pictures are drawn beside this one.
            let next = batches.next();
            let (loss, drawn) = rayon::join(|| step(network, memory, recipe, batch, dropout, rate), || next.map(draw));
            ahead = drawn;
            let loss = loss?;
            follow(&average, network, recipe.average, number)?;
            if !loss.is_finite() {
                return Err(TrainError::Diverged { epoch: epoch + 1, loss });
            }
            total += loss * indices.len() as f64;
            seen += indices.len();
            progress.advance(indices.len(), Some(total / seen as f64));
        }
        let images_per_second = seen as f64 / started.elapsed().as_secs_f64();
        let metrics = Metrics::at(&validate(&average, validation, progress)?, Threshold::HALF);
        let epoch = Epoch {
            phase: Phase::AllLayers,
            epoch: epoch + 1,
            learning_rate: recipe.learning_rate * recipe.schedule((epoch + 1) as f64),
            train_loss: total / seen as f64,
            validation_loss: metrics.nll.unwrap_or(f64::INFINITY),
            validation_accuracy: metrics.accuracy.unwrap_or(f64::NAN),
            validation_roc_auc: metrics.roc_auc.unwrap_or(f64::NAN),
            images_per_second,
        };
        progress.epoch(&epoch)?;
        if best.as_ref().is_none_or(|best| epoch.validation_loss < best.epoch.validation_loss) {
            let outcome = Outcome { epoch, weights: average.parameters().stored()? };
            progress.best(&outcome)?;
            best = Some(outcome);
        }
    }
    Ok(best)
}

fn check(part: &'static str, samples: &Samples) -> Result<(), TrainError> {
    if samples.is_empty() {
        return Err(TrainError::EmptyPart(part));
    }
    let malignant = samples.labels().iter().filter(|label| **label == Label::Malignant).count();
    let benign = samples.len() - malignant;
    if benign == 0 || malignant == 0 {
        return Err(TrainError::OneClass { part, benign, malignant });
    }
    Ok(())
}

fn copy(network: &Network) -> Result<Network, TrainError> {
    let architecture = network.architecture().clone();
    let parameters = Parameters::from_stored(&architecture, &network.parameters().stored()?, "the average")?;
    Ok(Network::new(architecture, parameters))
}

/// Moves the averaged weights towards the trained ones; in the first steps the average is a plain mean.
fn follow(average: &Network, network: &Network, kept: f64, step: usize) -> Result<(), TrainError> {
    let moved = (1.0 - kept.min((step as f64 + 1.0) / (step as f64 + 10.0))) as f32;
    let pairs: Vec<_> = average.parameters().iter().zip(network.parameters().iter()).collect();
    pairs.into_par_iter().try_for_each(|(averaged, current)| {
        update(&averaged.var, &current.var, |averaged, current| {
            averaged.iter_mut().zip(current).for_each(|(a, c)| *a += (c - *a) * moved);
        })
    })?;
    Ok(())
}

fn validate(network: &Network, samples: &Samples, progress: &mut dyn Progress) -> Result<Vec<Scored>, TrainError> {
    let indices: Vec<usize> = (0..samples.len()).collect();
    let mut scored = Vec::new();
    progress.start("validation", samples.len());
    for indices in indices.chunks(CHUNK) {
        let pictures = samples.batch(indices, |_| Dihedral::Identity)?;
        let logits = network.forward(&pictures, Mode::Inference)?;
        scored.extend(predictions(&logits, &samples.targets(indices))?);
        progress.advance(indices.len(), None);
    }
    Ok(scored)
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Tensor};

    use super::*;
    use crate::kernels::NormMode;
    use crate::model::{Architecture, Fused, NormPolicy, StoredTensor};
    use crate::train::Probe;
    use crate::train::loss::loss;

    #[derive(Default)]
    struct Told {
        epochs: Vec<Epoch>,
        best: Vec<usize>,
    }

    impl Progress for Told {
        fn start(&mut self, _: &str, _: usize) {}
        fn advance(&mut self, _: usize, _: Option<f64>) {}
        fn epoch(&mut self, epoch: &Epoch) -> Result<(), TrainError> {
            self.epochs.push(Epoch { images_per_second: 0.0, ..epoch.clone() });
            Ok(())
        }
        fn best(&mut self, outcome: &Outcome) -> Result<(), TrainError> {
            self.best.push(outcome.epoch.epoch);
            Ok(())
        }
    }

    fn recipe() -> Recipe {
        let architecture = Architecture::Fused(Fused {
            stem: 8,
            growth: 4,
            bottleneck: 8,
            blocks: vec![1, 2, 1, 1],
            tap: 16,
            hidden: 8,
            dropout: 0.2,
        });
        let head_norm = NormPolicy { source: NormMode::Batch, momentum: 0.8 };
        let probe = Some(Probe { epochs: 3, batch: 16, learning_rate: 1e-2 });
        Recipe {
            architecture,
            head_norm,
            probe,
            epochs: 6,
            batch: 8,
            learning_rate: 1e-2,
            weight_decay: 0.1,
            ..Recipe::best()
        }
    }

    /// Stripes for malignant and flat grey for benign, with noise.
    fn samples(count: usize, seed: u64) -> Samples {
        let mut rng = stream(seed, Purpose::Views, 9);
        let mut pictures = Vec::new();
        let mut labels = Vec::new();
        for index in 0..count {
            let label = Label::ALL[index % 2];
            let stripe = |x: usize| if label == Label::Malignant && x % 4 < 2 { 1.0 } else { 0.0 };
            pictures.push((0..32 * 32 * 3).map(|i| stripe(i / 3 % 32) + rng.random_range(-0.3..0.3)).collect());
            labels.push(label);
        }
        Samples::of(32, pictures, labels)
    }

    fn train(seed: u64) -> Result<(Told, Outcome), TrainError> {
        let recipe = recipe();
        let network = Network::new(recipe.architecture.clone(), Parameters::initial(&recipe.architecture, seed)?);
        let mut told = Told::default();
        let best = fit(&network, &recipe, &samples(40, 1), &samples(16, 2), seed, &mut told)?;
        Ok((told, best.expect("an epoch was run")))
    }

    #[test]
    fn a_small_network_learns_to_tell_stripes_and_its_best_epoch_is_kept() -> Result<(), TrainError> {
        let (told, best) = train(1)?;
        let all: Vec<&Epoch> = told.epochs.iter().filter(|epoch| epoch.phase == Phase::AllLayers).collect();
        assert_eq!((told.epochs.len(), all.len()), (9, 6));
        let lowest = all.iter().map(|epoch| epoch.validation_loss).fold(f64::INFINITY, f64::min);
        assert_eq!(best.epoch.validation_loss, lowest);
        assert_eq!(told.best.last(), Some(&best.epoch.epoch));
        assert!(best.epoch.validation_roc_auc > 0.95, "{:?}", best.epoch);
        assert!(best.epoch.train_loss < told.epochs[0].train_loss);
        Ok(())
    }

    #[test]
    fn every_tensor_of_the_network_is_trained() -> Result<(), TrainError> {
        let (_, best) = train(1)?;
        let start = Parameters::initial(&recipe().architecture, 1)?.stored()?;
        let moved = |name: &String, start: &StoredTensor| {
            let pairs = start.data.iter().zip(&best.weights[name].data);
            pairs.fold(0f32, |most, (before, after)| most.max((before - after).abs()))
        };
        let still: Vec<&String> = start.iter().filter(|(name, start)| moved(name, start) < 1e-5).map(|t| t.0).collect();
        assert!(still.is_empty(), "{still:?}");
        Ok(())
    }

    #[test]
    fn the_same_seed_gives_the_same_weights_with_any_number_of_threads() -> Result<(), TrainError> {
        let (told, best) = train(3)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
        let (again, twin) = pool.install(|| train(3))?;
        assert_eq!(told.epochs, again.epochs);
        assert_eq!(best.weights, twin.weights);
        assert_ne!(best.weights, train(4)?.1.weights);
        Ok(())
    }

    #[test]
    fn a_part_of_one_class_is_refused() -> Result<(), TrainError> {
        let recipe = recipe();
        let network = Network::new(recipe.architecture.clone(), Parameters::initial(&recipe.architecture, 1)?);
        let benign = Samples::of(32, vec![vec![0.0; 32 * 32 * 3]], vec![Label::Benign]);
        let error = fit(&network, &recipe, &samples(4, 1), &benign, 1, &mut Told::default()).err();
        assert!(matches!(error, Some(TrainError::OneClass { part: "validation", .. })), "{error:?}");
        Ok(())
    }

    #[test]
    fn smoothed_loss_of_a_coin_toss_is_the_logarithm_of_two() -> Result<(), TrainError> {
        let logits = Tensor::zeros((2, 2), DType::F32, &Device::Cpu)?;
        let loss = loss(&logits, &Label::ALL, 0.1)?.to_scalar::<f32>()?;
        assert!((loss - 2f32.ln()).abs() < 1e-6);
        Ok(())
    }
}
