//! What Keras's networks put out, with the weights and the images of [`crate::formula`].

use std::collections::BTreeMap;

use candle_core::{Device, Tensor};
use lobule::kernels::Level;
use lobule::model::{Architecture, InferenceNetwork, ModelError};
use serde::Deserialize;

use crate::formula::filled;
use crate::{fixture, formula};

/// tests/fixtures/keras_forward.json: each outer list has an entry for each of the two images that
/// `fill("input", &[2, 128, 128, 3])` holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KerasForward {
    /// Three convolutions with pooling, and two dense layers.
    pub(crate) baseline: Answers,
    /// DenseNet121 with the outputs of its last three dense blocks pooled, reduced and joined.
    pub(crate) fused: FusedAnswers,
}

/// Benign, malignant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Answers {
    pub(crate) logits: Vec<[f32; 2]>,
    pub(crate) probabilities: Vec<[f32; 2]>,
}

/// The three maps are from `block2`, `block3` and `block4`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct FusedAnswers {
    pub(crate) logits: Vec<[f32; 2]>,
    pub(crate) probabilities: Vec<[f32; 2]>,
    /// The first channels of the globally averaged output of each dense block.
    pub(crate) pooled: BTreeMap<String, Vec<[f32; 8]>>,
    /// The mean of the absolute values of all its channels.
    pub(crate) pooled_mean_absolute: BTreeMap<String, Vec<f64>>,
}

pub(crate) fn keras_forward() -> KerasForward {
    serde_json::from_str(&std::fs::read_to_string(fixture("keras_forward.json")).unwrap()).unwrap()
}

#[test]
fn the_fixture_holds_two_images_that_a_network_distinguishes() {
    let KerasForward { baseline, fused } = keras_forward();
    for (logits, probabilities) in [(baseline.logits, baseline.probabilities), (fused.logits, fused.probabilities)] {
        assert_eq!((logits.len(), probabilities.len()), (2, 2));
        for ([benign, malignant], [_, probability]) in logits.iter().zip(&probabilities) {
            assert!((1.0 / (1.0 + (benign - malignant).exp()) - probability).abs() < 1e-6);
        }
        assert!((logits[0][0] - logits[1][0]).abs() > 0.01, "a comparison to 1e-4 must be able to fail");
    }
    let blocks = ["block2", "block3", "block4"];
    assert!(fused.pooled.keys().eq(blocks) && fused.pooled_mean_absolute.keys().eq(blocks));
    assert!(fused.pooled.values().all(|images| images.len() == 2));
    assert!(fused.pooled_mean_absolute.values().flatten().all(|mean| (0.1..10.0).contains(mean)));
}

#[test]
fn the_baseline_answers_as_in_keras() -> Result<(), ModelError> {
    let network = InferenceNetwork::new(&filled(Architecture::baseline())?, 128, Level::default(), 1)?;
    check(&network, &keras_forward().baseline.logits, &keras_forward().baseline.probabilities)
}

#[test]
fn the_fused_densenet121_answers_as_in_keras() -> Result<(), ModelError> {
    let network = InferenceNetwork::new(&filled(Architecture::fused_densenet121())?, 128, Level::default(), 1)?;
    let keras = keras_forward().fused;
    check(&network, &keras.logits, &keras.probabilities)?;

    let taps = network.pooled_taps(&images()?)?.unwrap();
    for (tap, block) in taps.iter().zip(["block2", "block3", "block4"]) {
        let rows: Vec<Vec<f32>> = tap.to_vec2()?;
        for (image, row) in rows.iter().enumerate() {
            assert_close(&row[..8], &keras.pooled[block][image], block);
            let mean = row.iter().map(|value| f64::from(value.abs())).sum::<f64>() / row.len() as f64;
            assert!((mean - keras.pooled_mean_absolute[block][image]).abs() < 1e-4, "{block}: {mean}");
        }
    }
    Ok(())
}

fn images() -> Result<Tensor, ModelError> {
    Ok(Tensor::from_vec(formula::fill("input", &[2, 128, 128, 3]), (2, 128, 128, 3), &Device::Cpu)?)
}

fn check(network: &InferenceNetwork, logits: &[[f32; 2]], probabilities: &[[f32; 2]]) -> Result<(), ModelError> {
    let answers = network.forward(&images()?)?;
    let softmax: Vec<Vec<f32>> = candle_nn::ops::softmax(&answers, 1)?.to_vec2()?;
    let answers: Vec<Vec<f32>> = answers.to_vec2()?;
    for image in 0..2 {
        assert_close(&answers[image], &logits[image], "logits");
        assert_close(&softmax[image], &probabilities[image], "probabilities");
    }
    Ok(())
}

fn assert_close(ours: &[f32], keras: &[f32], what: &str) {
    assert_eq!(ours.len(), keras.len());
    for (ours, keras) in ours.iter().zip(keras) {
        assert!((ours - keras).abs() <= 1e-4, "{what}: {ours} here, {keras} in Keras");
    }
}
