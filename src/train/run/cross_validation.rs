//! A cross-validation: each fold is held out once, in a run of its own; their predictions are pooled at the end. Its runs
//! may be shared out to several processes, which know nothing of each other.
//!
//! In: a training and its folds. Out: `repeat-1/folds.csv`, `repeat-1/fold-0/` and so on, each the folder that
//! `lobule train --split folds.csv --fold 0` makes, and the comparison of each repeat's runs.

use std::path::{Path, PathBuf};

use crate::breakhis::Folds;
use crate::evaluate::comparison::Comparison;
use crate::system::Shard;
use crate::train::run::compare_runs::read_runs;
use crate::train::run::cross_validated::{read_repeats, within};
use crate::train::run::single_run::{Job, Trainer, file_name};
use crate::train::{FoldSource, Outcome, Progress, RunFolder, TrainError};

/// One round of a cross-validation: all images are held out once.
struct Repeat {
    /// From 1.
    number: u32,
    seed: u64,
    folds: Folds,
    /// What the folds are called in the split's words.
    name: String,
    folder: PathBuf,
    /// The runs that are trained here; all where there is no shard.
    shard: Option<Shard>,
    /// How many runs the repeats before it have: all runs are numbered from 0, and a shard has some of the numbers.
    runs_before: u64,
}

/// A fold that is held out, and the run that does so.
struct FoldRun {
    fold: u32,
    job: Job,
    /// Whether it is trained here, and not by another shard.
    is_ours: bool,
}

/// Trains all folds of all repeats, or those of a shard, as far as they have not been trained before, and compares their
/// runs.
pub(super) fn run(
    trainer: &Trainer<'_>,
    source: &FoldSource,
    repeats: u32,
    shard: Option<Shard>,
    progress: &mut dyn Progress,
) -> Result<Outcome, TrainError> {
    if RunFolder::is_one(&trainer.config.out) {
        let reason = "holds a single run; another --out begins a cross-validation";
        return Err(TrainError::unusable(&trainer.config.out, reason));
    }
    // The only shard that there is has all runs, and can pool them.
    let shard = shard.filter(|shard| shard.count > 1);
    let (count, mut repeats) = (repeats, Vec::new());
    let mut runs = 0;
    for number in 1..=count {
        let repeat = Repeat::new(trainer, source, number, shard, runs)?;
        runs += repeat.folds.numbers().len() as u64;
        repeats.push(repeat);
    }
    // All folds are looked at before the first one is trained: hours of work are not to end at one of one class.
    repeats.iter().try_for_each(|repeat| repeat.check(trainer))?;
    repeats.iter().try_for_each(Repeat::write_folds)?;
    let out = &trainer.config.out;
    let ours: Vec<PathBuf> = repeats.iter().flat_map(Repeat::our_runs).map(|run| run.job.out).collect();
    if let Some(shard) = shard {
        progress.note(&announcement(shard, runs, out, &ours));
    }
    for repeat in &repeats {
        repeat.train(trainer, repeats.len(), progress)?;
    }
    match shard {
        None => Ok(Outcome::CrossValidation(read_repeats(out, count)?)),
        Some(_) => Ok(Outcome::Shard(side_by_side(out, &ours)?)),
    }
}

/// What a shard is about to do. More shards than runs are no fault: whoever starts a job of twenty tasks for ten runs wants
/// ten trained runs, and a task that failed would be tried again and then fail the whole job.
fn announcement(shard: Shard, runs: u64, out: &Path, ours: &[PathBuf]) -> String {
    if ours.is_empty() {
        return format!(
            "shard {shard} has nothing to train: there are {runs} runs, and shards from {runs} on have none"
        );
    }
    let names: Vec<String> = ours.iter().map(|run| within(out, run)).collect();
    format!(
        "shard {shard} trains {} of {runs} runs: {}; when all shards have ended, `lobule compare --pool {}` puts \
         their runs together",
        ours.len(),
        names.join(", "),
        out.display()
    )
}

/// The runs of a shard with their own figures; none where it has none.
fn side_by_side(out: &Path, ours: &[PathBuf]) -> Result<Option<Box<Comparison>>, TrainError> {
    let (mut runs, _) = read_runs(ours)?;
    runs.iter_mut().zip(ours).for_each(|(run, folder)| run.name = within(out, folder));
    Ok((!runs.is_empty()).then(|| Box::new(Comparison::without_means(runs))))
}

impl Repeat {
    fn new(
        trainer: &Trainer<'_>,
        source: &FoldSource,
        number: u32,
        shard: Option<Shard>,
        runs_before: u64,
    ) -> Result<Self, TrainError> {
        let first = trainer.config.seed;
        let seed = first.checked_add(u64::from(number - 1)).filter(|seed| i64::try_from(*seed).is_ok());
        let seed = seed.ok_or(TrainError::Seed(first))?;
        let (folds, name) = match source {
            FoldSource::Dealt(count) => (Folds::deal(trainer.dataset, *count, seed)?, "folds.csv".to_owned()),
            FoldSource::File(path) => (Folds::read(path)?, file_name(path)),
        };
        Ok(Self { number, seed, folds, name, folder: folder_of(&trainer.config.out, number), shard, runs_before })
    }

    /// All its runs, in the order of the folds.
    fn runs(&self) -> impl Iterator<Item = FoldRun> {
        let outs = self.folds.numbers().into_iter().zip(runs_of(&self.folder, &self.folds));
        outs.zip(self.runs_before..).map(|((fold, out), number)| {
            let how = format!("{}, fold {fold} held out", self.name);
            let job = Job { split: self.folds.held_out(fold), how, seed: self.seed, out, carried: None };
            FoldRun { fold, job, is_ours: self.shard.is_none_or(|shard| shard.has(number)) }
        })
    }

    /// Those of its runs that are trained here.
    fn our_runs(&self) -> impl Iterator<Item = FoldRun> {
        self.runs().filter(|run| run.is_ours)
    }

    /// Refuses folds of other images, folds without both labels, a folder that holds other folds, and other runs where ours
    /// are to be. What other shards have written by now is not looked at: it is theirs, and may be under way.
    fn check(&self, trainer: &Trainer<'_>) -> Result<(), TrainError> {
        let place =
            |fold: u32| move |error: TrainError| error.within(format!("repeat {}, fold {fold} held out", self.number));
        let mut checked = Vec::new();
        for run in self.runs() {
            let parts = trainer.parts(&run.job.split).map_err(place(run.fold))?;
            checked.push((run, parts));
        }
        let path = folds_file(&self.folder);
        if path.exists() && Folds::read(&path)? != self.folds {
            return Err(TrainError::unusable(
                path,
                "holds other folds than these; the same --folds and --seed go on with them, and another --out begins a new \
                 cross-validation",
            ));
        }
        let mut ours = checked.iter().filter(|(run, _)| run.is_ours);
        ours.try_for_each(|(run, parts)| trainer.check_folder(&run.job, parts).map_err(place(run.fold)))
    }

    /// Writes the file of the folds unless it is there, where it was checked to be the same: another shard may be reading
    /// it. Two that write it at once put the same bytes in its place.
    fn write_folds(&self) -> Result<(), TrainError> {
        let path = folds_file(&self.folder);
        if path.exists() {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder).map_err(TrainError::write(&self.folder))?;
        Ok(self.folds.write(&path)?)
    }

    fn train(&self, trainer: &Trainer<'_>, repeats: usize, progress: &mut dyn Progress) -> Result<(), TrainError> {
        let count = self.folds.numbers().len();
        for FoldRun { fold, job, .. } in self.our_runs() {
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

/// The file of a repeat's folds.
pub(super) fn folds_file(repeat: &Path) -> PathBuf {
    repeat.join("folds.csv")
}

/// The folders of a repeat's runs, in the order of the folds.
pub(super) fn runs_of(repeat: &Path, folds: &Folds) -> Vec<PathBuf> {
    folds.numbers().iter().map(|fold| repeat.join(format!("fold-{fold}"))).collect()
}
