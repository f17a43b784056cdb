//! `lobule evaluate`: a network and images whose labels are known in, figures out, and beside them what is not tissue.

mod report;

use std::path::{Path, PathBuf};

use anyhow::bail;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use indicatif::ProgressBar;

use crate::breakhis::{Dataset, ImageFile, Part};
use crate::cli::inputs::{InitArguments, SplitArguments};
use crate::cli::output::{self, Format};
use crate::cli::progress_bar::show_predicted;
use crate::cli::weights::ViewsArguments;
use crate::cli::weights::WeightsArguments;
use crate::evaluate::{
    EXCHANGES, EvaluateError, Evaluation, Measuring, Paired, Predictions, TrainedOnThese, open_backbone, predictions,
};
use crate::report::{EvaluationResults, trained_on_these};

/// Arguments of `lobule evaluate`.
#[derive(Debug, Args)]
pub struct EvaluateArguments {
    /// Folder of the images.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    #[command(flatten)]
    split: SplitArguments,
    /// Part of the split to measure on: train, validation or test. Without it test, or validation where a fold is held out.
    #[arg(long, requires = "split")]
    part: Option<Part>,
    #[command(flatten)]
    weights: WeightsArguments,
    #[command(flatten)]
    init: InitArguments,
    #[command(flatten)]
    views: ViewsArguments,
    /// Copies of each image that get the colour statistics of another one, whatever that one shows.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, default_value_t = EXCHANGES, value_parser = RangedU64ValueParser::<usize>::new().range(0..=100))]
    exchanges: usize,
    /// Decides which other images lend their colours.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    exchange_seed: u64,
    /// Also write predictions.csv, metrics.json and report.html, a page that needs nothing else, into this folder.
    #[arg(long, value_name = "DIR")]
    report: Option<PathBuf>,
    /// Also write the predictions of each image as CSV, from which all figures can be made again.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
    /// Also subtract the figures of another network with intervals over cases: its predictions for the same images, as
    /// --predictions writes them. Both are measured at the threshold of this one.
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
    /// Also draw the areas under the ROC curve of the network and of the controls.
    #[arg(long, value_name = "FILE.svg")]
    figure: Option<PathBuf>,
    /// How the figures are printed.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// The same as --format json.
    #[arg(long, conflicts_with = "format")]
    json: bool,
}

pub(super) fn run(arguments: &EvaluateArguments) -> anyhow::Result<()> {
    let figure = arguments.figure.as_deref();
    [arguments.predictions.as_deref(), figure].into_iter().flatten().try_for_each(output::check_writable)?;
    arguments.report.as_deref().map(|folder| output::check_folder(folder, &report::FILES)).transpose()?;
    let dataset = Dataset::open(&arguments.data)?;
    dataset.require_whole()?;
    let Chosen { images, train, what } = choose(&dataset, arguments)?;
    let against = arguments.against.as_deref().map(|path| read_against(path, &images)).transpose()?;
    let classifier = arguments.weights.classifier()?;
    let metadata = classifier.metadata();
    let frozen = arguments.init.path().map(|path| open_backbone(path, &metadata.architecture)).transpose()?;
    let bar = ProgressBar::new(0);
    let measuring = Measuring {
        classifier: &classifier,
        frozen: frozen.as_ref().map(|(backbone, what)| (backbone, what.clone())),
        exchanges: arguments.exchanges,
        seed: arguments.exchange_seed,
        shifts: true,
        views: arguments.views.symmetries(),
        progress: &|done, of| show_predicted(&bar, done, of),
    };
    let train = train.map(|train| measuring.train_part(&train)).transpose()?;
    let predicted = measuring.measure(&images, train.as_ref())?;
    if let Some(path) = &arguments.predictions {
        predictions::write(path, &predicted)?;
    }
    let mut evaluation = Evaluation::of(&predicted, &metadata.trained_on, measuring.setting(train.as_ref()));
    if let Some((name, against)) = &against {
        let sides = [(THIS_NETWORK.to_owned(), &predicted), (name.clone(), against)];
        evaluation.against = Some(Paired::of(sides, classifier.threshold())?);
    }
    let format = if arguments.json { Format::Json } else { arguments.format };
    if matches!(format, Format::Csv | Format::Json) {
        let trained = trained_on_these(&evaluation);
        match evaluation.trained_on_these {
            Some(TrainedOnThese { images: 0, .. }) => tracing::info!("{trained}"),
            // The log has its own word for a warning.
            _ => tracing::warn!("{}", trained.trim_start_matches("WARNING: ")),
        }
    }
    let id = classifier.id();
    let network = format!("{} {}", id.name, id.version);
    let results = EvaluationResults { evaluation: &evaluation, network: &network, images: &what };
    if let Some(folder) = &arguments.report {
        report::write(folder, &results, (&predicted, &images), (&classifier, measuring.views))?;
    }
    output::show(&results, format, figure)
}

/// What the measured network is called beside another.
const THIS_NETWORK: &str = "this network";

/// The name and the predictions of another network; refuses those of other images before any is measured.
fn read_against(path: &Path, images: &[&ImageFile]) -> anyhow::Result<(String, Predictions)> {
    let (name, predictions) = (path.display().to_string(), predictions::read(path)?);
    let order = predictions.order_of(images.iter().map(|image| (image.file_name(), image.label())));
    order.map_err(|example| EvaluateError::OtherImages { sides: [THIS_NETWORK.to_owned(), name.clone()], example })?;
    Ok((name, predictions))
}

/// What is measured, and what the controls are fitted to.
struct Chosen<'a> {
    images: Vec<&'a ImageFile>,
    /// None where no other images are set apart for learning.
    train: Option<Vec<&'a ImageFile>>,
    /// The measured images in words.
    what: String,
}

fn choose<'a>(dataset: &'a Dataset, arguments: &EvaluateArguments) -> anyhow::Result<Chosen<'a>> {
    let dir = dataset.root().display();
    let Some(split) = arguments.split.read_warning()? else {
        let images = dataset.images().iter().collect();
        return Ok(Chosen { images, train: None, what: format!("all images of {dir}") });
    };
    // A split that holds out a fold has no test part.
    let default = if arguments.split.fold.is_some() { Part::Validation } else { Part::Test };
    let part = arguments.part.unwrap_or(default);
    let images = split.images(dataset, part)?;
    if images.is_empty() {
        bail!(
            "the split has no images in its {part} part; --part chooses another (a fold that is held out is validation)"
        );
    }
    let train = if part == Part::Train { Vec::new() } else { split.images(dataset, Part::Train)? };
    let what = format!("{part} part of {dir}");
    Ok(Chosen { images, train: Some(train).filter(|train| !train.is_empty()), what })
}
