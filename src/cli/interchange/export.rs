//! `lobule export`.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::cli::output::{check_other_file, check_writable};
use crate::cli::weights::WeightsArguments;
use crate::interchange::{InterchangeError, OnnxParts, onnx, torchvision};
use crate::model::{KEY, WeightsFile, write_tensors};
use crate::system::write_whole;

/// Arguments of `lobule export`.
#[derive(Debug, Args)]
#[group(id = "target", required = true, multiple = true, args = ["onnx", "torchvision"])]
pub struct ExportArguments {
    /// Write the network as an ONNX file: from images of R, G and B from 0 to 255, f32 (batch, 3, size, size), which have
    /// been resized, to the probabilities of benign and malignant.
    #[arg(long, value_name = "FILE")]
    onnx: Option<PathBuf>,
    /// Write the backbone of a DenseNet as safetensors in torchvision's names.
    #[arg(long, value_name = "FILE")]
    torchvision: Option<PathBuf>,
    /// Leave scaling, the stretch of colours and normalisation out of the ONNX file, which then takes images that have
    /// been preprocessed.
    #[arg(long, requires = "onnx")]
    without_preprocess: bool,
    /// Leave temperature and softmax out of the ONNX file, which then gives logits.
    #[arg(long, requires = "onnx")]
    logits: bool,
    #[command(flatten)]
    weights: WeightsArguments,
}

pub(in crate::cli) fn export(arguments: &ExportArguments) -> anyhow::Result<()> {
    let targets = [&arguments.onnx, &arguments.torchvision];
    for target in targets.into_iter().flatten() {
        arguments.weights.path().map_or(Ok(()), |weights| check_other_file(weights, target))?;
        check_writable(target)?;
    }
    let (file, id) = WeightsFile::load(arguments.weights.path())?;
    // Both are made before one is written, so that a network that is refused leaves nothing.
    let backbone =
        arguments.torchvision.as_ref().map(|path| Ok::<_, InterchangeError>((path, torchvision(&file, &id)?)));
    let backbone = backbone.transpose()?;
    if let Some(path) = &arguments.onnx {
        let parts = OnnxParts { preprocess: !arguments.without_preprocess, softmax: !arguments.logits };
        write_whole(path, &onnx(&file, &id, parts)?).with_context(|| format!("cannot write {}", path.display()))?;
    }
    if let Some((path, (tensors, description))) = backbone {
        write_tensors(path, &tensors, (KEY, description))?;
    }
    Ok(())
}
