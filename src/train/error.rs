//! What stops a training.

use std::path::PathBuf;

use crate::kernels::LevelError;
use crate::model::ModelError;
use crate::pixels::PixelsError;

/// What stops a training.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A part that training needs holds nothing.
    #[error("the {0} part holds no pictures; check the split")]
    EmptyPart(&'static str),
    /// Nothing can be learned from one class.
    #[error("the {part} part holds {benign} benign and {malignant} malignant pictures; both classes are needed")]
    OneClass {
        /// `train` or `validation`.
        part: &'static str,
        /// Benign pictures.
        benign: usize,
        /// Malignant pictures.
        malignant: usize,
    },
    /// The recipe starts from tensors that were not given.
    #[error(
        "the recipe {0} starts from ImageNet tensors; name a safetensors file of DenseNet121 in torchvision's names \
         with --init"
    )]
    NoStart(String),
    /// The loss is no longer a number.
    #[error("the loss became {loss} in epoch {epoch}; lower the learning rate")]
    Diverged {
        /// The epoch, from 1.
        epoch: usize,
        /// The loss.
        loss: f64,
    },
    /// A file of the run cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A picture cannot be read.
    #[error(transparent)]
    Pixels(#[from] PixelsError),
    /// The network or its weights file.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The vector instructions that the environment asks for.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// candle refused an operation: a fault of this program, not of the user.
    #[error("a training step failed: {0}")]
    Candle(#[from] candle_core::Error),
}
