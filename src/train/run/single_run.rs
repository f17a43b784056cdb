//! One run: its images are read, its network is trained by the recipe, measured and written to the run's folder.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::breakhis::{Dataset, ImageFile, Part, Split};
use crate::diagnosis::Label;
use crate::evaluate::{EXCHANGES, Evaluation, Figures, Measuring, open_backbone, predictions};
use crate::interchange::read_backbone_of;
use crate::model::{Classifier, Network, Parameters};
use crate::train::fit::{check_classes, fit};
use crate::train::run::calibration::{Repeat, calibrate_file};
use crate::train::run::memory_estimate::check_memory;
use crate::train::samples::Samples;
use crate::train::{Config, HeldOut, Progress, RunConfig, RunFolder, Start, State, TrainError};

/// What all runs of one training share.
pub(super) struct Trainer<'a> {
    pub(super) config: &'a Config,
    pub(super) dataset: &'a Dataset,
}

/// What one run is to do.
pub(super) struct Job {
    pub(super) split: Split,
    /// The split in words.
    pub(super) how: String,
    pub(super) seed: u64,
    pub(super) out: PathBuf,
    /// Figures of other runs that its weights file is to hold.
    pub(super) carried: Option<Carried>,
}

/// Figures of a cross-validation that a weights file carries.
pub(super) struct Carried {
    /// Figures by name, each pooled over the folds and averaged over the repeats.
    pub(super) figures: BTreeMap<String, f64>,
    /// Over what, in words.
    pub(super) over: String,
    /// What the temperature, the operating points and the flags come from.
    pub(super) repeats: Vec<Repeat>,
}

/// A run that has ended.
#[derive(Debug)]
pub struct Finished {
    /// Its folder, which holds `weights.safetensors`.
    pub folder: RunFolder,
    /// The epoch whose weights are in that file, from 1.
    pub epoch: usize,
    /// How many images it was trained on.
    pub train_images: usize,
    /// What was measured on the test part, or on the validation part where there is no other; none where nothing was
    /// held out.
    pub measured: Option<(Part, Evaluation)>,
    /// Over what a cross-validation went whose figures the file holds, in words.
    pub carried_over: Option<String>,
}

/// The image files of a train, a validation and a test part.
type Parts<'a> = [Vec<&'a ImageFile>; 3];

impl<'a> Trainer<'a> {
    /// The job of the only run of a training.
    pub(super) fn job(&self, split: Split, how: String) -> Job {
        let Config { seed, out, .. } = self.config;
        Job { split, how, seed: *seed, out: out.clone(), carried: None }
    }

    /// Trains to the recipe's end, measures the weights and writes the folder.
    pub(super) fn run(&self, job: &Job, progress: &mut dyn Progress) -> Result<Finished, TrainError> {
        let parts = self.parts(&job.split)?;
        self.check_folder(job, &parts)?;
        let lock = RunFolder::lock(&job.out)?;
        let network = self.network(job.seed)?;
        let (parts, samples, skipped) = self.read(parts, progress)?;
        let config = self.run_config(job, &parts, skipped)?;
        std::fs::create_dir_all(&job.out).map_err(TrainError::write(&job.out))?;
        let _lock = lock.map_or_else(|| RunFolder::lock(&job.out), |lock| Ok(Some(lock)))?;
        let (folder, before) = RunFolder::open(&job.out, config, progress)?;
        job.split.write(&folder.path("split.csv"))?;
        let recipe = &self.config.recipe;
        let mut state = before.unwrap_or_else(|| State::new(network, recipe));
        let [train, validation] = samples.each_ref().map(|samples| samples.labels.len());
        progress.note(&format!("{train} images to train on, {validation} to validate on"));
        let save = |state: &State, progress: &mut dyn Progress| {
            folder.save(state)?;
            progress.saved(&folder, state)
        };
        if !state.history.is_empty() {
            save(&state, progress)?;
            progress.note(&format!("going on {}", state.reached()));
        }
        fit(&mut state, recipe, &samples, job.seed, progress, &save)?;
        // What is measured is read anew, so that the samples' memory is free for it.
        drop(samples);
        let finished = self.conclude(folder, &state, &parts, job.carried.as_ref(), progress)?;
        progress.finished(&finished);
        Ok(finished)
    }

    /// Refuses a folder that the run cannot use, before images are read.
    pub(super) fn check_folder(&self, job: &Job, parts: &Parts<'_>) -> Result<(), TrainError> {
        RunFolder::check(&job.out, self.config.resume, |skipped| {
            let mut parts = parts.clone();
            for images in &mut parts {
                images.retain(|image| !skipped.contains(&file_name(&image.path)));
            }
            self.run_config(job, &parts, skipped.to_vec())
        })
    }

    fn run_config(
        &self,
        job: &Job,
        [train, validation, _]: &Parts<'_>,
        skipped: Vec<String>,
    ) -> Result<RunConfig, TrainError> {
        let mut split = job.how.clone();
        if !validation.is_empty() {
            let cases = case_numbers(validation).len();
            split += &format!("; validated on {} pictures of {cases} cases", validation.len());
        }
        Ok(RunConfig {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: job.seed,
            data: describe(self.dataset, train),
            split,
            start: self.start()?,
            trained_on: case_numbers(train),
            skipped,
            recipe: self.config.recipe.clone(),
        })
    }

    /// What the network starts from, in words.
    pub(super) fn start(&self) -> Result<String, TrainError> {
        let Config { recipe, init, .. } = self.config;
        match (recipe.start, init) {
            (Start::Glorot, None) => Ok("Glorot uniform".to_owned()),
            (Start::Glorot, Some(_)) => Err(TrainError::NeedlessStart(recipe.name.clone())),
            (Start::Imagenet, None) => Err(TrainError::NoStart(recipe.name.clone())),
            (Start::Imagenet, Some(path)) => Ok(format!("backbone: {}; head: Glorot uniform", file_name(path))),
        }
    }

    fn network(&self, seed: u64) -> Result<Network, TrainError> {
        self.start()?;
        let Config { recipe, init, .. } = self.config;
        let parameters = Parameters::initial(&recipe.architecture, seed)?;
        parameters.scale_head(recipe.head_scale)?;
        if let Some(path) = init {
            parameters.set_backbone(&read_backbone_of(&recipe.architecture, path)?, &path.display().to_string())?;
        }
        Ok(Network::new(recipe.architecture.clone(), parameters))
    }

    /// The images of each part; refuses a part that is empty or of one class, unless nothing is to be held out.
    pub(super) fn parts(&self, split: &Split) -> Result<Parts<'a>, TrainError> {
        let [train, validation, test] = Part::ALL.map(|part| split.images(self.dataset, part));
        let (train, validation) = (train?, validation?);
        let labels = |images: &[&ImageFile]| images.iter().map(|image| image.label()).collect::<Vec<_>>();
        check_classes("train", &labels(&train))?;
        if !matches!(self.config.held_out, HeldOut::Nothing { .. }) {
            check_classes("validation", &labels(&validation))?;
        }
        Ok([train, validation, test?])
    }

    /// Reads all images, so that what cannot be read is named before the work; those of the test part are not kept.
    /// Returns the parts and samples without unreadable images, and the file names of these.
    fn read(
        &self,
        mut parts: Parts<'a>,
        progress: &mut dyn Progress,
    ) -> Result<(Parts<'a>, [Samples; 2], Vec<String>), TrainError> {
        let Config { recipe, skip_unreadable, .. } = self.config;
        check_memory(recipe, parts.each_ref().map(Vec::len))?;
        let mut unreadable = Vec::new();
        let mut load = |images: &[&ImageFile]| {
            let (samples, failed) = Samples::load(images, &recipe.preprocess, &recipe.augmentation);
            unreadable.extend(failed);
            samples
        };
        let samples = [load(&parts[0]), load(&parts[1])];
        load(&parts[2]);
        if !unreadable.is_empty() && !skip_unreadable {
            return Err(TrainError::Unreadable(unreadable));
        }
        unreadable.iter().for_each(|image| progress.warn(&format!("left out: {image}")));
        for images in &mut parts {
            images.retain(|image| unreadable.iter().all(|unreadable| unreadable.path != image.path));
        }
        Ok((parts, samples, unreadable.iter().map(|image| file_name(&image.path)).collect()))
    }

    /// Measures the weights that the recipe keeps as the file holds them, convolutions in f16, and writes the file with
    /// these figures.
    fn conclude(
        &self,
        folder: RunFolder,
        state: &State,
        [train, validation, test]: &Parts<'_>,
        carried: Option<&Carried>,
        progress: &mut dyn Progress,
    ) -> Result<Finished, TrainError> {
        let Config { recipe, init, .. } = self.config;
        let kept = state.kept(recipe)?;
        let epoch = kept.epoch.figures.epoch;
        let mut file = folder.weights_file(kept, carried.map(|carried| carried.figures.clone()).unwrap_or_default());
        if let Some(Carried { repeats, .. }) = carried {
            calibrate_file(&mut file, repeats, train, progress)?;
        }
        let mut measured = None;
        if !(validation.is_empty() && test.is_empty()) {
            let threads = rayon::current_num_threads();
            let classifier = Classifier::from_bytes(&file.bytes()?, "the trained weights", threads)?;
            // The tensors that the backbone started from know none of the images: their taps are a control.
            let frozen = init.as_ref().map(|path| open_backbone(path, &recipe.architecture)).transpose()?;
            let progress = Mutex::new(progress);
            let measuring = Measuring {
                classifier: &classifier,
                frozen: frozen.as_ref().map(|(backbone, what)| (backbone, what.clone())),
                exchanges: EXCHANGES,
                seed: 0,
                shifts: false,
                views: &[crate::pixels::Dihedral::Identity],
                progress: &|done, of| {
                    let mut progress = progress.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                    if done == 0 { progress.start("measurement", of, 0) } else { progress.advance(1, None) }
                },
            };
            let train = measuring.train_part(train)?;
            for (part, images) in [(Part::Validation, validation), (Part::Test, test)] {
                if images.is_empty() {
                    continue;
                }
                let predicted = measuring.measure(images, Some(&train))?;
                predictions::write(&folder.path(&format!("{part}-predictions.csv")), &predicted)?;
                let trained_on = &file.metadata.trained_on;
                let evaluation = Evaluation::of(&predicted, trained_on, measuring.setting(Some(&train)));
                file.metadata.figures.extend(named_figures(part, &evaluation.all.figures));
                measured = Some((part, evaluation));
            }
        }
        file.write(&folder.path("weights.safetensors"))?;
        let carried_over = carried.map(|carried| carried.over.clone());
        Ok(Finished { folder, epoch, train_images: train.len(), measured, carried_over })
    }
}

/// Figures by the names that a weights file has them under.
pub(super) fn named_figures(of: impl std::fmt::Display, all: &Figures) -> BTreeMap<String, f64> {
    all.in_weights_files().map(|(name, value)| (format!("{of}_{name}"), value)).collect()
}

fn describe(dataset: &Dataset, train: &[&ImageFile]) -> String {
    let benign = train.iter().filter(|image| image.label() == Label::Benign).count();
    // The word "pictures" stands in the shipped file, whose bytes the same training must make again.
    format!(
        "BreakHis, {} pictures; trained on {} of {} cases, {benign} benign and {} malignant",
        dataset.images().len(),
        train.len(),
        case_numbers(train).len(),
        train.len() - benign
    )
}

/// The cases of some images, sorted, as a weights file names them.
pub(super) fn case_numbers(images: &[&ImageFile]) -> Vec<String> {
    let cases: BTreeSet<_> = images.iter().map(|image| image.name.case).collect();
    cases.iter().map(ToString::to_string).collect()
}

pub(super) fn file_name(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}
