//! What stops a training.

use std::fmt::Display;
use std::path::PathBuf;

use crate::breakhis::BreakhisError;
use crate::evaluate::{EvaluateError, FailedImage, lines};
use crate::interchange::InterchangeError;
use crate::model::ModelError;
use crate::pixels::PixelsError;

/// What stops a training.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrainError {
    /// A part that training needs holds nothing.
    #[error("the {0} part holds no images; check the split")]
    EmptyPart(&'static str),
    /// A part, `train` or `validation`, whose benign and malignant images are of one class: nothing can be learned.
    #[error("the {0} part holds {1} benign and {2} malignant images; both classes are needed")]
    OneClass(&'static str, usize, usize),
    /// A recipe by its name, and what of it needs a validation part, where nothing is held out.
    #[error(
        "the recipe {0} decides by the validation part ({1}), and nothing is held out; train it on a split, or by a \
         recipe that keeps the weights of its last epoch, such as best"
    )]
    NothingHeldOut(String, &'static str),
    /// A recipe that cannot be followed.
    #[error("the recipe {name}: {reason}")]
    Recipe {
        /// Its name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Images that cannot be read.
    #[error(
        "{} images cannot be read; mend or remove them, or go on without them by --skip-unreadable:{}",
        .0.len(), lines(.0)
    )]
    Unreadable(Vec<FailedImage>),
    /// A part of the data set's folder cannot be looked into.
    #[error("{0}\n--skip-unreadable goes on without what may be there")]
    Unreachable(BreakhisError),
    /// A training that does not fit into memory.
    #[error(
        "the training needs about {needed} MiB of memory, and there are {available}; batches smaller than {batch} need \
         less (--set batch=...)"
    )]
    Memory {
        /// MiB that it needs.
        needed: usize,
        /// MiB that there are.
        available: usize,
        /// Samples in a step.
        batch: usize,
    },
    /// A run that is not to be overwritten.
    #[error("{} holds a run already; --resume goes on with it, and another --out begins a new one", .0.display())]
    RunExists(PathBuf),
    /// Another process trains in the folder.
    #[error("another training is at work in {}; wait for its end, or give another --out", .0.display())]
    Busy(PathBuf),
    /// A folder of runs, or a file in one, is not what is needed.
    #[error("{} {reason}", path.display())]
    Unusable {
        /// The folder or file.
        path: PathBuf,
        /// What is wrong with it, as a predicate: "has not ended".
        reason: String,
    },
    /// The training was asked to stop, and can go on.
    #[error("stopped {0}; the same command with --resume goes on from there")]
    Interrupted(String),
    /// What trains nothing was asked to stop, and cannot go on.
    #[error("stopped {0}; nothing was written, and the same command begins anew")]
    Stopped(String),
    /// The seed cannot be counted up for the repeats of a cross-validation.
    #[error("the seed {0} is too large to be counted up by --repeats")]
    Seed(u64),
    /// What went wrong in one of several runs, or with one of several files.
    #[error("{place}")]
    Within {
        /// Which run or file.
        place: String,
        /// What went wrong.
        source: Box<TrainError>,
    },
    /// No epoch is over yet.
    #[error("no epoch is over yet")]
    NoEpoch,
    /// The recipe starts from tensors that were not given.
    #[error(
        "the recipe {0} starts from ImageNet tensors; name a file of DenseNet121's tensors with --init (safetensors or \
         .pth of torchvision or timm, .keras or .h5 of Keras)"
    )]
    NoStart(String),
    /// Tensors were given to a recipe that does not start from any.
    #[error("the recipe {0} starts from random tensors; leave --init out")]
    NeedlessStart(String),
    /// The loss is no longer a number, in an epoch that is counted from 1.
    #[error("the loss became {0} in epoch {1}; lower the learning rate")]
    Diverged(f64, usize),
    /// A file of the run cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The data set, its split or its folds.
    #[error(transparent)]
    Breakhis(#[from] BreakhisError),
    /// What the trained network was measured by.
    #[error(transparent)]
    Evaluate(#[from] EvaluateError),
    /// An image cannot be read.
    #[error(transparent)]
    Pixels(#[from] PixelsError),
    /// The network or its weights file.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// The file that it was to start from.
    #[error(transparent)]
    Interchange(#[from] InterchangeError),
    /// candle refused an operation: a fault of this program, not of the user.
    #[error("a training step failed: {0}")]
    Candle(#[from] candle_core::Error),
}

impl TrainError {
    /// Makes the error of a file that cannot be written from what the system said.
    pub(crate) fn write(path: impl Into<PathBuf>) -> impl Fn(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::File { action: "write", path: path.clone(), source }
    }

    pub(crate) fn unusable(path: impl Into<PathBuf>, reason: impl Into<String>) -> Self {
        Self::Unusable { path: path.into(), reason: reason.into() }
    }

    pub(crate) fn within(self, place: impl Display) -> Self {
        Self::Within { place: place.to_string(), source: Box::new(self) }
    }
}
