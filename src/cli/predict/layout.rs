//! How answers look in each format.

use std::path::PathBuf;

use clap::ValueEnum;
use serde_json::json;

use super::answer::{Answer, Failure};
use super::geojson;
use crate::model::Classifier;
use crate::system::digits;
use crate::system::{path_for_programs, printable_path};

/// How the answers are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Columns for people.
    Table,
    /// One JSON object a line.
    Json,
    /// Comma-separated values with a header.
    Csv,
    /// One GeoJSON collection for QuPath: the outline of each image, or of each field with --tile, in pixels. Of several
    /// images the metadata of an outline names the file; for QuPath, which imports for one image, predict one at a time.
    Geojson,
    /// The columns of WSInfer's CSV files: where each field lies, and the probability of each class. They name no file, so
    /// predict one image at a time.
    Wsinfer,
}

impl Format {
    /// Whether answers have no place for what else is to be said.
    pub(super) fn has_no_notes(self) -> bool {
        matches!(self, Self::Table | Self::Csv | Self::Wsinfer)
    }
}

/// The columns of the table and of CSV, and how wide they are in the table. 22 characters hold almost every f64; a longer one
/// pushes its own line out and breaks nothing. The last one ends its line.
const FILE: &str = "file";
const PLACE: [(&str, usize); 4] = [("x", 7), ("y", 7), ("width", 7), ("height", 7)];
const PREDICTION: [(&str, usize); 6] =
    [("label", 9), ("confidence", 20), ("probability_malignant", 22), ("decision", 9), ("threshold", 20), ("flags", 0)];

/// The last column of a file of answers: why there is none.
const ERROR: &str = "error";

const WSINFER: [&str; 6] = ["minx", "miny", "width", "height", "prob_Benign", "prob_Malignant"];

/// How lines look in a format.
pub(super) struct Layout {
    format: Format,
    /// Answers are for fields.
    has_places: bool,
    /// There is a row for an image without an answer.
    has_failures: bool,
    /// The widest file name in characters, for the table.
    file_width: usize,
}

impl Layout {
    pub(super) fn new(format: Format, has_places: bool, has_failures: bool, images: &[PathBuf]) -> Self {
        let widths = images.iter().map(|path| printable_path(path).chars().count());
        Self { format, has_places, has_failures, file_width: widths.max().unwrap_or(0).max(FILE.len()) }
    }

    pub(super) fn format(&self) -> Format {
        self.format
    }

    /// What stands before the first answer.
    pub(super) fn head(&self, classifier: &Classifier, threshold: f64) -> anyhow::Result<String> {
        match self.format {
            Format::Json => Ok(String::new()),
            Format::Table | Format::Csv => {
                let columns = std::iter::once(FILE).chain(self.columns().map(|(name, _)| name));
                let error = self.has_failures.then_some(ERROR);
                self.line(columns.chain(error).map(str::to_owned))
            }
            Format::Wsinfer => self.line(WSINFER.map(str::to_owned)),
            Format::Geojson => geojson::head(classifier.id(), threshold),
        }
    }

    /// An answer; the first one follows the head.
    pub(super) fn answer(&self, answer: &Answer, is_first: bool) -> anyhow::Result<String> {
        match self.format {
            Format::Json => Ok(serde_json::to_string(answer)? + "\n"),
            Format::Table | Format::Csv => {
                self.line(self.cells(answer).into_iter().chain(self.has_failures.then(String::new)))
            }
            Format::Wsinfer => {
                let place = answer.place();
                let place = [place.x, place.y, place.width, place.height].map(|number| number.to_string());
                let probabilities = [answer.probability.complement(), answer.probability];
                self.line(place.into_iter().chain(probabilities.map(|probability| digits(probability.rounded()))))
            }
            Format::Geojson => Ok(if is_first { "" } else { ",\n" }.to_owned() + &geojson::feature(answer)?),
        }
    }

    /// What stands in the place of an answer that there is not, where there is to be a row.
    pub(super) fn failure(&self, failure: &Failure) -> anyhow::Result<String> {
        let Failure { file, fault, error } = failure;
        let file = path_for_programs(file).into_owned();
        match self.format {
            _ if !self.has_failures => Ok(String::new()),
            Format::Json => {
                Ok(json!({ "file": file, "error": fault, "detail": format!("{error:#}") }).to_string() + "\n")
            }
            Format::Csv => {
                let empty = self.columns().map(|_| String::new());
                self.line(std::iter::once(file).chain(empty).chain([(*fault).to_owned()]))
            }
            Format::Table | Format::Geojson | Format::Wsinfer => Ok(String::new()),
        }
    }

    /// What stands behind the last answer; whether all inputs are answered is `is_complete`. Without an answer there is no
    /// table, but there is a collection that is empty.
    pub(super) fn tail(&self, is_complete: bool) -> String {
        if self.format == Format::Geojson { geojson::tail(is_complete) } else { String::new() }
    }

    fn columns(&self) -> impl Iterator<Item = (&'static str, usize)> {
        PLACE.into_iter().filter(|_| self.has_places).chain(PREDICTION)
    }

    fn cells(&self, answer: &Answer) -> Vec<String> {
        let is_table = self.format == Format::Table;
        let place = answer.field.iter().flat_map(|place| [place.x, place.y, place.width, place.height]);
        let file = if is_table { printable_path(&answer.file) } else { path_for_programs(&answer.file).into() };
        let prediction = [
            answer.label.to_string(),
            digits(answer.confidence),
            digits(answer.probability_malignant),
            answer.decision.to_string(),
            digits(answer.threshold),
            answer.flags_as_text().unwrap_or_else(|| if is_table { "unknown" } else { "" }.to_owned()),
        ];
        std::iter::once(file).chain(place.map(|number| number.to_string())).chain(prediction).collect()
    }

    fn line(&self, cells: impl IntoIterator<Item = String>) -> anyhow::Result<String> {
        if self.format != Format::Table {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(cells)?;
            return Ok(String::from_utf8(writer.into_inner()?)?);
        }
        let widths = std::iter::once(self.file_width).chain(self.columns().map(|(_, width)| width));
        let cells = cells.into_iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        Ok(cells.collect::<Vec<_>>().join("  ") + "\n")
    }
}
