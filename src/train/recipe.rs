//! Recipes: every number that a training depends on, as readable data.

use serde::Serialize;

use super::adam::Slot;
use crate::kernels::NormMode;
use crate::model::{Architecture, NormPolicy, Parameter, Role, Training, in_backbone};
use crate::pixels::Preprocess;

/// A way to train a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recipe {
    /// Its name on the command line.
    pub name: String,
    /// The network.
    pub architecture: Architecture,
    /// How pictures are prepared.
    pub preprocess: Preprocess,
    /// Training of the head alone, on what the untouched backbone says of all eight views, before all layers move.
    pub probe: Option<Probe>,
    /// Passes over the training part with all layers moving.
    pub epochs: usize,
    /// Pictures in a step.
    pub batch: usize,
    /// Adam's step size for the head, at its peak.
    pub learning_rate: f64,
    /// The backbone's step size as a share of the head's.
    pub backbone_share: f64,
    /// Epochs in which the step size rises from zero; a cosine takes it back to zero over the others.
    pub warm_up: f64,
    /// Share of the label that is spread over both classes.
    pub label_smoothing: f64,
    /// Share of the averaged weights that a step keeps; the average is what is validated and written.
    pub average: f64,
    /// How the backbone normalises while it is trained.
    pub backbone_norm: NormPolicy,
    /// How the head normalises while it is trained.
    pub head_norm: NormPolicy,
    /// Share of the head's kernels that a step takes away, per unit of step size (decoupled, as in AdamW).
    pub weight_decay: f64,
}

/// Training of the head alone.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Probe {
    /// Passes over the views of the training part.
    pub epochs: usize,
    /// Views in a step.
    pub batch: usize,
    /// Adam's step size.
    pub learning_rate: f64,
}

impl Recipe {
    /// Ours: the report's transfer network, trained by a probe and then small steps of all layers, each picture seen
    /// in a random one of its eight views.
    pub fn best() -> Self {
        Self {
            name: "best".into(),
            architecture: Architecture::fused_densenet121(),
            preprocess: Preprocess::imagenet(),
            probe: Some(Probe { epochs: 6, batch: 64, learning_rate: 3e-4 }),
            epochs: 6,
            batch: 32,
            learning_rate: 3e-4,
            backbone_share: 0.1,
            warm_up: 1.0,
            label_smoothing: 0.05,
            average: 0.98,
            // Moments of a few hundred pictures of 40 people are worse than ImageNet's: the backbone keeps to those
            // and lets them drift slowly, so what is validated is what was trained.
            backbone_norm: NormPolicy { source: NormMode::Moving, momentum: 0.998 },
            head_norm: NormPolicy { source: NormMode::Batch, momentum: 0.98 },
            weight_decay: 10.0,
        }
    }

    /// The forward pass of a training step; `dropout` decides what is dropped.
    pub(super) fn training(&self, dropout: u64) -> Training {
        Training { backbone: self.backbone_norm, head: self.head_norm, dropout: Some(dropout) }
    }

    /// How a parameter is optimised.
    pub fn slot(&self, parameter: &Parameter) -> Slot {
        let backbone = in_backbone(&parameter.spec.name);
        let kernel = matches!(parameter.spec.role, Role::ConvKernel | Role::DenseKernel);
        let share = if backbone { self.backbone_share } else { 1.0 };
        let weight_decay = if kernel && !backbone { self.weight_decay } else { 0.0 };
        Slot::new(parameter.clone(), share, weight_decay)
    }

    /// The share of the peak step size at a step, both counted in epochs (1.5: in the middle of the second).
    pub fn schedule(&self, epoch: f64) -> f64 {
        if epoch < self.warm_up {
            return epoch / self.warm_up;
        }
        let done = (epoch - self.warm_up) / (self.epochs as f64 - self.warm_up).max(f64::MIN_POSITIVE);
        0.5 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_step_size_rises_and_falls_back_to_zero() {
        let recipe = Recipe { warm_up: 1.0, epochs: 5, ..Recipe::best() };
        assert_eq!(recipe.schedule(0.0), 0.0);
        assert_eq!(recipe.schedule(0.5), 0.5);
        assert_eq!(recipe.schedule(1.0), 1.0);
        assert!((recipe.schedule(3.0) - 0.5).abs() < 1e-12);
        assert!(recipe.schedule(5.0) < 1e-12);
    }
}
