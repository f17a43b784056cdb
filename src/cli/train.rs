//! `lobule train`: images, a split and a recipe in; a run folder with weights, history and predictions out.

use std::convert::Infallible;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::cli::inputs::{SplitArguments, Unit};
use crate::cli::output::{self, Format};
use crate::cli::shard::shard_or_task;
use crate::cli::terminal::Terminal;
use crate::report::CrossValidationResults;
use crate::system::Shard;
use crate::system::allocator::keep_large_blocks;
use crate::train::{self, Config, DEFAULT_SEED, FoldSource, HeldOut, Outcome, Recipe};

/// Arguments of `lobule train`.
#[derive(Debug, Args)]
pub struct TrainArguments {
    /// Folder of the images: a BreaKHis_v1 tree, a flat folder, or one with a manifest.csv.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How to train: the report's three networks, or ours.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(Recipe::names()))]
    recipe: String,
    /// Folder of the run; it is made where it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    split: SplitArguments,
    /// What is kept together where the run makes its own split, by its seed.
    #[arg(long, value_enum, default_value_t = Unit::Case, conflicts_with = "split")]
    by: Unit,
    /// Cross-validate: hold each fold out once, into OUT/repeat-1/fold-0 and so on. A number deals the cases into so
    /// many folds by the seed; a FILE with the columns filename and fold is taken as it is.
    #[arg(long, value_name = "NUMBER|FILE", value_parser = fold_source, conflicts_with_all = ["split", "fold", "by", "all"])]
    folds: Option<FoldSource>,
    /// How often to cross-validate; each repeat counts the seed up, and deals other folds where a number was given.
    #[arg(long, default_value_t = 1, requires = "folds", value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Train one share of the runs only, I from 0 to N - 1: all runs are numbered from 0, repeat by repeat, and those whose
    /// number leaves I when it is divided by N are trained; lobule compare --pool OUT puts those of all shards together
    /// [default: the task of a Cloud Run job].
    #[arg(long, value_name = "I/N", requires = "folds", value_parser = str::parse::<Shard>)]
    shard: Option<Shard>,
    /// Train on every image and hold nothing out, for a file that is given away: nothing is measured.
    #[arg(long, conflicts_with_all = ["split", "fold", "by"])]
    all: bool,
    /// Folder of a cross-validation by the same settings, whose pooled figures the weights file is to carry.
    #[arg(long, value_name = "DIR", requires = "all", conflicts_with = "folds")]
    cross_validation: Option<PathBuf>,
    /// Tensors that the backbone starts from: DenseNet121 as safetensors or .pth of torchvision or timm, or as
    /// .keras or .h5 of Keras.
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Decides the split where none is given, start values, shuffling, augmentation and dropout.
    #[arg(long, default_value_t = DEFAULT_SEED, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Another value for the recipe, such as epochs=5 or augmentation.views=dihedral; the run's config.toml lists all.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Go on with the run in the folder, to the same result as if it had never stopped; or begin it.
    #[arg(long)]
    resume: bool,
    /// Go on without images and folders that cannot be read; they are named.
    #[arg(long)]
    skip_unreadable: bool,
}

pub(super) fn run(arguments: &TrainArguments) -> anyhow::Result<()> {
    keep_large_blocks();
    let config = arguments.config()?;
    match train::run(&config, &mut Terminal::new()?)? {
        Outcome::CrossValidation(repeats) => output::show(&CrossValidationResults(repeats), Format::Text, None),
        Outcome::Shard(Some(runs)) => output::show(runs.as_ref(), Format::Text, None),
        Outcome::Shard(None) | Outcome::Run(_) => Ok(()),
    }
}

impl TrainArguments {
    fn config(&self) -> anyhow::Result<Config> {
        let changes: Vec<&str> = self.changes.iter().map(String::as_str).collect();
        let held_out = match (&self.folds, self.split.read_warning()?.zip(self.split.describe())) {
            (Some(folds), _) => {
                HeldOut::Folds { folds: folds.clone(), repeats: self.repeats, shard: shard_or_task(self.shard)? }
            }
            (None, Some((split, name))) => HeldOut::Split { split, name },
            _ if self.all => HeldOut::Nothing { cross_validation: self.cross_validation.clone() },
            _ => match self.by {
                Unit::Case => HeldOut::ByCase,
                Unit::Image => HeldOut::ByImage,
            },
        };
        Ok(Config {
            held_out,
            init: self.init.clone(),
            seed: self.seed,
            resume: self.resume,
            skip_unreadable: self.skip_unreadable,
            ..Config::new(&self.data, Recipe::named(&self.recipe, &changes)?, &self.out)
        })
    }
}

/// Reads where folds come from: a number is how many are dealt, everything else names a file.
fn fold_source(text: &str) -> Result<FoldSource, Infallible> {
    Ok(text.parse().map_or_else(|_| FoldSource::File(text.into()), FoldSource::Dealt))
}
