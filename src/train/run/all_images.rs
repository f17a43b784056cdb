//! A run on all images, for a file that is given away: nothing is left to measure it by, but a cross-validation by the
//! same settings has figures that the file can carry.

use std::collections::BTreeMap;
use std::path::Path;

use crate::breakhis::Split;
use crate::evaluate::mean_of_all;
use crate::train::fit::check_validation;
use crate::train::run::calibration::read_repeats;
use crate::train::run::single_run::{Carried, Job, Trainer, named_figures};
use crate::train::{RunConfig, TrainError};

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
        let repeats = read_repeats(dir, trainer.dataset, |run, before| {
            let now = RunConfig { start: start.clone(), recipe: trainer.config.recipe.clone(), ..before.clone() };
            now.same_as(before, run, "was trained by other settings, so its figures say nothing of this training")
        })?;
        let named: Vec<BTreeMap<String, f64>> =
            repeats.iter().map(|repeat| named_figures("cross_validated", &repeat.pooled.figures)).collect();
        // A figure that is not defined in one of the repeats has no mean.
        let mean = |name: &String| mean_of_all(named.iter().map(|figures| figures.get(name).copied()));
        let names = named.iter().take(1).flat_map(BTreeMap::keys);
        let figures = names.filter_map(|name| Some((name.clone(), mean(name)?))).collect();
        let last = repeats.last().map_or((0, 0), |repeat| (repeat.pooled.cases, repeat.pooled.runs));
        let mut over = format!("{} cases in {} folds", last.0, last.1);
        if repeats.len() > 1 {
            over += &format!(", the mean of {} repeats", repeats.len());
        }
        Ok(Self { figures, over, repeats })
    }
}
