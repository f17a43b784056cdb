//! The forward pass of both networks in candle, channels last.
//!
//! In: images (batch, height, width, 3), preprocessed. Out: logits (batch, 2), benign first. The topology says what
//! is computed; this file says how each kind of layer is.

use candle_core::{Result, Tensor};

use super::architecture::Architecture;
use super::error::ModelError;
use super::parameters::{NormPolicy, Parameters, in_backbone};
use super::topology::{
    BLOCK_POOL, BaselineNet, Block, Conv, Dense, DenseLayer, FusedNet, Norm, STEM_POOL, Tap, Topology,
};
use crate::kernels::{
    Moments, NormMode, Normalisation, average_pool_2x2, batch_norm, bias_relu, concat_channels, conv2d,
    global_average_pool, max_pool,
};
use crate::kernels::{bias, dropout, product};

/// What the network does with what it sees.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// It answers: moving moments, no dropout, no gradients.
    Inference,
    /// It learns.
    Training(Training),
}

/// What a training step needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Training {
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

    /// Its layers.
    pub(super) fn topology(&self) -> &Topology {
        &self.topology
    }

    /// The same network without the parameters of its backbone, which another form of it holds.
    pub(super) fn without_backbone(self) -> Self {
        Self { parameters: self.parameters.without_backbone(), ..self }
    }

    /// Its tensors.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// Whether what it says of an image in training depends on the others of its batch, by batch norms.
    pub fn sees_samples_together(&self) -> bool {
        matches!(self.topology, Topology::Fused(_))
    }

    /// The logits (batch, 2) of images (batch, height, width, 3).
    ///
    /// # Errors
    /// When the images' size does not fit the network.
    pub fn forward(&self, images: &Tensor, mode: Mode) -> std::result::Result<Tensor, ModelError> {
        Ok(match &self.topology {
            Topology::Baseline(net) => self.baseline(net, images, mode)?,
            Topology::Fused(net) => self.head(net, &self.taps(net, images, mode)?, mode)?,
        })
    }

    /// What the head sees of images (batch, height, width, 3): each tap pooled, (batch, channels). `None` for a
    /// network without taps.
    ///
    /// # Errors
    /// When the images' size does not fit the network.
    pub fn pooled_taps(&self, images: &Tensor, mode: Mode) -> std::result::Result<Option<Vec<Tensor>>, ModelError> {
        Ok(match &self.topology {
            Topology::Baseline(_) => None,
            Topology::Fused(net) => Some(self.taps(net, images, mode)?),
        })
    }

    /// The logits (batch, 2) from [`Network::pooled_taps`].
    ///
    /// # Errors
    /// When the taps are not those of this network.
    pub fn forward_taps(&self, taps: &[Tensor], mode: Mode) -> std::result::Result<Tensor, ModelError> {
        match &self.topology {
            Topology::Fused(net) => Ok(self.head(net, taps, mode)?),
            Topology::Baseline(_) => Err(candle_core::Error::Msg("the baseline has no taps".into()).into()),
        }
    }

    fn baseline(&self, net: &BaselineNet, images: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut x = images.clone();
        for conv in &net.blocks {
            x = max_pool(&bias_relu(&self.conv(conv, &x, mode)?, &self.get(&conv.name, "bias", mode)?)?, BLOCK_POOL)?;
        }
        let x = self.dense_relu(&net.hidden, &x.flatten_from(1)?, mode)?;
        self.dense(&net.output, &self.drop(&x, net.dropout, mode)?, mode)
    }

    fn taps(&self, net: &FusedNet, images: &Tensor, mode: Mode) -> Result<Vec<Tensor>> {
        let x = self.norm_relu(&net.stem_norm, &self.conv(&net.stem, images, mode)?, mode)?;
        let mut x = max_pool(&x, STEM_POOL)?;
        let mut taps = Vec::new();
        for Block { layers, tap, transition } in &net.blocks {
            for layer in layers {
                x = concat_channels(&x, &self.dense_layer(layer, &x, mode)?)?;
            }
            if tap.is_some() {
                taps.push(global_average_pool(&x)?);
            }
            if let Some(transition) = transition {
                let y = self.norm_relu(&transition.norm, &x, mode)?;
                // The average commutes with the 1x1 convolution, which then has a quarter of the work.
                x = self.conv(&transition.conv, &average_pool_2x2(&y)?, mode)?;
            }
        }
        Ok(taps)
    }

    fn dense_layer(&self, layer: &DenseLayer, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let y = self.conv(&layer.conv1, &self.norm_relu(&layer.norm1, x, mode)?, mode)?;
        self.conv(&layer.conv2, &self.norm_relu(&layer.norm2, &y, mode)?, mode)
    }

    fn head(&self, net: &FusedNet, taps: &[Tensor], mode: Mode) -> Result<Tensor> {
        let layers = net.blocks.iter().filter_map(|block| block.tap.as_ref());
        let mut fused: Option<Tensor> = None;
        for (Tap { dense, norm }, pooled) in layers.zip(taps) {
            let tap = self.norm(norm, &self.dense_relu(dense, pooled, mode)?, mode)?;
            fused = Some(match fused {
                None => tap,
                Some(fused) => concat_channels(&fused, &tap)?,
            });
        }
        let Some(fused) = fused else { candle_core::bail!("a network without taps") };
        let x = self.norm(&net.hidden_norm, &self.dense_relu(&net.hidden, &fused, mode)?, mode)?;
        self.dense(&net.output, &self.drop(&x, net.dropout, mode)?, mode)
    }

    /// The tensor of that name; without gradients, nothing of the forward pass is kept for a backward one.
    fn get(&self, layer: &str, ending: &str, mode: Mode) -> Result<Tensor> {
        let var = self.parameters.get(layer, ending)?;
        Ok(match mode {
            Mode::Training(_) => var.as_tensor().clone(),
            Mode::Inference => var.as_detached_tensor(),
        })
    }

    fn conv(&self, conv: &Conv, x: &Tensor, mode: Mode) -> Result<Tensor> {
        conv2d(x, &self.get(&conv.name, "weight", mode)?, conv.geometry)
    }

    fn dense(&self, dense: &Dense, x: &Tensor, mode: Mode) -> Result<Tensor> {
        bias(&self.product(dense, x, mode)?, &self.get(&dense.name, "bias", mode)?)
    }

    fn dense_relu(&self, dense: &Dense, x: &Tensor, mode: Mode) -> Result<Tensor> {
        bias_relu(&self.product(dense, x, mode)?, &self.get(&dense.name, "bias", mode)?)
    }

    fn product(&self, dense: &Dense, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let weight = self.get(&dense.name, "weight", mode)?;
        match mode {
            Mode::Training(_) => x.matmul(&weight),
            Mode::Inference => product(x, &weight),
        }
    }

    fn norm(&self, norm: &Norm, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.normalise(norm, x, mode, false)
    }

    fn norm_relu(&self, norm: &Norm, x: &Tensor, mode: Mode) -> Result<Tensor> {
        self.normalise(norm, x, mode, true)
    }

    fn normalise(&self, norm: &Norm, x: &Tensor, mode: Mode, relu: bool) -> Result<Tensor> {
        let (moments, source) = self.moments(norm, x, mode)?;
        let (gamma, beta) = (self.get(&norm.name, "weight", mode)?, self.get(&norm.name, "bias", mode)?);
        batch_norm(x, &gamma, &beta, Normalisation { moments, mode: source, epsilon: norm.epsilon, relu })
    }

    /// The moments to normalise with. In training the moving ones take a step towards the batch's.
    fn moments(&self, norm: &Norm, x: &Tensor, mode: Mode) -> Result<(Moments, NormMode)> {
        let policy = match mode {
            Mode::Inference => return Ok((self.parameters.moving(norm)?, NormMode::Moving)),
            Mode::Training(training) if in_backbone(&norm.name) => training.backbone,
            Mode::Training(training) => training.head,
        };
        self.parameters.follow(norm, &Moments::of(x)?, policy)
    }

    fn drop(&self, x: &Tensor, rate: f64, mode: Mode) -> Result<Tensor> {
        match mode {
            Mode::Training(Training { dropout: Some(seed), .. }) => dropout(x, rate, seed),
            _ => Ok(x.clone()),
        }
    }
}
