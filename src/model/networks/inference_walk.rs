//! The inference walk: the backbone as [`InferenceBackbone`] lays it out, then the head in candle.
//!
//! In: a [`Network`], and images. Out: logits.

use candle_core::{Error, Tensor};

use crate::kernels::densenet::inference::{
    BackboneWeights, BlockWeights, FoldedNorm, InferenceBackbone, LayerWeights, StemWeights, TransitionWeights,
};
use crate::kernels::{LayerTiming, Level};
use crate::model::networks::contributions::Contributions;
use crate::model::topology::{Conv, DenseLayer, FusedNet, Norm, STEM_POOL, Topology, Transition};
use crate::model::{Mode, ModelError, Network, Parameters};

/// A network that only classifies. The fused one is laid out for images of one size; the baseline stays as it is.
pub struct InferenceNetwork {
    /// The network; where there is a backbone, only its head still has parameters.
    network: Network,
    backbone: Option<(InferenceBackbone, Vec<usize>)>,
}

/// The backbone's tensors, its norms with moving moments as one scale and one shift each.
fn backbone_weights(net: &FusedNet, parameters: &Parameters) -> Result<BackboneWeights, Error> {
    let kernel = |conv: &Conv| Ok::<_, Error>(parameters.get(&conv.name, "weight")?.as_detached_tensor());
    let norm = |norm: &Norm| folded(norm, parameters);
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
        let layers = block.layers.iter().map(layer).collect::<Result<_, Error>>()?;
        let transition =
            |t: &Transition| Ok::<_, Error>(TransitionWeights { norm: norm(&t.norm)?, conv: kernel(&t.conv)? });
        let transition = block.transition.as_ref().map(transition).transpose()?;
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

pub(super) fn folded(norm: &Norm, parameters: &Parameters) -> Result<FoldedNorm, Error> {
    let numbers = |ending: &str| parameters.get(&norm.name, ending)?.to_vec1::<f32>();
    let (gamma, beta, mean, variance) =
        (numbers("weight")?, numbers("bias")?, numbers("running_mean")?, numbers("running_var")?);
    let scale =
        |(gamma, variance): (&f32, &f32)| (f64::from(*gamma) / (f64::from(*variance) + norm.epsilon).sqrt()) as f32;
    let scale: Vec<f32> = gamma.iter().zip(&variance).map(scale).collect();
    let shift = beta.iter().zip(&mean).zip(&scale).map(|((beta, mean), scale)| beta - mean * scale).collect();
    Ok(FoldedNorm { scale, shift })
}

impl InferenceNetwork {
    /// Lays a network out as it is now for square images of `size` pixels a side, with vector instructions of `level`.
    /// An image that is alone is computed by `threads` threads, several at a time by the thread that brings each.
    ///
    /// # Errors
    /// When the images are too small for the network.
    pub fn new(network: &Network, size: usize, level: Level, threads: usize) -> Result<Self, ModelError> {
        let head = network.without_backbone();
        let Topology::Fused(net) = network.topology() else { return Ok(Self { network: head, backbone: None }) };
        let backbone = InferenceBackbone::new(&backbone_weights(net, network.parameters())?, size, level, threads)?;
        let taps = net.blocks.iter().filter_map(|block| block.tap.as_ref()).map(|tap| tap.dense.inputs).collect();
        Ok(Self { network: head, backbone: Some((backbone, taps)) })
    }

    /// The logits (batch, 2) of images (batch, size, size, 3).
    ///
    /// # Errors
    /// When the images have another size.
    pub fn forward(&self, images: &Tensor) -> Result<Tensor, ModelError> {
        Ok(self.forward_with_taps(images)?.0)
    }

    /// The logits, and what the head saw, as [`Self::pooled_taps`].
    ///
    /// # Errors
    /// When the images have another size.
    pub fn forward_with_taps(&self, images: &Tensor) -> Result<(Tensor, Option<Vec<Tensor>>), ModelError> {
        let taps = self.pooled_taps(images)?;
        let logits = match &taps {
            Some(taps) => self.network.forward_taps(taps, Mode::Inference),
            None => self.network.forward_baseline(images, Mode::Inference),
        };
        Ok((logits?, taps))
    }

    /// What the head sees of images (batch, size, size, 3): each tap's means, (batch, channels). `None` for a network
    /// without taps.
    ///
    /// # Errors
    /// When the images have another size.
    pub fn pooled_taps(&self, images: &Tensor) -> Result<Option<Vec<Tensor>>, ModelError> {
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

    /// The logits (1, 2) of one image (1, size, size, 3), and its margin's [`Contributions`]. `None` for a network without
    /// taps.
    pub(in crate::model) fn forward_with_contributions(
        &self,
        image: &Tensor,
    ) -> Result<Option<(Tensor, Contributions)>, ModelError> {
        let Some((backbone, widths)) = &self.backbone else { return Ok(None) };
        let (means, maps) = backbone.taps_with_maps(&image.flatten_all()?.to_vec1::<f32>()?)?;
        let (mut rest, mut taps) = (&means[..], Vec::new());
        for &channels in widths {
            let (tap, behind) = rest.split_at(channels);
            taps.push(Tensor::from_slice(tap, (1, channels), image.device())?);
            rest = behind;
        }
        let logits = self.network.forward_taps(&taps, Mode::Inference)?;
        Ok(Some((logits, self.network.contributions(&taps, &maps)?)))
    }

    /// Whether [`Self::forward_with_contributions`] has an answer.
    pub(in crate::model) fn has_taps(&self) -> bool {
        self.backbone.is_some()
    }

    /// Where the time of an image (size, size, 3) goes in the backbone, on one thread: the medians of `rounds` walks.
    /// `None` for a network without a backbone.
    ///
    /// # Errors
    /// When the image has another size.
    pub fn layer_timings(&self, image: &Tensor, rounds: usize) -> Result<Option<Vec<LayerTiming>>, ModelError> {
        let Some((backbone, _)) = &self.backbone else { return Ok(None) };
        Ok(Some(backbone.layer_timings(&image.flatten_all()?.to_vec1::<f32>()?, rounds)?))
    }
}
