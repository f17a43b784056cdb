//! `lobule train`: images, a split and a recipe in; a run folder with weights, history and predictions out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::breakhis::{Dataset, ImageFile, Part, Split};
use crate::cli::cross_validation;
use crate::cli::cross_validation::Dealing;
use crate::cli::inputs::{SplitArguments, Unit};
use crate::cli::interrupt::Interrupt;
use crate::cli::terminal::{ImageBar, Terminal};
use crate::cli::train_all;
use crate::diagnosis::{Label, RESEARCH_USE};
use crate::evaluate::{EXCHANGES, Evaluation, Figures, Measuring, open_backbone, predictions};
use crate::model::{Classifier, Network, Parameters, read_start};
use crate::report::text::evaluation as evaluation_text;
use crate::report::text::number;
use crate::system::allocator::keep_large_blocks;
use crate::train::{End, Recipe, Run, RunConfig, Samples, Start, State, TrainError, check_classes, check_memory, fit};

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
    #[arg(long, value_name = "NUMBER|FILE", conflicts_with_all = ["split", "fold", "by", "all"])]
    folds: Option<Dealing>,
    /// How often to cross-validate; each repeat counts the seed up, and deals other folds where a number was given.
    #[arg(long, default_value_t = 1, requires = "folds", value_parser = clap::value_parser!(u32).range(1..))]
    repeats: u32,
    /// Train on every image and hold nothing out, for a file that is given away: nothing is measured.
    #[arg(long, conflicts_with_all = ["split", "fold", "by"])]
    all: bool,
    /// Folder of a cross-validation by the same settings, whose pooled figures the weights file is to carry.
    #[arg(long, value_name = "DIR", requires = "all", conflicts_with = "folds")]
    cross_validation: Option<PathBuf>,
    /// Tensors that the backbone starts from: DenseNet121 in torchvision's names, safetensors.
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Decides the split where none is given, start values, shuffling, augmentation and dropout.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: u64,
    /// Another value for the recipe, such as epochs=5 or augmentation.views=dihedral; the run's config.toml lists all.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    changes: Vec<String>,
    /// Go on with the run in the folder, to the same result as if it had never stopped; or begin it.
    #[arg(long)]
    resume: bool,
    /// Go on without images that cannot be read; they are named and counted.
    #[arg(long)]
    skip_unreadable: bool,
}

/// What all trainings of one command share.
pub(super) struct Training<'a> {
    pub(super) arguments: &'a TrainArguments,
    pub(super) recipe: &'a Recipe,
    pub(super) dataset: &'a Dataset,
    pub(super) interrupt: &'a Interrupt,
}

/// One training: by which split and seed, and where it goes.
pub(super) struct Job {
    pub(super) split: Split,
    /// The split in words.
    pub(super) how: String,
    pub(super) seed: u64,
    pub(super) out: PathBuf,
}

/// A training at its end.
pub(super) struct Trained<'a> {
    pub(super) run: Run,
    pub(super) state: State,
    pub(super) parts: Parts<'a>,
}

/// The images of a run.
pub(super) struct Parts<'a> {
    pub(super) train: Vec<&'a ImageFile>,
    validation: Vec<&'a ImageFile>,
    test: Vec<&'a ImageFile>,
    /// Those of train and validation, prepared.
    samples: [Samples; 2],
    /// File names of those that could not be read.
    skipped: Vec<String>,
}

pub(super) fn run(arguments: &TrainArguments) -> anyhow::Result<()> {
    keep_large_blocks();
    let recipe = Recipe::named(&arguments.recipe, &arguments.changes)?;
    let dataset = Dataset::open(&arguments.data)?;
    let interrupt = Interrupt::listen()?;
    let training = Training { arguments, recipe: &recipe, dataset: &dataset, interrupt: &interrupt };
    if let Some(dealing) = &arguments.folds {
        return cross_validation::run(&training, dealing, arguments.repeats);
    }
    if arguments.all {
        return train_all::run(&training, arguments.cross_validation.as_deref());
    }
    let seed = arguments.seed;
    let split = match (arguments.split.read()?, arguments.by) {
        (Some(split), _) => split,
        (None, Unit::Case) => Split::by_case(&dataset, seed)?,
        (None, Unit::Image) => Split::by_image(&dataset, seed)?,
    };
    let how = arguments.split.describe().unwrap_or_else(|| format!("by {}, seed {seed}", arguments.by));
    let Trained { run, state, parts } = training.train(&Job { split, how, seed, out: arguments.out.clone() })?;
    conclude(&run, &state, &parts, arguments.init())
}

impl TrainArguments {
    pub(super) fn seed(&self) -> u64 {
        self.seed
    }

    pub(super) fn out(&self) -> &Path {
        &self.out
    }

    /// The tensors that the backbone starts from.
    pub(super) fn init(&self) -> Option<&Path> {
        self.init.as_deref()
    }

    pub(super) fn resume(&self) -> bool {
        self.resume
    }
}

impl<'a> Training<'a> {
    /// Trains to the recipe's end.
    pub(super) fn train(&self, job: &Job) -> anyhow::Result<Trained<'a>> {
        let (network, start) = self.network(job.seed)?;
        let parts = self.parts(&job.split)?;
        let config = self.config(job, start, [&parts.train, &parts.validation], parts.skipped.clone());
        let (run, before) = Run::open(&job.out, config, self.arguments.resume)?;
        job.split.write(&run.path("split.csv"))?;
        let mut state = before.unwrap_or_else(|| State::new(network, self.recipe));
        let (epochs, steps) = state.position();
        let [train, validation] = &parts.samples;
        tracing::info!("{} images to train on, {} to validate on", train.len(), validation.len());
        if !state.history().is_empty() {
            run.save(&state)?;
            tracing::info!("going on after {epochs} epochs and {steps} steps");
        }

        let mut terminal = Terminal::new(&run, self.interrupt);
        let end = fit(&mut state, self.recipe, (train, validation), job.seed, &mut terminal)?;
        drop(terminal);
        if end == End::Interrupted {
            let (epochs, steps) = state.position();
            bail!("stopped after {epochs} epochs and {steps} steps; the same command with --resume goes on from there");
        }
        Ok(Trained { run, state, parts })
    }

    /// Whether a training has been brought to its end before, by the same settings.
    pub(super) fn is_finished(&self, job: &Job) -> anyhow::Result<bool> {
        if !cross_validation::ENDS.iter().all(|file| job.out.join(file).is_file()) {
            return Ok(false);
        }
        let before = RunConfig::read(&job.out.join("config.toml"))?;
        let read = |part| -> anyhow::Result<Vec<&ImageFile>> {
            let mut images = job.split.images(self.dataset, part)?;
            images.retain(|image| !before.skipped.contains(&file_name(&image.path)));
            Ok(images)
        };
        let parts = [&read(Part::Train)?[..], &read(Part::Validation)?];
        let (_, start) = self.network(job.seed)?;
        self.config(job, start, parts, before.skipped.clone()).goes_on(&before, &job.out)?;
        Ok(true)
    }

    fn config(&self, job: &Job, start: String, parts: [&[&ImageFile]; 2], skipped: Vec<String>) -> RunConfig {
        let [train, validation] = parts;
        let split = match validation {
            [] => job.how.clone(),
            some => format!("{}; validated on {} images of {} cases", job.how, some.len(), cases(some)),
        };
        RunConfig {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: job.seed,
            data: describe(self.dataset, train),
            split,
            start,
            trained_on: case_numbers(train),
            skipped,
            recipe: self.recipe.clone(),
        }
    }

    /// The network at its start, and what that is in words.
    pub(super) fn network(&self, seed: u64) -> anyhow::Result<(Network, String)> {
        let recipe = self.recipe;
        let parameters = Parameters::initial(&recipe.architecture, seed)?;
        parameters.scale_head(recipe.head_scale)?;
        let start = match (recipe.start, &self.arguments.init) {
            (Start::Glorot, None) => "Glorot uniform".to_owned(),
            (Start::Glorot, Some(_)) => {
                bail!("the recipe {} starts from random tensors; leave --init out", recipe.name)
            }
            (Start::Imagenet, None) => return Err(TrainError::NoStart(recipe.name.clone()).into()),
            (Start::Imagenet, Some(path)) => {
                parameters.set_backbone(&read_start(path)?, &path.display().to_string())?;
                format!("backbone: {}; head: Glorot uniform", file_name(path))
            }
        };
        Ok((Network::new(recipe.architecture.clone(), parameters), start))
    }

    /// Refuses a split of which a part tells nothing: without a class, or empty. Only --all may hold nothing out.
    pub(super) fn check(&self, split: &Split) -> anyhow::Result<[Vec<&'a ImageFile>; 3]> {
        let [train, validation, test] = Part::ALL.map(|part| split.images(self.dataset, part));
        let (train, validation) = (train?, validation?);
        let labels = |images: &[&ImageFile]| images.iter().map(|image| image.label()).collect::<Vec<_>>();
        check_classes("train", &labels(&train))?;
        if !self.arguments.all {
            check_classes("validation", &labels(&validation))?;
        }
        Ok([train, validation, test?])
    }

    /// Reads all images, so that what cannot be read is told before the work.
    fn parts(&self, split: &Split) -> anyhow::Result<Parts<'a>> {
        let mut images = self.check(split)?;
        let recipe = self.recipe;
        check_memory(recipe, images[0].len() + images[1].len())?;
        let mut unreadable = Vec::new();
        let mut load = |images: &[&ImageFile]| {
            let (samples, failed) = Samples::load(images, &recipe.preprocess, &recipe.augmentation);
            unreadable.extend(failed);
            samples
        };
        let samples = [load(&images[0]), load(&images[1])];
        load(&images[2]);
        if !unreadable.is_empty() && !self.arguments.skip_unreadable {
            return Err(TrainError::Unreadable(unreadable).into());
        }
        unreadable.iter().for_each(|image| tracing::warn!("left out: {image}"));
        for images in &mut images {
            images.retain(|image| unreadable.iter().all(|unreadable| unreadable.path != image.path));
        }
        let skipped = unreadable.iter().map(|image| file_name(&image.path)).collect();
        let [train, validation, test] = images;
        Ok(Parts { train, validation, test, samples, skipped })
    }
}

/// Measures the weights that the recipe keeps as the file holds them, convolutions in f16, and writes the file with
/// these figures. `init` are the tensors that it started from, whose taps are a control.
pub(super) fn conclude(run: &Run, state: &State, parts: &Parts, init: Option<&Path>) -> anyhow::Result<()> {
    let outcome = state.outcome(&run.config().recipe)?;
    let epoch = outcome.epoch.figures.epoch;
    let mut file = run.weights_file(outcome, BTreeMap::new());
    let classifier = Classifier::from_bytes(&file.bytes()?, "the trained weights", rayon::current_num_threads())?;
    let (config, training) = (run.config(), &file.metadata.trained_on);
    let frozen = init.map(|path| open_backbone(path, &config.recipe.architecture)).transpose()?;
    let bar = ImageBar::new();
    let measuring = Measuring {
        classifier: &classifier,
        frozen: frozen.as_ref().map(|(backbone, what)| (backbone, what.clone())),
        exchanges: EXCHANGES,
        seed: 0,
        shifts: false,
        progress: &|done, of| bar.show(done, of),
    };
    let train = measuring.train_part(&parts.train)?;
    let mut last = None;
    let mut measured = BTreeMap::new();
    for (part, images) in [(Part::Validation, &parts.validation), (Part::Test, &parts.test)] {
        if images.is_empty() {
            continue;
        }
        let (predicted, shifted) = measuring.measure(images, Some(&train))?;
        predictions::write(&run.path(&format!("{part}-predictions.csv")), &predicted)?;
        let evaluation = Evaluation::of(&predicted, &shifted, training, measuring.setting(Some(&train)));
        measured.extend(figures(part, &evaluation.all.figures));
        last = Some((part, evaluation));
    }
    file.metadata.figures.extend(measured);
    let weights = run.path("weights.safetensors");
    file.write(&weights)?;
    let Some((part, evaluation)) = last else { bail!("there are no images to measure on") };
    let Figures { metrics, .. } = &evaluation.all.figures;
    tracing::info!(
        "{} holds the weights of epoch {epoch}: on the {part} part accuracy {}, NLL {}, F1 {}, ROC AUC {}. {RESEARCH_USE}",
        weights.display(),
        number(metrics.accuracy),
        number(metrics.nll),
        number(metrics.f1),
        number(metrics.roc_auc),
    );
    tracing::info!("{}", evaluation_text::tissue(&evaluation));
    Ok(())
}

/// Figures by the names that a weights file has them under.
pub(super) fn figures(of: impl std::fmt::Display, all: &Figures) -> BTreeMap<String, f64> {
    let metrics = &all.metrics;
    let figures = [
        ("accuracy", metrics.accuracy),
        ("precision", metrics.precision),
        ("recall", metrics.recall),
        ("specificity", metrics.specificity),
        ("f1", metrics.f1),
        ("nll", metrics.nll),
        ("roc_auc", metrics.roc_auc),
        ("roc_auc_within_strata", all.within_strata.roc_auc),
        ("roc_auc_exchanged", all.exchanged.roc_auc),
        ("roc_auc_exchanged_within_strata", all.exchanged.within_strata),
        ("changed", all.exchanged.changed),
        ("hard_nll", all.hard.nll),
    ];
    figures.into_iter().filter_map(|(name, value)| Some((format!("{of}_{name}"), value?))).collect()
}

fn describe(dataset: &Dataset, train: &[&ImageFile]) -> String {
    let benign = train.iter().filter(|image| image.label() == Label::Benign).count();
    // The word "pictures" stands in the shipped file, whose bytes the same training must make again.
    format!(
        "BreakHis, {} pictures; trained on {} of {} cases, {benign} benign and {} malignant",
        dataset.images().len(),
        train.len(),
        cases(train),
        train.len() - benign
    )
}

fn cases(images: &[&ImageFile]) -> usize {
    case_numbers(images).len()
}

/// The cases of some images, sorted, as a weights file names them.
fn case_numbers(images: &[&ImageFile]) -> Vec<String> {
    let cases: BTreeSet<_> = images.iter().map(|image| image.name.case()).collect();
    cases.iter().map(ToString::to_string).collect()
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
