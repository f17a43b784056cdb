//! What a run was asked to do, as its `config.toml` says it.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use toml::Table;

use crate::system::write_whole;
use crate::train::recipe::{find, keys};
use crate::train::{Recipe, TrainError};

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
        let failed = TrainError::write(path);
        let text = toml::to_string(self).map_err(|error| failed(std::io::Error::other(error)))?;
        write_whole(path, text.as_bytes()).map_err(failed)
    }

    /// Reads what [`RunConfig::write`] wrote.
    ///
    /// # Errors
    /// When the file is missing, or is not what a run writes.
    pub fn read(path: &Path) -> Result<Self, TrainError> {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|source| TrainError::File { action: "read", path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error| TrainError::unusable(path, format!("is not what a run writes: {error}")))
    }

    /// Refuses to go on with a run in `folder` that was asked for other things; the program may be another version.
    pub(crate) fn goes_on(&self, before: &Self, folder: &Path) -> Result<(), TrainError> {
        let mut now = Self { version: before.version.clone(), ..self.clone() };
        if before.trained_on.is_empty() {
            // Versions before 0.2 did not write the cases down.
            now.trained_on.clear();
        }
        now.same_as(before, folder, "holds a run that was asked for other things")
    }

    /// Refuses the run of `folder` where its config is another one; the error says in what.
    pub(crate) fn same_as(&self, before: &Self, folder: &Path, refusal: &str) -> Result<(), TrainError> {
        match self.differences(before) {
            differences if differences.is_empty() => Ok(()),
            differences => Err(TrainError::unusable(folder, format!("{refusal}: {}", differences.join("; ")))),
        }
    }

    /// Where two configs differ, a sentence a value: `recipe.batch = 64, and not 32`.
    fn differences(&self, other: &Self) -> Vec<String> {
        let [ours, theirs] = [self, other].map(|config| Table::try_from(config).unwrap_or_default());
        let all: BTreeSet<String> = [&ours, &theirs].into_iter().flat_map(keys).collect();
        let difference = |key: &String| match (find(&ours, key), find(&theirs, key)) {
            (Some(our), Some(their)) if our == their => None,
            (Some(our), Some(their)) => Some(format!("{key} = {our}, and not {their}")),
            (Some(our), None) => Some(format!("{key} = {our}, and not without it")),
            (None, their) => their.map(|their| format!("without {key}, and not {key} = {their}")),
        };
        all.iter().filter_map(difference).collect()
    }

    /// Everything that the run was trained by, seed and split apart, as text that is equal for equal settings.
    pub(crate) fn settings(&self) -> Result<String, TrainError> {
        let unfit =
            |error: toml::ser::Error| TrainError::Recipe { name: self.recipe.name.clone(), reason: error.to_string() };
        Ok(toml::to_string(&self.recipe).map_err(unfit)? + &self.start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configs_are_compared_by_key_and_a_table_that_one_of_them_lacks_is_named() {
        let config = |changes: &[&str]| RunConfig {
            version: "1".into(),
            seed: 1,
            data: String::new(),
            split: String::new(),
            start: String::new(),
            trained_on: vec!["7".into()],
            skipped: Vec::new(),
            recipe: Recipe::named("best", changes).unwrap(),
        };
        let (plain, stopping) =
            (config(&[]), config(&["early_stopping.patience=2", "early_stopping.min_delta=0.5", "epochs=7"]));
        assert!(plain.differences(&plain).is_empty());
        let epochs = plain.recipe.epochs;
        // The lines of the two files do not lie side by side behind the table that only one of them has.
        assert_eq!(
            stopping.differences(&plain),
            [
                "recipe.early_stopping.min_delta = 0.5, and not without it".to_owned(),
                "recipe.early_stopping.patience = 2, and not without it".to_owned(),
                format!("recipe.epochs = 7, and not {epochs}"),
            ]
        );
        assert_eq!(
            plain.differences(&stopping)[1],
            "without recipe.early_stopping.patience, and not recipe.early_stopping.patience = 2"
        );
        let other = RunConfig { trained_on: vec!["7".into(), "9".into()], seed: 2, ..plain.clone() };
        assert_eq!(other.differences(&plain), ["seed = 2, and not 1", "trained_on = [\"7\", \"9\"], and not [\"7\"]"]);
    }
}
