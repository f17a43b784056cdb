//! Figures from predictions, with those of the controls that know no tissue beside them; the file that predictions are
//! kept in so that every figure can be made again; and runs side by side.
//!
//! In: a network as a function of images, images whose labels are known, or predictions from a file. Out:
//! [`Figures`] and an [`Evaluation`], malignant being positive.

pub mod comparison;
mod controls;
mod cross_fitting;
mod curves;
mod evaluation;
mod exchange;
mod figures;
mod metrics;
mod novelty;
mod observe;
mod paired;
mod predict_all;
pub mod predictions;
mod quantisation;
mod subject;

pub use controls::Control;
pub(crate) use controls::spectrum::RINGS;
pub use cross_fitting::{CrossFitted, Fit};
pub use curves::Curves;
pub use evaluation::{Coverage, Evaluation, Group, Section, Setting, TrainedOnThese};
pub use figures::{ControlFigures, Figures, ShiftFigures};
pub use metrics::calibration::Bin;
pub use metrics::classification::{ClassFigures, ClassificationReport};
pub use metrics::decisions::{Confusion, Scored};
pub use metrics::intervals::{Interval, mean_of_all};
pub use metrics::ranking::SENSITIVITY_PERCENT;
pub use metrics::{Metric, PerMetric};
pub use novelty::{FlagFit, HeldOutImage, TrainedImage, altered_copy, fit_novelty};
pub use paired::Paired;
pub use predict_all::{EXCHANGES, FailedImage, Measuring, TrainPart, open_backbone};
pub use predictions::{Margins, Predictions};
pub use quantisation::QuantisationGate;
pub use subject::{Stratum, Subject};

/// What goes wrong with predictions: with a file of them, and with the images that they are to be made for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
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
    /// Two networks that are to be subtracted were measured on different images.
    #[error(
        "{} and {} cannot be subtracted: they must predict the same images, and {example} is in one of them alone or is \
         called otherwise there", sides[0], sides[1]
    )]
    OtherImages {
        /// The two.
        sides: [String; 2],
        /// An image that sets them apart.
        example: String,
    },
    /// Images that cannot be read or predicted; figures over the others would be of something else.
    #[error("no figures, because {} of {of} images could not be predicted; mend or remove them:{}", failed.len(), lines(failed))]
    Unpredicted {
        /// These images.
        failed: Vec<FailedImage>,
        /// How many images there are.
        of: usize,
    },
}

/// The first of these images, a line each, and how many more there are.
pub(crate) fn lines(failed: &[FailedImage]) -> String {
    const SHOWN: usize = 20;
    let mut text: String = failed.iter().take(SHOWN).map(|image| format!("\n  {image}")).collect();
    if let Some(more) = failed.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        text += &format!("\n  and {more} more");
    }
    text
}
