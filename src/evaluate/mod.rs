//! Metrics from predictions, the file that predictions are kept in so that every figure can be recomputed, and runs
//! side by side.
//!
//! In: what a network said of pictures whose labels are known. Out: [`Metrics`], malignant being positive.

pub mod comparison;
mod comparison_figure;
pub mod intervals;
mod logistic;
mod measure;
mod metrics;
pub mod predictions;
pub mod svg;

pub use logistic::Logistic;
pub use metrics::{Confusion, Metrics, Scored};

/// What goes wrong with a file of predictions.
#[derive(Debug, thiserror::Error)]
pub enum EvaluateError {
    /// The file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: std::path::PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The file is not a table of predictions.
    #[error("{}, line {line}: {reason}", path.display())]
    Table {
        /// The file.
        path: std::path::PathBuf,
        /// Its line, from 1 (the header).
        line: u64,
        /// What is wrong.
        reason: String,
    },
}
