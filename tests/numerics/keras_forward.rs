//! What Keras's networks answer, with the weights and the pictures of [`crate::formula`].

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::fixture;

/// tests/fixtures/keras_forward.json: each outer list has an entry for each of the two pictures that
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
fn the_fixture_holds_two_pictures_that_a_network_tells_apart() {
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
    assert!(fused.pooled.values().all(|pictures| pictures.len() == 2));
    assert!(fused.pooled_mean_absolute.values().flatten().all(|mean| (0.1..10.0).contains(mean)));
}
