//! `lobule train`: pictures, a split and a recipe in; a run folder with weights, history and predictions out.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressState, ProgressStyle};

use super::evaluate::predict_all;
use super::inputs::SplitArguments;
use crate::breakhis::{Dataset, Part, Picture, Split};
use crate::diagnosis::{Label, RESEARCH_USE, Threshold};
use crate::evaluate::{Metrics, Scored, predictions};
use crate::model::{Classifier, FORMAT, Metadata, Network, Parameters, Provenance, WeightsFile, read_tensors};
use crate::train::{Epoch, History, Outcome, Phase, Progress, Recipe, Samples, TrainError, fit};

/// Arguments of `lobule train`.
#[derive(Debug, Args)]
pub struct TrainArguments {
    /// Folder of the pictures: a BreaKHis_v1 tree, a flat folder, or one with a manifest.csv.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// How to train.
    #[arg(long, value_enum)]
    recipe: RecipeName,
    /// Folder of the run; it is made where it is missing.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    split: SplitArguments,
    /// Tensors that the backbone starts from: DenseNet121 in torchvision's names, safetensors.
    #[arg(long, value_name = "FILE")]
    init: Option<PathBuf>,
    /// Decides the split where none is given, start values, shuffling, augmentation and dropout.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Passes over the train part with all layers moving, instead of the recipe's.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    epochs: Option<u32>,
    /// Pictures in a step, instead of the recipe's.
    #[arg(long, value_parser = clap::value_parser!(u32).range(2..))]
    batch: Option<u32>,
    /// Adam's step size at its peak, instead of the recipe's.
    #[arg(long, value_name = "RATE")]
    learning_rate: Option<f64>,
}

/// The recipes by name.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum RecipeName {
    /// Ours: ImageNet tensors, first the head alone, then small steps of all layers.
    Best,
}

pub(super) fn run(arguments: &TrainArguments) -> anyhow::Result<()> {
    let recipe = arguments.recipe()?;
    let dataset = Dataset::open(&arguments.data)?;
    let split = match arguments.split.read()? {
        Some(split) => split,
        None => Split::by_case(&dataset, arguments.seed)?,
    };
    let train = split.pictures(&dataset, Part::Train)?;
    let validation = split.pictures(&dataset, Part::Validation)?;
    let (network, start) = arguments.network(&recipe)?;
    std::fs::create_dir_all(&arguments.out)
        .with_context(|| format!("cannot make the run's folder {}", arguments.out.display()))?;
    split.write(&arguments.out.join("split.csv"))?;

    tracing::info!("{} pictures to train on, {} to validate on", train.len(), validation.len());
    let provenance = Provenance {
        data: describe(&dataset, &train),
        split: arguments.describe_split(&validation),
        start,
        recipe: recipe.name.clone(),
        seed: arguments.seed,
        epoch: 0,
    };
    let mut progress = Run {
        weights: arguments.out.join("weights.safetensors"),
        history_file: arguments.out.join("history.csv"),
        history: History::default(),
        bar: ProgressBar::hidden(),
        recipe: recipe.clone(),
        provenance,
    };
    let samples = Samples::load(&train, &recipe.preprocess)?;
    let validation_samples = Samples::load(&validation, &recipe.preprocess)?;
    let best = fit(&network, &recipe, &samples, &validation_samples, arguments.seed, &mut progress)?;
    let Some(best) = best else { bail!("no epoch was run") };
    drop((samples, validation_samples));

    let epoch = best.epoch.epoch;
    let metrics = progress.measure(best, &validation, &arguments.out)?;
    let figure = |value: Option<f64>| value.map_or_else(|| "undefined".to_owned(), |value| format!("{value:.4}"));
    tracing::info!(
        "{} holds the weights of epoch {epoch}: on the validation part accuracy {}, NLL {}, ROC AUC {}. {RESEARCH_USE}",
        progress.weights.display(),
        figure(metrics.accuracy),
        figure(metrics.nll),
        figure(metrics.roc_auc),
    );
    Ok(())
}

impl TrainArguments {
    fn recipe(&self) -> anyhow::Result<Recipe> {
        let mut recipe = match self.recipe {
            RecipeName::Best => Recipe::best(),
        };
        recipe.epochs = self.epochs.map_or(recipe.epochs, |epochs| epochs as usize);
        recipe.batch = self.batch.map_or(recipe.batch, |batch| batch as usize);
        recipe.learning_rate = self.learning_rate.unwrap_or(recipe.learning_rate);
        if !(recipe.learning_rate.is_finite() && recipe.learning_rate > 0.0) {
            bail!("--learning-rate must be a number above 0, not {}", recipe.learning_rate);
        }
        Ok(recipe)
    }

    /// The network at its start, and what that is in words.
    fn network(&self, recipe: &Recipe) -> anyhow::Result<(Network, String)> {
        let Some(path) = &self.init else { return Err(TrainError::NoStart(recipe.name.clone()).into()) };
        let parameters = Parameters::initial(&recipe.architecture, self.seed)?;
        parameters.set_backbone(&read_tensors(path)?, &path.display().to_string())?;
        let start = format!("backbone: {}; head: Glorot uniform", file_name(path));
        Ok((Network::new(recipe.architecture.clone(), parameters), start))
    }

    fn describe_split(&self, validation: &[&Picture]) -> String {
        let (pictures, cases) = (validation.len(), cases(validation));
        let how = self.split.describe().unwrap_or_else(|| format!("by case, seed {}", self.seed));
        format!("{how}; validated on {pictures} pictures of {cases} cases")
    }
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

/// A run in progress: what the fit loop reports ends up in its files and on the terminal.
struct Run {
    weights: PathBuf,
    history_file: PathBuf,
    history: History,
    bar: ProgressBar,
    recipe: Recipe,
    provenance: Provenance,
}

impl Run {
    fn file(&self, outcome: Outcome, figures: BTreeMap<String, f64>) -> WeightsFile {
        let metadata = Metadata {
            format: FORMAT,
            name: format!("lobule-{}", self.recipe.name),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            architecture: self.recipe.architecture.clone(),
            classes: Label::ALL,
            preprocess: self.recipe.preprocess.clone(),
            temperature: 1.0,
            threshold: Threshold::HALF,
            provenance: Provenance { epoch: outcome.epoch.epoch, ..self.provenance.clone() },
            figures,
        };
        WeightsFile { metadata, tensors: outcome.weights }
    }

    /// Measures the best epoch as the file holds it, convolutions in f16, and writes the file with these figures.
    fn measure(&self, best: Outcome, validation: &[&Picture], out: &Path) -> anyhow::Result<Metrics> {
        let mut file = self.file(best, BTreeMap::new());
        let classifier = Classifier::from_bytes(&file.bytes()?, "the trained weights", rayon::current_num_threads())?;
        let scored = predict_all(&classifier, validation)?;
        predictions::write(&out.join("validation-predictions.csv"), &scored)?;
        let scored: Vec<Scored> = scored.into_iter().map(|(_, scored)| scored).collect();
        let metrics = Metrics::at(&scored, classifier.threshold());
        let figures = [
            ("accuracy", metrics.accuracy),
            ("precision", metrics.precision),
            ("recall", metrics.recall),
            ("specificity", metrics.specificity),
            ("f1", metrics.f1),
            ("nll", metrics.nll),
            ("roc_auc", metrics.roc_auc),
        ];
        let known = figures.iter().filter_map(|(name, value)| Some((format!("validation_{name}"), (*value)?)));
        file.metadata.figures = known.collect();
        file.write(&self.weights)?;
        Ok(metrics)
    }
}

impl Progress for Run {
    fn start(&mut self, what: &str, images: usize) {
        self.bar.finish_and_clear();
        self.bar = ProgressBar::new(images as u64);
        let template = "{msg:28} {bar:30} {pos}/{len} images, {rate} images/s, {eta} left";
        let rate = |state: &ProgressState, text: &mut dyn std::fmt::Write| {
            // A terminal that cannot be written to is no reason to stop a training.
            let _ = write!(text, "{:.1}", state.per_sec());
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.bar.set_style(style.with_key("rate", rate));
        }
        self.bar.set_message(what.to_owned());
    }

    fn advance(&mut self, images: usize, loss: Option<f64>) {
        if let Some(loss) = loss {
            let what = self.bar.message();
            let what = what.split(", loss").next().unwrap_or_default();
            self.bar.set_message(format!("{what}, loss {loss:.4}"));
        }
        self.bar.inc(images as u64);
    }

    fn epoch(&mut self, epoch: &Epoch) -> Result<(), TrainError> {
        self.bar.finish_and_clear();
        let phase = match epoch.phase {
            Phase::Probe => "head alone",
            Phase::AllLayers => "all layers",
        };
        let line = format!(
            "{phase}, epoch {}: loss {:.4}; validation loss {:.4}, accuracy {:.4}, ROC AUC {:.4}; {:.1} images/s",
            epoch.epoch,
            epoch.train_loss,
            epoch.validation_loss,
            epoch.validation_accuracy,
            epoch.validation_roc_auc,
            epoch.images_per_second
        );
        tracing::info!("{line}");
        self.history.epochs.push(epoch.clone());
        self.history.write(&self.history_file)
    }

    fn best(&mut self, outcome: &Outcome) -> Result<(), TrainError> {
        let figures = BTreeMap::from([("validation_nll".to_owned(), outcome.epoch.validation_loss)]);
        Ok(self.file(outcome.clone(), figures).write(&self.weights)?)
    }
}
