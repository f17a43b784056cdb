//! `lobule train`: a recipe, a folder of pictures and a split in; a run folder out.

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::split::SplitArguments;
use crate::breakhis::{Dataset, Part, Picture};
use crate::diagnosis::{RESEARCH_USE, Threshold};
use crate::evaluate::{Metrics, Scored};
use crate::model::{
    Classifier, FORMAT, Metadata, Network, Parameters, Provenance, StoredTensors, WeightsFile, read_tensors,
};
use crate::train::{Epoch, History, Outcome, Phase, Progress, Recipe, Samples, TrainError, fit};

/// Trains a network and keeps its best epoch.
#[derive(Debug, Args)]
pub struct TrainArguments {
    /// Folder of BreakHis pictures: a BreaKHis_v1 tree, a flat folder, or one with a manifest.csv
    #[arg(long, env = "LOBULE_DATA")]
    data: PathBuf,
    /// How to train
    #[arg(long, value_enum)]
    recipe: RecipeName,
    /// Folder for the weights, the history and the split; made where it is missing
    #[arg(long)]
    out: PathBuf,
    #[command(flatten)]
    split: SplitArguments,
    /// Tensors to start the backbone from: DenseNet121 in torchvision's names, safetensors
    #[arg(long)]
    init: Option<PathBuf>,
    /// Decides start values, shuffling, augmentation and dropout
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Passes over the training part, instead of the recipe's
    #[arg(long)]
    epochs: Option<usize>,
    /// Pictures in a step, instead of the recipe's
    #[arg(long)]
    batch: Option<usize>,
    /// Adam's step size at its peak, instead of the recipe's
    #[arg(long)]
    learning_rate: Option<f64>,
}

/// The recipes by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum RecipeName {
    /// Ours: a probe, then small steps of all layers from ImageNet tensors, dihedral views
    Best,
}
