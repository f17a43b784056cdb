//! What the fit loop tells while it works.

use super::error::TrainError;
use super::history::Epoch;
use crate::model::StoredTensors;

/// Who is told how a training goes.
pub trait Progress {
    /// A stretch of work on `images` samples begins.
    fn start(&mut self, what: &str, images: usize);
    /// So many more samples are done; the mean loss so far, where there is one.
    fn advance(&mut self, images: usize, loss: Option<f64>);
    /// An epoch is over.
    ///
    /// # Errors
    /// When it cannot be noted down, which ends the training.
    fn epoch(&mut self, epoch: &Epoch) -> Result<(), TrainError>;
    /// An epoch is the best so far, and these are its weights.
    ///
    /// # Errors
    /// When they cannot be written, which ends the training.
    fn best(&mut self, outcome: &Outcome) -> Result<(), TrainError>;
}

/// What a training came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The best epoch.
    pub epoch: Epoch,
    /// The weights after it.
    pub weights: StoredTensors,
}
