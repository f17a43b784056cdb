//! `lobule predict`: images and folders in, a line an image out, or a line for each field of an image.

mod answer;
mod flag_counts;
mod geojson;
mod heatmaps;
mod layout;

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory};
use rayon::prelude::*;

use crate::breakhis::walk::{self, Found};
use crate::cli::terminal::{INTERRUPTED, note_interruption};
use crate::cli::weights::{ViewsArguments, WeightsArguments};
use crate::cli::{Arguments, output};
use crate::diagnosis::RESEARCH_USE;
use crate::explain::classify_views;
use crate::model::{AskedThreshold, Classifier, DecisionPoint};
use crate::pixels::{DecodeLimits, Decoded, Dihedral, Field, Fields, LargeImage, Note, read};
use crate::system::printable_path;
use answer::{Answer, Place, WrittenHeatmap};
use flag_counts::FlagCounts;
use heatmaps::Heatmaps;
use layout::{Format, Layout};

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
    /// Images, and folders whose images are found at any depth.
    #[arg(required = true, value_name = "IMAGE|DIR")]
    inputs: Vec<PathBuf>,
}

/// Leaves the program with a message, because the arguments alone do not say that they are wrong.
fn wrong_use(message: impl Display) -> ! {
    Arguments::command().error(ErrorKind::InvalidValue, message).exit()
}

pub(super) fn run(arguments: &PredictArguments) -> anyhow::Result<()> {
    let fields = arguments.tile.map(|size| Fields::new(size, arguments.overlap.unwrap_or(0)));
    let fields = fields.transpose().unwrap_or_else(|error| wrong_use(format_args!("--tile and --overlap: {error}")));
    let (images, failed) = find_images(&arguments.inputs);
    if arguments.format == Format::Wsinfer && images.len() > 1 {
        wrong_use(format_args!(
            "--format wsinfer: its columns name no file, so it is for one image at a time, and there are {}",
            images.len()
        ));
    }
    let classifier = arguments.weights.classifier()?;
    let point = classifier.metadata().decision_point(arguments.threshold);
    let point = point.unwrap_or_else(|error| wrong_use(format_args!("--threshold: {error}")));
    let heatmaps =
        arguments.heatmap.as_deref().map(|folder| Heatmaps::new(folder, &classifier, &images)).transpose()?;

    let mut answers = Answers {
        layout: Layout::new(arguments.format, fields.is_some(), &images),
        arguments,
        predictor: Predictor { classifier, point, views: arguments.views.symmetries() },
        answered: 0,
        failed,
        flag_counts: FlagCounts::of(if fields.is_some() { "field" } else { "image" }),
        interrupted: note_interruption("stopping after these images; once more stops at once")?,
        is_cut_short: false,
    };
    let is_read = match fields {
        Some(fields) => answers.print_fields(&images, fields)?,
        None => answers.print_images(&images, heatmaps.as_ref())?,
    };
    if is_read { answers.finish(images.len() + failed) } else { Ok(()) }
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

/// What answers.
struct Predictor<'a> {
    classifier: Classifier,
    point: DecisionPoint,
    views: &'a [Dihedral],
}

impl Predictor<'_> {
    fn image(&self, path: &Path, heatmap: Option<PathBuf>) -> anyhow::Result<Answer> {
        let Decoded { image, notes } = read(path, &DecodeLimits::local())?;
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
}

/// The answers so far, and how they are printed.
struct Answers<'a> {
    arguments: &'a PredictArguments,
    layout: Layout,
    predictor: Predictor<'a>,
    answered: usize,
    /// Inputs without an answer, or not with all of theirs.
    failed: usize,
    flag_counts: FlagCounts,
    interrupted: Arc<AtomicBool>,
    /// Some inputs were not looked at, or not to their end.
    is_cut_short: bool,
}

impl Answers<'_> {
    /// Prints an answer for each image; `false` when nobody reads any more.
    fn print_images(&mut self, images: &[PathBuf], heatmaps: Option<&Heatmaps>) -> anyhow::Result<bool> {
        for (number, chunk) in images.chunks(AT_ONCE).enumerate() {
            if self.must_stop() {
                break;
            }
            let answer = |(index, path): (usize, &PathBuf)| {
                self.predictor.image(path, heatmaps.map(|heatmaps| heatmaps.path(AT_ONCE * number + index)))
            };
            let answers: Vec<_> = chunk.par_iter().enumerate().map(answer).collect();
            let (text, failed) = self.text(answers)?;
            self.failed += failed;
            if !output::print(&text)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Prints an answer for each field of each image; `false` when nobody reads any more.
    fn print_fields(&mut self, images: &[PathBuf], fields: Fields) -> anyhow::Result<bool> {
        for path in images {
            if self.must_stop() {
                break;
            }
            let is_read = match LargeImage::open(path) {
                Ok(mut image) => self.print_fields_of(path, &mut image, fields)?,
                Err(error) => {
                    self.fail(&error.into());
                    true
                }
            };
            if !is_read {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn print_fields_of(&mut self, path: &Path, image: &mut LargeImage, fields: Fields) -> anyhow::Result<bool> {
        let mut reader = match image.fields(fields) {
            Ok(reader) => reader,
            Err(error) => {
                self.fail(&error.into());
                return Ok(true);
            }
        };
        let notes = reader.notes().to_vec();
        self.log_notes(path, &notes);
        let at_once = reader.at_once().min(AT_ONCE);
        loop {
            let chunk: Vec<_> = reader.by_ref().take(at_once).collect();
            if chunk.is_empty() || self.must_stop() {
                return Ok(true);
            }
            let answer = |field| self.predictor.field(path, &notes, &field?);
            let (text, failed) = self.text(chunk.into_par_iter().map(answer).collect())?;
            if !output::print(&text)? {
                return Ok(false);
            }
            if failed > 0 {
                self.failed += 1;
                return Ok(true);
            }
        }
    }

    /// Answers as they are printed, and how many there are not.
    fn text(&mut self, answers: Vec<anyhow::Result<Answer>>) -> anyhow::Result<(String, usize)> {
        let (mut text, mut failed) = (String::new(), 0);
        for answer in answers {
            match answer {
                Ok(answer) => {
                    let is_first = self.answered == 0;
                    if is_first {
                        text += &self.head()?;
                    }
                    self.answered += 1;
                    if answer.field.is_none() {
                        self.log_notes(&answer.file, &answer.notes);
                    }
                    self.flag_counts.add(answer.flags, answer.decision);
                    text += &self.layout.answer(&answer, is_first)?;
                }
                Err(error) => {
                    failed += 1;
                    tracing::error!("{error:#}");
                }
            }
        }
        Ok((text, failed))
    }

    fn head(&self) -> anyhow::Result<String> {
        self.layout.head(&self.predictor.classifier, self.predictor.point.threshold.get())
    }

    fn fail(&mut self, error: &anyhow::Error) {
        self.failed += 1;
        tracing::error!("{error:#}");
    }

    fn log_notes(&self, path: &Path, notes: &[Note]) {
        if self.arguments.format.has_no_notes() {
            notes.iter().for_each(|note| tracing::info!("{}: {note}", printable_path(path)));
        }
    }

    /// Whether it is to stop before what is left.
    fn must_stop(&mut self) -> bool {
        self.is_cut_short |= self.interrupted.load(Ordering::Relaxed);
        self.is_cut_short
    }

    /// Prints what stands below all answers; `total` inputs were asked about.
    fn finish(self, total: usize) -> anyhow::Result<()> {
        let mut text = self.layout.tail(self.failed == 0 && !self.is_cut_short);
        if self.answered == 0 && !text.is_empty() {
            text.insert_str(0, &self.head()?);
        }
        if self.answered > 0 {
            let lines = self.flag_counts.lines();
            if self.arguments.format == Format::Table {
                text += &format!("\n{}\n{RESEARCH_USE}\n", lines.join("\n"));
            } else {
                lines.iter().for_each(|line| tracing::info!("{line}"));
                tracing::info!("{RESEARCH_USE}");
            }
        }
        output::print(&text)?;
        if self.is_cut_short {
            tracing::error!("interrupted: the answers that were printed are not all");
            std::process::exit(INTERRUPTED);
        }
        if self.failed > 0 {
            bail!("no prediction for {} of {total} inputs", self.failed);
        }
        Ok(())
    }
}
