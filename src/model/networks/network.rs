//! A network: its layers, its parameters, and the forward pass of what has no backbone in it, in candle, channels last.
//!
//! In: preprocessed images (batch, height, width, 3) for the baseline, or the taps that a walk through the backbone
//! made for the fused network's head. Out: logits (batch, 2), benign first. The topology says what is computed; this
//! file says how each kind of layer is.

use candle_core::{Error, Result, Tensor};

use crate::kernels::ops::{batch_norm, bias, bias_relu, conv2d, dropout, max_pool, product};
use crate::kernels::{Moments, NormMode};
use crate::model::topology::{BLOCK_POOL, BaselineNet, Dense, FusedNet, Norm, Tap, Topology};
use crate::model::{Architecture, ModelError, NormPolicy, Parameters};

type AddBias = fn(&Tensor, &Tensor) -> Result<Tensor>;

/// What the network does with what it sees.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// It classifies: moving moments, no dropout, no gradients.
    Inference,
    /// It learns.
    Training(TrainingPass),
}

/// What the forward pass of a training step needs to know.
#[derive(Clone, Copy, Debug)]
pub struct TrainingPass {
    /// How the layers under `features.` normalise.
    pub backbone: NormPolicy,
    /// How the others do.
    pub head: NormPolicy,
    /// Decides what this step's dropout drops; `None` for no dropout.
    pub dropout: Option<u64>,
}

/// A network and its parameters.
pub struct Network {
    architecture: Architecture,
    topology: Topology,
    parameters: Parameters,
}

impl Network {
    /// Builds the network around its parameters.
    pub fn new(architecture: Architecture, parameters: Parameters) -> Self {
        Self { topology: architecture.topology(), architecture, parameters }
    }

    /// Its description.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    pub(in crate::model) fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The same network without the parameters of its backbone, which an inference walk holds in its own form.
    pub(super) fn without_backbone(&self) -> Self {
        Self::new(self.architecture.clone(), self.parameters.without_backbone())
    }

    /// Its tensors.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Whether what it says of an image in training depends on the others of its batch, by batch norms.
    pub fn sees_samples_together(&self) -> bool {
        matches!(self.topology, Topology::Fused(_))
    }

    /// The logits (batch, 2) that the baseline makes of images (batch, height, width, 3).
    ///
    /// # Errors
    /// When the images' size does not fit the network, or the network has a backbone: then
    /// [`super::InferenceNetwork::forward`] classifies, and [`Network::learn`] learns.
    pub fn forward_baseline(&self, images: &Tensor, mode: Mode) -> std::result::Result<Tensor, ModelError> {
        match &self.topology {
            Topology::Baseline(net) => Ok(self.baseline(net, images, mode)?),
            Topology::Fused(_) => Err(Error::Msg("the network is not the baseline".into()).into()),
        }
    }

    /// The logits (batch, 2) that the head makes of what it sees: each tap's means, (batch, channels).
    ///
    /// # Errors
    /// When the taps are not those of this network.
    pub fn forward_taps(&self, taps: &[Tensor], mode: Mode) -> std::result::Result<Tensor, ModelError> {
        match &self.topology {
            Topology::Fused(net) => Ok(self.head(net, taps, mode)?),
            Topology::Baseline(_) => Err(Error::Msg("the baseline has no taps".into()).into()),
        }
    }

    fn baseline(&self, net: &BaselineNet, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut x = images.clone();
        for conv in &net.blocks {
            let convolved = conv2d(&x, &self.get(&conv.name, "weight", mode)?, conv.geometry)?;
            x = max_pool(&bias_relu(&convolved, &self.get(&conv.name, "bias", mode)?)?, BLOCK_POOL)?;
        }
        let x = self.dense(bias_relu, &net.hidden, &x.flatten_from(1)?, mode)?;
        self.dense(bias, &net.output, &self.drop(&x, net.dropout, mode)?, mode)
    }

    fn head(&self, net: &FusedNet, taps: &[Tensor], mode: Mode) -> Result<Tensor> {
        let layers = net.blocks.iter().filter_map(|block| block.tap.as_ref());
        let reduced = layers
            .zip(taps)
            .map(|(Tap { dense, norm }, pooled)| self.norm(norm, &self.dense(bias_relu, dense, pooled, mode)?, mode));
        let fused = Tensor::cat(&reduced.collect::<Result<Vec<_>>>()?, 1)?;
        let x = self.norm(&net.hidden_norm, &self.dense(bias_relu, &net.hidden, &fused, mode)?, mode)?;
        self.dense(bias, &net.output, &self.drop(&x, net.dropout, mode)?, mode)
    }

    /// The tensor of that name; without gradients, nothing of the forward pass is kept for a backward one.
    fn get(&self, layer: &str, ending: &str, mode: Mode) -> Result<Tensor> {
        let var = self.parameters.get(layer, ending)?;
        Ok(match mode {
            Mode::Training(_) => var.as_tensor().clone(),
            Mode::Inference => var.as_detached_tensor(),
        })
    }

    /// A dense layer; `add` is [`bias`] or [`bias_relu`].
    fn dense(&self, add: AddBias, dense: &Dense, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let weight = self.get(&dense.name, "weight", mode)?;
        let y = match mode {
            Mode::Training(_) => x.matmul(&weight)?,
            Mode::Inference => product(x, &weight)?,
        };
        add(&y, &self.get(&dense.name, "bias", mode)?)
    }

    fn norm(&self, norm: &Norm, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let (moments, source) = match mode {
            Mode::Inference => (self.parameters.moving(norm)?, NormMode::Moving),
            // The moving moments take a step towards the batch's.
            Mode::Training(pass) => self.parameters.follow(norm, &Moments::of(x)?, pass.head)?,
        };
        let (gamma, beta) = (self.get(&norm.name, "weight", mode)?, self.get(&norm.name, "bias", mode)?);
        batch_norm(x, &gamma, &beta, self.parameters.batch_norm(norm, &moments, source)?)
    }

    fn drop(&self, x: &Tensor, rate: f64, mode: Mode) -> Result<Tensor> {
        match mode {
            Mode::Training(TrainingPass { dropout: Some(seed), .. }) => dropout(x, rate, seed),
            _ => Ok(x.clone()),
        }
    }
}
