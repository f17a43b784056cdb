//! The folder of a cross-validation that has ended, whichever processes trained its runs.
//!
//! In: what `lobule train --folds` wrote. Out: each repeat's runs side by side and their predictions together.

use std::path::{Path, PathBuf};

use crate::breakhis::Folds;
use crate::diagnosis::Threshold;
use crate::evaluate::comparison::Comparison;
use crate::evaluate::{EXCHANGES, Predictions, Setting};
use crate::train::run::compare_runs::{pool, read_runs};
use crate::train::run::cross_validation::{folder_of, folds_file, runs_of};
use crate::train::{Recipe, RunConfig, RunFolder, TrainError};

/// A repeat of a cross-validation: every image, predicted by a network that did not see its case.
#[derive(Clone, Debug)]
pub struct CrossValidated {
    /// Its folder within that of the cross-validation.
    pub name: String,
    /// The seed of its runs.
    pub seed: u64,
    /// Its recipe.
    pub recipe: Recipe,
    /// Its runs, which are named by their folders within that of the cross-validation, and their predictions pooled.
    pub comparison: Comparison,
    /// All predictions.
    pub predictions: Predictions,
    /// How they were made.
    pub setting: Setting,
}

/// A repeat whose runs have all ended.
pub(super) struct EndedRepeat {
    /// Its folder, which holds the file of its folds and its runs.
    pub(super) folder: PathBuf,
    pub(super) folds: Folds,
    /// The folders of its runs, in the order of the folds.
    pub(super) runs: Vec<PathBuf>,
}

/// Whether a folder is that of a cross-validation, ended or not.
pub fn is_cross_validation(dir: &Path) -> bool {
    folds_file(&folder_of(dir, 1)).is_file()
}

/// Reads all repeats of a cross-validation.
///
/// # Errors
/// When there is none, some of its runs are missing or have not ended, which are named, or those of a repeat were not
/// trained alike.
pub fn read_cross_validation(dir: &Path) -> Result<Vec<CrossValidated>, TrainError> {
    read_repeats(dir, u32::MAX)
}

/// The same of the first repeats, and of no others that lie there.
pub(super) fn read_repeats(dir: &Path, at_most: u32) -> Result<Vec<CrossValidated>, TrainError> {
    ended_repeats(dir, at_most)?.iter().map(|repeat| read_repeat(dir, repeat)).collect()
}

/// Finds the first repeats of a cross-validation, of which all runs must have ended.
pub(super) fn ended_repeats(dir: &Path, at_most: u32) -> Result<Vec<EndedRepeat>, TrainError> {
    let folders = (1..=at_most).map(|number| folder_of(dir, number));
    let repeat = |folder: PathBuf| {
        let folds = Folds::read(&folds_file(&folder))?;
        Ok(EndedRepeat { runs: runs_of(&folder, &folds), folds, folder })
    };
    let repeats = folders.take_while(|folder| folds_file(folder).is_file()).map(repeat);
    let repeats = repeats.collect::<Result<Vec<_>, TrainError>>()?;
    if repeats.is_empty() {
        let reason = "is not the folder of a cross-validation: there is no repeat-1/folds.csv in it, as `lobule train \
                      --folds` writes it";
        return Err(TrainError::unusable(dir, reason));
    }
    let runs = repeats.iter().flat_map(|repeat| &repeat.runs);
    let missing: Vec<String> = runs.filter(|run| !RunFolder::has_ended(run)).map(|run| within(dir, run)).collect();
    if !missing.is_empty() {
        let reason = format!(
            "holds a cross-validation that has not ended, so there are no figures of it yet: these runs are missing or \
             unfinished: {}; the commands that were to train them do so when --resume is added",
            missing.join(", ")
        );
        return Err(TrainError::unusable(dir, reason));
    }
    Ok(repeats)
}

/// What a folder within that of a cross-validation is called.
pub(super) fn within(dir: &Path, path: &Path) -> String {
    path.strip_prefix(dir).unwrap_or(path).display().to_string()
}

fn read_repeat(
    dir: &Path,
    EndedRepeat { folder, runs: folders, .. }: &EndedRepeat,
) -> Result<CrossValidated, TrainError> {
    let (mut runs, predictions) = read_runs(folders)?;
    let pooled = pool(&runs, &predictions)?;
    runs.iter_mut().zip(folders).for_each(|(run, folder)| run.name = within(dir, folder));
    // Those that are pooled were trained alike.
    let first = folders.first().ok_or_else(|| TrainError::unusable(folder, "has no folds"))?;
    let RunConfig { seed, start, recipe, .. } = RunConfig::read(&first.join("config.toml"))?;
    let predictions = Predictions::joined(&predictions);
    Ok(CrossValidated {
        name: within(dir, folder),
        seed,
        recipe,
        setting: Setting {
            threshold: Threshold::HALF,
            exchanges: predictions.network.exchanged.len().min(EXCHANGES),
            exchange_seed: 0,
            views: 1,
            controls_fitted_to: "the train part of each fold".to_owned(),
            frozen_taps: format!("those that the training started from ({start})"),
        },
        predictions,
        comparison: Comparison::of(runs, Some(pooled)),
    })
}
