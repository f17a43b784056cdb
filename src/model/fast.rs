//! The way of a fused network's images at inference: the laid-out backbone, then the head in candle.
//!
//! In: a [`Network`], and images. Out: logits, those of [`Network::forward`] to rounding.

use candle_core::{Error, Result, Tensor};

use super::error::ModelError;
use super::network::{Mode, Network};
use super::parameters::Parameters;
use super::topology::{Conv, DenseLayer, FusedNet, Norm, STEM_POOL, Topology};
use crate::kernels::{
    Affine, Backbone, BackboneWeights, BlockWeights, LayerWeights, Level, StemWeights, Step, TransitionWeights,
};

/// A network that only answers. The fused one is laid out for images of one size; the baseline stays as it is.
pub struct FastNetwork {
    /// The network; where there is a backbone, only its head still has parameters.
    network: Network,
    backbone: Option<(Backbone, Vec<usize>)>,
}

/// The backbone's tensors, its norms with moving moments as one scale and one shift each.
fn backbone_weights(net: &FusedNet, parameters: &Parameters) -> Result<BackboneWeights> {
    let kernel = |conv: &Conv| Ok::<_, Error>(parameters.get(&conv.name, "weight")?.as_detached_tensor());
    let norm = |norm: &Norm| affine(norm, parameters);
    let mut blocks = Vec::new();
    for block in &net.blocks {
        let layer = |layer: &DenseLayer| {
            Ok(LayerWeights {
                norm1: norm(&layer.norm1)?,
                conv1: kernel(&layer.conv1)?,
                norm2: norm(&layer.norm2)?,
                conv2: kernel(&layer.conv2)?,
            })
        };
        let layers = block.layers.iter().map(layer).collect::<Result<_>>()?;
        let transition = match &block.transition {
            None => None,
            Some(transition) => {
                Some(TransitionWeights { norm: norm(&transition.norm)?, conv: kernel(&transition.conv)? })
            }
        };
        blocks.push(BlockWeights { layers, tap: block.tap.is_some(), transition });
    }
    let stem = StemWeights {
        conv: net.stem.geometry,
        kernel: kernel(&net.stem)?,
        norm: norm(&net.stem_norm)?,
        pool: STEM_POOL,
    };
    Ok(BackboneWeights { stem, blocks })
}

fn affine(norm: &Norm, parameters: &Parameters) -> Result<Affine> {
    let numbers = |ending: &str| parameters.get(&norm.name, ending)?.to_vec1::<f32>();
    let (gamma, beta, mean, variance) =
        (numbers("weight")?, numbers("bias")?, numbers("running_mean")?, numbers("running_var")?);
    let scale =
        |(gamma, variance): (&f32, &f32)| (f64::from(*gamma) / (f64::from(*variance) + norm.epsilon).sqrt()) as f32;
    let scale: Vec<f32> = gamma.iter().zip(&variance).map(scale).collect();
    let shift = beta.iter().zip(&mean).zip(&scale).map(|((beta, mean), scale)| beta - mean * scale).collect();
    Ok(Affine { scale, shift })
}

impl FastNetwork {
    /// Lays a network out for square images of `size` pixels a side, with vector instructions of `level`. An image
    /// that is alone is computed by `threads` threads, several at a time by the thread that brings each.
    ///
    /// # Errors
    /// When the images are too small for the network.
    pub fn new(network: Network, size: usize, level: Level, threads: usize) -> std::result::Result<Self, ModelError> {
        let Topology::Fused(net) = network.topology() else { return Ok(Self { network, backbone: None }) };
        let backbone = Backbone::new(&backbone_weights(net, network.parameters())?, size, level, threads)?;
        let taps = net.blocks.iter().filter_map(|block| block.tap.as_ref()).map(|tap| tap.dense.inputs).collect();
        Ok(Self { network: network.without_backbone(), backbone: Some((backbone, taps)) })
    }

    /// The logits (batch, 2) of images (batch, size, size, 3).
    ///
    /// # Errors
    /// When the images have another size.
    pub fn forward(&self, images: &Tensor) -> std::result::Result<Tensor, ModelError> {
        Ok(self.forward_with_taps(images)?.0)
    }

    /// The logits, and what the head saw, as [`Self::pooled_taps`].
    ///
    /// # Errors
    /// When the images have another size.
    pub fn forward_with_taps(&self, images: &Tensor) -> std::result::Result<(Tensor, Option<Vec<Tensor>>), ModelError> {
        let taps = self.pooled_taps(images)?;
        let logits = match &taps {
            Some(taps) => self.network.forward_taps(taps, Mode::Inference),
            None => self.network.forward(images, Mode::Inference),
        };
        Ok((logits?, taps))
    }

    /// What the head sees of images (batch, size, size, 3), as [`Network::pooled_taps`].
    ///
    /// # Errors
    /// When the images have another size.
    pub fn pooled_taps(&self, images: &Tensor) -> std::result::Result<Option<Vec<Tensor>>, ModelError> {
        let Some((backbone, widths)) = &self.backbone else { return Ok(None) };
        let pooled = images.contiguous()?.apply_op1_no_bwd(backbone)?;
        let mut taps = Vec::new();
        let mut from = 0;
        for &channels in widths {
            taps.push(pooled.narrow(1, from, channels)?.contiguous()?);
            from += channels;
        }
        Ok(Some(taps))
    }

    /// Where the time of an image (size, size, 3) goes in the backbone, on one thread: of `rounds`, each step's median.
    /// `None` for a network without a backbone.
    ///
    /// # Errors
    /// When the image has another size.
    pub fn steps(&self, image: &Tensor, rounds: usize) -> std::result::Result<Option<Vec<Step>>, ModelError> {
        let Some((backbone, _)) = &self.backbone else { return Ok(None) };
        Ok(Some(backbone.steps(&image.flatten_all()?.to_vec1::<f32>()?, rounds)?))
    }
}
