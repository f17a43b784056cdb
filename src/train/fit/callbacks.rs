//! What is decided after each epoch from its validation loss: whether to stop, and whether the epoch is the best so
//! far. The rules are those of Keras 3's `EarlyStopping` and `ModelCheckpoint(save_best_only=True)`.
//!
//! In: settings from a recipe and a loss an epoch, lower is better. Out: decisions, and states that survive JSON to
//! the bit, so that a training which is resumed decides as if it had never stopped.
//!
//! Like Keras, these and the plateau of the learning rate compare losses as f32; a fall that is too small for f32 does
//! not count. The first loss is an improvement whatever it is. NaN never improves on another loss, and nothing improves
//! on a first loss of NaN.

use serde::{Deserialize, Serialize};

/// Ends a training whose validation loss has not improved for some epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStopping {
    /// Epochs without an improvement after which the training ends. As in Keras, 0 ends it as 1 does.
    pub patience: usize,
    /// An improvement lowers the best loss by more than this.
    pub min_delta: f64,
}

/// How long an [`EarlyStopping`] has been waiting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStoppingState {
    lowest: Lowest,
    waited: usize,
}

/// The epoch with the lowest validation loss, the first of equal ones.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BestEpoch {
    lowest: Lowest,
    epoch: Option<usize>,
}

/// The lowest loss so far. f32 is what Keras compares, and unlike an f64 it always comes back from `serde_json` as the
/// same number.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Lowest(Option<f32>);

/// Checks a number that comes from a recipe; the error says that it makes no sense.
pub(crate) fn check_min_delta(min_delta: f64) -> Result<(), String> {
    if !(min_delta.is_finite() && min_delta >= 0.0) {
        return Err(format!("a smallest improvement of {min_delta}; it must be 0 or more"));
    }
    Ok(())
}

impl EarlyStoppingState {
    /// Takes the validation loss of the next epoch; says whether to stop after it.
    pub fn epoch(&mut self, settings: &EarlyStopping, loss: f64) -> bool {
        if self.lowest.improves(loss, settings.min_delta) {
            self.waited = 0;
            return false;
        }
        self.waited += 1;
        self.waited >= settings.patience
    }
}

impl BestEpoch {
    /// Takes the validation loss of `epoch`; says whether it is the lowest so far.
    pub fn epoch(&mut self, epoch: usize, loss: f64) -> bool {
        let best = self.lowest.improves(loss, 0.0);
        if best {
            self.epoch = Some(epoch);
        }
        best
    }

    /// The number of the best epoch, as it was given; `None` before the first.
    pub fn number(&self) -> Option<usize> {
        self.epoch
    }
}

impl Lowest {
    /// Whether a loss is lower by more than `min_delta`; then it is kept.
    pub(crate) fn improves(&mut self, loss: f64, min_delta: f64) -> bool {
        // Keras adds in f64 and compares in f32.
        let improves = self.0.is_none_or(|lowest| ((loss + min_delta) as f32) < lowest);
        if improves {
            // The next number that JSON can hold and that compares as the loss does: no loss is below NaN, and every
            // number is below infinity.
            let loss = loss as f32;
            self.0 = Some(if loss.is_nan() { f32::MIN } else { loss.clamp(f32::MIN, f32::MAX) });
        }
        improves
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Plateau;

    #[test]
    fn settings_that_make_no_sense_are_refused_with_a_reason() {
        let plateau = Plateau { factor: 0.1, patience: 2, min_delta: 1e-4, cooldown: 0, min_learning_rate: 1e-6 };
        assert_eq!(plateau.check(), Ok(()));
        for (plateau, reason) in [
            (Plateau { factor: 1.0, ..plateau.clone() }, "a factor of 1;"),
            (Plateau { factor: f64::NAN, ..plateau.clone() }, "a factor of NaN"),
            (Plateau { min_delta: -1.0, ..plateau.clone() }, "improvement of -1"),
            (Plateau { min_learning_rate: f64::INFINITY, ..plateau }, "rate of inf"),
        ] {
            assert!(plateau.check().unwrap_err().contains(reason), "{reason}");
        }
        assert_eq!(check_min_delta(0.0), Ok(()));
        assert!(check_min_delta(f64::NAN).is_err());
    }

    #[test]
    fn a_setting_that_is_misspelt_is_refused() {
        let error = serde_json::from_str::<EarlyStopping>(r#"{"patience": 3, "min_delta": 0, "patient": 4}"#);
        assert!(error.unwrap_err().to_string().contains("patient"));
    }
}
