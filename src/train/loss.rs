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
