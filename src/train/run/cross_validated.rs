//! The folder of a cross-validation that has ended, read for a model card.
//!
//! In: what `lobule train --folds` wrote. Out: each repeat's runs side by side and their predictions together.

use std::path::Path;

use crate::breakhis::Folds;
use crate::diagnosis::Threshold;
use crate::evaluate::comparison::Comparison;
use crate::evaluate::{EXCHANGES, Predictions, Setting};
use crate::train::run::compare_runs::{pool, read_runs};
use crate::train::run::cross_validation::{folder_of, runs_of};
use crate::train::{Recipe, RunConfig, TrainError};

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

/// Reads all repeats of a cross-validation.
///
/// # Errors
/// When there is none, or a fold has not ended.
pub fn read_cross_validation(dir: &Path) -> Result<Vec<CrossValidated>, TrainError> {
    let repeats = (1..).map(|number| folder_of(dir, number)).take_while(|folder| folder.join("folds.csv").is_file());
    let repeats = repeats.map(|folder| read_repeat(dir, &folder)).collect::<Result<Vec<_>, _>>()?;
    if repeats.is_empty() {
        let reason = "is not the folder of a cross-validation: there is no repeat-1/folds.csv in it, as `lobule train \
                      --folds` writes it";
        return Err(TrainError::unusable(dir, reason));
    }
    Ok(repeats)
}

fn read_repeat(dir: &Path, folder: &Path) -> Result<CrossValidated, TrainError> {
    let within = |path: &Path| path.strip_prefix(dir).unwrap_or(path).display().to_string();
    let folders = runs_of(folder, &Folds::read(&folder.join("folds.csv"))?);
    let (mut runs, predictions) = read_runs(&folders)?;
    let pooled = pool(&runs, &predictions)?;
    runs.iter_mut().zip(&folders).for_each(|(run, folder)| run.name = within(folder));
    // Those that are pooled were trained alike.
    let first = folders.first().ok_or_else(|| TrainError::unusable(folder, "has no folds"))?;
    let RunConfig { seed, start, recipe, .. } = RunConfig::read(&first.join("config.toml"))?;
    let predictions = Predictions::joined(&predictions);
    Ok(CrossValidated {
        name: within(folder),
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
