//! What several commands take: a network, a split, images, a shard.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use crate::breakhis::Split;
use crate::cli::variable;
use crate::cli::weights::WeightsArguments;
use crate::model::Classifier;
use crate::system::Shard;

impl WeightsArguments {
    /// Loads the network, for as many threads as there are for everything else.
    pub(super) fn classifier(&self) -> anyhow::Result<Classifier> {
        Ok(Classifier::load(self.path(), rayon::current_num_threads())?)
    }
}

/// The unit of a split.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum Unit {
    /// All images of a person stay in one part, so that nothing leaks.
    Case,
    /// Every image by itself, as most papers do; images of one person land on both sides.
    Image,
}

/// Which split of the data.
#[derive(Debug, Args)]
pub(super) struct SplitArguments {
    /// Split file, as `lobule dataset split` writes it; or a file of folds, such as Kaggle's Folds.csv, together with
    /// --fold.
    #[arg(long, value_name = "FILE")]
    split: Option<PathBuf>,
    /// The fold to hold out: it is the validation part, and all other images are the train part.
    #[arg(long, value_name = "NUMBER", requires = "split")]
    pub(super) fold: Option<u32>,
}

impl SplitArguments {
    /// Reads the split, where one was asked for.
    pub(super) fn read(&self) -> anyhow::Result<Option<Split>> {
        let read = |path: &PathBuf| match self.fold {
            Some(fold) => Split::from_folds(path, fold),
            None => Split::read(path),
        };
        Ok(self.split.as_ref().map(read).transpose()?)
    }

    /// The same for a training or a measurement, with a warning where the split leaks.
    pub(super) fn read_warning(&self) -> anyhow::Result<Option<Split>> {
        let split = self.read()?;
        if let Some(shared) = split.as_ref().and_then(|split| split.shared_cases().ok()) {
            warn_of_shared_cases(shared.len());
        }
        Ok(split)
    }

    /// The split in words that fit a model card: the file's name and the fold that was held out.
    pub(super) fn describe(&self) -> Option<String> {
        let name = self.split.as_ref()?.file_name()?.to_string_lossy().into_owned();
        Some(self.fold.map_or_else(|| name.clone(), |fold| format!("{name}, fold {fold} held out")))
    }
}

/// Says that a split leaks, where it does.
pub(super) fn warn_of_shared_cases(cases: usize) {
    if cases > 0 {
        tracing::warn!(
            "{cases} cases have images in more than one part, so figures from this split flatter; `lobule dataset split \
             --by case` keeps them apart"
        );
    }
}

/// Tensors of a backbone.
#[derive(Debug, Args)]
pub(super) struct InitArguments {
    /// Tensors of a backbone that has seen none of the images, whose taps are a control: DenseNet121 as safetensors or
    /// .pth of torchvision or timm, or as .keras or .h5 of Keras. Without it, the taps of the measured network.
    #[arg(long, env = "LOBULE_INIT", value_name = "FILE")]
    init: Option<PathBuf>,
}

impl InitArguments {
    /// The file, where one was named.
    pub(super) fn path(&self) -> Option<&Path> {
        self.init.as_deref()
    }
}

/// The shard that was asked for; without one that of a task of a Cloud Run job with several of them.
///
/// # Errors
/// When the variables of such a task are no numbers of a shard.
pub(super) fn shard_or_task(asked: Option<Shard>) -> anyhow::Result<Option<Shard>> {
    if asked.is_some() {
        return Ok(asked);
    }
    let (index, count) = (variable("CLOUD_RUN_TASK_INDEX")?, variable("CLOUD_RUN_TASK_COUNT")?);
    let (Some(index), Some(count)) = (index, count) else { return Ok(None) };
    let shard: Shard = format!("{index}/{count}")
        .parse()
        .map_err(|reason| anyhow::anyhow!("CLOUD_RUN_TASK_INDEX and CLOUD_RUN_TASK_COUNT: {reason}"))?;
    Ok(Some(shard).filter(|shard| shard.count > 1))
}
