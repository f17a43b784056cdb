//! From logits to a loss, and to predictions with what they should have said.

use candle_core::{Device, Tensor};

use crate::diagnosis::Label;
use crate::evaluate::Scored;
use crate::model::Prediction;
use crate::train::TrainError;

/// What a network should say of an image. It comes from the label alone, so that nothing in it depends on colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Target {
    /// What it should call it.
    pub label: Label,
    /// How probable it should call it that the tumour is malignant.
    pub malignant: f32,
}

impl Target {
    /// A label, for sure.
    pub fn of(label: Label) -> Self {
        Self::smoothed(label, 0.0)
    }

    /// A label, a share of which is spread over both classes.
    pub(crate) fn smoothed(label: Label, share: f64) -> Self {
        let sure = label.index() as f32;
        Self { label, malignant: sure + (0.5 - sure) * share as f32 }
    }
}

/// The predictions of logits (batch, 2), and what they should have said.
pub(crate) fn predictions(logits: &Tensor, targets: &[Target]) -> Result<Vec<Scored>, TrainError> {
    let rows: Vec<Vec<f32>> = logits.to_vec2()?;
    let scored = |(row, target): (&Vec<f32>, &Target)| Scored {
        truth: target.label,
        prediction: Prediction::from_logits([row[0], row[1]], 1.0),
    };
    Ok(rows.iter().zip(targets).map(scored).collect())
}

/// How many rows of logits (batch, 2) are larger where they should be.
pub(crate) fn right(logits: &Tensor, targets: &[Target]) -> Result<usize, TrainError> {
    let rows: Vec<Vec<f32>> = logits.to_vec2()?;
    let called = |row: &Vec<f32>| if row[1] > row[0] { Label::Malignant } else { Label::Benign };
    Ok(rows.iter().zip(targets).filter(|(row, target)| called(row) == target.label).count())
}

/// The mean cross-entropy of logits (batch, 2) with the targets.
pub(crate) fn loss(logits: &Tensor, targets: &[Target]) -> Result<Tensor, TrainError> {
    let rows: Vec<f32> = targets.iter().flat_map(|target| [1.0 - target.malignant, target.malignant]).collect();
    let rows = Tensor::from_vec(rows, (targets.len(), 2), &Device::Cpu)?;
    let likelihood = (candle_nn::ops::log_softmax(logits, 1)? * rows)?.sum_all()?;
    Ok(likelihood.affine(-1.0 / targets.len() as f64, 0.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_the_label_and_smoothing_keeps_it_from_being_sure() {
        assert_eq!(Label::ALL.map(|label| Target::of(label).malignant), [0.0, 1.0]);
        let smoothed = Label::ALL.map(|label| Target::smoothed(label, 0.1).malignant);
        assert!((smoothed[0] - 0.05).abs() < 1e-6 && (smoothed[1] - 0.95).abs() < 1e-6, "{smoothed:?}");
    }

    #[test]
    fn the_loss_is_the_cross_entropy_with_what_was_to_be_said() -> Result<(), TrainError> {
        let logits = Tensor::new(&[[0f32, 0.0], [0.0, 3f32.ln()]], &Device::Cpu)?;
        let sure = Target::of(Label::Malignant);
        let unsure = Target { malignant: 0.75, ..sure };
        let entropy = -(0.25 * 0.25f32.ln() + 0.75 * 0.75f32.ln());
        let loss = loss(&logits, &[sure, unsure])?.to_scalar::<f32>()?;
        assert!((loss - (2f32.ln() + entropy) / 2.0).abs() < 1e-6, "{loss}");
        Ok(())
    }

    #[test]
    fn the_larger_logit_is_what_is_called() -> Result<(), TrainError> {
        let logits = Tensor::new(&[[1f32, 2.0], [0.5, -0.5], [3.0, 1.0]], &Device::Cpu)?;
        let targets = [Label::Malignant, Label::Benign, Label::Malignant].map(Target::of);
        assert_eq!(right(&logits, &targets)?, 2);
        Ok(())
    }
}
