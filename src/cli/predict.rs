//! `lobule predict`: images and folders in, a line an image out.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use rayon::prelude::*;
use serde::Serialize;

use crate::breakhis::walk;
use crate::cli::output;
use crate::cli::weights::WeightsArguments;
use crate::diagnosis::{Label, RESEARCH_USE, Threshold};
use crate::evaluate::predictions::digits;
use crate::model::Classifier;
use crate::pixels::{DecodeLimits, Decoded, Note, read};
use crate::system::printable;

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
    /// Call an image malignant from this probability of malignancy on; without it, the network's own threshold.
    #[arg(long, value_name = "NUMBER")]
    threshold: Option<Threshold>,
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
    let threshold = arguments.threshold.unwrap_or_else(|| classifier.threshold());
    let layout = Layout::new(arguments.format, &images);

    let mut answered = 0;
    for chunk in images.chunks(AT_ONCE) {
        let answers: Vec<_> = chunk.par_iter().map(|path| predict(&classifier, path, threshold)).collect();
        let mut text = String::new();
        for answer in answers {
            match answer {
                Ok(answer) => {
                    if arguments.format != Format::Json {
                        answer.notes.iter().for_each(|note| tracing::info!("{}: {note}", printable(&answer.file)));
                    }
                    if answered == 0 {
                        text += &layout.head()?;
                    }
                    answered += 1;
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
        if arguments.format == Format::Table {
            output::print(&format!("\n{RESEARCH_USE}\n"))?;
        } else {
            tracing::info!("{RESEARCH_USE}");
        }
    }
    if failed > 0 {
        bail!("no prediction for {failed} of {total} inputs");
    }
    Ok(())
}

/// The images that are named, and those in the folders that are named; what cannot be found is logged and counted.
fn find_images(inputs: &[PathBuf]) -> (Vec<PathBuf>, usize) {
    let (mut images, mut failed) = (Vec::new(), 0);
    for input in inputs {
        match images_of(input) {
            Ok(found) => images.extend(found),
            Err(error) => {
                failed += 1;
                tracing::error!("{error:#}");
            }
        }
    }
    (images, failed)
}

fn images_of(input: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let unread = || format!("cannot read {}", input.display());
    if !std::fs::metadata(input).with_context(unread)?.is_dir() {
        // A file that is named is tried whatever its ending.
        return Ok(vec![input.to_owned()]);
    }
    let mut files = walk::under(input).with_context(unread)?;
    files.retain(|file| file.file_name().and_then(|name| name.to_str()).and_then(walk::image_stem).is_some());
    if files.is_empty() {
        bail!("no image ({}) in {}", walk::IMAGE_EXTENSIONS.join(", "), input.display());
    }
    Ok(files)
}

fn predict(classifier: &Classifier, path: &Path, threshold: Threshold) -> anyhow::Result<Answer> {
    let Decoded { image, notes } = read(path, &DecodeLimits::default())?;
    let prediction = classifier.classify(&image).with_context(|| path.display().to_string())?;
    Ok(Answer {
        file: path.display().to_string(),
        label: prediction.label(),
        confidence: prediction.confidence().rounded(),
        probability_malignant: prediction.probability_malignant.rounded(),
        decision: threshold.decide(prediction.probability_malignant).lower(),
        threshold: threshold.get(),
        notes,
    })
}

/// The answer for one image, its fields in the order in which they are printed.
#[derive(Serialize)]
struct Answer {
    file: String,
    label: Label,
    confidence: f64,
    probability_malignant: f64,
    decision: &'static str,
    threshold: f64,
    notes: Vec<Note>,
}

const COLUMNS: [&str; 6] = ["file", "label", "confidence", "probability_malignant", "decision", "threshold"];

impl Answer {
    fn cells(&self) -> [String; 6] {
        [
            self.file.clone(),
            self.label.to_string(),
            digits(self.confidence),
            digits(self.probability_malignant),
            self.decision.to_owned(),
            digits(self.threshold),
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
        let widths = images.iter().map(|path| printable(&path.display().to_string()).chars().count());
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
            Format::Table | Format::Csv => self.cells(answer.cells().each_ref().map(String::as_str)),
        }
    }

    fn cells(&self, cells: [&str; 6]) -> anyhow::Result<String> {
        if self.format == Format::Csv {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(cells)?;
            return Ok(String::from_utf8(writer.into_inner()?)?);
        }
        let [file, label, confidence, probability, decision, threshold] = cells;
        let (file, width) = (printable(file), self.file_width);
        // 22 characters hold almost every f64; a longer one pushes its own line out and breaks nothing.
        Ok(format!("{file:<width$}  {label:<9}  {confidence:<20}  {probability:<22}  {decision:<9}  {threshold}\n"))
    }
}
