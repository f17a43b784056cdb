//! `lobule predict`: images and folders in, a line an image out.

mod flag_counts;
mod heatmaps;

use std::fmt::Display;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, ValueEnum};
use rayon::prelude::*;
use serde::{Serialize, Serializer};

use crate::breakhis::walk::{self, Found};
use crate::cli::weights::{ViewsArguments, WeightsArguments};
use crate::cli::{Arguments, output};
use crate::diagnosis::{Decision, Flag, Flags, Label, RESEARCH_USE};
use crate::evaluate::predictions::digits;
use crate::explain::classify_views;
use crate::model::{AskedThreshold, Classifier, DecisionPoint, PointName};
use crate::pixels::{DecodeLimits, Decoded, Dihedral, Note, read};
use crate::system::{path_for_programs, printable_path};
use flag_counts::FlagCounts;
use heatmaps::Heatmaps;

/// How many images are decoded and predicted before the next lines are printed.
const AT_ONCE: usize = 32;

/// Arguments of `lobule predict`.
#[derive(Debug, Args)]
pub struct PredictArguments {
    #[command(flatten)]
    weights: WeightsArguments,
    /// How the answers are printed.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
    /// Call an image malignant from this probability of malignancy on, or at an operating point of the weights file
    /// (balanced, sensitive); without it, the network's own threshold.
    #[arg(long, value_name = "NUMBER|NAME")]
    threshold: Option<AskedThreshold>,
    /// Write for each image a PNG into this folder that shows where the network looked; red speaks for malignant, blue for
    /// benign. It is no proof of anything.
    #[arg(long, value_name = "DIR")]
    heatmap: Option<PathBuf>,
    #[command(flatten)]
    views: ViewsArguments,
    /// Images, and folders whose images are found at any depth.
    #[arg(required = true, value_name = "IMAGE|DIR")]
    inputs: Vec<PathBuf>,
}

/// How the answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// Columns for people.
    Table,
    /// One JSON object a line.
    Json,
    /// Comma-separated values with a header.
    Csv,
}

pub(super) fn run(arguments: &PredictArguments) -> anyhow::Result<()> {
    let (images, mut failed) = find_images(&arguments.inputs);
    let total = images.len() + failed;
    let classifier = arguments.weights.classifier()?;
    let point = classifier.metadata().decision_point(arguments.threshold);
    // What the arguments alone cannot say is wrong is wrong use all the same.
    let point = point.unwrap_or_else(|error| {
        Arguments::command().error(ErrorKind::InvalidValue, format!("--threshold: {error}")).exit()
    });
    let layout = Layout::new(arguments.format, &images);
    let heatmaps =
        arguments.heatmap.as_deref().map(|folder| Heatmaps::new(folder, &classifier, &images)).transpose()?;

    let (mut answered, mut flag_counts) = (0, FlagCounts::default());
    for (number, chunk) in images.chunks(AT_ONCE).enumerate() {
        let answer = |(index, path): (usize, &PathBuf)| {
            let heatmap = heatmaps.as_ref().map(|heatmaps| heatmaps.path(AT_ONCE * number + index));
            predict((&classifier, arguments.views.symmetries()), path, point, heatmap)
        };
        let answers: Vec<_> = chunk.par_iter().enumerate().map(answer).collect();
        let mut text = String::new();
        for answer in answers {
            match answer {
                Ok(answer) => {
                    if arguments.format != Format::Json {
                        answer.notes.iter().for_each(|note| tracing::info!("{}: {note}", printable_path(&answer.file)));
                    }
                    if answered == 0 {
                        text += &layout.head()?;
                    }
                    answered += 1;
                    flag_counts.add(answer.flags, answer.decision);
                    text += &layout.line(&answer)?;
                }
                Err(error) => {
                    failed += 1;
                    tracing::error!("{error:#}");
                }
            }
        }
        if !output::print(&text)? {
            return Ok(());
        }
    }

    if answered > 0 {
        let lines = flag_counts.lines();
        if arguments.format == Format::Table {
            output::print(&format!("\n{}\n{RESEARCH_USE}\n", lines.join("\n")))?;
        } else {
            lines.iter().for_each(|line| tracing::info!("{line}"));
            tracing::info!("{RESEARCH_USE}");
        }
    }
    if failed > 0 {
        bail!("no prediction for {failed} of {total} inputs");
    }
    Ok(())
}

/// The images that are named, and those in the folders that are named; what cannot be found or read is logged and
/// counted.
fn find_images(inputs: &[PathBuf]) -> (Vec<PathBuf>, usize) {
    let (mut images, mut failed) = (Vec::new(), 0);
    let mut fail = |path: &Path, reason: &dyn Display| {
        failed += 1;
        tracing::error!("cannot read {}: {reason}", printable_path(path));
    };
    for input in inputs {
        if !input.is_dir() {
            // A file that is named is tried whatever its ending, and what is none is told when it is opened.
            images.push(input.clone());
            continue;
        }
        match walk::under(input) {
            Ok(Found { mut files, unusable }) => {
                files.retain(|file| walk::is_image_name(file));
                if files.is_empty() && unusable.is_empty() {
                    fail(input, &format_args!("there is no image ({}) in it", walk::IMAGE_EXTENSIONS.join(", ")));
                }
                images.extend(files);
                unusable.iter().for_each(|entry| fail(&entry.path, &entry.reason));
            }
            Err(error) => fail(input, &error),
        }
    }
    (images, failed)
}

fn predict(
    (classifier, views): (&Classifier, &[Dihedral]),
    path: &Path,
    point: DecisionPoint,
    heatmap: Option<PathBuf>,
) -> anyhow::Result<Answer> {
    let Decoded { image, notes } = read(path, &DecodeLimits::local())?;
    let (prediction, heatmap) = match heatmap {
        None => (classify_views(classifier, &image, views).with_context(|| printable_path(path))?, None),
        Some(to) => {
            let (prediction, range) =
                heatmaps::write(classifier, &image, views, &to).with_context(|| printable_path(path))?;
            (prediction, Some(WrittenHeatmap { heatmap: to, heatmap_range: range }))
        }
    };
    let flags = classifier.metadata().flags_of(&prediction, point.threshold);
    Ok(Answer {
        file: path.to_owned(),
        label: prediction.label(),
        confidence: prediction.confidence().rounded(),
        probability_malignant: prediction.probability_malignant.rounded(),
        decision: Decision::of(point.threshold.decide(prediction.probability_malignant), flags),
        threshold: point.threshold.get(),
        operating_point: point.name,
        flags,
        notes,
        heatmap,
    })
}

/// The answer for one image, its fields in the order in which they are printed.
#[derive(Serialize)]
struct Answer {
    #[serde(serialize_with = "for_programs")]
    file: PathBuf,
    label: Label,
    confidence: f64,
    probability_malignant: f64,
    decision: Decision,
    threshold: f64,
    /// The name that the threshold was asked for by, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    operating_point: Option<PointName>,
    /// What speaks against the prediction; none where the weights file has no statistics to tell.
    flags: Option<Flags>,
    notes: Vec<Note>,
    #[serde(flatten)]
    heatmap: Option<WrittenHeatmap>,
}

/// The PNG that was written for an image, and what the ends of its scale are.
#[derive(Serialize)]
struct WrittenHeatmap {
    #[serde(serialize_with = "for_programs")]
    heatmap: PathBuf,
    heatmap_range: f64,
}

const COLUMNS: [&str; 7] = ["file", "label", "confidence", "probability_malignant", "decision", "threshold", "flags"];

fn for_programs<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path_for_programs(path))
}

impl Answer {
    fn cells(&self, format: Format) -> [String; COLUMNS.len()] {
        let flags = match self.flags {
            None if format == Format::Table => "unknown".to_owned(),
            None => String::new(),
            Some(flags) if flags.is_empty() => "none".to_owned(),
            Some(flags) => flags.iter().map(Flag::key).collect::<Vec<_>>().join(";"),
        };
        [
            if format == Format::Table { printable_path(&self.file) } else { path_for_programs(&self.file).into() },
            self.label.to_string(),
            digits(self.confidence),
            digits(self.probability_malignant),
            self.decision.to_string(),
            digits(self.threshold),
            flags,
        ]
    }
}

/// How lines look in a format.
struct Layout {
    format: Format,
    /// The widest file name in characters, for the table.
    file_width: usize,
}

impl Layout {
    fn new(format: Format, images: &[PathBuf]) -> Self {
        let widths = images.iter().map(|path| printable_path(path).chars().count());
        Self { format, file_width: widths.max().unwrap_or(0).max(COLUMNS[0].len()) }
    }

    fn head(&self) -> anyhow::Result<String> {
        match self.format {
            Format::Json => Ok(String::new()),
            Format::Table | Format::Csv => self.cells(COLUMNS),
        }
    }

    fn line(&self, answer: &Answer) -> anyhow::Result<String> {
        match self.format {
            Format::Json => Ok(serde_json::to_string(answer)? + "\n"),
            Format::Table | Format::Csv => self.cells(answer.cells(self.format).each_ref().map(String::as_str)),
        }
    }

    fn cells(&self, cells: [&str; COLUMNS.len()]) -> anyhow::Result<String> {
        if self.format == Format::Csv {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(cells)?;
            return Ok(String::from_utf8(writer.into_inner()?)?);
        }
        let [file, label, confidence, probability, decision, threshold, flags] = cells;
        let width = self.file_width;
        // 22 characters hold almost every f64; a longer one pushes its own line out and breaks nothing.
        Ok(format!(
            "{file:<width$}  {label:<9}  {confidence:<20}  {probability:<22}  {decision:<9}  {threshold:<20}  {flags}\n"
        ))
    }
}
