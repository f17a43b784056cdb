//! The plain walk through the fused network's backbone, one of candle's own operators after the other, channels first:
//! what the program's two walks are held to. The head is the program's.

use candle_core::{Result, Tensor};
use lobule::kernels::NormMode;
use lobule::model::{Architecture, Mode, ModelError, Network, NormPolicy};

/// Keras's for its DenseNet.
const EPSILON: f64 = 1.001e-5;

/// The logits (batch, 2) of images (batch, height, width, 3), from which candle makes the gradients of all parameters.
/// In training the moving moments take a step.
pub(crate) fn forward(network: &Network, images: &Tensor, mode: Mode) -> std::result::Result<Tensor, ModelError> {
    network.forward_taps(&PlainWalk { network, mode }.taps(images)?, mode)
}

struct PlainWalk<'a> {
    network: &'a Network,
    mode: Mode,
}

impl PlainWalk<'_> {
    fn taps(&self, images: &Tensor) -> Result<Vec<Tensor>> {
        let Architecture::Fused(net) = self.network.architecture() else { candle_core::bail!("no backbone") };
        let x = self.conv("conv0", &images.permute((0, 3, 1, 2))?.contiguous()?, 7, 2)?;
        let mut x = maximum(&self.norm_relu("norm0", &x)?)?;
        let mut taps = Vec::new();
        for (number, depth) in (1..).zip(&net.blocks) {
            for layer in 1..=*depth {
                let layer = format!("denseblock{number}.denselayer{layer}");
                let y = self.norm_relu(&format!("{layer}.norm1"), &x)?;
                let y = self.norm_relu(&format!("{layer}.norm2"), &self.conv(&format!("{layer}.conv1"), &y, 1, 1)?)?;
                x = Tensor::cat(&[&x, &self.conv(&format!("{layer}.conv2"), &y, 3, 1)?], 1)?;
            }
            if number > 1 {
                taps.push(x.mean((2, 3))?);
            }
            if number < net.blocks.len() {
                let y = self.norm_relu(&format!("transition{number}.norm"), &x)?;
                x = average(&self.conv(&format!("transition{number}.conv"), &y, 1, 1)?)?;
            }
        }
        Ok(taps)
    }

    fn get(&self, layer: &str, ending: &str) -> Result<Tensor> {
        let var = self.network.parameters().get(&format!("features.{layer}"), ending)?;
        Ok(match self.mode {
            Mode::Training(_) => var.as_tensor().clone(),
            Mode::Inference => var.as_detached_tensor(),
        })
    }

    fn conv(&self, name: &str, x: &Tensor, kernel: usize, stride: usize) -> Result<Tensor> {
        let weight = self.get(name, "weight")?;
        let weight = weight.reshape((kernel, kernel, x.dim(1)?, weight.dim(1)?))?.permute((3, 2, 0, 1))?;
        x.conv2d(&weight.contiguous()?, kernel / 2, stride, 1, 1)
    }

    fn norm_relu(&self, name: &str, x: &Tensor) -> Result<Tensor> {
        let channelwise = |tensor: &Tensor| tensor.reshape((1, (), 1, 1));
        // Copies, as the variables take their step below.
        let moving = |ending| channelwise(&self.get(name, ending)?.detach().copy()?);
        let (mut mean, mut variance) = (moving("running_mean")?, moving("running_var")?);
        if let Mode::Training(pass) = self.mode {
            let NormPolicy { source, momentum } = pass.backbone;
            let batch_mean = x.mean_keepdim((0, 2, 3))?;
            let batch_variance = x.broadcast_sub(&batch_mean)?.sqr()?.mean_keepdim((0, 2, 3))?;
            for (ending, old, new) in
                [("running_mean", &mean, &batch_mean), ("running_var", &variance, &batch_variance)]
            {
                let moved = ((old * momentum)? + (new.detach() * (1.0 - momentum))?)?.flatten_all()?;
                self.network.parameters().get(&format!("features.{name}"), ending)?.set(&moved)?;
            }
            if source == NormMode::Batch {
                (mean, variance) = (batch_mean, batch_variance);
            }
        }
        let normed = x.broadcast_sub(&mean)?.broadcast_div(&(variance + EPSILON)?.sqrt()?)?;
        let (gamma, beta) = (channelwise(&self.get(name, "weight")?)?, channelwise(&self.get(name, "bias")?)?);
        normed.broadcast_mul(&gamma)?.broadcast_add(&beta)?.relu()
    }
}

/// Of windows of 3x3 pixels, two apart, with a border of zeros; candle's own has no gradient for windows that overlap.
fn maximum(x: &Tensor) -> Result<Tensor> {
    let mut x = x.pad_with_zeros(2, 1, 1)?.pad_with_zeros(3, 1, 1)?;
    for axis in [2, 3] {
        let last = x.dim(axis)? as u32 - 2;
        let every_other = |from| x.index_select(&Tensor::arange_step(from, from + last, 2, x.device())?, axis);
        x = every_other(0)?.maximum(&every_other(1)?)?.maximum(&every_other(2)?)?;
    }
    Ok(x)
}

/// Of windows of 2x2 pixels, an odd last row or column left out; candle's own gradient is wrong where there is one.
fn average(x: &Tensor) -> Result<Tensor> {
    let (batch, channels, height, width) = x.dims4()?;
    let x = x.narrow(2, 0, height / 2 * 2)?.narrow(3, 0, width / 2 * 2)?;
    x.reshape((batch, channels, height / 2, 2, width / 2, 2))?.mean((3, 5))
}
