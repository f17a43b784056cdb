//! What is decided after each epoch from its validation loss: whether to stop, with which learning rate to go on, and
//! whether the epoch is the best so far. The rules are those of Keras 3's `EarlyStopping`, `ReduceLROnPlateau` and
//! `ModelCheckpoint(save_best_only=True)`.
//!
//! In: settings from a recipe and a loss an epoch, lower is better. Out: decisions, and states that survive JSON to
//! the bit, so that a training which is resumed decides as if it had never stopped.
//!
//! Like Keras, all three compare losses as f32; a fall that is too small for f32 does not count. The first loss is an improvement
//! whatever it is. NaN never improves on another loss, and nothing improves on a first loss of NaN.

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

/// Lowers the learning rate when the validation loss has not improved for some epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plateau {
    /// What the learning rate is multiplied by, from 0 up to, but not, 1.
    pub factor: f64,
    /// Epochs without an improvement after which it is lowered. As in Keras, 0 lowers it as 1 does.
    pub patience: usize,
    /// An improvement lowers the best loss by more than this.
    pub min_delta: f64,
    /// Epochs after a lowering in which those without an improvement are not counted; the last of them is, as in
    /// Keras, so that 1 is as good as 0.
    pub cooldown: usize,
    /// The learning rate is not lowered further than this.
    pub min_learning_rate: f64,
}

/// How long an [`EarlyStopping`] has been waiting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EarlyStoppingState {
    lowest: Lowest,
    waited: usize,
}

/// How long a [`Plateau`] has been waiting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlateauState {
    lowest: Lowest,
    waited: usize,
    cooling: usize,
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
struct Lowest(Option<f32>);

impl EarlyStopping {
    /// Checks numbers that come from a recipe.
    ///
    /// # Errors
    /// A sentence that says which number makes no sense.
    pub fn check(&self) -> Result<(), String> {
        check_min_delta(self.min_delta)
    }
}

impl Plateau {
    /// Checks numbers that come from a recipe.
    ///
    /// # Errors
    /// A sentence that says which number makes no sense.
    pub fn check(&self) -> Result<(), String> {
        if !(0.0..1.0).contains(&self.factor) {
            return Err(format!("a factor of {}; it must be from 0 up to, but not, 1", self.factor));
        }
        if !(self.min_learning_rate.is_finite() && self.min_learning_rate >= 0.0) {
            return Err(format!("a lowest learning rate of {}; it must be 0 or more", self.min_learning_rate));
        }
        check_min_delta(self.min_delta)
    }
}

fn check_min_delta(min_delta: f64) -> Result<(), String> {
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

impl PlateauState {
    /// Takes the validation loss of the next epoch and the learning rate it was trained with; returns the learning rate to go
    /// on with, which is `learning_rate` itself if there is nothing to lower.
    ///
    /// Keras's optimiser holds the learning rate as f32, so a lowered one is an f32's number, computed from the f32 that is
    /// nearest to `learning_rate`.
    pub fn epoch(&mut self, settings: &Plateau, loss: f64, learning_rate: f64) -> f64 {
        if self.cooling > 0 {
            self.cooling -= 1;
            self.waited = 0;
        }
        if self.lowest.improves(loss, settings.min_delta) {
            self.waited = 0;
            return learning_rate;
        }
        if self.cooling > 0 {
            return learning_rate;
        }
        self.waited += 1;
        let current = learning_rate as f32;
        if self.waited < settings.patience || current <= settings.min_learning_rate as f32 {
            return learning_rate;
        }
        self.cooling = settings.cooldown;
        self.waited = 0;
        let lowered = (f64::from(current) * settings.factor).max(settings.min_learning_rate);
        f64::from(lowered as f32)
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
    fn improves(&mut self, loss: f64, min_delta: f64) -> bool {
        // Keras adds in f64 and compares in f32.
        let improves = self.0.is_none_or(|lowest| ((loss + min_delta) as f32) < lowest);
        if improves {
            self.0 = Some(finite(loss as f32));
        }
        improves
    }
}

/// The number next to a loss that JSON can hold and that compares with others as the loss does: no loss is below NaN,
/// and every number is below infinity.
fn finite(loss: f32) -> f32 {
    if loss.is_nan() { f32::MIN } else { loss.clamp(f32::MIN, f32::MAX) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_that_make_no_sense_are_refused_with_a_reason() {
        let plateau = Plateau { factor: 0.1, patience: 2, min_delta: 1e-4, cooldown: 0, min_learning_rate: 1e-6 };
        assert_eq!(plateau.check(), Ok(()));
        let refused = |plateau: Plateau| plateau.check().unwrap_err();
        assert!(refused(Plateau { factor: 1.0, ..plateau.clone() }).contains("a factor of 1;"));
        assert!(refused(Plateau { factor: f64::NAN, ..plateau.clone() }).contains("a factor of NaN"));
        assert!(refused(Plateau { min_delta: -1.0, ..plateau.clone() }).contains("improvement of -1"));
        assert!(refused(Plateau { min_learning_rate: f64::INFINITY, ..plateau }).contains("rate of inf"));
        assert_eq!(EarlyStopping { patience: 0, min_delta: 0.0 }.check(), Ok(()));
        assert!(EarlyStopping { patience: 3, min_delta: f64::NAN }.check().is_err());
    }

    #[test]
    fn a_setting_that_is_misspelt_is_refused() {
        let error = serde_json::from_str::<EarlyStopping>(r#"{"patience": 3, "min_delta": 0, "patient": 4}"#);
        assert!(error.unwrap_err().to_string().contains("patient"));
    }
}
