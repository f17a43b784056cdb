//! The folder of a run: which files it holds, and when they are written.
//!
//! | file | what it holds | written |
//! |---|---|---|
//! | `config.toml` | what the run was asked to do | at the start |
//! | `split.csv` | the part of each image | at the start |
//! | `last.safetensors` | everything that is needed to go on | after each epoch and Ctrl-C |
//! | `history.csv`, `history.jsonl` | the epochs so far; the second with times | with it |
//! | `curves.svg` | the epochs so far as a figure, which the command line draws | with it |
//! | `train/`, `validation/` | the epochs so far for TensorBoard, which are added to in their place | with it |
//! | `best.safetensors` | the weights with the lowest validation loss | with it |
//! | `weights.safetensors` | the weights that the recipe keeps, with their figures | at the end |
//! | `validation-predictions.csv`, `test-predictions.csv` | what these say of each image | at the end |
//!
//! A run that holds nothing out has neither predictions nor `best.safetensors`.
//!
//! Each other file is replaced whole, the checkpoint first: the others are made from it again when a run goes on.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use crate::diagnosis::{Label, Threshold};
use crate::model::{FORMAT, Metadata, Provenance, WeightsFile};
use crate::system::{FolderInUse, lock_folder, printable_path, scratch_name};
use crate::train::fit::history;
use crate::train::fit::state::Snapshot;
use crate::train::run::tensorboard;
use crate::train::{Progress, RunConfig, State, TrainError};

/// A run's folder and what the run was asked to do.
#[derive(Debug)]
pub struct RunFolder {
    folder: PathBuf,
    /// What the run was asked to do.
    pub config: RunConfig,
}

impl RunFolder {
    const CHECKPOINT: &str = "last.safetensors";

    /// Refuses a folder that a run can neither be begun in nor go on in, before work is done for it; leaves nothing
    /// there. `config` is what the run is asked for, given the images that were left out before.
    pub(crate) fn check(
        folder: &Path,
        resume: bool,
        config: impl FnOnce(&[String]) -> Result<RunConfig, TrainError>,
    ) -> Result<(), TrainError> {
        if folder.join("repeat-1").exists() {
            return Err(TrainError::unusable(folder, "holds a cross-validation; another --out begins a single run"));
        }
        let begun = folder.join(Self::CHECKPOINT).exists();
        if begun && !resume {
            return Err(TrainError::RunExists(folder.to_owned()));
        }
        if begun || resume && Self::has_ended(folder) {
            let before = RunConfig::read(&folder.join("config.toml"))?;
            config(&before.skipped)?.goes_on(&before, folder)?;
        }
        // The folder itself, or what there is of the way to it; an empty path is the present folder.
        let there = folder.ancestors().find(|path| path.symlink_metadata().is_ok()).unwrap_or(Path::new("."));
        if !there.is_dir() {
            let what = if there.exists() { "a file" } else { "a link to nothing" };
            let reason = format!("{} is {what}, and --out names a folder", printable_path(there));
            return Err(TrainError::write(folder)(std::io::Error::other(reason)));
        }
        let probe = there.join(format!(".lobule.{}", scratch_name()));
        let written = std::fs::create_dir(&probe).and_then(|()| std::fs::remove_dir(&probe));
        written.map_err(TrainError::write(folder))
    }

    /// Whether a single run was begun in a folder.
    pub(crate) fn is_one(folder: &Path) -> bool {
        ["config.toml", Self::CHECKPOINT].iter().any(|file| folder.join(file).exists())
    }

    /// Keeps all other trainings out of a folder for as long as the file that it gives is open; none where the folder is
    /// missing. Some network drives cannot lock, and two trainings there are not noticed.
    pub(crate) fn lock(folder: &Path) -> Result<Option<File>, TrainError> {
        lock_folder(folder).map_err(|FolderInUse| TrainError::Busy(folder.to_owned()))
    }

    /// Whether a run that held images out has come to its end in a folder.
    pub(crate) fn has_ended(folder: &Path) -> bool {
        ["validation-predictions.csv", "weights.safetensors"].iter().all(|file| folder.join(file).is_file())
    }

    /// Begins a run in a folder that is there, or finds it again where it was checked before, with the state of its
    /// checkpoint.
    pub(crate) fn open(
        folder: &Path,
        config: RunConfig,
        progress: &mut dyn Progress,
    ) -> Result<(Self, Option<State>), TrainError> {
        let run = Self { folder: folder.to_owned(), config };
        let checkpoint = run.path(Self::CHECKPOINT);
        if !checkpoint.exists() {
            run.config.write(&run.path("config.toml"))?;
            return Ok((run, None));
        }
        let before = RunConfig::read(&run.path("config.toml"))?;
        run.config.goes_on(&before, folder)?;
        if before.version != run.config.version {
            let begun =
                format!("the run was begun by version {} and goes on by {}", before.version, run.config.version);
            progress.warn(&format!("{begun}, which may round differently"));
        }
        let state = State::read(&checkpoint, &run.config.recipe)?;
        Ok((run, Some(state)))
    }

    /// A file of the run.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes all that changes with the state.
    pub(crate) fn save(&self, state: &State) -> Result<(), TrainError> {
        state.write(&self.path(Self::CHECKPOINT))?;
        history::write(&self.folder, &state.history)?;
        tensorboard::write(&self.folder, &state.history)?;
        if let Some(best) = &state.best {
            let loss = best.epoch.figures.validation_loss;
            let figures = loss.map(|loss| ("validation_nll".to_owned(), loss)).into_iter().collect();
            self.weights_file(best.clone(), figures).write(&self.path("best.safetensors"))?;
        }
        Ok(())
    }

    /// A weights file of this run, with figures by name.
    pub(crate) fn weights_file(&self, kept: Snapshot, figures: BTreeMap<String, f64>) -> WeightsFile {
        let RunConfig { seed, data, split, start, trained_on, recipe, .. } = self.config.clone();
        let provenance =
            Provenance { data, split, start, recipe: recipe.name.clone(), seed, epoch: kept.epoch.figures.epoch };
        let metadata = Metadata {
            format: FORMAT,
            name: format!("lobule-{}", recipe.name),
            version: self.config.version.clone(),
            architecture: recipe.architecture,
            classes: Label::ALL,
            preprocess: recipe.preprocess,
            temperature: 1.0,
            threshold: Threshold::HALF,
            operating_points: Vec::new(),
            calibration: None,
            flags: None,
            quantisation: None,
            provenance,
            origin: None,
            trained_on,
            figures,
        };
        WeightsFile { metadata, tensors: kept.weights, novelty: None, quantised: None }
    }
}
