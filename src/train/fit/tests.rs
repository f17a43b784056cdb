//! The fit loop on small drawn images and a small network.

use std::collections::BTreeMap;

use super::*;
use crate::model::{Parameters, StoredTensor, StoredTensors};
use crate::pixels::Preprocess;
use crate::train::Keep;

/// Records the epochs, and stops after a number of steps.
struct Recorder {
    epochs: Vec<Epoch>,
    steps_left: usize,
}

impl Progress for Recorder {
    fn advance(&mut self, _: usize, loss: Option<f64>) {
        self.steps_left -= usize::from(loss.is_some());
    }
    fn epoch(&mut self, epoch: &Epoch) {
        self.epochs.push(epoch.clone());
    }
    fn interrupted(&self) -> bool {
        self.steps_left == 0
    }
}

/// Trains to the recipe's end, and saves nothing.
fn fit_whole(state: &mut State, recipe: &Recipe, parts: &[Samples; 2], seed: u64) -> Result<(), TrainError> {
    fit(state, recipe, parts, seed, &mut (), &|_, _| Ok(()))
}

/// A recipe on 32x32 pixels and few channels.
fn recipe(name: &str, changes: &[&str]) -> Recipe {
    let network: &[&str] = match name {
        "baseline" | "augmented" => {
            &["architecture.size=32", "architecture.filters=[4, 4]", "architecture.hidden=8", "learning_rate=3e-3"]
        }
        _ => &[
            "architecture.stem=8",
            "architecture.growth=4",
            "architecture.bottleneck=8",
            "architecture.blocks=[1, 2, 1, 1]",
            "architecture.tap=16",
            "architecture.hidden=8",
            "architecture.dropout=0.2",
            "learning_rate=1e-2",
        ],
    };
    let small = ["preprocess.size=32", "epochs=6", "batch=8"];
    let changes = [&small[..], network, changes].concat();
    Recipe::named(name, &changes).unwrap()
}

/// Stripes for malignant and flat grey for benign, with noise.
fn samples(count: usize, seed: u64) -> Samples {
    let mut rng = stream(seed, Purpose::Views, 9);
    let mut images = Vec::new();
    let mut labels = Vec::new();
    for index in 0..count {
        let label = Label::ALL[index % 2];
        let stripe = |x: usize| if label == Label::Malignant && x % 4 < 2 { 1.0 } else { 0.0 };
        images.push((0..32 * 32 * 3).map(|i| stripe(i / 3 % 32) + rng.random_range(-0.3..0.3)).collect());
        labels.push(label);
    }
    Samples::of(Preprocess { size: 32, ..Preprocess::report() }, images, labels)
}

fn start(recipe: &Recipe, seed: u64) -> Result<State, TrainError> {
    let parameters = Parameters::initial(&recipe.architecture, seed)?;
    Ok(State::new(Network::new(recipe.architecture.clone(), parameters), recipe))
}

fn train(recipe: &Recipe, seed: u64) -> Result<State, TrainError> {
    let (mut state, mut recorder) = (start(recipe, seed)?, Recorder { epochs: Vec::new(), steps_left: usize::MAX });
    fit(&mut state, recipe, &[samples(40, 1), samples(16, 2)], seed, &mut recorder, &|_, _| Ok(()))?;
    assert_eq!(recorder.epochs, state.history);
    Ok(state)
}

/// What a training came to, without its times.
fn came_to(recipe: &Recipe, state: &State) -> (StoredTensors, Vec<String>) {
    let figures = state.history.iter().map(|epoch| format!("{:?}", epoch.figures)).collect();
    (state.kept(recipe).unwrap().weights, figures)
}

#[test]
fn a_small_network_learns_to_tell_stripes_and_its_best_epoch_is_kept() -> Result<(), TrainError> {
    // Images without colour, and of one scale, are nothing to exchange colours of or to zoom into.
    let changes = ["keep=best", "backbone_share=1", "augmentation.exchange=0", "augmentation.zoom=0"];
    let recipe = recipe("best", &changes);
    let state = train(&recipe, 1)?;
    let epochs = &state.history;
    assert_eq!(epochs.len(), 6);
    let loss = |epoch: &Epoch| epoch.figures.validation_loss.unwrap();
    let lowest = epochs.iter().map(loss).fold(f64::INFINITY, f64::min);
    let kept = state.kept(&recipe)?.epoch;
    assert_eq!(loss(&kept), lowest);
    assert!(kept.figures.validation_roc_auc.unwrap() > 0.95, "{kept:?}");
    assert!(kept.figures.train_loss < epochs[0].figures.train_loss);
    assert!(kept.figures.train_accuracy > 0.8, "{kept:?}");
    let last = Recipe { keep: Keep::Last, ..recipe };
    assert_eq!(state.kept(&last)?.epoch.figures.epoch, 6);
    Ok(())
}

#[test]
fn every_tensor_of_each_network_is_trained() -> Result<(), TrainError> {
    for name in ["baseline", "transfer", "best"] {
        // Ours leaves the backbone's moments as they are unless it is asked to learn them.
        let recipe = recipe(name, if name == "best" { &["backbone_norm.momentum=0.9"] } else { &[] });
        let state = train(&recipe, 1)?;
        let weights = state.kept(&recipe)?.weights;
        let start = Parameters::initial(&recipe.architecture, 1)?.stored()?;
        let moved = |name: &String, start: &StoredTensor| {
            let pairs = start.data.iter().zip(&weights[name].data);
            pairs.fold(0f32, |most, (before, after)| most.max((before - after).abs()))
        };
        let still: Vec<&String> = start.iter().filter(|(name, start)| moved(name, start) < 1e-5).map(|t| t.0).collect();
        assert!(still.is_empty(), "{name}: {still:?}");
    }
    Ok(())
}

#[test]
fn the_same_seed_gives_the_same_weights_with_any_number_of_threads() -> Result<(), TrainError> {
    for name in ["augmented", "best"] {
        let recipe = recipe(name, &["epochs=2"]);
        let state = train(&recipe, 3)?;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
        let again = pool.install(|| train(&recipe, 3))?;
        assert_eq!(came_to(&recipe, &state), came_to(&recipe, &again));
        assert_ne!(came_to(&recipe, &state).0, came_to(&recipe, &train(&recipe, 4)?).0);
    }
    Ok(())
}

#[test]
fn a_training_that_is_stopped_anywhere_ends_as_if_it_had_not_been() -> Result<(), TrainError> {
    let dir = tempfile::tempdir().unwrap();
    for name in ["baseline", "augmented", "transfer", "best"] {
        // Callbacks that act within three epochs, and all kinds of augmentation.
        let changes = [
            "epochs=3",
            "batch=16",
            "early_stopping.patience=2",
            "early_stopping.min_delta=0.5",
            "plateau.factor=0.5",
            "plateau.patience=1",
            "plateau.min_delta=0.5",
            "plateau.cooldown=0",
            "plateau.min_learning_rate=0",
            "augmentation.stain=0.05",
            "augmentation.exchange=0.3",
            "augmentation.zoom=0.1",
            "preprocess.resampling=antialiased",
        ];
        let recipe = recipe(name, &changes);
        let parts = [samples(40, 1), samples(16, 2)];
        let mut undisturbed = start(&recipe, 5)?;
        fit_whole(&mut undisturbed, &recipe, &parts, 5)?;
        let wanted = came_to(&recipe, &undisturbed);

        let path = dir.path().join(name);
        let mut state = start(&recipe, 5)?;
        let mut stops = BTreeMap::new();
        loop {
            // Two steps between one stop and the next, so that stops fall into epochs and between them.
            let mut recorder = Recorder { epochs: Vec::new(), steps_left: 2 };
            let save = |state: &State, _: &mut dyn Progress| state.write(&path);
            match fit(&mut state, &recipe, &parts, 5, &mut recorder, &save) {
                Err(TrainError::Interrupted(_)) => {}
                ended => break ended?,
            }
            *stops.entry(state.position.steps).or_insert(0) += 1;
            state = State::read(&path, &recipe)?;
        }
        assert!(stops.len() >= 2 && stops.values().sum::<usize>() >= 3, "{name}: {stops:?}");
        assert!(came_to(&recipe, &state) == wanted, "{name}: {stops:?}");
    }
    Ok(())
}

#[test]
fn callbacks_lower_the_learning_rate_and_end_the_training() -> Result<(), TrainError> {
    let changes = [
        "epochs=9",
        "early_stopping.patience=4",
        "early_stopping.min_delta=10",
        "plateau.patience=2",
        "plateau.min_delta=10",
    ];
    let state = train(&recipe("baseline", &changes), 1)?;
    let rates: Vec<f64> = state.history.iter().map(|epoch| (epoch.figures.learning_rate * 1e6).round() / 1e6).collect();
    assert_eq!(rates, [3e-3, 3e-3, 3e-3, 3e-4, 3e-4]);
    Ok(())
}

#[test]
fn a_part_of_one_class_or_none_is_refused() -> Result<(), TrainError> {
    let recipe = recipe("baseline", &[]);
    let mut state = start(&recipe, 1)?;
    let benign = Samples::of(Preprocess::report(), vec![vec![0.0; 32 * 32 * 3]], vec![Label::Benign]);
    let error = fit_whole(&mut state, &recipe, &[samples(4, 1), benign], 1).err();
    assert!(matches!(error, Some(TrainError::OneClass("validation", ..))), "{error:?}");
    let error = fit_whole(&mut state, &recipe, &[samples(0, 1), samples(4, 1)], 1).err();
    assert!(matches!(error, Some(TrainError::EmptyPart("train"))), "{error:?}");
    Ok(())
}

#[test]
fn a_recipe_that_decides_nothing_by_the_validation_part_trains_without_one() -> Result<(), TrainError> {
    let unsteered = recipe("best", &["epochs=2"]);
    let mut state = start(&unsteered, 1)?;
    fit_whole(&mut state, &unsteered, &[samples(40, 1), samples(0, 2)], 1)?;
    assert!(state.best.is_none(), "no epoch is better than another");
    assert!(state.history.iter().all(|epoch| epoch.figures.validation_loss.is_none()));
    // The validation part decides nothing, so the weights are those of a training that has one.
    let mut measured = start(&unsteered, 1)?;
    fit_whole(&mut measured, &unsteered, &[samples(40, 1), samples(16, 2)], 1)?;
    assert!(state.kept(&unsteered)?.weights == measured.kept(&unsteered)?.weights);

    let steered = recipe("baseline", &[]);
    let refusal = fit_whole(&mut start(&steered, 1)?, &steered, &[samples(40, 1), samples(0, 2)], 1).err().unwrap();
    assert!(refusal.to_string().contains("early_stopping"), "{refusal}");
    Ok(())
}

#[test]
fn what_is_no_checkpoint_of_this_training_is_refused() -> Result<(), TrainError> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("last.safetensors");
    let (ours, transfer) = (recipe("baseline", &[]), recipe("transfer", &[]));
    start(&ours, 1)?.write(&path)?;
    assert!(State::read(&path, &ours).is_ok());
    let refused = |recipe: &Recipe| State::read(&path, recipe).err().unwrap().to_string();
    assert!(refused(&transfer).contains("does not fit the network"), "{}", refused(&transfer));
    let bytes = std::fs::read(&path).unwrap();
    std::fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    refused(&ours);
    crate::model::write_tensors(&path, &StoredTensors::new(), ("other", String::new()))?;
    assert!(refused(&ours).contains("no checkpoint"), "{}", refused(&ours));
    Ok(())
}
