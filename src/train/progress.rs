//! What a training reports while it works.

use crate::train::{Epoch, Finished, RunFolder, State, TrainError};

/// Follows a training, and may ask it to stop. `()` follows silently.
pub trait Progress: Send {
    /// Work on `images` samples begins, of which `done` were done before an interruption.
    fn start(&mut self, _what: &str, _images: usize, _done: usize) {}
    /// So many more samples are done; the mean loss so far, where there is one.
    fn advance(&mut self, _images: usize, _loss: Option<f64>) {}
    /// An epoch is over.
    fn epoch(&mut self, _epoch: &Epoch) {}
    /// Something worth knowing happened.
    fn note(&mut self, _message: &str) {}
    /// Something happened that the user might want to change.
    fn warn(&mut self, _message: &str) {}
    /// The files of a run hold this state: after each epoch, and when the training was asked to stop.
    ///
    /// # Errors
    /// When something that belongs beside these files cannot be written, which ends the training.
    fn saved(&mut self, _run: &RunFolder, _state: &State) -> Result<(), TrainError> {
        Ok(())
    }
    /// A run has ended, and its weights file is written.
    fn finished(&mut self, _run: &Finished) {}
    /// Whether the training is to stop after this step.
    fn interrupted(&self) -> bool {
        false
    }
}

impl Progress for () {}
