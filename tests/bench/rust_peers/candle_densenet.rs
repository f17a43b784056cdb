//! The fused DenseNet121 of candle's own modules, as its users write one.
//!
//! In: a weights file of lobule's, whose tensors have torchvision's names, and the preprocessed image.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use candle_core::safetensors::Load;
use candle_core::{D, DType, Device, ModuleT, Tensor};
use candle_nn::{
    BatchNorm, Conv2d, Conv2dConfig, Linear, Module, VarBuilder, batch_norm, conv2d_no_bias, linear, ops::softmax,
};
use safetensors::SafeTensors;
use serde_json::Value;

use crate::{Work, image};

const BLOCKS: [usize; 4] = [6, 12, 24, 16];
const GROWTH: usize = 32;
const EPSILON: f64 = 1.001e-5;
/// That of the norms behind the dense layers.
const HEAD_EPSILON: f64 = 1e-3;

struct Normed {
    norm: BatchNorm,
    convolution: Conv2d,
}

impl Normed {
    /// Batch norm, ReLU, convolution.
    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.convolution.forward(&self.norm.forward_t(x, false)?.relu()?)
    }
}

/// A dense layer, ReLU and batch norm.
struct Head {
    dense: Linear,
    norm: BatchNorm,
}

impl Head {
    fn new(inputs: usize, outputs: usize, vb: VarBuilder) -> candle_core::Result<Self> {
        let norm = batch_norm(outputs, HEAD_EPSILON, vb.pp("norm"))?;
        Ok(Self { dense: linear(inputs, outputs, vb.pp("dense"))?, norm })
    }

    fn forward(&self, x: &Tensor) -> candle_core::Result<Tensor> {
        self.norm.forward_t(&self.dense.forward(x)?.relu()?, false)
    }
}

struct DenseNet {
    stem: Conv2d,
    stem_norm: BatchNorm,
    /// By block: its layers, each of a 1x1 and a 3x3 convolution.
    blocks: Vec<Vec<[Normed; 2]>>,
    transitions: Vec<Normed>,
    heads: Vec<Head>,
    classifier: Head,
    output: Linear,
    temperature: f64,
}

fn convolution(inputs: usize, outputs: usize, size: usize, vb: VarBuilder) -> candle_core::Result<Conv2d> {
    let stride = if size == 7 { 2 } else { 1 };
    conv2d_no_bias(inputs, outputs, size, Conv2dConfig { stride, padding: size / 2, ..Default::default() }, vb)
}

impl DenseNet {
    fn new(vb: VarBuilder, temperature: f64) -> candle_core::Result<Self> {
        let features = vb.pp("features");
        let (mut blocks, mut transitions, mut heads) = (Vec::new(), Vec::new(), Vec::new());
        let mut channels = 64;
        for (block, layers) in (1..).zip(BLOCKS) {
            let vb_block = features.pp(format!("denseblock{block}"));
            let mut made = Vec::new();
            for layer in 1..=layers {
                let vb = vb_block.pp(format!("denselayer{layer}"));
                let squeeze = Normed {
                    norm: batch_norm(channels, EPSILON, vb.pp("norm1"))?,
                    convolution: convolution(channels, 4 * GROWTH, 1, vb.pp("conv1"))?,
                };
                let grow = Normed {
                    norm: batch_norm(4 * GROWTH, EPSILON, vb.pp("norm2"))?,
                    convolution: convolution(4 * GROWTH, GROWTH, 3, vb.pp("conv2"))?,
                };
                made.push([squeeze, grow]);
                channels += GROWTH;
            }
            blocks.push(made);
            if block > 1 {
                heads.push(Head::new(channels, 64, vb.pp(format!("fusion.block{block}")))?);
            }
            if block < BLOCKS.len() {
                let vb = features.pp(format!("transition{block}"));
                let norm = batch_norm(channels, EPSILON, vb.pp("norm"))?;
                transitions.push(Normed { norm, convolution: convolution(channels, channels / 2, 1, vb.pp("conv"))? });
                channels /= 2;
            }
        }
        Ok(Self {
            stem: convolution(3, 64, 7, features.pp("conv0"))?,
            stem_norm: batch_norm(64, EPSILON, features.pp("norm0"))?,
            blocks,
            transitions,
            classifier: Head::new(64 * heads.len(), 16, vb.pp("classifier"))?,
            output: linear(16, 2, vb.pp("classifier.output"))?,
            heads,
            temperature,
        })
    }

    /// Images (batch, 3, side, side) to the probabilities of benign and malignant.
    fn forward(&self, images: &Tensor) -> candle_core::Result<Tensor> {
        let x = self.stem_norm.forward_t(&self.stem.forward(images)?, false)?.relu()?;
        let x = x.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1)?;
        let mut x = x.max_pool2d_with_stride(3, 2)?;
        let mut taps = Vec::new();
        for (block, layers) in self.blocks.iter().enumerate() {
            for [squeeze, grow] in layers {
                x = Tensor::cat(&[&x, &grow.forward(&squeeze.forward(&x)?)?], 1)?;
            }
            if block > 0 {
                taps.push(self.heads[block - 1].forward(&x.mean((2, 3))?)?);
            }
            if let Some(transition) = self.transitions.get(block) {
                x = transition.forward(&x)?.avg_pool2d(2)?;
            }
        }
        let logits = self.output.forward(&self.classifier.forward(&Tensor::cat(&taps, 1)?)?)?;
        softmax(&(logits / self.temperature)?, D::Minus1)
    }
}

pub fn load(folder: &Path, weights: &Path) -> Result<Work> {
    let file = fs::read(weights)?;
    let header = u64::from_le_bytes(file[..8].try_into()?) as usize;
    let header: Value = serde_json::from_slice(&file[8..8 + header])?;
    let about = header["__metadata__"]["lobule"].as_str().context("the weights file has no metadata of lobule's")?;
    let temperature = serde_json::from_str::<Value>(about)?["temperature"].as_f64().context("it has no temperature")?;
    // Those of 8 bits are of a type that candle does not have.
    let views =
        SafeTensors::deserialize(&file)?.tensors().into_iter().filter(|(name, _)| !name.starts_with("quantised."));
    let tensors = views.map(|(name, view)| Ok((name, view.load(&Device::Cpu)?))).collect::<Result<HashMap<_, _>>>()?;
    let network = DenseNet::new(VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu), temperature)?;
    let (side, numbers) = image(folder)?;
    let image = Tensor::from_vec(numbers, (1, 3, side, side), &Device::Cpu)?;
    Ok(Box::new(move || Ok(network.forward(&image)?.get(0)?.get(1)?.to_scalar()?)))
}
