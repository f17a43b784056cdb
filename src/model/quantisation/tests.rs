//! The whole numbers of a small network, held to a walk through it that is written out here: plain loops, and sums of
//! whole numbers in whole numbers.

use std::collections::BTreeSet;

use candle_core::{DType, Device, Tensor};

use super::{QuantisedConv, QuantisedConvs, fit};
use crate::kernels::densenet::inference::WordKernel;
use crate::kernels::{Geometry, Level};
use crate::model::networks::{Pooling, folded};
use crate::model::topology::{Conv, Norm, STEM_POOL, Topology};
use crate::model::{Architecture, Baseline, Fused, InferenceNetwork, ModelError, Network, Parameters};

const IMAGES: usize = 6;
const SIZE: usize = 36;

/// Numbers from -1 to 1 that no two tensors share.
fn fill(count: usize, seed: usize) -> Vec<f32> {
    (0..count).map(|index| (((index * 7919 + seed * 104_729 + index * index) % 2003) as f32 / 1001.0) - 1.0).collect()
}

/// Its kernels are those that training starts from, and its norms are filled.
fn network() -> Network {
    network_of_width(16)
}

fn network_of_width(bottleneck: usize) -> Network {
    let sizes = Fused { stem: 8, growth: 8, bottleneck, blocks: vec![1, 2, 1], tap: 12, hidden: 6, dropout: 0.4 };
    let architecture = Architecture::Fused(sizes);
    let parameters = Parameters::initial(&architecture, 3).unwrap();
    for (seed, spec) in architecture.tensors().iter().enumerate() {
        let (layer, ending) = spec.name.rsplit_once('.').unwrap();
        let var = parameters.get(layer, ending).unwrap();
        let (size, middle) = match ending {
            "weight" if spec.shape.len() == 1 => (0.5, 1.0),
            "running_var" => (0.2, 0.4),
            "bias" | "running_mean" => (0.2, 0.0),
            _ => continue,
        };
        let values: Vec<f32> = fill(var.elem_count(), seed).iter().map(|value| value * size + middle).collect();
        var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
    }
    Network::new(architecture, parameters)
}

/// Smooth images with some noise, each another.
fn images() -> Tensor {
    let noise = fill(IMAGES * SIZE * SIZE * 3, 400);
    let value = |index: usize| {
        let (image, y, x, colour) = (index / (SIZE * SIZE * 3), index / (SIZE * 3) % SIZE, index / 3 % SIZE, index % 3);
        let (y, x, image) = (y as f32, x as f32, image as f32 + 1.0);
        (x * 0.2 * image + colour as f32).sin() + (y * 0.3 - image).cos() + 0.3 * noise[index]
    };
    let values = (0..noise.len()).map(value).collect();
    Tensor::from_vec(values, (IMAGES, SIZE, SIZE, 3), &Device::Cpu).unwrap()
}

/// Square maps of all images, a list of channels a position.
#[derive(Clone)]
struct Grid {
    side: usize,
    positions: Vec<Vec<f32>>,
}

impl Grid {
    fn map(&self, f: impl FnMut(&Vec<f32>) -> Vec<f32>) -> Self {
        Self { side: self.side, positions: self.positions.iter().map(f).collect() }
    }

    /// For each output position, the inputs of each tap of a window; `None` is padding.
    fn windows(&self, geometry: Geometry, mut f: impl FnMut(&[Option<&Vec<f32>>]) -> Vec<f32>) -> Self {
        let Geometry { kernel, stride, padding } = geometry;
        let side = geometry.output(self.side);
        let mut positions = Vec::new();
        for index in 0..IMAGES * side * side {
            let (image, top, left) = (index / (side * side), index / side % side * stride, index % side * stride);
            let tap = |tap: usize| {
                let y = (top + tap / kernel).checked_sub(padding).filter(|y| *y < self.side)?;
                let x = (left + tap % kernel).checked_sub(padding).filter(|x| *x < self.side)?;
                Some(&self.positions[(image * self.side + y) * self.side + x])
            };
            positions.push(f(&(0..kernel * kernel).map(tap).collect::<Vec<_>>()));
        }
        Self { side, positions }
    }
}

/// The outputs of each convolution of the dense layers, and the means of the last block.
struct Walk<'a> {
    network: &'a Network,
    quantised: Option<&'a QuantisedConvs>,
    outputs: Vec<(String, Grid)>,
}

impl Walk<'_> {
    fn of(network: &Network, quantised: Option<&QuantisedConvs>) -> (Vec<(String, Grid)>, Vec<Vec<f32>>) {
        let Topology::Fused(net) = network.topology() else { unreachable!() };
        let mut walk = Walk { network, quantised, outputs: Vec::new() };
        let pixels: Vec<f32> = images().flatten_all().unwrap().to_vec1().unwrap();
        let images = Grid { side: SIZE, positions: pixels.chunks_exact(3).map(<[f32]>::to_vec).collect() };
        let largest = |image: &[Vec<f32>]| image.iter().flatten().fold(0f32, |most, value| most.max(value.abs()));
        let of_images = images.positions.chunks_exact(SIZE * SIZE).flat_map(|image| vec![largest(image); SIZE * SIZE]);
        let stem = walk.active(&net.stem_norm, &walk.other(&net.stem, &images, of_images.collect()));
        let mut maps = stem.windows(STEM_POOL, |window| {
            let present: Vec<_> = window.iter().flatten().collect();
            (0..present[0].len()).map(|c| present.iter().fold(0f32, |most, values| most.max(values[c]))).collect()
        });
        for block in &net.blocks {
            for layer in &block.layers {
                let squeezed = walk.conv(&layer.norm1, &layer.conv1, &maps);
                let added = walk.conv(&layer.norm2, &layer.conv2, &squeezed);
                maps.positions.iter_mut().zip(added.positions).for_each(|(maps, added)| maps.extend(added));
            }
            if let Some(transition) = &block.transition {
                let active = walk.active(&transition.norm, &maps);
                let averages = active.windows(Geometry { kernel: 2, stride: 2, padding: 0 }, |window| {
                    let sum = |c: usize| window.iter().flatten().map(|values| values[c]).sum::<f32>();
                    (0..window[0].unwrap().len()).map(|c| sum(c) / 4.0).collect()
                });
                let largest = averages.positions.iter().map(|values| values.iter().copied().fold(0f32, f32::max));
                maps = walk.other(&transition.conv, &averages, largest.collect());
            }
        }
        let images = maps.positions.chunks_exact(maps.side * maps.side);
        let mean =
            |image: &[Vec<f32>], c: usize| image.iter().map(|values| values[c]).sum::<f32>() / image.len() as f32;
        let means = images.map(|image| (0..image[0].len()).map(|c| mean(image, c)).collect());
        (walk.outputs, means.collect())
    }

    fn active(&self, norm: &Norm, maps: &Grid) -> Grid {
        let norm = folded(norm, self.network.parameters()).unwrap();
        maps.map(|values| (0..values.len()).map(|c| (values[c] * norm.scale[c] + norm.shift[c]).max(0.0)).collect())
    }

    fn exact(&self, conv: &Conv, maps: &Grid) -> Grid {
        let kernel = self.network.parameters().get(&conv.name, "weight").unwrap().to_vec2::<f32>().unwrap();
        maps.windows(conv.geometry, |window| {
            let mut sums = vec![0f64; conv.filters];
            for (tap, values) in window.iter().enumerate() {
                for (c, value) in values.iter().flat_map(|values| values.iter().enumerate()) {
                    let row = &kernel[tap * conv.channels + c];
                    sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += f64::from(*value) * f64::from(*weight));
                }
            }
            sums.into_iter().map(|sum| sum as f32).collect()
        })
    }

    /// A convolution that is not a dense layer's: in whole numbers, with inputs in steps of what is the largest around each.
    fn other(&self, conv: &Conv, inputs: &Grid, largest: Vec<f32>) -> Grid {
        let Some(_) = self.quantised else { return self.exact(conv, inputs) };
        let kernel = self.network.parameters().get(&conv.name, "weight").unwrap();
        let kernel: Vec<f32> = kernel.flatten_all().unwrap().to_vec1().unwrap();
        let WordKernel { weights, scales } = WordKernel::of(&kernel, conv.filters, 4095.0);
        let steps = inputs.positions.iter().zip(&largest);
        let steps =
            steps.map(|(values, most)| values.iter().map(|v| (v / (most / 4095.0)).round_ties_even()).collect());
        let steps = Grid { side: inputs.side, positions: steps.collect() };
        let mut outputs = steps.windows(conv.geometry, |window| {
            let mut sums = vec![0i64; conv.filters];
            for (tap, values) in window.iter().enumerate() {
                for (c, value) in values.iter().flat_map(|values| values.iter().enumerate()) {
                    let row = &weights[(tap * conv.channels + c) * conv.filters..][..conv.filters];
                    sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += *value as i64 * i64::from(*weight));
                }
            }
            sums.into_iter().zip(&scales).map(|(sum, scale)| i32::try_from(sum).unwrap() as f32 * scale).collect()
        });
        let each = inputs.positions.len() / IMAGES;
        let each_output = outputs.positions.len() / IMAGES;
        for (index, values) in outputs.positions.iter_mut().enumerate() {
            // All of an image are alike, or there are as many as outputs.
            let at = if each == each_output { index } else { index / each_output * each };
            values.iter_mut().for_each(|value| *value *= largest[at] / 4095.0);
        }
        outputs
    }

    fn conv(&mut self, norm: &Norm, conv: &Conv, maps: &Grid) -> Grid {
        let active = self.active(norm, maps);
        let outputs = match self.quantised {
            None => self.exact(conv, &active),
            Some(quantised) => in_whole_numbers(&quantised[&conv.name], conv, &active),
        };
        self.outputs.push((conv.name.clone(), outputs.clone()));
        outputs
    }
}

/// The formula of [`QuantisedConv`].
fn in_whole_numbers(quantised: &QuantisedConv, conv: &Conv, active: &Grid) -> Grid {
    active.windows(conv.geometry, |window| {
        let mut sums = vec![0i32; conv.filters];
        for (tap, values) in window.iter().enumerate() {
            for (c, value) in values.iter().flat_map(|values| values.iter().enumerate()) {
                let level = (value / quantised.steps[c]).round_ties_even().clamp(0.0, 255.0) as i32;
                let row = &quantised.weights[(tap * conv.channels + c) * conv.filters..][..conv.filters];
                sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += level * i32::from(*weight));
            }
        }
        let output = |(f, sum): (usize, i32)| sum as f32 * quantised.scales[f] + quantised.shifts[f];
        sums.into_iter().enumerate().map(output).collect()
    })
}

fn mean(values: &[f32]) -> f64 {
    values.iter().map(|value| f64::from(*value)).sum::<f64>() / values.len() as f64
}

fn deviation(values: &[f32]) -> f64 {
    let mean = mean(values);
    (values.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum::<f64>() / values.len() as f64).sqrt()
}

fn filter(maps: &Grid, filter: usize) -> Vec<f32> {
    maps.positions.iter().map(|values| values[filter]).collect()
}

#[test]
fn the_walk_of_these_tests_is_that_of_inference() {
    let network = network();
    let (_, means) = Walk::of(&network, None);
    let inference = InferenceNetwork::pooling(Pooling::Taps, &network, None, SIZE, Level::default(), 1).unwrap();
    let theirs = inference.pooled_taps(&images()).unwrap().unwrap().pop().unwrap().to_vec2::<f32>().unwrap();
    for (ours, theirs) in means.iter().flatten().zip(theirs.iter().flatten()) {
        assert!((ours - theirs).abs() < 1e-4, "{ours} {theirs}");
    }
}

#[test]
fn inference_in_whole_numbers_is_the_walk_of_these_tests_at_every_level() {
    // Those that fill up a piece of a strip need not be gathered; the last fills more than one.
    [16, 100, 128, 160].into_iter().for_each(check_inference);
}

fn check_inference(bottleneck: usize) {
    let network = network_of_width(bottleneck);
    let quantised = fit(&network, &images()).unwrap().unwrap();
    let (_, means) = Walk::of(&network, Some(&quantised));
    for (level, threads) in Level::available().into_iter().flat_map(|level| [(level, 1), (level, 3)]) {
        let inference =
            InferenceNetwork::pooling(Pooling::Taps, &network, Some(&quantised), SIZE, level, threads).unwrap();
        let theirs = (0..IMAGES).flat_map(|image| {
            let image = images().narrow(0, image, 1).unwrap();
            inference.pooled_taps(&image).unwrap().unwrap().pop().unwrap().to_vec2::<f32>().unwrap().concat()
        });
        // A number that is a rounding error from the next step moves what is behind it: a few outputs by a step, all
        // others hardly.
        let error = |(ours, theirs): (&f32, f32)| (ours - theirs).abs() / ours.abs().max(1.0);
        let errors: Vec<f32> = means.iter().flatten().zip(theirs).map(error).collect();
        let largest = errors.iter().fold(0f32, |most, error| most.max(*error));
        assert!(largest < 0.03 && mean(&errors) < 2e-3, "{level}, {threads} threads: {largest}, {}", mean(&errors));
    }
}

#[test]
fn in_whole_numbers_each_convolution_puts_out_nearly_what_it_does_exactly() {
    let network = network();
    let quantised = fit(&network, &images()).unwrap().unwrap();
    let ((exact, _), (whole, _)) = (Walk::of(&network, None), Walk::of(&network, Some(&quantised)));
    assert_eq!(exact.len(), 8);
    assert_eq!(exact.iter().map(|(name, _)| name).collect::<BTreeSet<_>>(), quantised.keys().collect());
    for ((name, exact), (_, whole)) in exact.iter().zip(&whole) {
        for index in 0..exact.positions[0].len() {
            let (exact, whole) = (filter(exact, index), filter(whole, index));
            let errors: Vec<f32> = exact.iter().zip(&whole).map(|(exact, whole)| whole - exact).collect();
            let spread = deviation(&exact);
            assert!(deviation(&errors) < 0.02 * spread, "{name} {index}: {} of {spread}", deviation(&errors));
            // The shift takes the mean error back, but for what the stem and the transitions round.
            assert!(mean(&errors).abs() < 5e-3 * spread, "{name} {index}: {} of {spread}", mean(&errors));
        }
    }
}

fn assert_usable(quantised: &QuantisedConvs) {
    for (name, conv) in quantised {
        let QuantisedConv { weights, steps, scales, shifts } = conv;
        assert!(weights.len().is_multiple_of(steps.len() * scales.len()) && scales.len() == shifts.len(), "{name}");
        assert!(weights.iter().all(|weight| (-127..=127).contains(weight)), "{name}");
        assert!(steps.iter().chain(scales).all(|value| value.is_normal() && *value > 0.0), "{name}: {conv:?}");
        assert!(shifts.iter().all(|value| value.is_finite()), "{name}: {shifts:?}");
    }
}

#[test]
fn channels_that_are_dead_and_kernels_of_zeros_have_usable_numbers() {
    let network = network();
    let set = |name: &str, ending: &str, value: f32, of: usize| {
        let var = network.parameters().get(name, ending).unwrap();
        let mut values: Vec<f32> = var.flatten_all().unwrap().to_vec1().unwrap();
        values.iter_mut().step_by(of).for_each(|number| *number = value);
        var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
    };
    assert_usable(&fit(&network, &images()).unwrap().unwrap());
    // Every third channel, all of them, and a convolution without weights.
    set("features.denseblock1.denselayer1.norm1", "bias", -1000.0, 3);
    set("features.denseblock2.denselayer1.norm2", "bias", -1000.0, 1);
    set("features.denseblock2.denselayer2.conv1", "weight", 0.0, 1);
    let quantised = fit(&network, &images()).unwrap().unwrap();
    assert_usable(&quantised);
    assert!(quantised["features.denseblock2.denselayer2.conv1"].weights.iter().all(|weight| *weight == 0));
}

#[test]
fn the_same_images_give_the_same_numbers_with_any_number_of_threads() {
    let (network, images) = (network(), images());
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| fit(&network, &images)).unwrap().unwrap()
    };
    let once = with(1);
    assert_eq!(once, with(1));
    assert_eq!(once, with(3));
}

#[test]
fn the_baseline_has_none_and_images_that_do_not_fit_are_refused() {
    let baseline = Architecture::Baseline(Baseline { size: 12, filters: vec![2], hidden: 3, dropout: 0.0 });
    let parameters = Parameters::initial(&baseline, 1).unwrap();
    assert_eq!(fit(&Network::new(baseline, parameters), &images()).unwrap(), None);
    let network = network();
    for shape in [[0, SIZE, SIZE, 3], [2, 0, 0, 3], [2, SIZE, SIZE, 4], [2, 8, 8, 3]] {
        let images = Tensor::zeros(&shape[..], DType::F32, &Device::Cpu).unwrap();
        assert!(matches!(fit(&network, &images), Err(ModelError::Candle(_))), "{shape:?}");
    }
    let huge = (images() * 1e38).unwrap();
    assert!(matches!(fit(&network, &huge), Err(ModelError::Numbers { .. })));
}
