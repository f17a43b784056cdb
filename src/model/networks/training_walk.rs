//! The training walk: [`crate::kernels::densenet::training`] over the layers of a fused network's backbone, then the
//! head in candle.
//!
//! In: images and the parameters. Out: logits and, from a loss of them, the gradients of all parameters.

use candle_core::backprop::GradStore;
use candle_core::{Result, Tensor, Var};

use crate::kernels::densenet::training::{
    BatchShape, FeatureGradient, FeatureMaps, Squeezed, Stem, Workspace, tap, transition,
};
use crate::kernels::slices::with as with_slices;
use crate::kernels::{BatchNorm, Moments, NormGradient};
use crate::model::topology::{Block, DenseLayer, FusedNet, Norm, STEM_POOL, Topology};
use crate::model::{Mode, ModelError, Network, NormPolicy, Parameters, TrainingPass};

/// A forward pass whose gradients are wanted.
pub struct Pass<'a> {
    network: &'a Network,
    logits: Tensor,
    /// What the head saw.
    taps: Vec<Var>,
    /// How that was made.
    tape: Tape,
}

impl Network {
    /// The forward pass of a training step on images (batch, height, width, 3). The moving moments take a step.
    ///
    /// # Errors
    /// When the network has no backbone, or the images' size does not fit it.
    pub fn learn(
        &self,
        images: &Tensor,
        settings: TrainingPass,
        workspace: &mut Workspace,
    ) -> std::result::Result<Pass<'_>, ModelError> {
        let Topology::Fused(net) = self.topology() else {
            return Err(candle_core::Error::Msg("the baseline has no backbone".into()).into());
        };
        let walk = TrainingWalk { net, parameters: self.parameters() };
        let (taps, tape) = walk.forward(workspace, images, settings.backbone)?;
        // The head is candle's; what it sees is a variable to it, so that candle makes its gradient.
        let vars = taps.iter().map(Var::from_tensor).collect::<Result<Vec<Var>>>()?;
        let seen: Vec<Tensor> = vars.iter().map(|var| var.as_tensor().clone()).collect();
        Ok(Pass { network: self, logits: self.forward_taps(&seen, Mode::Training(settings))?, taps: vars, tape })
    }
}

impl Pass<'_> {
    /// The logits (batch, 2), from which candle can differentiate a loss.
    pub fn logits(&self) -> &Tensor {
        &self.logits
    }

    /// The gradient of a loss of the logits, of every parameter.
    ///
    /// # Errors
    /// When candle fails.
    pub fn backward(self, loss: &Tensor, workspace: &mut Workspace) -> std::result::Result<GradStore, ModelError> {
        let mut store = loss.backward()?;
        if let Topology::Fused(net) = self.network.topology() {
            let of_tap = |var: &Var| store.remove(var).map_or_else(|| var.zeros_like(), Ok);
            let taps = self.taps.iter().map(of_tap).collect::<Result<Vec<Tensor>>>()?;
            let walk = TrainingWalk { net, parameters: self.network.parameters() };
            walk.backward(workspace, self.tape, &taps, &mut store)?;
        }
        Ok(store)
    }
}

/// What a forward pass keeps for the backward one.
struct Tape {
    images: Tensor,
    stem: Stem,
    stem_norm: BatchNorm,
    blocks: Vec<TapedBlock>,
}

struct TapedBlock {
    features: FeatureMaps,
    layers: Vec<TapedLayer>,
    transition: Option<BatchNorm>,
}

struct TapedLayer {
    /// The panel of the features that it made.
    panel: usize,
    norm1: BatchNorm,
    squeezed: Squeezed,
    norm2: BatchNorm,
}

/// A backbone's layers with its parameters.
#[derive(Clone, Copy)]
struct TrainingWalk<'a> {
    net: &'a FusedNet,
    parameters: &'a Parameters,
}

impl TrainingWalk<'_> {
    /// Each tap's means (batch, channels), and the tape. The moving moments take a step.
    fn forward(self, workspace: &mut Workspace, images: &Tensor, policy: NormPolicy) -> Result<(Vec<Tensor>, Tape)> {
        let size = sizes(images)?;
        workspace.prepare(size);
        let weight = self.weight(&self.net.stem.name)?;
        let stem = with_slices([images, &weight], |[x, weight]| {
            Stem::convolve(workspace, x, size, self.net.stem.geometry, weight)
        })?;
        let stem_norm = self.norm(&self.net.stem_norm, &stem.moments, policy)?;
        let mut features = stem.pool(workspace, &stem_norm, STEM_POOL);
        let (mut taps, mut blocks) = (Vec::new(), Vec::new());
        for Block { layers, tap, transition } in &self.net.blocks {
            let mut taped = Vec::new();
            for layer in layers {
                taped.push(self.layer(workspace, layer, &mut features, policy)?);
            }
            if tap.is_some() {
                let shape = (features.images.count, features.channels());
                taps.push(Tensor::from_vec(tap::forward(workspace, &features), shape, images.device())?);
            }
            let Some(transition) = transition else {
                blocks.push(TapedBlock { features, layers: taped, transition: None });
                return Ok((taps, Tape { images: images.clone(), stem, stem_norm, blocks }));
            };
            let norm = self.norm(&transition.norm, &features.moments, policy)?;
            let weight = self.weight(&transition.conv.name)?;
            let next = with_slices([&weight], |[weight]| transition::forward(workspace, &features, &norm, weight))?;
            blocks.push(TapedBlock { features, layers: taped, transition: Some(norm) });
            features = next;
        }
        candle_core::bail!("a network whose last block leads on")
    }

    fn layer(
        self,
        workspace: &mut Workspace,
        layer: &DenseLayer,
        features: &mut FeatureMaps,
        policy: NormPolicy,
    ) -> Result<TapedLayer> {
        let norm1 = self.norm(&layer.norm1, &features.moments, policy)?;
        let (weight1, weight2) = (self.weight(&layer.conv1.name)?, self.weight(&layer.conv2.name)?);
        let squeezed = with_slices([&weight1], |[weight]| Squeezed::forward(workspace, features, &norm1, weight))?;
        let norm2 = self.norm(&layer.norm2, &squeezed.moments, policy)?;
        let panel = features.panels.len();
        with_slices([&weight2], |[weight]| squeezed.grow(workspace, features, &norm2, weight))?;
        Ok(TapedLayer { panel, norm1, squeezed, norm2 })
    }

    /// Adds the gradient of every parameter of the backbone to `store`, from those of the taps.
    fn backward(self, workspace: &mut Workspace, tape: Tape, taps: &[Tensor], store: &mut GradStore) -> Result<()> {
        let Tape { images, stem, stem_norm, blocks } = tape;
        let mut taps = taps.iter().rev();
        let mut behind: Option<(FeatureMaps, FeatureGradient)> = None;
        for (block, taped) in self.net.blocks.iter().zip(blocks).rev() {
            let TapedBlock { features, layers, transition } = taped;
            let mut gradient = FeatureGradient::empty(workspace, &features);
            let leads_on = behind.is_some();
            if let (Some(layer), Some(norm), Some((next, upstream))) = (&block.transition, &transition, behind.take()) {
                let weight = self.weight(&layer.conv.name)?;
                let (kernel, of_norm) = with_slices([&weight], |[weight]| {
                    transition::backward(workspace, &features, norm, weight, (&next, &upstream), &mut gradient)
                })?;
                self.insert(store, &layer.conv.name, "weight", kernel)?;
                self.insert_norm(store, &layer.norm, of_norm)?;
                next.release(workspace);
                upstream.release(workspace);
            }
            if let Some(tap) = block.tap.as_ref().and_then(|_| taps.next()) {
                with_slices([tap], |[tap]| tap::backward(workspace, &features, tap, &mut gradient, leads_on))?;
            }
            for (layer, taped) in block.layers.iter().zip(layers).rev() {
                let (weight1, weight2) = (self.weight(&layer.conv1.name)?, self.weight(&layer.conv2.name)?);
                let TapedLayer { panel, norm1, squeezed, norm2 } = taped;
                let gradients = with_slices([&weight1, &weight2], |[weight1, weight2]| {
                    let first = (&norm1, weight1);
                    squeezed.backward(workspace, (&features, panel), first, (&norm2, weight2), &mut gradient)
                })?;
                self.insert_norm(store, &layer.norm1, gradients.norm1)?;
                self.insert(store, &layer.conv1.name, "weight", gradients.conv1)?;
                self.insert_norm(store, &layer.norm2, gradients.norm2)?;
                self.insert(store, &layer.conv2.name, "weight", gradients.conv2)?;
            }
            behind = Some((features, gradient));
        }
        let Some((features, gradient)) = behind else { return Ok(()) };
        let size = sizes(&images)?;
        let geometry = (self.net.stem.geometry, STEM_POOL);
        let (kernel, of_norm) = with_slices([&images], |[x]| {
            stem.backward(workspace, (x, size), geometry, &stem_norm, (&features, &gradient))
        })?;
        self.insert(store, &self.net.stem.name, "weight", kernel)?;
        self.insert_norm(store, &self.net.stem_norm, of_norm)?;
        stem.release(workspace);
        features.release(workspace);
        gradient.release(workspace);
        Ok(())
    }

    fn weight(self, layer: &str) -> Result<Tensor> {
        Ok(self.parameters.get(layer, "weight")?.as_detached_tensor())
    }

    fn norm(self, norm: &Norm, batch: &Moments, policy: NormPolicy) -> Result<BatchNorm> {
        let (moments, mode) = self.parameters.follow(norm, batch, policy)?;
        self.parameters.batch_norm(norm, &moments, mode)
    }

    fn insert_norm(self, store: &mut GradStore, norm: &Norm, gradient: NormGradient) -> Result<()> {
        self.insert(store, &norm.name, "weight", gradient.gamma)?;
        self.insert(store, &norm.name, "bias", gradient.beta)
    }

    fn insert(self, store: &mut GradStore, layer: &str, ending: &str, gradient: Vec<f32>) -> Result<()> {
        let var = self.parameters.get(layer, ending)?;
        store.insert(var, Tensor::from_vec(gradient, var.shape(), var.device())?);
        Ok(())
    }
}

fn sizes(images: &Tensor) -> Result<BatchShape> {
    let (count, height, width, _) = images.dims4()?;
    Ok(BatchShape { count, height, width })
}
