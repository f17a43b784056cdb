//! The layers of the networks: which there are, in which order, with which names and sizes.
//!
//! In: an [`Architecture`]. Out: its topology, a tree of layers for the walks, and the list of all
//! tensors. Names and shapes of the backbone are torchvision's, so its files can be read and ours can be read there;
//! sources: Huang et al., "Densely Connected Convolutional Networks", CVPR 2017, and Keras's
//! `applications/densenet.py`.

use std::collections::BTreeSet;

use crate::kernels::Geometry;
use crate::model::architecture::{Architecture, Baseline, Fused};
use crate::model::parameters::in_backbone;

impl Architecture {
    pub(crate) fn topology(&self) -> Topology {
        match self {
            Self::Baseline(baseline) => Topology::Baseline(baseline.net()),
            Self::Fused(fused) => Topology::Fused(fused.net()),
        }
    }

    /// Numbers that the convolutions put out for one image of `size` pixels a side, which a training step keeps.
    pub fn activations(&self, size: usize) -> usize {
        match self.topology() {
            Topology::Baseline(net) => {
                let outputs = net.blocks.iter().scan(size, |side, conv| {
                    let inner = side.saturating_sub(VALID.kernel - 1);
                    *side = inner / 2;
                    Some(inner * inner * conv.filters)
                });
                outputs.sum()
            }
            Topology::Fused(net) => {
                let first = (size / 2).pow(2) * net.stem.filters;
                let blocks = net.blocks.iter().enumerate().map(|(index, block)| {
                    let layer = |layer: &DenseLayer| layer.conv1.filters + layer.conv2.filters;
                    let input = block.layers.first().map_or(0, |layer| layer.norm1.channels);
                    (size >> (index + 2)).pow(2) * (input + block.layers.iter().map(layer).sum::<usize>())
                });
                first + blocks.sum::<usize>()
            }
        }
    }

    /// Every tensor of the network in the order of its layers.
    pub fn tensors(&self) -> Vec<TensorSpec> {
        match self.topology() {
            Topology::Baseline(net) => net.tensors(),
            Topology::Fused(net) => net.tensors(),
        }
    }

    /// The names of the kernels of the dense layers' convolutions, which whole numbers can stand for.
    pub(in crate::model) fn kernels_of_dense_layers(&self) -> BTreeSet<String> {
        match self.topology() {
            Topology::Baseline(_) => BTreeSet::new(),
            Topology::Fused(net) => {
                let layers = net.blocks.iter().flat_map(|block| &block.layers);
                layers
                    .flat_map(|layer| [&layer.conv1, &layer.conv2])
                    .map(|conv| format!("{}.weight", conv.name))
                    .collect()
            }
        }
    }

    /// What is added to the variance of a norm of that name: Keras's numbers, one for its DenseNet and one for the rest.
    pub fn epsilon(name: &str) -> f64 {
        if in_backbone(name) { BACKBONE_EPSILON } else { HEAD_EPSILON }
    }
}

/// What a tensor is for, which decides its layout in memory, its start value and its precision in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Of a convolution; (filters, channels, kernel, kernel) in a file.
    ConvKernel,
    /// Of a dense layer; (outputs, inputs) in a file.
    DenseKernel,
    /// Added to a layer's outputs.
    Bias,
    /// Scale of a batch normalisation.
    Gamma,
    /// Shift of a batch normalisation.
    Beta,
    /// Moving mean of a batch normalisation.
    Mean,
    /// Moving variance of a batch normalisation.
    Variance,
}

impl Role {
    /// Whether the optimiser moves it; moving moments are measured instead.
    pub fn trained(self) -> bool {
        !matches!(self, Self::Mean | Self::Variance)
    }
}

/// One tensor of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// Its name in a weights file.
    pub name: String,
    /// Its shape in a weights file.
    pub shape: Vec<usize>,
    /// What it is for.
    pub role: Role,
}

pub(crate) enum Topology {
    Baseline(BaselineNet),
    Fused(FusedNet),
}

pub(crate) struct Conv {
    pub(crate) name: String,
    pub(crate) geometry: Geometry,
    pub(crate) channels: usize,
    pub(crate) filters: usize,
    pub(crate) bias: bool,
}

pub(crate) struct Norm {
    pub(crate) name: String,
    pub(crate) channels: usize,
    pub(crate) epsilon: f64,
}

/// A dense layer with a bias.
pub(crate) struct Dense {
    pub(crate) name: String,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
}

pub(crate) struct BaselineNet {
    pub(crate) blocks: Vec<Conv>,
    pub(crate) hidden: Dense,
    pub(crate) dropout: f64,
    pub(crate) output: Dense,
}

pub(crate) struct FusedNet {
    pub(crate) stem: Conv,
    pub(crate) stem_norm: Norm,
    pub(crate) blocks: Vec<Block>,
    pub(crate) hidden: Dense,
    pub(crate) hidden_norm: Norm,
    pub(crate) dropout: f64,
    pub(crate) output: Dense,
}

/// A dense block, what is fused from its end, and the way to the next one.
pub(crate) struct Block {
    pub(crate) layers: Vec<DenseLayer>,
    pub(crate) tap: Option<Tap>,
    pub(crate) transition: Option<Transition>,
}

/// Norm, ReLU, 1x1, norm, ReLU, 3x3; the result is laid behind the layer's input.
pub(crate) struct DenseLayer {
    pub(crate) norm1: Norm,
    pub(crate) conv1: Conv,
    pub(crate) norm2: Norm,
    pub(crate) conv2: Conv,
}

/// Global average, dense, ReLU, norm.
pub(crate) struct Tap {
    pub(crate) dense: Dense,
    pub(crate) norm: Norm,
}

/// Norm, ReLU, 1x1, 2x2 average.
pub(crate) struct Transition {
    pub(crate) norm: Norm,
    pub(crate) conv: Conv,
}

/// The kernel of the stem's convolution.
const STEM: Geometry = Geometry { kernel: 7, stride: 2, padding: 3 };
/// The maximum behind the stem.
pub(crate) const STEM_POOL: Geometry = Geometry { kernel: 3, stride: 2, padding: 1 };
/// The maximum behind each block of the baseline.
pub(crate) const BLOCK_POOL: Geometry = Geometry { kernel: 2, stride: 2, padding: 0 };
const POINTWISE: Geometry = Geometry { kernel: 1, stride: 1, padding: 0 };
const SAME: Geometry = Geometry { kernel: 3, stride: 1, padding: 1 };
const VALID: Geometry = Geometry { kernel: 3, stride: 1, padding: 0 };
/// Keras's for its DenseNet.
const BACKBONE_EPSILON: f64 = 1.001e-5;
/// Keras's default, which the head uses.
const HEAD_EPSILON: f64 = 1e-3;

impl Baseline {
    fn net(&self) -> BaselineNet {
        let mut channels = 3;
        let mut side = self.size;
        let mut blocks = Vec::new();
        for (index, &filters) in self.filters.iter().enumerate() {
            blocks.push(Conv { name: format!("conv{}", index + 1), geometry: VALID, channels, filters, bias: true });
            channels = filters;
            side = side.saturating_sub(VALID.kernel - 1) / 2;
        }
        let hidden = Dense { name: "dense".into(), inputs: side * side * channels, outputs: self.hidden };
        let output = Dense { name: "output".into(), inputs: self.hidden, outputs: 2 };
        BaselineNet { blocks, hidden, dropout: self.dropout, output }
    }
}

impl Fused {
    fn net(&self) -> FusedNet {
        let stem = conv("features.conv0".into(), STEM, 3, self.stem);
        let stem_norm = Norm { name: "features.norm0".into(), channels: self.stem, epsilon: BACKBONE_EPSILON };
        let mut channels = self.stem;
        let mut blocks = Vec::new();
        for (index, &depth) in self.blocks.iter().enumerate() {
            let number = index + 1;
            let first = channels;
            let layer = |l: usize| self.layer(&format!("features.denseblock{number}.denselayer{}", l + 1), first, l);
            let layers = (0..depth).map(layer).collect();
            channels += depth * self.growth;
            let tap = (index > 0).then(|| Tap {
                dense: Dense { name: format!("fusion.block{number}.dense"), inputs: channels, outputs: self.tap },
                norm: Norm { name: format!("fusion.block{number}.norm"), channels: self.tap, epsilon: HEAD_EPSILON },
            });
            let transition = (number < self.blocks.len()).then(|| Transition {
                norm: Norm { name: format!("features.transition{number}.norm"), channels, epsilon: BACKBONE_EPSILON },
                conv: conv(format!("features.transition{number}.conv"), POINTWISE, channels, channels / 2),
            });
            blocks.push(Block { layers, tap, transition });
            channels /= 2;
        }
        let taps = self.blocks.len().saturating_sub(1);
        FusedNet {
            stem,
            stem_norm,
            blocks,
            hidden: Dense { name: "classifier.dense".into(), inputs: taps * self.tap, outputs: self.hidden },
            hidden_norm: Norm { name: "classifier.norm".into(), channels: self.hidden, epsilon: HEAD_EPSILON },
            dropout: self.dropout,
            output: Dense { name: "classifier.output".into(), inputs: self.hidden, outputs: 2 },
        }
    }

    fn layer(&self, name: &str, first: usize, index: usize) -> DenseLayer {
        let channels = first + index * self.growth;
        DenseLayer {
            norm1: Norm { name: format!("{name}.norm1"), channels, epsilon: BACKBONE_EPSILON },
            conv1: conv(format!("{name}.conv1"), POINTWISE, channels, self.bottleneck),
            norm2: Norm { name: format!("{name}.norm2"), channels: self.bottleneck, epsilon: BACKBONE_EPSILON },
            conv2: conv(format!("{name}.conv2"), SAME, self.bottleneck, self.growth),
        }
    }
}

fn conv(name: String, geometry: Geometry, channels: usize, filters: usize) -> Conv {
    Conv { name, geometry, channels, filters, bias: false }
}

impl BaselineNet {
    fn tensors(&self) -> Vec<TensorSpec> {
        let convs = self.blocks.iter().flat_map(Conv::tensors);
        convs.chain(self.hidden.tensors()).chain(self.output.tensors()).collect()
    }
}

impl FusedNet {
    fn tensors(&self) -> Vec<TensorSpec> {
        let mut tensors: Vec<TensorSpec> = self.stem.tensors().collect();
        tensors.extend(self.stem_norm.tensors());
        for block in &self.blocks {
            for layer in &block.layers {
                tensors.extend(layer.norm1.tensors().chain(layer.conv1.tensors()));
                tensors.extend(layer.norm2.tensors().chain(layer.conv2.tensors()));
            }
            if let Some(transition) = &block.transition {
                tensors.extend(transition.norm.tensors().chain(transition.conv.tensors()));
            }
        }
        for tap in self.blocks.iter().filter_map(|block| block.tap.as_ref()) {
            tensors.extend(tap.dense.tensors().chain(tap.norm.tensors()));
        }
        tensors.extend(self.hidden.tensors().chain(self.hidden_norm.tensors()).chain(self.output.tensors()));
        tensors
    }
}

fn spec(name: &str, ending: &str, shape: Vec<usize>, role: Role) -> TensorSpec {
    TensorSpec { name: format!("{name}.{ending}"), shape, role }
}

impl Conv {
    fn tensors(&self) -> impl Iterator<Item = TensorSpec> {
        let side = self.geometry.kernel;
        let kernel = spec(&self.name, "weight", vec![self.filters, self.channels, side, side], Role::ConvKernel);
        let bias = self.bias.then(|| spec(&self.name, "bias", vec![self.filters], Role::Bias));
        std::iter::once(kernel).chain(bias)
    }
}

impl Dense {
    fn tensors(&self) -> impl Iterator<Item = TensorSpec> {
        let kernel = spec(&self.name, "weight", vec![self.outputs, self.inputs], Role::DenseKernel);
        [kernel, spec(&self.name, "bias", vec![self.outputs], Role::Bias)].into_iter()
    }
}

impl Norm {
    fn tensors(&self) -> impl Iterator<Item = TensorSpec> {
        let tensor = |ending, role| spec(&self.name, ending, vec![self.channels], role);
        [
            tensor("weight", Role::Gamma),
            tensor("bias", Role::Beta),
            tensor("running_mean", Role::Mean),
            tensor("running_var", Role::Variance),
        ]
        .into_iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(architecture: &Architecture, trained_only: bool) -> usize {
        let tensors = architecture.tensors();
        let wanted = tensors.iter().filter(|t| t.role.trained() || !trained_only);
        wanted.map(|t| t.shape.iter().product::<usize>()).sum()
    }

    #[test]
    fn fused_densenet121_has_as_many_parameters_as_keras_counts() {
        let fused = Architecture::fused_densenet121();
        assert_eq!(count(&fused, false), 7_201_394);
        assert_eq!(count(&fused, true), 7_119_378);
    }

    #[test]
    fn convolutions_put_out_as_many_numbers_as_counted_by_hand() {
        assert_eq!(Architecture::baseline().activations(128), 126 * 126 * 32 + 61 * 61 * 64 + 28 * 28 * 128);
        let blocks = 32 * 32 * (256 + 6 * 128) + 16 * 16 * (512 + 12 * 128) + 64 * (1024 + 24 * 128) + 16 * 3072;
        assert_eq!(Architecture::fused_densenet121().activations(128), 64 * 64 * 64 + blocks);
    }

    #[test]
    fn baseline_ends_in_14x14_pixels() {
        let tensors = Architecture::baseline().tensors();
        let dense = tensors.iter().find(|t| t.name == "dense.weight").map(|t| t.shape.clone());
        assert_eq!(dense, Some(vec![128, 14 * 14 * 128]));
    }
}
