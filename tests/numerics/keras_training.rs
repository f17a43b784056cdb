//! Training is Keras's: 20 steps from the same tensors on the same images, without dropout, come to the same losses,
//! weights and moving moments.

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use lobule::diagnosis::Label;
use lobule::kernels::densenet::training::Workspace;
use lobule::kernels::{Level, NormMode};
use lobule::model::{Architecture, Baseline, Fused, NormPolicy, StoredTensor, StoredTensors};
use lobule::train::{Adam, Recipe, Target, TrainError, step};
use serde::Deserialize;

use crate::formula::{fill, filled};
use crate::golden;

const FILE: &str = "keras_training.json";
/// Images in a step.
const BATCH: usize = 32;

/// What keras_training.py beside it put into [`FILE`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KerasTraining {
    /// All filters of the baseline, on smaller images.
    baseline: Training,
    /// DenseNet121 with blocks of 1, 2, 2 and 1 layers.
    fused: Training,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Training {
    /// Side of the images.
    size: usize,
    /// Adam's step size.
    learning_rate: f64,
    /// Before each step.
    losses: Vec<f64>,
    tensors: BTreeMap<String, Summary>,
}

/// What Keras's run made of a tensor.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Summary {
    /// The largest absolute value.
    largest: f64,
    at: Vec<usize>,
    /// The elements at `at`.
    values: Vec<f64>,
    /// The length of the tensor's change since the start.
    moved: f64,
    /// The change along random directions.
    projections: Vec<f64>,
}

/// How far from Keras a run may be.
struct Tolerance {
    /// Relative to the loss.
    loss: f64,
    /// Of any element, relative to the largest of its tensor.
    value: f64,
    /// Length of the difference of weights, relative to that of their change since the start.
    change: f64,
    /// The same of moving moments.
    moments: f64,
}

#[test]
fn the_fixture_holds_runs_in_which_every_tensor_moves() {
    let KerasTraining { baseline, fused } = golden(FILE);
    assert_eq!((baseline.tensors.len(), fused.tensors.len()), (10, 106));
    for training in [&baseline, &fused] {
        assert_eq!(training.losses.len(), 20);
        let moved = |(name, summary): (&String, &Summary)| {
            assert!(summary.moved > 0.5 * training.learning_rate, "{name} moved by {}", summary.moved);
        };
        training.tensors.iter().for_each(moved);
    }
}

/// Seen: 2e-6 for losses, 4e-5 for values, 8e-6 for changes.
#[test]
fn the_baseline_is_trained_as_in_keras() -> Result<(), TrainError> {
    let keras = golden::<KerasTraining>(FILE).baseline;
    let architecture = Baseline { size: keras.size, filters: vec![32, 64, 128], hidden: 128, dropout: 0.0 };
    let tolerance = Tolerance { loss: 5e-5, value: 2e-4, change: 1e-4, moments: 0.0 };
    check(&Architecture::Baseline(architecture), &keras, &tolerance)
}

/// Seen at any level of vector instructions: 6e-5 for losses, 9e-5 for values, 2e-5 for moments. Weights are off by
/// 4e-3 of their change, Keras in f32 by 3e-3 of it: Adam's first step goes by the sign of a gradient, and that of
/// small ones is a matter of rounding.
#[test]
fn a_fused_densenet_is_trained_as_in_keras() -> Result<(), TrainError> {
    let architecture =
        Fused { stem: 64, growth: 32, bottleneck: 128, blocks: vec![1, 2, 2, 1], tap: 64, hidden: 16, dropout: 0.0 };
    let tolerance = Tolerance { loss: 3e-4, value: 5e-4, change: 1.5e-2, moments: 1e-4 };
    check(&Architecture::Fused(architecture), &golden::<KerasTraining>(FILE).fused, &tolerance)
}

fn check(architecture: &Architecture, keras: &Training, tolerance: &Tolerance) -> Result<(), TrainError> {
    let (losses, tensors) = train(architecture, keras)?;
    for (index, (ours, theirs)) in losses.iter().zip(&keras.losses).enumerate() {
        assert!((ours - theirs).abs() <= tolerance.loss * theirs, "step {index}: loss {ours}, {theirs} in Keras");
    }
    assert!(tensors.keys().eq(keras.tensors.keys()));
    for (name, tensor) in &tensors {
        let keras = &keras.tensors[name];
        for (&index, theirs) in keras.at.iter().zip(&keras.values) {
            let ours = f64::from(tensor.data[index]);
            let off = (ours - theirs).abs() / keras.largest;
            assert!(off <= tolerance.value, "{name}, element {index}: {ours}, {theirs} in Keras, {off:.1e}");
        }
        let off = difference(name, tensor, keras) / keras.moved;
        let allowed = if name.contains(".running_") { tolerance.moments } else { tolerance.change };
        assert!(off <= allowed, "{name}: the change since the start is off by {off:.1e} of Keras's");
    }
    Ok(())
}

/// An estimate of the length of the difference between the tensor and Keras's: the directions have unit variance, so
/// the mean square of what the projections are off by has the square of that length as its expectation.
fn difference(name: &str, tensor: &StoredTensor, keras: &Summary) -> f64 {
    let start = fill(name, &tensor.shape);
    let square = |(index, theirs): (usize, &f64)| {
        let direction = fill(&format!("projection{index}.input"), &[tensor.data.len()]);
        let moved = tensor.data.iter().zip(&start).map(|(end, start)| f64::from(*end) - f64::from(*start));
        let ours: f64 = moved.zip(direction).map(|(moved, d)| moved * (f64::from(d) - 0.5) * 12f64.sqrt()).sum();
        (ours - theirs).powi(2)
    };
    let squares: f64 = keras.projections.iter().enumerate().map(square).sum();
    (squares / keras.projections.len() as f64).sqrt()
}

/// The losses of our run, and its tensors at the end.
fn train(architecture: &Architecture, keras: &Training) -> Result<(Vec<f64>, StoredTensors), TrainError> {
    let norm = NormPolicy { source: NormMode::Batch, momentum: 0.99 };
    let recipe = Recipe {
        architecture: architecture.clone(),
        backbone_norm: norm,
        head_norm: norm,
        label_smoothing: 0.0,
        weight_decay: 0.0,
        backbone_share: 1.0,
        ..Recipe::named("best", &[])?
    };
    let network = filled(architecture.clone())?;
    let mut adam = Adam::new(network.parameters().iter().map(|parameter| recipe.slot(parameter)));
    let mut workspace = Workspace::new(Level::default());
    let mut losses = Vec::new();
    for index in 0..keras.losses.len() {
        let (images, targets) = batch(index, keras.size)?;
        let (memory, seed) = ((&mut adam, &mut workspace), 0);
        let (loss, _) = step(&network, memory, &recipe, (&images, &targets), seed, keras.learning_rate)?;
        losses.push(loss);
    }
    Ok((losses, network.parameters().stored()?))
}

/// Noise around a tone of its own for each image; the red ones are malignant.
fn batch(step: usize, size: usize) -> Result<(Tensor, Vec<Target>), TrainError> {
    let tones = fill(&format!("tones{step}.input"), &[BATCH, 1, 1, 3]);
    let mut images = fill(&format!("pictures{step}.input"), &[BATCH, size, size, 3]);
    for (image, tone) in images.chunks_exact_mut(size * size * 3).zip(tones.chunks_exact(3)) {
        image.iter_mut().enumerate().for_each(|(index, value)| *value = (*value - 0.5) + (tone[index % 3] - 0.5));
    }
    let label = |tone: &[f32]| if tone[0] > 0.5 { Label::Malignant } else { Label::Benign };
    let targets = tones.chunks_exact(3).map(|tone| Target::of(label(tone))).collect();
    Ok((Tensor::from_vec(images, (BATCH, size, size, 3), &Device::Cpu)?, targets))
}
