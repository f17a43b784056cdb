//! The inference walk: the backbone as [`InferenceBackbone`] lays it out, then the head in candle.
//!
//! In: a [`Network`], and images. Out: logits.

use candle_core::{Error, Tensor};

use crate::kernels::densenet::inference::{
    BackboneWeights, BlockWeights, FoldedNorm, InferenceBackbone, LayerWeights, QuantisedKernel, StemWeights,
    TransitionWeights,
};
use crate::kernels::{LayerTiming, Level};
use crate::model::networks::contributions::Contributions;
use crate::model::topology::{Conv, DenseLayer, FusedNet, Norm, STEM_POOL, Topology, Transition};
use crate::model::{Mode, ModelError, Network, Parameters, QuantisedConv, QuantisedConvs};

/// A network that only classifies. The fused one is laid out for images of one size; the baseline stays as it is.
pub struct InferenceNetwork {
    /// The network; where there is a backbone, only its head still has parameters.
    network: Network,
    backbone: Option<(InferenceBackbone, Vec<PooledBlock>)>,
}

/// A dense block whose channels are averaged.
struct PooledBlock {
    channels: usize,
    /// Whether the head sees it.
    tap: bool,
}

/// Which dense blocks are averaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::model) enum Pooling {
    /// The taps, which the head sees.
    Taps,
    /// All, for what is measured beside the head's answer.
    EveryBlock,
}

/// The backbone's weights, its norms with moving moments as one scale and one shift each; the kernels of its dense layers
/// are what `of_layers` says.
fn backbone_weights<K>(
    net: &FusedNet,
    parameters: &Parameters,
    pooling: Pooling,
    of_layers: impl Fn(&Conv) -> Result<K, Error>,
) -> Result<BackboneWeights<K>, Error> {
    let norm = |norm: &Norm| folded(norm, parameters);
    let layer = |layer: &DenseLayer| {
        let DenseLayer { norm1, conv1, norm2, conv2 } = layer;
        let (norm1, norm2) = (norm(norm1)?, norm(norm2)?);
        Ok::<_, Error>(LayerWeights { norm1, conv1: of_layers(conv1)?, norm2, conv2: of_layers(conv2)? })
    };
    let transition =
        |t: &Transition| Ok::<_, Error>(TransitionWeights { norm: norm(&t.norm)?, conv: kernel(&t.conv, parameters)? });
    let mut blocks = Vec::new();
    for block in &net.blocks {
        let layers = block.layers.iter().map(layer).collect::<Result<_, Error>>()?;
        let transition = block.transition.as_ref().map(transition).transpose()?;
        let tap = block.tap.is_some();
        blocks.push(BlockWeights { layers, pooled: tap || pooling == Pooling::EveryBlock, tap, transition });
    }
    let stem = StemWeights {
        conv: net.stem.geometry,
        kernel: kernel(&net.stem, parameters)?,
        norm: norm(&net.stem_norm)?,
        pool: STEM_POOL,
    };
    Ok(BackboneWeights { stem, blocks })
}

fn kernel(conv: &Conv, parameters: &Parameters) -> Result<Tensor, Error> {
    Ok(parameters.get(&conv.name, "weight")?.as_detached_tensor())
}

/// A convolution's whole numbers.
fn quantised_kernel(conv: &Conv, convs: &QuantisedConvs) -> Result<QuantisedKernel, Error> {
    let QuantisedConv { weights, steps, scales, shifts } =
        convs.get(&conv.name).ok_or_else(|| Error::Msg(format!("no whole numbers of {}", conv.name)))?;
    let finish = FoldedNorm { scale: scales.clone(), shift: shifts.clone() };
    Ok(QuantisedKernel { weights: weights.clone(), steps: steps.clone(), finish })
}

/// A norm with moving moments as one scale and one shift.
pub(in crate::model) fn folded(norm: &Norm, parameters: &Parameters) -> Result<FoldedNorm, Error> {
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
        Self::pooling(Pooling::Taps, network, None, size, level, threads)
    }

    /// The same with a choice of what is averaged, and in whole numbers where those of the dense layers are given.
    pub(in crate::model) fn pooling(
        pooling: Pooling,
        network: &Network,
        quantised: Option<&QuantisedConvs>,
        size: usize,
        level: Level,
        threads: usize,
    ) -> Result<Self, ModelError> {
        let head = network.without_backbone();
        let Topology::Fused(net) = network.topology() else { return Ok(Self { network: head, backbone: None }) };
        let parameters = network.parameters();
        let backbone = match quantised {
            None => {
                let weights = backbone_weights(net, parameters, pooling, |conv| kernel(conv, parameters))?;
                InferenceBackbone::new(&weights, size, level, threads)
            }
            Some(convs) => {
                let weights = backbone_weights(net, parameters, pooling, |conv| quantised_kernel(conv, convs))?;
                InferenceBackbone::quantised(&weights, size, level, threads)
            }
        };
        let blocks = net.blocks.iter().zip(network.architecture().channels_of_blocks());
        let pooled = blocks
            .map(|(block, channels)| PooledBlock { channels, tap: block.tap.is_some() })
            .filter(|block| block.tap || pooling == Pooling::EveryBlock);
        Ok(Self { network: head, backbone: Some((backbone?, pooled.collect())) })
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
        let (logits, blocks) = self.forward_with_blocks(images)?;
        Ok((logits, blocks.map(|blocks| self.taps_of(&blocks))))
    }

    /// The logits, and the means of each block that is pooled, (batch, channels). No means for a network without taps.
    pub(in crate::model) fn forward_with_blocks(
        &self,
        images: &Tensor,
    ) -> Result<(Tensor, Option<Vec<Tensor>>), ModelError> {
        let blocks = self.pooled_blocks(images)?;
        let logits = match &blocks {
            Some(blocks) => self.network.forward_taps(&self.taps_of(blocks), Mode::Inference),
            None => self.network.forward_baseline(images, Mode::Inference),
        };
        Ok((logits?, blocks))
    }

    /// What the head sees of images (batch, size, size, 3): each tap's means, (batch, channels). `None` for a network
    /// without taps.
    ///
    /// # Errors
    /// When the images have another size.
    pub fn pooled_taps(&self, images: &Tensor) -> Result<Option<Vec<Tensor>>, ModelError> {
        Ok(self.pooled_blocks(images)?.map(|blocks| self.taps_of(&blocks)))
    }

    /// The means of each block that is pooled, (batch, channels).
    pub(in crate::model) fn pooled_blocks(&self, images: &Tensor) -> Result<Option<Vec<Tensor>>, ModelError> {
        let Some((backbone, blocks)) = &self.backbone else { return Ok(None) };
        let pooled = images.contiguous()?.apply_op1_no_bwd(backbone)?;
        let mut means = Vec::new();
        let mut from = 0;
        for PooledBlock { channels, .. } in blocks {
            means.push(pooled.narrow(1, from, *channels)?.contiguous()?);
            from += channels;
        }
        Ok(Some(means))
    }

    /// Those of the pooled blocks that the head sees.
    pub(in crate::model) fn taps_of(&self, pooled: &[Tensor]) -> Vec<Tensor> {
        let blocks = self.backbone.iter().flat_map(|(_, blocks)| blocks);
        pooled.iter().zip(blocks).filter(|(_, block)| block.tap).map(|(means, _)| means.clone()).collect()
    }

    /// The logits (1, 2) of one image (1, size, size, 3), the means of each block that is pooled, and its margin's
    /// [`Contributions`]. `None` for a network without taps.
    pub(in crate::model) fn forward_with_contributions(
        &self,
        image: &Tensor,
    ) -> Result<Option<(Tensor, Vec<Tensor>, Contributions)>, ModelError> {
        let Some((backbone, blocks)) = &self.backbone else { return Ok(None) };
        let (means, maps) = backbone.taps_with_maps(&image.flatten_all()?.to_vec1::<f32>()?)?;
        let (mut rest, mut pooled) = (&means[..], Vec::new());
        for PooledBlock { channels, .. } in blocks {
            let (block, behind) = rest.split_at(*channels);
            pooled.push(Tensor::from_slice(block, (1, *channels), image.device())?);
            rest = behind;
        }
        let taps = self.taps_of(&pooled);
        let logits = self.network.forward_taps(&taps, Mode::Inference)?;
        let contributions = self.network.contributions(&taps, &maps)?;
        Ok(Some((logits, pooled, contributions)))
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
