//! The decisions after each epoch are those of Keras's callbacks.

use lobule::train::{BestEpoch, EarlyStopping, EarlyStoppingState, Plateau, PlateauState};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::golden;

/// tests/fixtures/keras_callbacks.json holds a list of these; keras_callbacks.py beside it made them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    early_stopping: EarlyStopping,
    plateau: Plateau,
    /// The step size at the start.
    learning_rate: f64,
    epochs: Vec<Epoch>,
}

/// A loss, and what the callbacks did after it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Epoch {
    /// A text, as JSON has neither NaN nor infinity.
    loss: String,
    stop: bool,
    learning_rate: f32,
    best: bool,
}

#[test]
fn the_fixture_holds_sequences_in_which_everything_happens() {
    let cases: Vec<Case> = golden("keras_callbacks.json");
    assert_eq!(cases.len(), 72);
    for happens in [
        |case: &Case| case.epochs.iter().any(|epoch| epoch.stop),
        |case: &Case| !case.epochs.iter().any(|epoch| epoch.stop),
        |case: &Case| case.epochs.windows(2).any(|pair| pair[0].learning_rate > pair[1].learning_rate),
        |case: &Case| case.epochs.iter().all(|epoch| epoch.learning_rate == case.learning_rate as f32),
        |case: &Case| case.epochs.last().is_some_and(|e| e.learning_rate == case.plateau.min_learning_rate as f32),
        |case: &Case| case.epochs.iter().filter(|epoch| epoch.best).count() > 2,
        |case: &Case| case.epochs.iter().any(|epoch| epoch.loss == "nan"),
        |case: &Case| case.epochs.iter().any(|epoch| epoch.loss == "inf"),
    ] {
        let count = cases.iter().filter(|case| happens(case)).count();
        assert!((4..cases.len()).contains(&count), "{count} cases");
    }
}

#[test]
fn after_each_epoch_is_done_what_keras_does_even_if_the_states_are_saved_and_restored_in_between() {
    for Case { name, early_stopping, plateau, learning_rate, epochs } in golden::<Vec<Case>>("keras_callbacks.json") {
        let (mut stopping, mut lowering) = (EarlyStoppingState::default(), PlateauState::default());
        let (mut best, mut rate) = (BestEpoch::default(), learning_rate);
        for (index, keras) in epochs.iter().enumerate() {
            let loss: f64 = keras.loss.parse().unwrap();
            let what = format!("loss {name}, epoch {index}, {early_stopping:?}, {plateau:?}");
            assert_eq!(stopping.epoch(&early_stopping, loss), keras.stop, "stop: {what}");
            rate = lowering.epoch(&plateau, loss, rate);
            assert_eq!(rate as f32, keras.learning_rate, "learning rate: {what}");
            assert_eq!(best.epoch(index, loss), keras.best, "best: {what}");
            (stopping, lowering, best) = (restored(&stopping), restored(&lowering), restored(&best));
        }
        assert_eq!(best.number(), epochs.iter().rposition(|epoch| epoch.best), "{name}");
    }
}

fn restored<T: Serialize + DeserializeOwned>(state: &T) -> T {
    serde_json::from_str(&serde_json::to_string(state).unwrap()).unwrap()
}
