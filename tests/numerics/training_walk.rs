//! The training walk against the plain one.

use std::collections::BTreeMap;

use candle_core::backprop::GradStore;
use candle_core::{Device, Tensor};
use lobule::kernels::densenet::training::Workspace;
use lobule::kernels::{Level, NormMode};
use lobule::model::{Architecture, Fused, Mode, Network, NormPolicy, Parameter, Parameters, TrainingPass};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{assert_close, oracle};

fn network(fused: &Fused) -> Network {
    let architecture = Architecture::Fused(fused.clone());
    let parameters = Parameters::initial(&architecture, 5).unwrap();
    // Norms that change something: start values are 1 and 0.
    for (index, parameter) in parameters.iter().enumerate().filter(|(_, parameter)| parameter.var.rank() == 1) {
        let moved = |(i, v): (usize, f32)| (v + ((i * 31 + index * 17) % 23) as f32 / 90.0 - 0.1).abs() + 0.01;
        let moved = flat(&parameter.var).into_iter().enumerate().map(moved);
        parameter.var.set(&Tensor::from_iter(moved, &Device::Cpu).unwrap()).unwrap();
    }
    Network::new(architecture, parameters)
}

fn images(shape: (usize, usize, usize, usize)) -> Tensor {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let count = shape.0 * shape.1 * shape.2 * shape.3;
    let values = (0..count).map(|_| rng.random_range(-1.0f32..1.0)).collect();
    Tensor::from_vec(values, shape, &Device::Cpu).unwrap()
}

fn settings(source: NormMode) -> TrainingPass {
    // By the moments of three images the head's gradients would cancel to rounding errors.
    let head = NormPolicy { source: NormMode::Moving, momentum: 0.9 };
    TrainingPass { backbone: NormPolicy { source, momentum: 0.9 }, head, dropout: Some(3) }
}

fn loss(logits: &Tensor) -> Tensor {
    let wanted = Tensor::new(&[[0.3f32, -0.2]], &Device::Cpu).unwrap();
    logits.broadcast_sub(&wanted).unwrap().sqr().unwrap().sum_all().unwrap()
}

/// Logits, gradients and moving moments of a step.
type Outcome = (Vec<f32>, BTreeMap<String, Vec<f32>>);

fn flat(tensor: &Tensor) -> Vec<f32> {
    tensor.flatten_all().unwrap().to_vec1().unwrap()
}

fn collect(network: &Network, logits: &Tensor, store: &GradStore) -> Outcome {
    let parameter = |p: &Parameter| match store.get(&p.var) {
        Some(gradient) => (format!("gradient of {}", p.spec.name), flat(gradient)),
        None => (p.spec.name.clone(), flat(&p.var)),
    };
    (flat(logits), network.parameters().iter().map(parameter).collect())
}

fn plain(fused: &Fused, images: &Tensor, settings: TrainingPass) -> Outcome {
    let network = network(fused);
    let logits = oracle::forward(&network, images, Mode::Training(settings)).unwrap();
    collect(&network, &logits, &loss(&logits).backward().unwrap())
}

fn learned(fused: &Fused, images: &Tensor, settings: TrainingPass, workspace: &mut Workspace) -> Outcome {
    let network = network(fused);
    let pass = network.learn(images, settings, workspace).unwrap();
    let logits = pass.logits().clone();
    let store = pass.backward(&loss(&logits), workspace).unwrap();
    collect(&network, &logits, &store)
}

fn small() -> Fused {
    Fused { stem: 8, growth: 5, bottleneck: 12, blocks: vec![2, 1, 2], tap: 8, hidden: 8, dropout: 0.2 }
}

fn wide() -> Fused {
    Fused { stem: 160, growth: 32, bottleneck: 64, blocks: vec![2, 3], tap: 8, hidden: 8, dropout: 0.2 }
}

/// To the tolerance's share of the largest number.
fn close(ours: &[f32], plain: &[f32], name: &str, tolerance: f32) {
    let largest = plain.iter().fold(0f32, |m, v| m.max(v.abs()));
    assert_close(ours, plain, tolerance * largest + 1e-6, name);
}

#[test]
fn a_step_computes_what_the_operators_one_by_one_compute() {
    for (fused, size) in [(small(), (3, 44, 52, 3)), (small(), (2, 38, 30, 3)), (wide(), (3, 32, 48, 3))] {
        for source in [NormMode::Batch, NormMode::Moving] {
            for level in Level::available() {
                let mut workspace = Workspace::new(level);
                let (images, settings) = (images(size), settings(source));
                let (logits, tensors) = plain(&fused, &images, settings);
                let ours = learned(&fused, &images, settings, &mut workspace);
                close(&ours.0, &logits, "logits", 1e-4);
                assert!(ours.1.keys().eq(tensors.keys()));
                for (name, tensor) in &tensors {
                    // Those of a norm nearly cancel, as another norm comes behind it.
                    let tolerance = if name.contains("norm") { 2e-2 } else { 3e-3 };
                    close(&ours.1[name], tensor, &format!("{level}, {source:?}: {name}"), tolerance);
                }
            }
        }
    }
}

#[test]
fn a_step_does_not_depend_on_the_memory_of_the_last_one_nor_on_the_threads() {
    let mut workspace = Workspace::new(Level::default());
    let settings = settings(NormMode::Batch);
    let mut run = |images: &Tensor| learned(&wide(), images, settings, &mut workspace);
    let first = run(&images((5, 32, 32, 3)));
    assert_eq!(run(&images((5, 32, 32, 3))), first);
    run(&images((4, 32, 32, 3)));
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        assert_eq!(pool.install(|| run(&images((5, 32, 32, 3)))), first);
    }
}
