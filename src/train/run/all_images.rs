//! A run on all images, for a file that is given away: nothing is left to measure it by, but a cross-validation by the
//! same settings has figures that the file can carry.

use std::collections::BTreeMap;
use std::path::Path;

use crate::breakhis::{Folds, Part, Split};
use crate::evaluate::mean_of_all;
use crate::train::fit::check_validation;
use crate::train::run::compare_runs::pooled;
use crate::train::run::cross_validation::{folder_of, runs_of};
use crate::train::run::file_calibration::{FileCalibration, Repeat};
use crate::train::run::single_run::{Carried, Job, Trainer, named_figures};
use crate::train::{RunConfig, RunFolder, TrainError};

/// The run's job, with the figures of a cross-validation where there is one.
pub(super) fn job(trainer: &Trainer<'_>, cross_validation: Option<&Path>) -> Result<Job, TrainError> {
    check_validation(&trainer.config.recipe, &[])?;
    let carried = cross_validation.map(|dir| Carried::read(dir, trainer)).transpose()?;
    let how = match &carried {
        Some(Carried { over, .. }) => format!("trained on all; figures by cross-validation over {over}"),
        None => "trained on all; nothing was held out".to_owned(),
    };
    Ok(Job { carried, ..trainer.job(Split::all_for_training(trainer.dataset), how) })
}

impl Carried {
    /// Reads the folder of a cross-validation that was made by this training's settings on the same images.
    fn read(dir: &Path, trainer: &Trainer<'_>) -> Result<Self, TrainError> {
        let start = trainer.start()?;
        let mut repeats: Vec<BTreeMap<String, f64>> = Vec::new();
        let mut calibrated = Vec::new();
        let mut over = String::new();
        for number in 1.. {
            let folder = folder_of(dir, number);
            let path = folder.join("folds.csv");
            if !path.is_file() {
                break;
            }
            let folds = Folds::read(&path)?;
            // Fails where the folds are of other images.
            let fit = folds.held_out(0).images(trainer.dataset, Part::Train);
            fit.map_err(|error| TrainError::from(error).within(path.display()))?;
            let runs = runs_of(&folder, &folds);
            let seeds = runs.iter().map(|run| check(run, trainer, &start)).collect::<Result<Vec<u64>, _>>()?;
            let (pooled, predictions) = pooled(&runs)?;
            over = format!("{} cases in {} folds", pooled.cases, runs.len());
            repeats.push(named_figures("cross_validated", &pooled.figures));
            calibrated.push(Repeat { seed: seeds.first().copied().unwrap_or_default(), pooled, predictions });
        }
        let Some((first, rest)) = repeats.split_first() else {
            return Err(TrainError::unusable(
                dir,
                "is not the folder of a cross-validation: there is no repeat-1/folds.csv in it, as `lobule train --folds` \
                 writes it",
            ));
        };
        if !rest.is_empty() {
            over += &format!(", the mean of {} repeats", repeats.len());
        }
        // A figure that is not defined in one of the repeats has no mean.
        let mean = |name: &String| mean_of_all(repeats.iter().map(|figures| figures.get(name).copied()));
        let figures = first.keys().filter_map(|name| Some((name.clone(), mean(name)?))).collect();
        Ok(Self { figures, over, calibration: FileCalibration::of(&calibrated) })
    }
}

/// The seed of a fold; refuses one that has not ended, or was trained by other settings.
fn check(run: &Path, trainer: &Trainer<'_>, start: &str) -> Result<u64, TrainError> {
    if !RunFolder::has_ended(run) {
        return Err(TrainError::unusable(
            run,
            "has not ended, so the cross-validation has no figures yet; the command that began it goes on with it when \
             --resume is added",
        ));
    }
    let before = RunConfig::read(&run.join("config.toml"))?;
    let now = RunConfig { start: start.to_owned(), recipe: trainer.config.recipe.clone(), ..before.clone() };
    now.same_as(&before, run, "was trained by other settings, so its figures say nothing of this training")?;
    Ok(before.seed)
}
