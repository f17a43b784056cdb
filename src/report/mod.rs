//! Everything that is shown: what results consist of ([`Results`]), and the formats that they are written in
//! ([`Exporter`]), a file each.
//!
//! In: an evaluation, a comparison of runs, an audit or a drift. Out: text, and of evaluations and drifts a whole page. A new format is a file with an [`Exporter`]; new results are a file with the sections, records
//! and figure that every format takes.

#[cfg(feature = "cli")]
mod audit;
#[cfg(feature = "cli")]
mod calibration;
#[cfg(feature = "cli")]
mod card;
#[cfg(feature = "cli")]
mod comparison;
#[cfg(feature = "cli")]
mod cross_validation;
mod csv;
mod drift;
#[cfg(feature = "cli")]
mod evaluation;
mod html;
mod json;
mod markdown;
#[cfg(feature = "cli")]
mod paired;
mod sections;
pub(crate) mod svg;
pub(crate) mod text;

#[cfg(feature = "cli")]
pub(crate) use audit::{audit, parts};
#[cfg(feature = "cli")]
pub use card::{CardError, CardSources, card, card_metrics};
#[cfg(feature = "cli")]
pub use cross_validation::CrossValidationResults;
pub use csv::Csv;
pub use drift::DriftResults;
#[cfg(feature = "cli")]
pub use evaluation::EvaluationResults;
#[cfg(feature = "cli")]
pub(crate) use evaluation::{tissue, trained_on_these};
#[cfg(feature = "cli")]
pub(crate) use html::MISTAKES;
#[cfg(feature = "cli")]
pub use html::{DrawnHeatmap, EvaluationReport, Mistake};
pub use json::Json;
pub use markdown::Markdown;
#[cfg(feature = "cli")]
pub(crate) use sections::number;
pub use sections::{Cell, Records, Section, Table};
pub use svg::SvgFigure;
pub use text::Text;

/// What can be shown in every format.
pub trait Results {
    /// For people: tables and sentences, from the top to the bottom.
    fn sections(&self) -> Vec<Section>;

    /// For other programs: one table, numbers with all their digits.
    fn records(&self) -> Records;

    /// For programs that read JSON; without a better form it is the list of the records.
    ///
    /// # Errors
    /// When they cannot be written as JSON.
    fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(&self.records())
    }

    /// As a drawing, an SVG document.
    fn figure(&self) -> String;
}

/// A format that results are shown in.
pub trait Exporter {
    /// The results as a text that ends with a line.
    ///
    /// # Errors
    /// When they cannot be written in this format.
    fn export(&self, results: &dyn Results) -> Result<String, ExportError>;
}

/// Why results cannot be written in a format.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// As CSV.
    #[error("the results cannot be written as CSV: {0}")]
    Csv(String),
    /// As JSON.
    #[error("the results cannot be written as JSON")]
    Json(#[from] serde_json::Error),
}
