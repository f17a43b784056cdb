//! The learning rate: a schedule lets it rise and fall over the epochs, and a plateau of the validation loss lowers it,
//! by the rules of Keras 3's `ReduceLROnPlateau`.

use serde::{Deserialize, Serialize};

use crate::train::Recipe;
use crate::train::fit::callbacks::{Lowest, check_min_delta};

/// How the learning rate goes on after its warm-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Decay {
    /// It stays.
    Constant,
    /// It falls to zero along half a cosine.
    Cosine,
}

/// The share of the peak learning rate at a step, both counted in epochs (1.5: in the middle of the second).
pub(crate) fn schedule(recipe: &Recipe, epoch: f64) -> f64 {
    let Recipe { warm_up, epochs, decay, .. } = recipe;
    if epoch < *warm_up {
        return epoch / warm_up;
    }
    let done = (epoch - warm_up) / (*epochs as f64 - warm_up).max(f64::MIN_POSITIVE);
    match decay {
        Decay::Constant => 1.0,
        Decay::Cosine => 0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos()),
    }
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

/// How long a [`Plateau`] has been waiting.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlateauState {
    lowest: Lowest,
    waited: usize,
    cooling: usize,
}

impl Plateau {
    /// Checks numbers that come from a recipe; the error says which one makes no sense.
    pub(crate) fn check(&self) -> Result<(), String> {
        if !(0.0..1.0).contains(&self.factor) {
            return Err(format!("a factor of {}; it must be from 0 up to, but not, 1", self.factor));
        }
        if !(self.min_learning_rate.is_finite() && self.min_learning_rate >= 0.0) {
            return Err(format!("a lowest learning rate of {}; it must be 0 or more", self.min_learning_rate));
        }
        check_min_delta(self.min_delta)
    }
}

impl PlateauState {
    /// Takes the validation loss of the next epoch and the learning rate it was trained with; returns the learning rate
    /// to go on with, which is `learning_rate` itself if there is nothing to lower.
    ///
    /// Keras's optimiser holds the learning rate as f32, so a lowered one is an f32's number, computed from the f32
    /// that is nearest to `learning_rate`.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_learning_rate_rises_and_falls_back_to_zero() {
        let recipe = Recipe::named("best", &["warm_up=1", "epochs=5"]).unwrap();
        assert_eq!([0.0, 0.5, 1.0].map(|epoch| schedule(&recipe, epoch)), [0.0, 0.5, 1.0]);
        assert!((schedule(&recipe, 3.0) - 0.5).abs() < 1e-12);
        assert!(schedule(&recipe, 5.0) < 1e-12);
        assert_eq!(schedule(&Recipe::named("transfer", &[]).unwrap(), 7.3), 1.0);
    }
}
