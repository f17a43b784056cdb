//! `lobule evaluate`: a network and images whose labels are known in, figures out, and beside them what is not tissue.

use std::path::PathBuf;

use anyhow::{Context, bail};
use clap::builder::RangedU64ValueParser;
use clap::{Args, ValueEnum};

use crate::breakhis::{Dataset, ImageFile, Part};
use crate::cli::inputs::{InitArguments, SplitArguments};
use crate::cli::output;
use crate::cli::terminal::ImageBar;
use crate::cli::weights::WeightsArguments;
use crate::evaluate::{EXCHANGES, Evaluation, Measuring, open_backbone, predictions};
use crate::report::csv as evaluation_csv;
use crate::report::svg::evaluation_figure;
use crate::report::text::evaluation as evaluation_text;
use crate::system::write_whole;

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
    /// Copies of each image that get the colour statistics of another one, whatever that one shows.
    #[arg(long, value_name = "NUMBER", allow_negative_numbers = true, default_value_t = EXCHANGES, value_parser = RangedU64ValueParser::<usize>::new().range(0..=100))]
    exchanges: usize,
    /// Decides which other images lend their colours.
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    exchange_seed: u64,
    /// Also write what was said of each image as CSV, from which all figures but those of shifts can be made again.
    #[arg(long, value_name = "FILE")]
    predictions: Option<PathBuf>,
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

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// Tables of text.
    Text,
    /// One JSON object.
    Json,
    /// A figure a line, for other programs.
    Csv,
}

pub(super) fn run(arguments: &EvaluateArguments) -> anyhow::Result<()> {
    let dataset = Dataset::open(&arguments.data)?;
    let Chosen { images, train, what } = choose(&dataset, arguments)?;
    let classifier = arguments.weights.classifier()?;
    let metadata = classifier.metadata();
    let frozen = arguments.init.path().map(|path| open_backbone(path, &metadata.architecture)).transpose()?;
    let bar = ImageBar::new();
    let measuring = Measuring {
        classifier: &classifier,
        frozen: frozen.as_ref().map(|(backbone, what)| (backbone, what.clone())),
        exchanges: arguments.exchanges,
        seed: arguments.exchange_seed,
        shifts: true,
        progress: &|done, of| bar.show(done, of),
    };
    let train = train.map(|train| measuring.train_part(&train)).transpose()?;
    let (predicted, shifted) = measuring.measure(&images, train.as_ref())?;
    if let Some(path) = &arguments.predictions {
        predictions::write(path, &predicted)?;
    }
    let evaluation = Evaluation::of(&predicted, &shifted, &metadata.trained_on, measuring.setting(train.as_ref()));
    let card = classifier.id();
    let network = format!("{} {}", card.name, card.version);
    if let Some(path) = &arguments.figure {
        let text = evaluation_figure::evaluation_figure(&evaluation, &format!("{network}, {what}"));
        write_whole(path, text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let warning = evaluation_text::trained_on_these(&evaluation);
    let text = match (arguments.json, arguments.format) {
        (false, Format::Text) => {
            format!("{warning}\n{what}\nnetwork: {network}\n{}", evaluation_text::text(&evaluation))
        }
        (true, _) | (_, Format::Json) => serde_json::to_string(&evaluation)? + "\n",
        (_, Format::Csv) => evaluation_csv::csv(&evaluation)?,
    };
    if arguments.json || !matches!(arguments.format, Format::Text) {
        tracing::warn!("{warning}");
    }
    output::print(&text)?;
    Ok(())
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
    let Some(split) = arguments.split.read()? else {
        let images = dataset.images().iter().collect();
        return Ok(Chosen { images, train: None, what: format!("all images of {dir}") });
    };
    let usual = if arguments.split.holds_out_a_fold() { Part::Validation } else { Part::Test };
    let part = arguments.part.unwrap_or(usual);
    let images = split.images(dataset, part)?;
    if images.is_empty() {
        bail!("the split has no images in its {part} part; --part chooses another");
    }
    let train = if part == Part::Train { Vec::new() } else { split.images(dataset, Part::Train)? };
    let what = format!("{part} part of {dir}");
    Ok(Chosen { images, train: Some(train).filter(|train| !train.is_empty()), what })
}
