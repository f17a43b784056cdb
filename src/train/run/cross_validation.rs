//! A cross-validation: each fold is held out once, in a run of its own; their predictions are pooled at the end.
//!
//! In: a training and its folds. Out: `repeat-1/folds.csv`, `repeat-1/fold-0/` and so on, each the folder that
//! `lobule train --split folds.csv --fold 0` makes, and the comparison of each repeat's runs.

use std::path::{Path, PathBuf};

use crate::breakhis::Folds;
use crate::evaluate::comparison::Comparison;
use crate::train::run::single_run::{Job, Trainer, file_name};
use crate::train::{FoldSource, Progress, RunFolder, TrainError, compare_runs};

/// A repeat whose runs have ended.
#[derive(Clone, Debug)]
pub struct RepeatOutcome {
    /// Its number, from 1.
    pub number: u32,
    /// Its seed.
    pub seed: u64,
    /// Its runs side by side, and their predictions pooled.
    pub comparison: Comparison,
}

/// One round of a cross-validation: all images are held out once.
struct Repeat {
    /// From 1.
    number: u32,
    seed: u64,
    folds: Folds,
    /// What the folds are called in the split's words.
    name: String,
    folder: PathBuf,
}

/// Trains all folds of all repeats, as far as they have not been trained before, and compares their runs.
pub(super) fn run(
    trainer: &Trainer<'_>,
    source: &FoldSource,
    repeats: u32,
    progress: &mut dyn Progress,
) -> Result<Vec<RepeatOutcome>, TrainError> {
    if RunFolder::is_one(&trainer.config.out) {
        let reason = "holds a single run; another --out begins a cross-validation";
        return Err(TrainError::unusable(&trainer.config.out, reason));
    }
    let repeats = (1..=repeats).map(|number| Repeat::new(trainer, source, number)).collect::<Result<Vec<_>, _>>()?;
    // All folds are looked at before the first one is trained: hours of work are not to end at one of one class.
    repeats.iter().try_for_each(|repeat| repeat.check(trainer))?;
    repeats.iter().try_for_each(Repeat::write_folds)?;
    for repeat in &repeats {
        repeat.train(trainer, repeats.len(), progress)?;
    }
    let outcome = |repeat: &Repeat| {
        let comparison = compare_runs(&runs_of(&repeat.folder, &repeat.folds), &[], true)?;
        Ok(RepeatOutcome { number: repeat.number, seed: repeat.seed, comparison })
    };
    repeats.iter().map(outcome).collect()
}

impl Repeat {
    fn new(trainer: &Trainer<'_>, source: &FoldSource, number: u32) -> Result<Self, TrainError> {
        let first = trainer.config.seed;
        let seed = first.checked_add(u64::from(number - 1)).filter(|seed| i64::try_from(*seed).is_ok());
        let seed = seed.ok_or(TrainError::Seed(first))?;
        let (folds, name) = match source {
            FoldSource::Dealt(count) => (Folds::deal(trainer.dataset, *count, seed)?, "folds.csv".to_owned()),
            FoldSource::File(path) => (Folds::read(path)?, file_name(path)),
        };
        Ok(Self { number, seed, folds, name, folder: folder_of(&trainer.config.out, number) })
    }

    /// The number of each fold and the job that holds it out.
    fn jobs(&self) -> impl Iterator<Item = (u32, Job)> {
        self.folds.numbers().into_iter().zip(runs_of(&self.folder, &self.folds)).map(|(fold, out)| {
            let how = format!("{}, fold {fold} held out", self.name);
            (fold, Job { split: self.folds.held_out(fold), how, seed: self.seed, out, carried: None })
        })
    }

    /// Refuses folds of other images, folds without both labels, and a folder that holds other folds or runs.
    fn check(&self, trainer: &Trainer<'_>) -> Result<(), TrainError> {
        let within =
            |fold: u32| move |error: TrainError| error.within(format!("repeat {}, fold {fold} held out", self.number));
        let mut checked = Vec::new();
        for (fold, job) in self.jobs() {
            let parts = trainer.parts(&job.split).map_err(within(fold))?;
            checked.push((fold, job, parts));
        }
        let path = self.folder.join("folds.csv");
        if path.exists() && Folds::read(&path)? != self.folds {
            return Err(TrainError::unusable(
                path,
                "holds other folds than these; the same --folds and --seed go on with them, and another --out begins a new \
                 cross-validation",
            ));
        }
        checked.iter().try_for_each(|(fold, job, parts)| trainer.check_folder(job, parts).map_err(within(*fold)))
    }

    fn write_folds(&self) -> Result<(), TrainError> {
        std::fs::create_dir_all(&self.folder).map_err(TrainError::write(&self.folder))?;
        Ok(self.folds.write(&self.folder.join("folds.csv"))?)
    }

    fn train(&self, trainer: &Trainer<'_>, repeats: usize, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let count = self.folds.numbers().len();
        for (fold, job) in self.jobs() {
            let place = format!("repeat {} of {repeats}, fold {fold} of {count} folds", self.number);
            // That it was trained by the same settings was checked before the first fold.
            if trainer.config.resume && RunFolder::has_ended(&job.out) {
                progress.note(&format!("{place}: trained before"));
                continue;
            }
            if progress.interrupted() {
                return Err(TrainError::Interrupted(format!("before {place}")));
            }
            progress.note(&place);
            trainer.run(&job, progress).map_err(|error| error.within(place))?;
        }
        Ok(())
    }
}

pub(super) fn folder_of(out: &Path, repeat: u32) -> PathBuf {
    out.join(format!("repeat-{repeat}"))
}

/// The folders of a repeat's runs, in the order of the folds.
pub(super) fn runs_of(repeat: &Path, folds: &Folds) -> Vec<PathBuf> {
    folds.numbers().iter().map(|fold| repeat.join(format!("fold-{fold}"))).collect()
}
