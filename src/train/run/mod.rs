//! A training from its images to its weights file: one run, a run for each fold of a cross-validation, or a run on all
//! images.
//!
//! In: a [`Config`]. Out: folders of runs, see [`RunFolder`], and an [`Outcome`].

mod all_images;
mod calibration;
mod checkpoint;
mod compare_runs;
pub(crate) mod config;
mod cross_validated;
mod cross_validation;
pub(crate) mod folder;
mod memory_estimate;
mod quantise;
mod single_run;
mod tensorboard;

use std::path::PathBuf;

pub use calibration::{CalibrationConfig, calibrate};
pub use compare_runs::compare_runs;
pub use cross_validated::{CrossValidated, is_cross_validation, read_cross_validation};
pub use quantise::{QuantisationConfig, quantise};
pub use single_run::Finished;

use crate::breakhis::{Dataset, Split};
use crate::evaluate::comparison::Comparison;
use crate::system::Shard;
use crate::train::run::single_run::Trainer;
use crate::train::{Progress, Recipe, TrainError};

/// The seed where none is given. `lobule dataset split` has the same, so that both make one split of one data set.
pub const DEFAULT_SEED: u64 = 1;

/// What a training is asked for.
#[derive(Clone, Debug)]
pub struct Config {
    /// Folder of the images.
    pub data: PathBuf,
    /// How to train.
    pub recipe: Recipe,
    /// Folder of the run, or of the runs of a cross-validation; it is made where it is missing.
    pub out: PathBuf,
    /// Which images are not trained on.
    pub held_out: HeldOut,
    /// Tensors that the backbone starts from, where the recipe wants them.
    pub init: Option<PathBuf>,
    /// Decides the split or the folds where none are given, start values, shuffling, augmentation and dropout.
    pub seed: u64,
    /// Whether a run that is in the folder already goes on.
    pub resume: bool,
    /// Whether images and folders that cannot be read are left out; they end the training otherwise.
    pub skip_unreadable: bool,
}

/// Which images a training holds out.
#[derive(Clone, Debug)]
pub enum HeldOut {
    /// The validation and test parts of a split by case, which the seed decides.
    ByCase,
    /// Those of a split by image, which the seed decides.
    ByImage,
    /// Those of this split.
    Split {
        /// The split.
        split: Split,
        /// What it is called in the weights file.
        name: String,
    },
    /// Each fold once, in a run of its own.
    Folds {
        /// Where the folds come from.
        folds: FoldSource,
        /// How often all of this is done, each time with the next seed.
        repeats: u32,
        /// Which of the runs are trained, where other processes train the others. They are numbered from 0, repeat by repeat
        /// and fold by fold.
        shard: Option<Shard>,
    },
    /// None, so that nothing is measured.
    Nothing {
        /// Folder of a cross-validation by the same settings, whose pooled figures the weights file is to carry.
        cross_validation: Option<PathBuf>,
    },
}

/// Where the folds of a cross-validation come from.
#[derive(Clone, Debug)]
pub enum FoldSource {
    /// The seed deals the cases into so many folds.
    Dealt(u32),
    /// A file has the columns `filename` and `fold`.
    File(PathBuf),
}

/// What a training came to.
#[derive(Debug)]
pub enum Outcome {
    /// One run.
    Run(Box<Finished>),
    /// The repeats of a cross-validation.
    CrossValidation(Vec<CrossValidated>),
    /// The runs of one shard of a cross-validation side by side; none where there are more shards than runs.
    Shard(Option<Box<Comparison>>),
}

impl Config {
    /// A training from its beginning on the train part of a split by case, with the default seed.
    pub fn new(data: impl Into<PathBuf>, recipe: Recipe, out: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            recipe,
            out: out.into(),
            held_out: HeldOut::ByCase,
            init: None,
            seed: DEFAULT_SEED,
            resume: false,
            skip_unreadable: false,
        }
    }
}

/// Trains, measures what came of it and writes the folder of each run.
///
/// # Errors
/// When something that the training needs is missing or does not fit, the folder holds another run, a file cannot be
/// written, or `progress` asked to stop; then the same config with `resume` goes on.
pub fn run(config: &Config, progress: &mut dyn Progress) -> Result<Outcome, TrainError> {
    let dataset = Dataset::open(&config.data)?;
    if let Err(places) = dataset.require_whole() {
        match config.skip_unreadable {
            true => progress.warn(&places.to_string()),
            false => return Err(TrainError::Unreachable(places)),
        }
    }
    let trainer = Trainer { config, dataset: &dataset };
    let seed = config.seed;
    let job = match &config.held_out {
        HeldOut::ByCase => trainer.job(Split::by_case(&dataset, seed)?, format!("by case, seed {seed}")),
        HeldOut::ByImage => trainer.job(Split::by_image(&dataset, seed)?, format!("by image, seed {seed}")),
        HeldOut::Split { split, name } => trainer.job(split.clone(), name.clone()),
        HeldOut::Nothing { cross_validation } => all_images::job(&trainer, cross_validation.as_deref())?,
        HeldOut::Folds { folds, repeats, shard } => {
            return cross_validation::run(&trainer, folds, *repeats, *shard, progress);
        }
    };
    Ok(Outcome::Run(Box::new(trainer.run(&job, progress)?)))
}
