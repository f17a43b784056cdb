//! The figures of each epoch, and the files that hold them.
//!
//! `history.csv` holds what a repeated training gives again to the last digit; `history.jsonl` also holds the times.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::evaluate::{self, Metric};
use crate::system::write_whole;
use crate::train::TrainError;

/// An epoch that is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Epoch {
    /// What it came to.
    #[serde(flatten)]
    pub figures: EpochFigures,
    /// Samples trained on in a second.
    pub images_per_second: f64,
    /// When it was over, in seconds since 1970.
    pub ended_at: f64,
}

/// The figures of an epoch. Those of the validation part are `None` where they are not defined.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EpochFigures {
    /// Its number, from 1.
    pub epoch: usize,
    /// Adam's learning rate at its end.
    pub learning_rate: f64,
    /// Mean loss over the samples as they were trained on: with dropout, augmentation and label smoothing.
    pub train_loss: f64,
    /// Share of those samples that were right, each as the weights were at its step.
    pub train_accuracy: f64,
    /// Mean negative log-likelihood of the validation part.
    pub validation_loss: Option<f64>,
    /// Share of the validation part that is right at a threshold of one half, as are the next three.
    pub validation_accuracy: Option<f64>,
    /// Malignant images among those called malignant.
    pub validation_precision: Option<f64>,
    /// Images called malignant among the malignant.
    pub validation_recall: Option<f64>,
    /// The harmonic mean of the two.
    pub validation_f1: Option<f64>,
    /// Area under the ROC curve of the validation part.
    pub validation_roc_auc: Option<f64>,
}

/// What an epoch came to so far; it survives an interruption.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Running {
    /// Sum of the losses of the samples.
    pub(crate) loss: f64,
    /// Samples that were right.
    pub(crate) right: usize,
    pub(crate) seen: usize,
    pub(crate) seconds: f64,
}

impl Running {
    /// Counts a step of `samples`, given their mean loss and how many were right.
    pub(crate) fn add(&mut self, samples: usize, loss: f64, right: usize) {
        self.loss += loss * samples as f64;
        self.right += right;
        self.seen += samples;
    }

    pub(crate) fn mean_loss(&self) -> f64 {
        self.loss / self.seen as f64
    }
}

impl Epoch {
    /// An epoch that is just over.
    pub(crate) fn of(epoch: usize, learning_rate: f64, train: Running, validation: &evaluate::Figures) -> Self {
        let since_1970 = std::time::UNIX_EPOCH.elapsed();
        Self {
            figures: EpochFigures {
                epoch,
                learning_rate,
                train_loss: train.mean_loss(),
                train_accuracy: train.right as f64 / train.seen as f64,
                validation_loss: validation.get(Metric::Nll),
                validation_accuracy: validation.get(Metric::Accuracy),
                validation_precision: validation.get(Metric::Precision),
                validation_recall: validation.get(Metric::Recall),
                validation_f1: validation.get(Metric::F1),
                validation_roc_auc: validation.get(Metric::RocAuc),
            },
            images_per_second: train.seen as f64 / train.seconds,
            ended_at: since_1970.map_or(0.0, |time| time.as_secs_f64()),
        }
    }
}

/// Writes all epochs into the folder of a run: `history.csv` and `history.jsonl`, each whole or not at all.
pub(crate) fn write(run: &Path, epochs: &[Epoch]) -> Result<(), TrainError> {
    let [csv, jsonl] = ["history.csv", "history.jsonl"].map(|name| run.join(name));
    let [csv_failed, jsonl_failed] = [&csv, &jsonl].map(TrainError::write);
    let (mut writer, mut lines) = (csv::Writer::from_writer(Vec::new()), String::new());
    for epoch in epochs {
        writer.serialize(&epoch.figures).map_err(|error| csv_failed(error.into()))?;
        lines += &serde_json::to_string(epoch).map_err(|error| jsonl_failed(error.into()))?;
        lines.push('\n');
    }
    let bytes = writer.into_inner().map_err(|error| csv_failed(error.into_error()))?;
    write_whole(&csv, &bytes).map_err(csv_failed)?;
    write_whole(&jsonl, lines.as_bytes()).map_err(jsonl_failed)
}
