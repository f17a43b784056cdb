//! Runs that have ended, read from their folders for a comparison.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::breakhis::{Part, Split};
use crate::diagnosis::Threshold;
use crate::evaluate::comparison::{ComparedRun, Comparison, Pooled};
use crate::evaluate::{ControlFigures, Figures, Paired, Predictions, Subject, predictions};
use crate::train::run::cross_validated::ended_repeats;
use crate::train::{RunConfig, TrainError, is_cross_validation};

/// Reads runs from their folders and compares them; the folder of a cross-validation stands for all its runs. Where `pooled` is asked for, their predictions are also taken
/// together. The runs in `against` are those that the others are subtracted from in pairs; none where nobody asked.
///
/// # Errors
/// When a folder does not hold a run that has ended and held images out; where runs are to be taken together, when they
/// were not trained alike or predict the same image; and when those in `against` do not predict the same images as the
/// others.
pub fn compare_runs(folders: &[PathBuf], against: &[PathBuf], pooled: bool) -> Result<Comparison, TrainError> {
    let (mut runs, predictions) = read_runs(&all_runs(folders)?)?;
    let pooled = pooled.then(|| pool(&runs, &predictions)).transpose()?;
    let mut paired = None;
    if !against.is_empty() {
        let (other_runs, others) = read_runs(&all_runs(against)?)?;
        let sides = [(&runs, &predictions), (&other_runs, &others)];
        for (runs, predictions) in sides {
            check_poolable(runs, predictions)?;
        }
        let [these, those] = sides.map(|(runs, predictions)| (names(runs), Predictions::joined(predictions)));
        paired = Some(Paired::of([(these.0, &these.1), (those.0, &those.1)], Threshold::HALF)?);
        runs.extend(other_runs);
    }
    Ok(Comparison { paired, ..Comparison::of(runs, pooled) })
}

/// The folders, with those of its runs in the place of each cross-validation's.
fn all_runs(folders: &[PathBuf]) -> Result<Vec<PathBuf>, TrainError> {
    let mut runs = Vec::new();
    for folder in folders {
        match is_cross_validation(folder) {
            true => runs.extend(ended_repeats(folder, u32::MAX)?.into_iter().flat_map(|repeat| repeat.runs)),
            false => runs.push(folder.clone()),
        }
    }
    Ok(runs)
}

/// Runs with their predictions, in the order of their folders.
pub(super) fn read_runs(folders: &[PathBuf]) -> Result<(Vec<ComparedRun>, Vec<Predictions>), TrainError> {
    folders.iter().map(|folder| read_run(folder)).collect()
}

/// What several runs are called together.
fn names(runs: &[ComparedRun]) -> String {
    match runs {
        [] => String::new(),
        [only] => only.name.clone(),
        [first, others @ ..] => format!("{} and {} more", first.name, others.len()),
    }
}

/// The predictions of runs together, and each run's own; refuses what [`compare_runs`] refuses to pool.
pub(super) fn pooled(folders: &[PathBuf]) -> Result<(Pooled, Vec<Predictions>), TrainError> {
    let (runs, predictions) = read_runs(folders)?;
    Ok((pool(&runs, &predictions)?, predictions))
}

/// All predictions together, and the runs' means.
pub(super) fn pool(runs: &[ComparedRun], predictions: &[Predictions]) -> Result<Pooled, TrainError> {
    check_poolable(runs, predictions)?;
    Ok(Pooled::of(runs, predictions, Threshold::HALF))
}

/// Refuses runs that no figure can be of together.
fn check_poolable(runs: &[ComparedRun], predictions: &[Predictions]) -> Result<(), TrainError> {
    if let Some([first, other]) = runs.array_windows().find(|[first, other]| !first.has_the_recipe_of(other)) {
        let reason = format!("and {} were not trained alike; only runs of one recipe can be pooled", other.name);
        return Err(TrainError::unusable(&first.name, reason));
    }
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (run, predictions) in runs.iter().zip(predictions) {
        for Subject { filename, .. } in &predictions.subjects {
            if let Some(other) = seen.insert(filename, &run.name) {
                let both = format!("and {} both predict {filename}", run.name);
                let reason = format!("{both}; only runs that hold out different images can be pooled");
                return Err(TrainError::unusable(other, reason));
            }
        }
    }
    Ok(())
}

/// A run with the figures of its test part, or of its validation part where it has no other; and the predictions that
/// these come from.
fn read_run(folder: &Path) -> Result<(ComparedRun, Predictions), TrainError> {
    let path = folder.join("config.toml");
    if !path.is_file() {
        let reason = "is not the folder of a run: there is no config.toml in it, as `lobule train` writes it";
        return Err(TrainError::unusable(folder, reason));
    }
    let config = RunConfig::read(&path)?;
    let split_file = folder.join("split.csv");
    let split = Split::read(&split_file)?;
    let shared_cases = split.shared_cases().map_err(|error| TrainError::from(error).within(split_file.display()))?;
    let (part, predictions) = read_predictions(folder, &split)?;
    let run = ComparedRun {
        name: folder.display().to_string(),
        settings: config.settings()?,
        recipe: config.recipe.name,
        seed: config.seed,
        shared_cases: shared_cases.len(),
        trained_on: split.count(Part::Train),
        part,
        figures: Figures::of(&predictions, &predictions.all(), Threshold::HALF),
        controls: ControlFigures::all(&predictions),
    };
    Ok((run, predictions))
}

fn read_predictions(folder: &Path, split: &Split) -> Result<(Part, Predictions), TrainError> {
    let files = [Part::Test, Part::Validation].map(|part| (part, folder.join(format!("{part}-predictions.csv"))));
    let Some((part, path)) = files.into_iter().find(|(_, path)| path.exists()) else {
        let reason = match folder.join("weights.safetensors").exists() {
            true if [Part::Validation, Part::Test].iter().all(|part| split.count(*part) == 0) => {
                "was trained on all images, so there are none to compare it by"
            }
            true => "has lost its predictions; the command that trained it makes them again when --resume is added",
            false => {
                "has no predictions, because its training has not ended; the command that began it goes on with it when \
                 --resume is added"
            }
        };
        return Err(TrainError::unusable(folder, reason));
    };
    let predictions = predictions::read(&path)?;
    if predictions.subjects.is_empty() {
        return Err(TrainError::unusable(path, "holds no predictions"));
    }
    let mut names = predictions.subjects.iter().map(|subject| &subject.filename);
    if let Some(name) = names.find(|name| split.part_of(name) != Some(part)) {
        let place = split.part_of(name).map_or("not at all".to_owned(), |part| format!("in its {part} part"));
        let reason = format!("holds {name}, which the run's split.csv has {place}; they are not of one run");
        return Err(TrainError::unusable(path, reason));
    }
    Ok((part, predictions))
}
