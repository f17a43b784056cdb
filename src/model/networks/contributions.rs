//! What each position of each tap adds to the margin.
//!
//! In: the taps of one image and what they are averages of. Out: a [`ContributionMap`] a tap, and a constant. The head is
//! dense layers, ReLUs and norms with moving moments; with the units that are active on an image held fast it is linear,
//! so its gradient by the taps, and the margin that it makes of taps of zeros, say all of it.

use candle_core::{Result, Tensor};

use crate::kernels::densenet::inference::TapMap;
use crate::model::networks::inference_walk::folded;
use crate::model::topology::{Dense, FusedNet, Norm, Topology};
use crate::model::{ModelError, Network};

/// What each position of a tap adds to the margin before it is divided by the temperature.
#[derive(Clone, Debug)]
pub struct ContributionMap {
    /// Rows, and positions of a row.
    pub side: usize,
    /// (side, side): rows from the top, positions from the left.
    pub values: Vec<f64>,
}

/// A margin taken apart.
pub(in crate::model) struct Contributions {
    pub(in crate::model) maps: Vec<ContributionMap>,
    /// What no position adds.
    pub(in crate::model) constant: f64,
}

/// The margin as a linear function of the taps.
struct LinearHead {
    /// By each tap's means.
    gradients: Vec<Vec<f64>>,
    constant: f64,
}

impl Network {
    /// Takes the margin apart that the head makes of the taps, (1, channels) each.
    pub(super) fn contributions(
        &self,
        taps: &[Tensor],
        maps: &[TapMap],
    ) -> std::result::Result<Contributions, ModelError> {
        let Topology::Fused(net) = self.topology() else {
            return Ok(Contributions { maps: Vec::new(), constant: 0.0 });
        };
        let LinearHead { gradients, constant } = self.linear_head(net, taps)?;
        let maps = maps.iter().zip(&gradients).map(|(TapMap { side, channels, values }, gradient)| {
            let share = 1.0 / (side * side) as f64;
            let at = |position: &[f32]| share * dot(position, gradient);
            ContributionMap { side: *side, values: values.chunks_exact(*channels).map(at).collect() }
        });
        Ok(Contributions { maps: maps.collect(), constant })
    }

    fn linear_head(&self, net: &FusedNet, taps: &[Tensor]) -> Result<LinearHead> {
        let mut fused = Vec::new();
        let mut layers = Vec::new();
        for (tap, means) in net.blocks.iter().filter_map(|block| block.tap.as_ref()).zip(taps) {
            let layer = self.head_layer(&tap.dense, &tap.norm)?;
            fused.push(layer.forward(&doubles(means)?));
            layers.push(layer);
        }
        let (inputs, active): (Vec<_>, Vec<_>) = fused.into_iter().unzip();
        let hidden = self.head_layer(&net.hidden, &net.hidden_norm)?;
        let (_, hidden_active) = hidden.forward(&inputs.concat());

        // Malignant minus benign.
        let output = doubles(self.parameters().get(&net.output.name, "weight")?)?;
        let bias = doubles(self.parameters().get(&net.output.name, "bias")?)?;
        let difference: Vec<f64> = output.chunks_exact(2).map(|pair| pair[1] - pair[0]).collect();
        let (by_fused, behind_hidden) = hidden.backward(&difference, &hidden_active);
        let mut linear = LinearHead { gradients: Vec::new(), constant: bias[1] - bias[0] + behind_hidden };
        let mut rest = &by_fused[..];
        for (layer, active) in layers.iter().zip(&active) {
            let (own, behind) = rest.split_at(active.len());
            let (gradient, constant) = layer.backward(own, active);
            linear.gradients.push(gradient);
            linear.constant += constant;
            rest = behind;
        }
        Ok(linear)
    }

    fn head_layer(&self, dense: &Dense, norm: &Norm) -> Result<HeadLayer> {
        let numbers = |ending| doubles(self.parameters().get(&dense.name, ending)?);
        let norm = folded(norm, self.parameters())?;
        let [scale, shift] = [norm.scale, norm.shift].map(|numbers| numbers.into_iter().map(f64::from).collect());
        Ok(HeadLayer { weight: numbers("weight")?, bias: numbers("bias")?, scale, shift })
    }
}

/// Dense, ReLU, norm.
struct HeadLayer {
    /// (inputs, outputs).
    weight: Vec<f64>,
    bias: Vec<f64>,
    scale: Vec<f64>,
    shift: Vec<f64>,
}

impl HeadLayer {
    /// Its outputs, and which of its units are active.
    fn forward(&self, inputs: &[f64]) -> (Vec<f64>, Vec<bool>) {
        let mut sums = self.bias.clone();
        for (input, row) in inputs.iter().zip(self.weight.chunks_exact(sums.len())) {
            sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += input * weight);
        }
        let active = sums.iter().map(|sum| *sum > 0.0).collect();
        let outputs =
            sums.iter().zip(&self.scale).zip(&self.shift).map(|((sum, scale), shift)| sum.max(0.0) * scale + shift);
        (outputs.collect(), active)
    }

    /// From the gradient by its outputs that by its inputs, and what its biases and its norm add to the margin.
    fn backward(&self, gradient: &[f64], active: &[bool]) -> (Vec<f64>, f64) {
        let units = gradient.iter().zip(&self.scale).zip(active);
        let by_sums: Vec<f64> = units.map(|((by, scale), active)| if *active { by * scale } else { 0.0 }).collect();
        let by_inputs = self.weight.chunks_exact(by_sums.len()).map(|row| product(row, &by_sums)).collect();
        (by_inputs, product(gradient, &self.shift) + product(&by_sums, &self.bias))
    }
}

fn product(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn dot(position: &[f32], gradient: &[f64]) -> f64 {
    position.iter().zip(gradient).map(|(value, by)| f64::from(*value) * by).sum()
}

fn doubles(tensor: &Tensor) -> Result<Vec<f64>> {
    Ok(tensor.flatten_all()?.to_vec1::<f32>()?.into_iter().map(f64::from).collect())
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device, Var};

    use super::*;
    use crate::kernels::NormMode;
    use crate::model::{Architecture, Fused, Mode, NormPolicy, Parameters, TrainingPass};

    /// Numbers from -1 to 1 that no two tensors share.
    fn fill(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|index| (((index * 7919 + seed * 104_729) % 2003) as f32 / 1001.0) - 1.0).collect()
    }

    #[test]
    fn the_gradient_of_the_head_is_that_of_candle_and_the_constant_is_the_rest() {
        let sizes =
            Fused { stem: 8, growth: 8, bottleneck: 16, blocks: vec![1, 2, 1], tap: 12, hidden: 6, dropout: 0.4 };
        let architecture = Architecture::Fused(sizes);
        let parameters = Parameters::initial(&architecture, 3).unwrap();
        for (seed, spec) in
            architecture.tensors().iter().enumerate().filter(|(_, spec)| !spec.name.starts_with("features."))
        {
            let (layer, ending) = spec.name.rsplit_once('.').unwrap();
            let var = parameters.get(layer, ending).unwrap();
            let values = fill(var.elem_count(), seed);
            let above = if ending == "running_var" { 1.5 } else { 0.0 };
            let values: Vec<f32> = values.iter().map(|value| value + above).collect();
            var.set(&Tensor::from_vec(values, var.shape(), &Device::Cpu).unwrap()).unwrap();
        }
        let network = Network::new(architecture, parameters);
        let Topology::Fused(net) = network.topology() else { unreachable!() };
        let still = NormPolicy { source: NormMode::Moving, momentum: 1.0 };
        let mode = Mode::Training(TrainingPass { backbone: still, head: still, dropout: None });
        for seed in 0..20 {
            let tap = |index: usize, channels: usize| {
                Var::from_vec(fill(channels, 100 + 10 * seed + index), (1, channels), &Device::Cpu).unwrap()
            };
            let widths = net.blocks.iter().filter_map(|block| block.tap.as_ref()).map(|tap| tap.dense.inputs);
            let taps: Vec<Var> = widths.enumerate().map(|(index, channels)| tap(index, channels)).collect();
            let tensors: Vec<Tensor> = taps.iter().map(|tap| tap.as_tensor().clone()).collect();
            let logits = network.forward_taps(&tensors, mode).unwrap().squeeze(0).unwrap();
            let margin = (logits.get(1).unwrap() - logits.get(0).unwrap()).unwrap();
            let gradients = margin.backward().unwrap();
            let linear = network.linear_head(net, &tensors).unwrap();
            let mut sum = linear.constant;
            for (tap, ours) in taps.iter().zip(&linear.gradients) {
                let theirs = doubles(gradients.get(tap).unwrap()).unwrap();
                assert_eq!(ours.len(), theirs.len());
                assert!(ours.iter().zip(&theirs).all(|(a, b)| (a - b).abs() < 1e-4), "{ours:?}\n{theirs:?}");
                sum += product(&doubles(tap).unwrap(), ours);
            }
            let margin = f64::from(margin.to_dtype(DType::F32).unwrap().to_scalar::<f32>().unwrap());
            assert!((sum - margin).abs() < 1e-4, "{sum} {margin}");
        }
    }
}
