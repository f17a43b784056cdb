//! What Keras's networks put out, with the weights and the images of [`crate::formula`].

use std::collections::BTreeMap;

use lobule::kernels::Level;
use lobule::model::{Architecture, InferenceNetwork, ModelError};
use serde::Deserialize;

use crate::formula::{self, filled};
use crate::{assert_close, golden};

const FILE: &str = "keras_forward.json";

/// [`FILE`]: each outer list has an entry for each of the two images that
/// `fill("input", &[2, 128, 128, 3])` holds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KerasForward {
    /// Three convolutions with pooling, and two dense layers.
    baseline: Answers,
    /// DenseNet121 with the outputs of its last three dense blocks pooled, reduced and joined.
    fused: FusedAnswers,
}

/// Benign, malignant.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answers {
    logits: Vec<[f32; 2]>,
    probabilities: Vec<[f32; 2]>,
}

/// The three maps are from `block2`, `block3` and `block4`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FusedAnswers {
    logits: Vec<[f32; 2]>,
    probabilities: Vec<[f32; 2]>,
    /// The first channels of the globally averaged output of each dense block.
    pooled: BTreeMap<String, Vec<[f32; 8]>>,
    /// The mean of the absolute values of all its channels.
    pooled_mean_absolute: BTreeMap<String, Vec<f64>>,
}

#[test]
fn the_fixture_holds_two_images_that_a_network_distinguishes() {
    let KerasForward { baseline, fused } = golden(FILE);
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
    let keras = golden::<KerasForward>(FILE).baseline;
    check(&network, &keras.logits, &keras.probabilities)
}

#[test]
fn the_fused_densenet121_answers_as_in_keras() -> Result<(), ModelError> {
    let network = InferenceNetwork::new(&filled(Architecture::fused_densenet121())?, 128, Level::default(), 1)?;
    let keras = golden::<KerasForward>(FILE).fused;
    check(&network, &keras.logits, &keras.probabilities)?;

    let taps = network.pooled_taps(&formula::images(2, 128)?)?.unwrap();
    for (tap, block) in taps.iter().zip(["block2", "block3", "block4"]) {
        let rows: Vec<Vec<f32>> = tap.to_vec2()?;
        for (image, row) in rows.iter().enumerate() {
            assert_close(&row[..8], &keras.pooled[block][image], 1e-4, block);
            let mean = row.iter().map(|value| f64::from(value.abs())).sum::<f64>() / row.len() as f64;
            assert!((mean - keras.pooled_mean_absolute[block][image]).abs() < 1e-4, "{block}: {mean}");
        }
    }
    Ok(())
}

fn check(network: &InferenceNetwork, logits: &[[f32; 2]], probabilities: &[[f32; 2]]) -> Result<(), ModelError> {
    let answers = network.forward(&formula::images(2, 128)?)?;
    let softmax: Vec<Vec<f32>> = candle_nn::ops::softmax(&answers, 1)?.to_vec2()?;
    let answers: Vec<Vec<f32>> = answers.to_vec2()?;
    for image in 0..2 {
        assert_close(&answers[image], &logits[image], 1e-4, "logits");
        assert_close(&softmax[image], &probabilities[image], 1e-4, "probabilities");
    }
    Ok(())
}
