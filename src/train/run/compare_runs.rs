//! Runs that have ended, read from their folders for a comparison.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::breakhis::{Part, Split};
use crate::diagnosis::Threshold;
use crate::evaluate::comparison::{ComparedRun, Comparison, Pooled};
use crate::evaluate::{ControlFigures, Figures, Predictions, Subject, predictions};
use crate::train::{RunConfig, TrainError};

/// Reads runs from their folders and compares them; where `pooled` is asked for, their predictions are also taken
/// together.
///
/// # Errors
/// When a folder does not hold a run that has ended and held images out; and, where they are to be pooled, when runs
/// were not trained alike or predict the same image.
pub fn compare_runs(folders: &[PathBuf], pooled: bool) -> Result<Comparison, TrainError> {
    let read = folders.iter().map(|folder| read_run(folder)).collect::<Result<Vec<_>, _>>()?;
    let (runs, predictions): (Vec<ComparedRun>, Vec<_>) = read.into_iter().unzip();
    let pooled = pooled.then(|| pool(&runs, &predictions)).transpose()?;
    Ok(Comparison::of(runs, pooled))
}

/// The predictions of runs together, and each run's own; refuses what [`compare_runs`] refuses to pool.
pub(super) fn pooled(folders: &[PathBuf]) -> Result<(Pooled, Vec<Predictions>), TrainError> {
    let read = folders.iter().map(|folder| read_run(folder)).collect::<Result<Vec<_>, _>>()?;
    let (runs, predictions): (Vec<ComparedRun>, Vec<_>) = read.into_iter().unzip();
    Ok((pool(&runs, &predictions)?, predictions))
}

/// All predictions together, and the runs' means.
fn pool(runs: &[ComparedRun], predictions: &[Predictions]) -> Result<Pooled, TrainError> {
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
    Ok(Pooled::of(runs, predictions, Threshold::HALF))
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
