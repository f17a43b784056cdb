//! How long the network's parts take: `cargo bench`. What else could do this work is timed by `peers.py`.
#![allow(clippy::unwrap_used, reason = "a benchmark may fail as a test does")]

use candle_core::{Device, Tensor};
use divan::{Bencher, black_box};
use lobule::kernels::{Geometry, Level, conv2d};
use lobule::model::{Architecture, InferenceNetwork, Network, Parameters};
use lobule::pixels::{DecodeLimits, Preprocess, decode};

fn main() {
    divan::main();
}

const SIZE: usize = 128;

fn network() -> Network {
    let architecture = Architecture::fused_densenet121();
    let parameters = Parameters::initial(&architecture, 1).unwrap();
    Network::new(architecture, parameters)
}

/// Numbers without a pattern that a kernel could gain from.
fn filled(shape: &[usize]) -> Tensor {
    let numbers: Vec<f32> =
        (0..shape.iter().product::<usize>()).map(|i| (i * 7919 % 2003) as f32 / 1001.5 - 1.0).collect();
    Tensor::from_vec(numbers, shape, &Device::Cpu).unwrap()
}

/// One image through the laid-out network, on one thread.
#[divan::bench(args = Level::available())]
fn inference_walk(bencher: Bencher<'_, '_>, level: Level) {
    let network = InferenceNetwork::new(&network(), SIZE, level, 1).unwrap();
    let image = filled(&[1, SIZE, SIZE, 3]);
    bencher.bench(|| network.forward(black_box(&image)).unwrap());
}

/// Packing and transforming the weights, on all threads.
#[divan::bench]
fn lay_out(bencher: Bencher<'_, '_>) {
    let level = Level::available().pop().unwrap();
    bencher.with_inputs(network).bench_refs(|network| InferenceNetwork::new(network, SIZE, level, 1).unwrap());
}

/// A 3x3 convolution of the size of a dense layer's in the first block, as the baseline computes its own.
#[divan::bench]
fn conv2d_3x3(bencher: Bencher<'_, '_>) {
    let (x, weight) = (filled(&[1, 32, 32, 128]), filled(&[9 * 128, 32]));
    let geometry = Geometry { kernel: 3, stride: 1, padding: 1 };
    bencher.bench(|| conv2d(black_box(&x), &weight, geometry).unwrap());
}

/// From the bytes of an image to the network's input.
#[divan::bench]
fn decode_and_prepare(bencher: Bencher<'_, '_>) {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tissue.png")).unwrap();
    let (preprocess, limits) = (Preprocess::imagenet(), DecodeLimits::default());
    bencher.bench(|| preprocess.tensor(&decode(black_box(&bytes), &limits).unwrap().image).unwrap());
}
