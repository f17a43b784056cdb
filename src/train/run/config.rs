//! What a run was asked to do, as its `config.toml` says it.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::system::write_whole;
use crate::train::error::TrainError;
use crate::train::recipe::Recipe;

/// What a run was asked to do. No path of the machine is in it: a model card is made from it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunConfig {
    /// The program's version.
    pub version: String,
    /// Decides start values, shuffling, augmentation and dropout, and the split where none was given.
    pub seed: u64,
    /// The data in words, with the numbers of images and cases.
    pub data: String,
    /// The split in words.
    pub split: String,
    /// What the training started from, in words.
    pub start: String,
    /// The cases of the train part, as their numbers in the file names, sorted; the weights file names them.
    #[serde(default)]
    pub trained_on: Vec<String>,
    /// Images that could not be read and were left out.
    pub skipped: Vec<String>,
    /// The recipe, every value of it.
    pub recipe: Recipe,
}

impl RunConfig {
    /// Writes the file, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, path: &Path) -> Result<(), TrainError> {
        let failed = |source| TrainError::Write { path: path.to_owned(), source };
        let text = toml::to_string(self).map_err(|error| failed(std::io::Error::other(error)))?;
        write_whole(path, text.as_bytes()).map_err(failed)
    }

    /// Reads what [`RunConfig::write`] wrote.
    ///
    /// # Errors
    /// When there is none, or it is not what a run writes.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| TrainError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error| TrainError::Broken { path: path.to_owned(), reason: error.to_string() })
    }

    /// Refuses to go on with a run in `folder` that was asked for other things; the program may be another version.
    ///
    /// # Errors
    /// When they differ; the error says in what.
    pub fn goes_on(&self, before: &Self, folder: &Path) -> Result<(), TrainError> {
        let mut before = before.clone();
        if before.trained_on.is_empty() {
            // Versions before 0.2 did not write the cases down.
            before.trained_on = self.trained_on.clone();
        }
        let before = &before;
        let differences = Self { version: before.version.clone(), ..self.clone() }.differences(before);
        if differences.is_empty() {
            return Ok(());
        }
        Err(TrainError::OtherRun { folder: folder.to_owned(), differences })
    }

    /// Where two configs differ, a line a value: `batch = 64, and not 32`.
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let lines = |config: &Self| toml::to_string(config).unwrap_or_default();
        let (ours, theirs) = (lines(self), lines(other));
        let pairs = ours.lines().zip(theirs.lines());
        pairs.filter(|(our, their)| our != their).map(|(our, their)| format!("{our}, and not {their}")).collect()
    }
}
