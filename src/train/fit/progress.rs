//! What the fit loop tells while it works.

use crate::train::error::TrainError;
use crate::train::fit::history::Epoch;
use crate::train::fit::state::State;

/// Who is told how a training goes, and may ask it to stop.
pub trait Progress {
    /// A stretch of work on `images` samples begins, of which `done` were done before an interruption.
    fn start(&mut self, what: &str, images: usize, done: usize);
    /// So many more samples are done; the mean loss so far, where there is one.
    fn advance(&mut self, images: usize, loss: Option<f64>);
    /// An epoch is over.
    fn epoch(&mut self, epoch: &Epoch);
    /// A moment from which the training can go on later: after each epoch, and when it was asked to stop.
    ///
    /// # Errors
    /// When it cannot be noted down, which ends the training.
    fn save(&mut self, state: &State) -> Result<(), TrainError>;
    /// Whether the training is to stop after this step.
    fn interrupted(&self) -> bool;
}
