//! What each epoch came to, as a CSV file that is rewritten after each.

use std::path::Path;

use serde::Serialize;

use super::error::TrainError;
use crate::files::write_whole;

/// Which part of a recipe an epoch belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The head alone.
    Probe,
    /// All layers.
    AllLayers,
}

/// The figures of one epoch.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Epoch {
    /// The part of the recipe.
    pub phase: Phase,
    /// Its number in that part, from 1.
    pub epoch: usize,
    /// Adam's step size at its end.
    pub learning_rate: f64,
    /// Mean loss over the samples as they were trained on: with dropout, augmentation and label smoothing.
    pub train_loss: f64,
    /// Mean negative log-likelihood of the validation part.
    pub validation_loss: f64,
    /// Share of the validation part that is right at a threshold of one half.
    pub validation_accuracy: f64,
    /// Area under the ROC curve of the validation part.
    pub validation_roc_auc: f64,
    /// Samples trained on in a second.
    pub images_per_second: f64,
}

/// All epochs so far.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// In the order they were run.
    pub epochs: Vec<Epoch>,
}

impl History {
    /// Writes all epochs to a CSV file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let failed = |source| TrainError::Write { path: path.to_owned(), source };
        let mut writer = csv::Writer::from_writer(Vec::new());
        for epoch in &self.epochs {
            writer.serialize(epoch).map_err(|error| failed(std::io::Error::other(error)))?;
        }
        let bytes = writer.into_inner().map_err(|error| failed(std::io::Error::other(error.to_string())))?;
        write_whole(path, &bytes).map_err(failed)
    }
}
