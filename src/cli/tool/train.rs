//! `lobule train`: pictures, a split and a recipe in; a run folder with weights, history and predictions out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::evaluate::predict_all;
use super::inputs::{SplitArguments, Unit};
use super::interrupt::Interrupt;
use super::terminal::Terminal;
use crate::breakhis::{Dataset, Part, Picture, Split};
use crate::diagnosis::{Label, RESEARCH_USE};
use crate::evaluate::{Metrics, Scored, predictions};
use crate::kernels::keep_large_blocks;
use crate::model::{Classifier, Network, Parameters, read_tensors};
use crate::train::{End, Recipe, Run, RunConfig, Samples, Start, State, TrainError, check_classes, check_memory, fit};

/// Arguments of `lobule train`.
#[derive(Debug, Args)]
pub struct TrainArguments {
    /// Folder of the pictures: a BreaKHis_v1 tree, a flat folder, or one with a manifest.csv.
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
    /// Go on without pictures that cannot be read; they are named and counted.
    #[arg(long)]
    skip_unreadable: bool,
}

/// The pictures of a run.
struct Parts<'a> {
    train: Vec<&'a Picture>,
    validation: Vec<&'a Picture>,
    test: Vec<&'a Picture>,
    /// Those of train and validation, prepared.
    samples: [Samples; 2],
    /// File names of those that could not be read.
    skipped: Vec<String>,
}

pub(super) fn run(arguments: &TrainArguments) -> anyhow::Result<()> {
    keep_large_blocks();
    let recipe = Recipe::named(&arguments.recipe, &arguments.changes)?;
    let dataset = Dataset::open(&arguments.data)?;
    let split = match (arguments.split.read()?, arguments.by) {
        (Some(split), _) => split,
        (None, Unit::Case) => Split::by_case(&dataset, arguments.seed)?,
        (None, Unit::Image) => Split::by_image(&dataset, arguments.seed)?,
    };
    let (network, start) = arguments.network(&recipe)?;
    let parts = arguments.parts(&dataset, &split, &recipe)?;
    let config = RunConfig {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        seed: arguments.seed,
        data: describe(&dataset, &parts.train),
        split: arguments.describe_split(&parts.validation),
        start,
        skipped: parts.skipped.clone(),
        recipe: recipe.clone(),
    };
    let (run, before) = Run::open(&arguments.out, config, arguments.resume)?;
    split.write(&run.path("split.csv"))?;
    let interrupt = Interrupt::listen()?;
    let mut state = before.unwrap_or_else(|| State::new(network, &recipe));
    let (epochs, steps) = state.position();
    let [train, validation] = &parts.samples;
    tracing::info!("{} pictures to train on, {} to validate on", train.len(), validation.len());
    if !state.history().is_empty() {
        run.save(&state)?;
        tracing::info!("going on after {epochs} epochs and {steps} steps");
    }

    let mut terminal = Terminal::new(&run, &interrupt);
    let end = fit(&mut state, &recipe, (train, validation), arguments.seed, &mut terminal)?;
    drop(terminal);
    if end == End::Interrupted {
        let (epochs, steps) = state.position();
        bail!("stopped after {epochs} epochs and {steps} steps; the same command with --resume goes on from there");
    }
    conclude(&run, &state, &parts)
}

impl TrainArguments {
    /// The network at its start, and what that is in words.
    fn network(&self, recipe: &Recipe) -> anyhow::Result<(Network, String)> {
        let parameters = Parameters::initial(&recipe.architecture, self.seed)?;
        parameters.scale_head(recipe.head_scale)?;
        let start = match (recipe.start, &self.init) {
            (Start::Glorot, None) => "Glorot uniform".to_owned(),
            (Start::Glorot, Some(_)) => {
                bail!("the recipe {} starts from random tensors; leave --init out", recipe.name)
            }
            (Start::Imagenet, None) => return Err(TrainError::NoStart(recipe.name.clone()).into()),
            (Start::Imagenet, Some(path)) => {
                parameters.set_backbone(&read_tensors(path)?, &path.display().to_string())?;
                format!("backbone: {}; head: Glorot uniform", file_name(path))
            }
        };
        Ok((Network::new(recipe.architecture.clone(), parameters), start))
    }

    /// Reads all pictures, so that what cannot be read is told before the work.
    fn parts<'a>(&self, dataset: &'a Dataset, split: &Split, recipe: &Recipe) -> anyhow::Result<Parts<'a>> {
        let mut pictures = Vec::new();
        for part in Part::ALL {
            pictures.push(split.pictures(dataset, part)?);
        }
        let labels = |pictures: &[&Picture]| pictures.iter().map(|picture| picture.label()).collect::<Vec<_>>();
        check_classes("train", &labels(&pictures[0]))?;
        check_classes("validation", &labels(&pictures[1]))?;
        check_memory(recipe, pictures[0].len() + pictures[1].len())?;
        let mut unreadable = Vec::new();
        let mut load = |pictures: &[&Picture]| {
            let (samples, failed) = Samples::load(pictures, &recipe.preprocess, &recipe.augmentation);
            unreadable.extend(failed);
            samples
        };
        let samples = [load(&pictures[0]), load(&pictures[1])];
        load(&pictures[2]);
        if !unreadable.is_empty() && !self.skip_unreadable {
            return Err(TrainError::Unreadable(unreadable).into());
        }
        unreadable.iter().for_each(|picture| tracing::warn!("left out: {picture}"));
        for pictures in &mut pictures {
            pictures.retain(|picture| unreadable.iter().all(|unreadable| unreadable.path != picture.path));
        }
        let skipped = unreadable.iter().map(|picture| file_name(&picture.path)).collect();
        let [train, validation, test] = <[Vec<&Picture>; 3]>::try_from(pictures).unwrap_or_default();
        Ok(Parts { train, validation, test, samples, skipped })
    }

    fn describe_split(&self, validation: &[&Picture]) -> String {
        let (pictures, cases) = (validation.len(), cases(validation));
        let how = self.split.describe().unwrap_or_else(|| format!("by {}, seed {}", self.by, self.seed));
        format!("{how}; validated on {pictures} pictures of {cases} cases")
    }
}

/// Measures the weights that the recipe keeps as the file holds them, convolutions in f16, and writes the file with
/// these figures.
fn conclude(run: &Run, state: &State, parts: &Parts) -> anyhow::Result<()> {
    let outcome = state.outcome(&run.config().recipe)?;
    let epoch = outcome.epoch.figures.epoch;
    let mut file = run.weights_file(outcome, BTreeMap::new());
    let classifier = Classifier::from_bytes(&file.bytes()?, "the trained weights", rayon::current_num_threads())?;
    let mut last = None;
    for (part, pictures) in [(Part::Validation, &parts.validation), (Part::Test, &parts.test)] {
        if pictures.is_empty() {
            continue;
        }
        let scored = predict_all(&classifier, pictures)?;
        predictions::write(&run.path(&format!("{part}-predictions.csv")), &scored)?;
        let scored: Vec<Scored> = scored.into_iter().map(|(_, scored)| scored).collect();
        let metrics = Metrics::at(&scored, classifier.threshold());
        file.metadata.figures.extend(figures(part, &metrics));
        last = Some((part, metrics));
    }
    let weights = run.path("weights.safetensors");
    file.write(&weights)?;
    let Some((part, metrics)) = last else { bail!("there are no pictures to measure on") };
    let figure = |value: Option<f64>| value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.4}"));
    tracing::info!(
        "{} holds the weights of epoch {epoch}: on the {part} part accuracy {}, NLL {}, F1 {}, ROC AUC {}. {RESEARCH_USE}",
        weights.display(),
        figure(metrics.accuracy),
        figure(metrics.nll),
        figure(metrics.f1),
        figure(metrics.roc_auc),
    );
    Ok(())
}

fn figures(part: Part, metrics: &Metrics) -> BTreeMap<String, f64> {
    let figures = [
        ("accuracy", metrics.accuracy),
        ("precision", metrics.precision),
        ("recall", metrics.recall),
        ("specificity", metrics.specificity),
        ("f1", metrics.f1),
        ("nll", metrics.nll),
        ("roc_auc", metrics.roc_auc),
    ];
    figures.into_iter().filter_map(|(name, value)| Some((format!("{part}_{name}"), value?))).collect()
}

fn describe(dataset: &Dataset, train: &[&Picture]) -> String {
    let benign = train.iter().filter(|picture| picture.label() == Label::Benign).count();
    format!(
        "BreakHis, {} pictures; trained on {} of {} cases, {benign} benign and {} malignant",
        dataset.pictures().len(),
        train.len(),
        cases(train),
        train.len() - benign
    )
}

fn cases(pictures: &[&Picture]) -> usize {
    pictures.iter().map(|picture| picture.name.case()).collect::<BTreeSet<_>>().len()
}

fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
