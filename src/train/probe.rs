//! The probe: the head is trained on what the untouched backbone says, before all layers move.
//!
//! In: a network with taps and the training part. The backbone runs once over each of a picture's eight views, so an
//! epoch takes a second. Out: the network's head, as of the epoch that the recipe keeps. Fine-tuning that
//! starts from a random head tears good features apart first (Kumar et al., ICLR 2022).

use std::time::Instant;

use candle_core::{Device, Tensor};
use rand::Rng;
use rand::seq::SliceRandom;
use rayon::prelude::*;

use super::adam::Adam;
use super::error::TrainError;
use super::history::{Epoch, Phase, Running};
use super::loss::{loss, predictions, right};
use super::progress::Progress;
use super::recipe::{Keep, Probe, Recipe};
use super::samples::{CHUNK, Sample, Samples};
use super::seed::{Purpose, stream};
use super::target::{Target, Taught};
use crate::diagnosis::Threshold;
use crate::evaluate::Metrics;
use crate::kernels::Level;
use crate::model::{FastNetwork, Mode, Network, in_backbone};
use crate::pixels::Dihedral;

/// The pooled taps of many views, a tensor (views, channels) each tap.
struct Features {
    taps: Vec<Tensor>,
    shown: Vec<Sample>,
}

impl Features {
    /// Runs the backbone over the given views of every sample; nothing when it was asked to stop.
    fn of(
        backbone: &FastNetwork,
        samples: &Samples,
        views: &[Dihedral],
        progress: &mut dyn Progress,
    ) -> Result<Option<Self>, TrainError> {
        let taps_of = |sample: &Sample| -> Result<Vec<Tensor>, TrainError> {
            Ok(backbone.pooled_taps(&samples.batch(std::slice::from_ref(sample))?)?.unwrap_or_default())
        };
        let shown: Vec<Sample> =
            views.iter().flat_map(|&view| (0..samples.len()).map(move |index| Sample::plain(index, view))).collect();
        let mut pictures: Vec<Vec<Tensor>> = Vec::new();
        progress.start("features of the probe", shown.len(), 0);
        for chunk in shown.chunks(CHUNK) {
            if progress.interrupted() {
                return Ok(None);
            }
            // A picture a thread: this backbone is laid out for one at a time.
            let taps: Vec<Result<Vec<Tensor>, TrainError>> = chunk.par_iter().map(taps_of).collect();
            pictures.extend(taps.into_iter().collect::<Result<Vec<_>, _>>()?);
            progress.advance(chunk.len(), None);
        }
        let count = pictures.first().map_or(0, Vec::len);
        let tap = |index: usize| Tensor::cat(&pictures.iter().map(|taps| &taps[index]).collect::<Vec<_>>(), 0);
        Ok(Some(Self { taps: (0..count).map(tap).collect::<candle_core::Result<_>>()?, shown }))
    }

    /// Some of the views, with what they are of.
    fn select(&self, indices: &[usize]) -> Result<(Vec<Tensor>, Vec<Sample>), TrainError> {
        let rows: Vec<u32> = indices.iter().map(|&index| index as u32).collect();
        let rows = Tensor::from_vec(rows, indices.len(), &Device::Cpu)?;
        let taps = self.taps.iter().map(|tap| tap.index_select(&rows, 0)).collect::<candle_core::Result<_>>()?;
        Ok((taps, indices.iter().map(|&index| self.shown[index]).collect()))
    }
}

/// Trains the head of `network` on what is taught and leaves it at the epoch that the recipe
/// keeps. Returns the epochs, or nothing when it was asked to stop: it is short, and begins anew then.
pub(super) fn probe(
    network: &Network,
    recipe: &Recipe,
    probe: &Probe,
    (taught, validation): (&Taught, &Samples),
    seed: u64,
    progress: &mut dyn Progress,
) -> Result<Option<Vec<Epoch>>, TrainError> {
    let shared = Network::new(recipe.architecture.clone(), network.parameters().clone());
    let backbone = FastNetwork::new(shared, recipe.preprocess.size as usize, Level::from_environment()?, 1)?;
    let Some(train) = Features::of(&backbone, taught.samples, &Dihedral::ALL, progress)? else { return Ok(None) };
    let Some(unseen) = Features::of(&backbone, validation, &[Dihedral::Identity], progress)? else { return Ok(None) };
    let head = || network.parameters().iter().filter(|p| !in_backbone(&p.spec.name));
    let mut adam = Adam::new(head().map(|p| recipe.slot(p)));
    let mut best: Option<(f64, Vec<Tensor>)> = None;
    let mut epochs = Vec::new();
    let mut order: Vec<usize> = (0..train.shown.len()).collect();
    let mut step = 0;
    for epoch in 0..probe.epochs {
        if progress.interrupted() {
            return Ok(None);
        }
        order.sort_unstable();
        order.shuffle(&mut stream(seed, Purpose::ProbeOrder, epoch));
        let started = Instant::now();
        let mut running = Running::default();
        for indices in order.chunks(probe.batch) {
            let (taps, shown) = train.select(indices)?;
            let mut batch = (taps, taught.of(&shown));
            if probe.mixup {
                batch = mixed(batch, &mut stream(seed, Purpose::ProbeMixup, step))?;
            }
            let (taps, targets) = batch;
            let rate = probe.rate((step + 1) as f64 / order.len().div_ceil(probe.batch) as f64);
            let dropout = stream(seed, Purpose::ProbeDropout, step).random();
            let logits = network.forward_taps(&taps, Mode::Training(recipe.training(dropout)))?;
            let loss = loss(&logits, &targets)?;
            adam.step(&loss.backward()?, rate)?;
            running.add(indices.len(), f64::from(loss.to_scalar::<f32>()?), right(&logits, &targets)?);
            step += 1;
        }
        running.seconds = started.elapsed().as_secs_f64();
        let logits = network.forward_taps(&unseen.taps, Mode::Inference)?;
        let metrics = Metrics::at(&predictions(&logits, validation.labels())?, Threshold::HALF);
        let epoch = Epoch::of(Phase::Probe, epoch + 1, probe.rate((epoch + 1) as f64), running, &metrics);
        progress.epoch(&epoch);
        epochs.push(epoch);
        let nll = metrics.nll.unwrap_or(f64::INFINITY);
        if recipe.keep == Keep::Best && best.as_ref().is_none_or(|(lowest, _)| nll < *lowest) {
            let copies = head().map(|p| p.var.copy()).collect::<candle_core::Result<_>>()?;
            best = Some((nll, copies));
        }
    }
    if let Some((_, copies)) = best {
        for (parameter, copy) in head().zip(copies) {
            parameter.var.set(&copy)?;
        }
    }
    Ok(Some(epochs))
}

/// Mixes each view of a step with another one of it, and what is taught of both.
fn mixed(
    (taps, targets): (Vec<Tensor>, Vec<Target>),
    rng: &mut impl Rng,
) -> Result<(Vec<Tensor>, Vec<Target>), TrainError> {
    let share: f32 = rng.random();
    let mut partners: Vec<u32> = (0..targets.len() as u32).collect();
    partners.shuffle(rng);
    let rows = Tensor::new(partners.as_slice(), &Device::Cpu)?;
    let mix = |tap: &Tensor| -> candle_core::Result<Tensor> {
        tap.affine(f64::from(share), 0.0)? + tap.index_select(&rows, 0)?.affine(f64::from(1.0 - share), 0.0)?
    };
    let mixed_taps = taps.iter().map(mix).collect::<candle_core::Result<_>>()?;
    let with_partner = targets.iter().zip(&partners);
    Ok((mixed_taps, with_partner.map(|(target, &other)| target.mixed(targets[other as usize], share)).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Label;

    #[test]
    fn features_and_targets_are_mixed_alike() -> Result<(), TrainError> {
        // A target that is its own feature must stay so, whatever it is mixed with.
        let values = [0f32, 0.25, 0.5, 0.75, 1.0];
        let taps = vec![Tensor::new(&values, &Device::Cpu)?.reshape((5, 1))?];
        let targets: Vec<_> =
            values.map(|malignant| Target { label: Label::ALL[usize::from(malignant > 0.5)], malignant }).to_vec();
        let (taps, mixed) = mixed((taps, targets.clone()), &mut stream(1, Purpose::ProbeMixup, 0))?;
        let taps: Vec<f32> = taps[0].flatten_all()?.to_vec1()?;
        assert_eq!(taps.len(), mixed.len());
        assert!(
            taps.iter().zip(&mixed).all(|(tap, target)| (tap - target.malignant).abs() < 1e-6),
            "{taps:?} {mixed:?}"
        );
        assert!(mixed != targets, "{mixed:?}");
        Ok(())
    }
}
