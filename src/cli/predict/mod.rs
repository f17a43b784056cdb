//! `lobule predict`: images and folders in, a line an image out, or a line for each field of an image. `lobule merge` joins
//! the tables of shards.

mod answer;
mod answers;
mod geojson;
mod heatmaps;
mod in_order;
mod inputs;
mod layout;
mod merge;
mod parts;
mod progress;
mod record;
mod summary;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory};

use crate::cli::Arguments;
use crate::cli::shard::shard_or_task;
use crate::cli::weights::{ViewsArguments, WeightsArguments};
use crate::explain::classify_views;
use crate::model::{AskedThreshold, Classifier, DecisionPoint};
use crate::pixels::{DecodeLimits, Decoded, Dihedral, Field, Fields, Note, PixelsError, decode_file};
use crate::system::{Shard, printable_path};
use answer::{Answer, Place, WrittenHeatmap};
use answers::Answers;
use heatmaps::Heatmaps;
use inputs::{Inputs, Share, file_of_shard};
use layout::{Format, Layout};
pub(super) use merge::{MergeArguments, run as merge};
use parts::{Opened, Parts};
use record::{Asked, Run};

/// Arguments of `lobule predict`.
#[derive(Debug, Args)]
pub struct PredictArguments {
    #[command(flatten)]
    weights: WeightsArguments,
    /// How the answers are printed [default: table; with --output what its ending says].
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Call an image malignant from this probability of malignancy on, or at an operating point of the weights file
    /// (balanced, sensitive); without it, the network's own threshold.
    #[arg(long, value_name = "NUMBER|NAME")]
    threshold: Option<AskedThreshold>,
    /// Write for each image a PNG into this folder that shows where the network looked; red speaks for malignant, blue for
    /// benign. It is no proof of anything.
    #[arg(long, value_name = "DIR")]
    heatmap: Option<PathBuf>,
    /// Cut each image into square fields of so many pixels a side and classify each by itself. Fields are neither padded nor
    /// stretched: the last of a row or column is moved inwards, and an image that is smaller than a field is refused. Answers
    /// say where in the image they are, in pixels; nothing is known of the magnification.
    #[arg(long, value_name = "SIZE", conflicts_with = "heatmap")]
    tile: Option<u32>,
    /// How many pixels two neighbouring fields share.
    #[arg(long, value_name = "N", requires = "tile")]
    overlap: Option<u32>,
    #[command(flatten)]
    views: ViewsArguments,
    /// Take the images from a file with a path on each line, or with - from standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "inputs")]
    list: Option<PathBuf>,
    /// Write the answers to this .csv, .json or .jsonl file: by parts in a folder beside it, of which the file is made at the
    /// end, and its record FILE.run.json.
    #[arg(short, long, value_name = "FILE", conflicts_with_all = ["heatmap", "tile"])]
    output: Option<PathBuf>,
    /// Also write how the images differ from those of the training, as drift.json and drift.html, into this folder.
    #[arg(long, value_name = "DIR", requires = "output")]
    report: Option<PathBuf>,
    /// Go on with the parts of a run that was stopped, to the same file as if it had never been.
    #[arg(long, requires = "output")]
    resume: bool,
    /// Predict for one share of the images only, I from 0 to N - 1, by a hash of each path below its folder; the file of
    /// --output has it in its name, and lobule merge joins all N [default: the task of a Cloud Run job].
    #[arg(long, value_name = "I/N", value_parser = str::parse::<Shard>)]
    shard: Option<Shard>,
    /// Stop at the first image that has no answer.
    #[arg(long)]
    fail_fast: bool,
    /// Leave with the code 0 although some images have no answer; they are named.
    #[arg(long, conflicts_with = "fail_fast")]
    skip_unreadable: bool,
    /// Images, and folders whose images are found at any depth.
    #[arg(required_unless_present = "list", value_name = "IMAGE|DIR")]
    inputs: Vec<PathBuf>,
}

/// Leaves the program with a message, because the arguments alone do not say that they are wrong.
fn wrong_use(message: impl Display) -> ! {
    Arguments::command().error(ErrorKind::InvalidValue, message).exit()
}

pub(super) fn run(arguments: &PredictArguments) -> anyhow::Result<()> {
    let shard = shard_or_task(arguments.shard)?;
    let run = run_shard(arguments, shard);
    // In the log of a job of many tasks the line must say whose it is.
    match shard {
        Some(shard) => run.with_context(|| format!("shard {shard}")),
        None => run,
    }
}

fn run_shard(arguments: &PredictArguments, shard: Option<Shard>) -> anyhow::Result<()> {
    let fields = arguments.tile.map(|size| Fields::new(size, arguments.overlap.unwrap_or(0)));
    let fields = fields.transpose().unwrap_or_else(|error| wrong_use(format_args!("--tile and --overlap: {error}")));
    let format = format(arguments);
    // A table without the images of a folder whose name is wrong would pass for a whole one.
    for input in arguments.inputs.iter().filter(|_| arguments.output.is_some()) {
        std::fs::metadata(input).with_context(|| format!("cannot read {}", printable_path(input)))?;
    }
    let inputs = match &arguments.list {
        Some(list) => Inputs::listed(list)?,
        None => Inputs::find(&arguments.inputs),
    };
    let list = List { sha256: inputs.sha256(), count: inputs.images.len() };
    let not_found = inputs.failed;
    let Share { images, roots, numbers } = inputs.share(shard);
    if format == Format::Wsinfer && images.len() > 1 {
        wrong_use(format_args!(
            "--format wsinfer: its columns name no file, so it is for one image at a time, and there are {}",
            images.len()
        ));
    }
    let file = arguments.output.as_ref().map(|file| shard.map_or(file.clone(), |shard| file_of_shard(shard, file)));
    if let (Some(folder), Some(file)) = (&arguments.report, &file) {
        summary::check_report(folder, &[file])?;
    }
    let classifier = arguments.weights.classifier()?;
    let point = classifier.metadata().decision_point(arguments.threshold);
    let point = point.unwrap_or_else(|error| wrong_use(format_args!("--threshold: {error}")));
    let heatmaps =
        arguments.heatmap.as_deref().map(|folder| Heatmaps::new(folder, &classifier, &images)).transpose()?;
    let predictor = Predictor { classifier, point, views: arguments.views.symmetries() };
    let parts = match &file {
        None => None,
        Some(_) if list.count == 0 => bail!("there is no image to predict for, so nothing was written"),
        Some(file) => {
            let run = predictor.run(format, &list, shard);
            match Parts::open(file, run, predictor.machine(), arguments.resume)? {
                Opened::Parts(parts) => Some(parts),
                Opened::Finished(record) => {
                    summary::show(&record, arguments.report.as_deref())?;
                    return arguments.outcome(not_found + record.total.failed, images.len() + not_found);
                }
            }
        }
    };
    let layout = Layout::new(format, fields.is_some(), parts.is_some(), &images);
    let mut answers = Answers::new(layout, arguments, predictor, (roots, not_found), parts)?;
    let is_read = match fields {
        Some(fields) => answers.print_fields(&images, fields)?,
        None => answers.print_images(&images, heatmaps.as_ref())?,
    };
    if is_read { answers.finish(images.len() + not_found, numbers) } else { Ok(()) }
}

impl PredictArguments {
    /// Whether so many of so many inputs may be without an answer.
    fn outcome(&self, failed: usize, total: usize) -> anyhow::Result<()> {
        match failed {
            0 => Ok(()),
            _ if self.skip_unreadable => {
                tracing::warn!("no prediction for {failed} of {total} inputs");
                Ok(())
            }
            _ => bail!("no prediction for {failed} of {total} inputs"),
        }
    }
}

/// The format that is asked for, or that the ending of the file of answers stands for.
fn format(arguments: &PredictArguments) -> Format {
    let Some(output) = &arguments.output else { return arguments.format.unwrap_or(Format::Table) };
    let ending = output.extension().unwrap_or_default().to_ascii_lowercase();
    match (arguments.format, ending.to_str()) {
        (Some(format @ (Format::Csv | Format::Json)), _) => format,
        (Some(_), _) => wrong_use("--output takes the formats csv and json"),
        (None, Some("csv")) => Format::Csv,
        (None, Some("json" | "jsonl")) => Format::Json,
        (None, _) => wrong_use("--output: its ending is none of .csv, .json and .jsonl; say which with --format"),
    }
}

/// What is known of the whole list of images.
struct List {
    /// [`Inputs::sha256`].
    sha256: String,
    count: usize,
}

/// What answers.
struct Predictor<'a> {
    classifier: Classifier,
    point: DecisionPoint,
    views: &'a [Dihedral],
}

impl Predictor<'_> {
    /// The answer for a file whose bytes were read.
    fn image(
        &self,
        path: &Path,
        bytes: Result<Vec<u8>, PixelsError>,
        heatmap: Option<PathBuf>,
    ) -> anyhow::Result<Answer> {
        let Decoded { image, notes } = decode_file(path, &bytes?, &DecodeLimits::local())?;
        let named = || printable_path(path);
        let (prediction, heatmap) = match heatmap {
            None => (classify_views(&self.classifier, &image, self.views).with_context(named)?, None),
            Some(to) => {
                let (prediction, range) =
                    heatmaps::write(&self.classifier, &image, self.views, &to).with_context(named)?;
                (prediction, Some(WrittenHeatmap { heatmap: to, heatmap_range: range }))
            }
        };
        let about = (path, image.dimensions(), notes);
        Ok(Answer { heatmap, ..Answer::new(&self.classifier, self.point, about, &prediction) })
    }

    fn field(&self, path: &Path, notes: &[Note], field: &Field) -> anyhow::Result<Answer> {
        let Field { x, y, image } = field;
        let prediction = classify_views(&self.classifier, image, self.views).with_context(|| printable_path(path))?;
        let (width, height) = image.dimensions();
        let about = (path, (width, height), notes.to_vec());
        let field = Some(Place { x: *x, y: *y, width, height });
        Ok(Answer { field, ..Answer::new(&self.classifier, self.point, about, &prediction) })
    }

    /// What is asked of which images.
    fn run(&self, format: Format, list: &List, shard: Option<Shard>) -> Run {
        let model = self.classifier.id();
        Run {
            asked: Asked {
                weights_sha256: model.sha256.clone(),
                network: format!("{} {}", model.name, model.version),
                threshold: self.point.threshold.get(),
                operating_point: self.point.name.map(|name| name.key().to_owned()),
                views: self.views.len(),
                format: if format == Format::Csv { "csv".into() } else { "json".into() },
            },
            list_sha256: list.sha256.clone(),
            listed: list.count,
            shard: shard.map_or(0, |shard| shard.index),
            shards: shard.map_or(1, |shard| shard.count),
        }
    }

    /// What last digits hang on.
    fn machine(&self) -> String {
        format!("{}, {}", self.classifier.level(), self.classifier.id().precision)
    }
}
