//! The forward pass of both networks in candle, channels last.
//!
//! In: pictures (batch, height, width, 3), preprocessed. Out: logits (batch, 2), benign first. The topology says what
//! is computed; this file says how each kind of layer is.

use candle_core::{Result, Tensor};

use super::error::ModelError;
use super::parameters::Parameters;
use super::topology::{
    Architecture, BLOCK_POOL, BaselineNet, Block, Conv, Dense, DenseLayer, FusedNet, Norm, STEM_POOL, Tap, Topology,
};
use crate::kernels::{
    Moments, NormMode, average_pool_2x2, batch_norm, batch_norm_relu, bias, bias_relu, concat_channels, conv2d,
    dropout, global_average_pool, max_pool,
};

/// Whether the network learns from what it sees.
#[derive(Clone, Copy, Debug)]
pub enum Mode {
    /// Moving moments, no dropout.
    Inference,
    /// The batch's moments, dropout.
    Training(Training),
}

/// What a training step needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Training {
    /// Share of the moving moments that a step keeps; 0.99 in Keras.
    pub momentum: f64,
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

    /// Its tensors.
    pub fn parameters(&self) -> &Parameters {
        &self.parameters
    }

    /// The logits (batch, 2) of pictures (batch, height, width, 3).
    ///
    /// # Errors
    /// When the pictures' size does not fit the network.
    pub fn forward(&self, pictures: &Tensor, mode: Mode) -> std::result::Result<Tensor, ModelError> {
        Ok(match &self.topology {
            Topology::Baseline(net) => self.baseline(net, pictures, mode)?,
            Topology::Fused(net) => self.head(net, &self.taps(net, pictures, mode)?, mode)?,
        })
    }

    /// What the head sees of pictures (batch, height, width, 3): each tap pooled, (batch, channels). `None` for a
    /// network without taps.
    ///
    /// # Errors
    /// When the pictures' size does not fit the network.
    pub fn pooled_taps(&self, pictures: &Tensor, mode: Mode) -> std::result::Result<Option<Vec<Tensor>>, ModelError> {
        Ok(match &self.topology {
            Topology::Baseline(_) => None,
            Topology::Fused(net) => Some(self.taps(net, pictures, mode)?),
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

    fn baseline(&self, net: &BaselineNet, pictures: &Tensor, mode: Mode) -> Result<Tensor> {
        let mut x = pictures.clone();
        for conv in &net.blocks {
            x = max_pool(&bias_relu(&self.conv(conv, &x)?, self.parameters.get(&conv.name, "bias")?)?, BLOCK_POOL)?;
        }
        let x = self.dense_relu(&net.hidden, &x.flatten_from(1)?)?;
        self.dense(&net.output, &self.drop(&x, net.dropout, mode)?)
    }

    fn taps(&self, net: &FusedNet, pictures: &Tensor, mode: Mode) -> Result<Vec<Tensor>> {
        let x = self.norm_relu(&net.stem_norm, &self.conv(&net.stem, pictures)?, mode)?;
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
                x = self.conv(&transition.conv, &average_pool_2x2(&y)?)?;
            }
        }
        Ok(taps)
    }

    fn dense_layer(&self, layer: &DenseLayer, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let y = self.conv(&layer.conv1, &self.norm_relu(&layer.norm1, x, mode)?)?;
        self.conv(&layer.conv2, &self.norm_relu(&layer.norm2, &y, mode)?)
    }

    fn head(&self, net: &FusedNet, taps: &[Tensor], mode: Mode) -> Result<Tensor> {
        let layers = net.blocks.iter().filter_map(|block| block.tap.as_ref());
        let mut fused: Option<Tensor> = None;
        for (Tap { dense, norm }, pooled) in layers.zip(taps) {
            let tap = self.norm(norm, &self.dense_relu(dense, pooled)?, mode)?;
            fused = Some(match fused {
                None => tap,
                Some(fused) => concat_channels(&fused, &tap)?,
            });
        }
        let Some(fused) = fused else { candle_core::bail!("a network without taps") };
        let x = self.norm(&net.hidden_norm, &self.dense_relu(&net.hidden, &fused)?, mode)?;
        self.dense(&net.output, &self.drop(&x, net.dropout, mode)?)
    }

    fn conv(&self, conv: &Conv, x: &Tensor) -> Result<Tensor> {
        conv2d(x, self.parameters.get(&conv.name, "weight")?, conv.geometry)
    }

    fn dense(&self, dense: &Dense, x: &Tensor) -> Result<Tensor> {
        bias(&x.matmul(self.parameters.get(&dense.name, "weight")?)?, self.parameters.get(&dense.name, "bias")?)
    }

    fn dense_relu(&self, dense: &Dense, x: &Tensor) -> Result<Tensor> {
        bias_relu(&x.matmul(self.parameters.get(&dense.name, "weight")?)?, self.parameters.get(&dense.name, "bias")?)
    }

    fn norm(&self, norm: &Norm, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let (moments, norm_mode) = self.moments(norm, x, mode)?;
        let (gamma, beta) = (self.parameters.get(&norm.name, "weight")?, self.parameters.get(&norm.name, "bias")?);
        batch_norm(x, gamma, beta, moments, norm.epsilon, norm_mode)
    }

    fn norm_relu(&self, norm: &Norm, x: &Tensor, mode: Mode) -> Result<Tensor> {
        let (moments, norm_mode) = self.moments(norm, x, mode)?;
        let (gamma, beta) = (self.parameters.get(&norm.name, "weight")?, self.parameters.get(&norm.name, "bias")?);
        batch_norm_relu(x, gamma, beta, moments, norm.epsilon, norm_mode)
    }

    /// The moments to normalise with; in training they are the batch's, and the moving ones follow them.
    fn moments(&self, norm: &Norm, x: &Tensor, mode: Mode) -> Result<(Moments, NormMode)> {
        let mean = self.parameters.get(&norm.name, "running_mean")?;
        let variance = self.parameters.get(&norm.name, "running_var")?;
        let Mode::Training(training) = mode else {
            let moments = Moments { mean: mean.to_vec1()?, variance: variance.to_vec1()? };
            return Ok((moments, NormMode::Moving));
        };
        let batch = Moments::of(x)?;
        for (moving, batch) in [(mean, &batch.mean), (variance, &batch.variance)] {
            let kept: Vec<f32> = moving.to_vec1()?;
            let follow = |(old, new): (&f32, &f32)| {
                (f64::from(*old) * training.momentum + f64::from(*new) * (1.0 - training.momentum)) as f32
            };
            let moved: Vec<f32> = kept.iter().zip(batch).map(follow).collect();
            moving.set(&Tensor::from_vec(moved, norm.channels, x.device())?)?;
        }
        Ok((batch, NormMode::Batch))
    }

    fn drop(&self, x: &Tensor, rate: f64, mode: Mode) -> Result<Tensor> {
        match mode {
            Mode::Training(Training { dropout: Some(seed), .. }) => dropout(x, rate, seed),
            _ => Ok(x.clone()),
        }
    }
}
