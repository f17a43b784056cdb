//! Checkpoints: a [`State`] as one safetensors file, exact to the last bit, from which a training goes on.
//!
//! The tensors are named `network/NAME`, `best/NAME`, `adam/first/NAME` and `adam/second/NAME`; the rest is JSON in the
//! file's metadata. It is one file so that no interruption can leave two that do not belong together.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::model::{Network, Parameters, StoredTensors, read_described_tensors, write_tensors};
use crate::train::fit::state::{Position, Snapshot};
use crate::train::{Epoch, Recipe, State, TrainError};

/// The key of the metadata in a safetensors file.
const KEY: &str = "lobule-checkpoint";

/// The version of this form.
const FORMAT: u32 = 1;

/// What a checkpoint holds besides tensors.
#[derive(Serialize, Deserialize)]
struct Header {
    format: u32,
    position: Position,
    adam_steps: i32,
    best: Option<Epoch>,
    history: Vec<Epoch>,
}

impl State {
    /// Writes everything that is needed to go on: whole or not at all.
    pub(crate) fn write(&self, path: &Path) -> Result<(), TrainError> {
        let mut tensors = StoredTensors::new();
        let mut add = |group: &str, stored: StoredTensors| {
            tensors.extend(stored.into_iter().map(|(name, tensor)| (format!("{group}/{name}"), tensor)));
        };
        add("network", self.network.parameters().stored()?);
        if let Some(best) = &self.best {
            add("best", best.weights.clone());
        }
        let (adam_steps, moments) = self.adam.stored();
        add("adam", moments);
        let header = Header {
            format: FORMAT,
            position: self.position.clone(),
            adam_steps,
            best: self.best.as_ref().map(|best| best.epoch.clone()),
            history: self.history.clone(),
        };
        let text = serde_json::to_string(&header).map_err(|error| TrainError::write(path)(error.into()))?;
        Ok(write_tensors(path, &tensors, (KEY, text))?)
    }

    /// Reads what [`State::write`] wrote during a training by the same recipe.
    pub(crate) fn read(path: &Path, recipe: &Recipe) -> Result<Self, TrainError> {
        let broken = |reason: String| TrainError::unusable(path, reason);
        let (mut tensors, text) = read_described_tensors(path, KEY)?;
        let text = text.ok_or_else(|| broken("holds tensors, but is no checkpoint of a training".into()))?;
        let header: Header =
            serde_json::from_str(&text).map_err(|error| broken(format!("is not what a checkpoint holds: {error}")))?;
        if header.format != FORMAT {
            return Err(broken(format!("has the format {}, and this program reads {FORMAT}", header.format)));
        }
        let origin = path.display().to_string();
        let mut take = |group: &str| -> StoredTensors {
            let prefix = format!("{group}/");
            let taken = tensors.extract_if(.., |name, _| name.starts_with(&prefix));
            taken.map(|(name, tensor)| (name[prefix.len()..].to_owned(), tensor)).collect()
        };
        let parameters = Parameters::from_stored(&recipe.architecture, &take("network"), &origin)?;
        let mut state = Self::new(Network::new(recipe.architecture.clone(), parameters), recipe);
        let moment = |name| broken(format!("lacks the optimiser's moment {name}, or that has another length"));
        state.adam.restore(header.adam_steps, take("adam")).map_err(moment)?;
        state.best = header.best.map(|epoch| Snapshot { epoch, weights: take("best") });
        (state.position, state.history) = (header.position, header.history);
        Ok(state)
    }
}
