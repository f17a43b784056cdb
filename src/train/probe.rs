//! The probe: the head is trained on what the untouched backbone says, before all layers move.
//!
//! In: a network with taps and the training part. The backbone runs once over each of a picture's eight views, so an
//! epoch takes a second. Out: the network's head, as of the epoch with the lowest validation loss. Fine-tuning that
//! starts from a random head tears good features apart first (Kumar et al., ICLR 2022).

use std::time::Instant;

use candle_core::Tensor;
use rand::seq::SliceRandom;

use super::adam::Adam;
use super::error::TrainError;
use super::history::{Epoch, Phase};
use super::loss::{loss, predictions};
use super::progress::Progress;
use super::recipe::{Probe, Recipe};
use super::samples::{CHUNK, Samples};
use super::seed::{Purpose, stream};
use crate::diagnosis::{Label, Threshold};
use crate::evaluate::Metrics;
use crate::model::{Mode, Network, in_backbone};
use crate::pixels::Dihedral;

/// The pooled taps of many views, a tensor (views, channels) each tap.
struct Features {
    taps: Vec<Tensor>,
    labels: Vec<Label>,
}

impl Features {
    /// Runs the backbone over the given views of every sample.
    fn of(
        network: &Network,
        samples: &Samples,
        views: &[Dihedral],
        progress: &mut dyn Progress,
    ) -> Result<Self, TrainError> {
        let indices: Vec<usize> = (0..samples.len()).collect();
        let mut chunks: Vec<Vec<Tensor>> = Vec::new();
        let mut labels = Vec::new();
        progress.start("features of the probe", samples.len() * views.len());
        for &view in views {
            for chunk in indices.chunks(CHUNK) {
                let pictures = samples.batch(chunk, |_| view)?;
                chunks.push(network.pooled_taps(&pictures, Mode::Inference)?.unwrap_or_default());
                labels.extend(samples.targets(chunk));
                progress.advance(chunk.len(), None);
            }
        }
        let count = chunks.first().map_or(0, Vec::len);
        let tap = |index: usize| Tensor::cat(&chunks.iter().map(|taps| &taps[index]).collect::<Vec<_>>(), 0);
        Ok(Self { taps: (0..count).map(tap).collect::<candle_core::Result<_>>()?, labels })
    }

    fn select(&self, indices: &[usize]) -> Result<(Vec<Tensor>, Vec<Label>), TrainError> {
        let rows: Vec<u32> = indices.iter().map(|&index| index as u32).collect();
        let rows = Tensor::from_vec(rows, indices.len(), &candle_core::Device::Cpu)?;
        let taps = self.taps.iter().map(|tap| tap.index_select(&rows, 0)).collect::<candle_core::Result<_>>()?;
        Ok((taps, indices.iter().map(|&index| self.labels[index]).collect()))
    }
}

/// Trains the head of `network` on the train part (the first of `parts`) and leaves it at the epoch that was best on
/// the other one.
pub(super) fn probe(
    network: &Network,
    recipe: &Recipe,
    probe: &Probe,
    parts: (&Samples, &Samples),
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<(), TrainError> {
    let train = Features::of(network, parts.0, &Dihedral::ALL, progress)?;
    let validation = Features::of(network, parts.1, &[Dihedral::Identity], progress)?;
    let head = || network.parameters().iter().filter(|p| !in_backbone(&p.spec.name));
    let mut adam = Adam::new(head().map(|p| recipe.slot(p)));
    let mut best: Option<(f64, Vec<Tensor>)> = None;
    let mut order: Vec<usize> = (0..train.labels.len()).collect();
    let mut step = 0;
    for epoch in 0..probe.epochs {
        order.sort_unstable();
        order.shuffle(&mut stream(seed, Purpose::ProbeOrder, epoch));
        let started = Instant::now();
        let mut total = 0.0;
        for indices in order.chunks(probe.batch) {
            let (taps, labels) = train.select(indices)?;
            let dropout = rand::Rng::random(&mut stream(seed, Purpose::ProbeDropout, step));
            let logits = network.forward_taps(&taps, Mode::Training(recipe.training(dropout)))?;
            let loss = loss(&logits, &labels, recipe.label_smoothing)?;
            adam.step(&loss.backward()?, probe.learning_rate)?;
            total += f64::from(loss.to_scalar::<f32>()?) * indices.len() as f64;
            step += 1;
        }
        let logits = network.forward_taps(&validation.taps, Mode::Inference)?;
        let metrics = Metrics::at(&predictions(&logits, &validation.labels)?, Threshold::HALF);
        progress.epoch(&Epoch {
            phase: Phase::Probe,
            epoch: epoch + 1,
            learning_rate: probe.learning_rate,
            train_loss: total / order.len() as f64,
            validation_loss: metrics.nll.unwrap_or(f64::NAN),
            validation_accuracy: metrics.accuracy.unwrap_or(f64::NAN),
            validation_roc_auc: metrics.roc_auc.unwrap_or(f64::NAN),
            images_per_second: order.len() as f64 / started.elapsed().as_secs_f64(),
        })?;
        let nll = metrics.nll.unwrap_or(f64::INFINITY);
        if best.as_ref().is_none_or(|(lowest, _)| nll < *lowest) {
            let copies = head().map(|p| p.var.copy()).collect::<candle_core::Result<_>>()?;
            best = Some((nll, copies));
        }
    }
    if let Some((_, copies)) = best {
        for (parameter, copy) in head().zip(copies) {
            parameter.var.set(&copy)?;
        }
    }
    Ok(())
}
