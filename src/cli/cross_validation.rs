//! `lobule train --folds`: each fold is held out once, in a run of its own; what they say is pooled at the end.
//!
//! In: a training and its folds. Out: `repeat-1/folds.csv`, `repeat-1/fold-0/` and so on, each the folder that
//! `lobule train --split folds.csv --fold 0` makes, and the table of `lobule compare --pool` for each repeat.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, bail};

use crate::breakhis::{Folds, Part};
use crate::cli::train::{Job, Trained, Training, conclude, figures};
use crate::cli::{compare, output};
use crate::evaluate::comparison::{Measure, Pooled};
use crate::evaluate::mean_of_all;
use crate::report::text::comparison as comparison_text;
use crate::report::text::number;
use crate::train::RunConfig;

/// What the folder of a run that holds out a fold has in it once it has ended.
pub(super) const ENDS: [&str; 2] = ["validation-predictions.csv", "weights.safetensors"];

/// Where folds come from.
#[derive(Clone, Debug)]
pub(super) enum Dealing {
    /// So many are dealt by the seed.
    Count(u32),
    /// A file says them.
    File(PathBuf),
}

impl FromStr for Dealing {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(text.parse().map_or_else(|_| Self::File(text.into()), Self::Count))
    }
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

/// Trains all folds of all repeats, as far as they have not been trained before, and prints what they came to.
pub(super) fn run(training: &Training<'_>, dealing: &Dealing, repeats: u32) -> anyhow::Result<()> {
    let repeats =
        (1..=repeats).map(|number| Repeat::new(training, dealing, number)).collect::<anyhow::Result<Vec<_>>>()?;
    // All folds are looked at before the first one is trained: hours of work are not to end at one that holds one class.
    for repeat in &repeats {
        repeat.check(training)?;
    }
    for repeat in &repeats {
        repeat.write_folds()?;
    }
    for repeat in &repeats {
        repeat.train(training, repeats.len())?;
    }
    report(&repeats)
}

impl Repeat {
    fn new(training: &Training<'_>, dealing: &Dealing, number: u32) -> anyhow::Result<Self> {
        let first = training.arguments.seed();
        let seed = first.checked_add(u64::from(number - 1)).filter(|seed| i64::try_from(*seed).is_ok());
        let seed = seed.with_context(|| format!("the seed {first} is too large to be counted up by --repeats"))?;
        let (folds, name) = match dealing {
            Dealing::Count(count) => (Folds::deal(training.dataset, *count, seed)?, "folds.csv".to_owned()),
            Dealing::File(path) => {
                let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
                (Folds::read(path)?, name)
            }
        };
        Ok(Self { number, seed, folds, name, folder: folder(training.arguments.out(), number) })
    }

    /// Refuses folds of other images, folds without both labels, and a folder that holds other folds.
    fn check(&self, training: &Training<'_>) -> anyhow::Result<()> {
        for fold in self.folds.numbers() {
            let checked = training.check(&self.folds.held_out(fold));
            checked.with_context(|| format!("repeat {}, fold {fold} held out", self.number))?;
        }
        let path = self.folder.join("folds.csv");
        if path.exists() && Folds::read(&path)? != self.folds {
            bail!(
                "{} holds other folds than these; the same --folds and --seed go on with them, and another --out begins \
                 a new cross-validation",
                path.display()
            );
        }
        Ok(())
    }

    fn write_folds(&self) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.folder).with_context(|| format!("cannot write {}", self.folder.display()))?;
        Ok(self.folds.write(&self.folder.join("folds.csv"))?)
    }

    fn train(&self, training: &Training<'_>, repeats: usize) -> anyhow::Result<()> {
        let numbers = self.folds.numbers();
        for (fold, out) in numbers.iter().zip(self.runs()) {
            let place = format!("repeat {} of {repeats}, fold {fold} of {} folds", self.number, numbers.len());
            let job = Job {
                split: self.folds.held_out(*fold),
                how: format!("{}, fold {fold} held out", self.name),
                seed: self.seed,
                out,
            };
            if training.arguments.resume() && training.is_finished(&job)? {
                tracing::info!("{place}: trained before");
                continue;
            }
            if training.interrupt.came() {
                bail!("stopped before {place}; the same command with --resume goes on from there");
            }
            tracing::info!("{place}");
            let Trained { run, state, parts } = training.train(&job).context(place)?;
            conclude(&run, &state, &parts, training.arguments.init())?;
        }
        Ok(())
    }

    /// The folders of its runs, in the order of the folds.
    fn runs(&self) -> Vec<PathBuf> {
        runs(&self.folder, &self.folds)
    }
}

fn folder(out: &Path, repeat: u32) -> PathBuf {
    out.join(format!("repeat-{repeat}"))
}

fn runs(repeat: &Path, folds: &Folds) -> Vec<PathBuf> {
    folds.numbers().iter().map(|fold| repeat.join(format!("fold-{fold}"))).collect()
}

/// Prints each repeat as `lobule compare --pool` does, and the mean of several.
fn report(repeats: &[Repeat]) -> anyhow::Result<()> {
    let mut text = String::new();
    let mut pooled = Vec::new();
    for repeat in repeats {
        let comparison = compare::read(&repeat.runs(), true)?;
        if repeats.len() > 1 {
            writeln!(text, "Repeat {} of {}, seed {}\n", repeat.number, repeats.len(), repeat.seed)?;
        }
        text += &comparison_text::text(&comparison);
        if repeats.len() > 1 {
            text.push('\n');
        }
        pooled.extend(comparison.pooled);
    }
    if repeats.len() > 1 {
        text += &mean(&pooled)?;
    }
    output::print(&text)?;
    Ok(())
}

/// The mean of each pooled figure over the repeats.
fn mean(repeats: &[Pooled]) -> anyhow::Result<String> {
    let mut text = format!("Mean of the pooled figures over {} repeats\n", repeats.len());
    for measure in Measure::ALL {
        let mean = number(mean_of_all(repeats.iter().map(|pooled| measure.of(&pooled.figures))));
        writeln!(text, "{:<16}{mean:>9}", measure.name())?;
    }
    Ok(text)
}

/// What a cross-validation that has ended says of its recipe.
pub(super) struct CrossValidated {
    /// Figures by name, each pooled over the folds and averaged over the repeats.
    pub(super) figures: BTreeMap<String, f64>,
    /// Over what, in words.
    pub(super) over: String,
}

impl CrossValidated {
    /// Reads the folder of a cross-validation that was made by this training's settings on the same images.
    pub(super) fn read(dir: &Path, training: &Training<'_>) -> anyhow::Result<Self> {
        let (_, start) = training.network(training.arguments.seed())?;
        let mut repeats: Vec<BTreeMap<String, f64>> = Vec::new();
        let mut over = String::new();
        for number in 1.. {
            let folder = folder(dir, number);
            let path = folder.join("folds.csv");
            if !path.is_file() {
                break;
            }
            let folds = Folds::read(&path)?;
            // Fails where the folds are of other images.
            folds.held_out(0).images(training.dataset, Part::Train).with_context(|| path.display().to_string())?;
            let runs = runs(&folder, &folds);
            for run in &runs {
                check(run, training, &start)?;
            }
            let pooled = compare::read(&runs, true)?.pooled.context("nothing was pooled")?;
            over = format!("{} cases in {} folds", pooled.cases, runs.len());
            repeats.push(figures("cross_validated", &pooled.figures));
        }
        let Some((first, rest)) = repeats.split_first() else {
            bail!(
                "{} is not the folder of a cross-validation: there is no repeat-1/folds.csv in it, as `lobule train \
                 --folds` writes it",
                dir.display()
            );
        };
        if !rest.is_empty() {
            over += &format!(", the mean of {} repeats", repeats.len());
        }
        // A figure that is not defined in one of the repeats has no mean.
        let mean = |name: &String| mean_of_all(repeats.iter().map(|figures| figures.get(name).copied()));
        let figures = first.keys().filter_map(|name| Some((name.clone(), mean(name)?))).collect();
        Ok(Self { figures, over })
    }
}

/// Refuses a fold that has not ended, or was trained by other settings.
fn check(run: &Path, training: &Training<'_>, start: &str) -> anyhow::Result<()> {
    if !ENDS.iter().all(|file| run.join(file).is_file()) {
        bail!(
            "{} has not ended, so the cross-validation has no figures yet; the command that began it goes on with it \
             when --resume is added",
            run.display()
        );
    }
    let before = RunConfig::read(&run.join("config.toml"))?;
    let now = RunConfig { start: start.to_owned(), recipe: training.recipe.clone(), ..before.clone() };
    let differences = now.differences(&before);
    if !differences.is_empty() {
        bail!(
            "{} was trained by other settings, so its figures say nothing of this training: {}",
            run.display(),
            differences.join("; ")
        );
    }
    Ok(())
}
