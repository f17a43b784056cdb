//! Everything that a training needs in order to go on: the weights, the optimiser, the callbacks, the history.
//!
//! In: a network at its start, or a checkpoint. Out: the same, some steps later. What is random is drawn from streams
//! that begin anew in each epoch and step, so that no generator's state has to be kept.

use serde::{Deserialize, Serialize};

use crate::model::{Network, StoredTensors};
use crate::train::fit::history::Running;
use crate::train::{Adam, BestEpoch, EarlyStoppingState, Epoch, Keep, PlateauState, Recipe, TrainError};

/// A training in progress.
pub struct State {
    pub(crate) network: Network,
    pub(crate) adam: Adam,
    pub(crate) position: Position,
    /// The epoch with the lowest validation loss so far.
    pub(crate) best: Option<Snapshot>,
    /// The epochs so far, in the order they were run.
    pub history: Vec<Epoch>,
}

/// How far a training has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Position {
    /// Epochs that are over.
    pub(crate) epochs: usize,
    /// Steps of the next epoch that are done.
    pub(crate) steps: usize,
    /// What those came to.
    pub(crate) running: Running,
    /// The peak of the learning rate, as the plateau has left it.
    pub(crate) learning_rate: f64,
    /// Whether early stopping has ended the training.
    pub(crate) stopped: bool,
    pub(crate) early_stopping: EarlyStoppingState,
    pub(crate) plateau: PlateauState,
    pub(crate) best: BestEpoch,
}

/// The weights after an epoch.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) epoch: Epoch,
    pub(crate) weights: StoredTensors,
}

impl State {
    /// A training that has not begun.
    pub(crate) fn new(network: Network, recipe: &Recipe) -> Self {
        Self {
            adam: Adam::new(network.parameters().iter().map(|parameter| recipe.slot(parameter))),
            network,
            position: Position { learning_rate: recipe.learning_rate, ..Position::default() },
            best: None,
            history: Vec::new(),
        }
    }

    /// How far the training has come, in words.
    pub(crate) fn reached(&self) -> String {
        format!("after {} epochs and {} steps", self.position.epochs, self.position.steps)
    }

    /// Whether there is nothing left to train.
    pub(crate) fn ended(&self, recipe: &Recipe) -> bool {
        self.position.stopped || self.position.epochs >= recipe.epochs
    }

    /// The number of the epoch whose weights a run would end with now by its recipe; none where no epoch is over.
    pub fn kept_epoch(&self, recipe: &Recipe) -> Option<usize> {
        let best = self.best.as_ref().filter(|_| recipe.keep == Keep::Best).map(|best| &best.epoch);
        Some(best.or(self.history.last())?.figures.epoch)
    }

    /// The weights that a run ends with by its recipe, and their epoch.
    pub(crate) fn kept(&self, recipe: &Recipe) -> Result<Snapshot, TrainError> {
        let last = self.history.last().ok_or(TrainError::NoEpoch)?;
        match (recipe.keep, &self.best) {
            (Keep::Best, Some(best)) => Ok(best.clone()),
            _ => Ok(Snapshot { epoch: last.clone(), weights: self.network.parameters().stored()? }),
        }
    }
}
