//! From logits to a loss, and to predictions with what they should have said.

use candle_core::{Device, Tensor};

use super::error::TrainError;
use crate::diagnosis::Label;
use crate::evaluate::Scored;
use crate::model::Prediction;

/// Logits (batch, 2) and what they should have said.
pub(super) fn predictions(logits: &Tensor, labels: &[Label]) -> Result<Vec<Scored>, TrainError> {
    let rows: Vec<Vec<f32>> = logits.to_vec2()?;
    let scored = rows.iter().zip(labels).map(|(row, &truth)| {
        let prediction = Prediction::from_logits([row[0], row[1]], 1.0);
        Scored { truth, prediction }
    });
    Ok(scored.collect())
}

/// How many rows of logits (batch, 2) are larger where they should be.
pub(super) fn right(logits: &Tensor, labels: &[Label]) -> Result<usize, TrainError> {
    let rows: Vec<Vec<f32>> = logits.to_vec2()?;
    let called = |row: &Vec<f32>| if row[1] > row[0] { Label::Malignant } else { Label::Benign };
    Ok(rows.iter().zip(labels).filter(|(row, label)| called(row) == **label).count())
}

/// The mean cross-entropy of logits (batch, 2), with `smoothing` of each label spread over both classes.
pub(super) fn loss(logits: &Tensor, labels: &[Label], smoothing: f64) -> Result<Tensor, TrainError> {
    let (low, high) = ((smoothing / 2.0) as f32, (1.0 - smoothing / 2.0) as f32);
    let row = |label: &Label| match label {
        Label::Benign => [high, low],
        Label::Malignant => [low, high],
    };
    let targets: Vec<f32> = labels.iter().flat_map(row).collect();
    let targets = Tensor::from_vec(targets, (labels.len(), 2), &Device::Cpu)?;
    let likelihood = (candle_nn::ops::log_softmax(logits, 1)? * targets)?.sum_all()?;
    Ok(likelihood.affine(-1.0 / labels.len() as f64, 0.0)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn smoothed_loss_of_a_coin_toss_is_the_logarithm_of_two() -> Result<(), TrainError> {
        let logits = Tensor::zeros((2, 2), candle_core::DType::F32, &Device::Cpu)?;
        let loss = loss(&logits, &Label::ALL, 0.1)?.to_scalar::<f32>()?;
        assert!((loss - 2f32.ln()).abs() < 1e-6);
        Ok(())
    }

    #[test]
    fn the_larger_logit_is_what_is_called() -> Result<(), TrainError> {
        let logits = Tensor::new(&[[1f32, 2.0], [0.5, -0.5], [3.0, 1.0]], &Device::Cpu)?;
        assert_eq!(right(&logits, &[Label::Malignant, Label::Benign, Label::Malignant])?, 2);
        Ok(())
    }
}
