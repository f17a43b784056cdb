//! Runs side by side: the figures of each, their means over seeds, and what a split by image adds to them.
//!
//! In: [`ComparedRun`]s, each with the figures of one part of its split. Out: a [`Comparison`]. Only runs with the same
//! recipe in all its settings, the same kind of split and the same part are averaged; only runs that differ in the kind
//! of split alone are subtracted, a pair a seed.

use std::fmt;

use statrs::distribution::{ContinuousCDF, StudentsT};

use crate::breakhis::Part;
use crate::diagnosis::Threshold;
use crate::evaluate::metrics::intervals::{mean_of_all, of_means, over_cases};
use crate::evaluate::{
    Control, ControlFigures, CrossFitted, Figures, Interval, Metric, Paired, PerMetric, Predictions,
};

/// What the split of a run keeps apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SplitKind {
    /// No case is in two parts.
    ByCase,
    /// Images of one person are in different parts, so figures are better than on other persons.
    ByImage,
}

impl fmt::Display for SplitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if *self == Self::ByCase { "by case" } else { "by image" })
    }
}

/// A run as it is compared.
#[derive(Clone, Debug)]
pub struct ComparedRun {
    /// Its folder, as the user named it.
    pub name: String,
    pub(crate) recipe: String,
    /// Everything else that it was trained by, seed and split apart, as text that is equal for equal settings.
    pub settings: String,
    pub(crate) seed: u64,
    /// Cases with images in more than one part of its split.
    pub shared_cases: usize,
    /// Images of the train part of its split.
    pub trained_on: usize,
    /// What its figures are of: the test part, or the validation part, whose figures flatter because it steered the
    /// training.
    pub part: Part,
    pub(crate) figures: Figures,
    /// Those of the controls on the same images, as far as its predictions hold them.
    pub controls: Vec<(Control, ControlFigures)>,
}

impl ComparedRun {
    /// What its split keeps apart: what the split does, whatever it is called.
    pub fn split(&self) -> SplitKind {
        if self.shared_cases == 0 { SplitKind::ByCase } else { SplitKind::ByImage }
    }

    fn is_trained_like(&self, other: &Self) -> bool {
        self.has_the_recipe_of(other) && self.part == other.part
    }

    /// Whether both were trained by one recipe in all its settings.
    pub fn has_the_recipe_of(&self, other: &Self) -> bool {
        (&self.recipe, &self.settings) == (&other.recipe, &other.settings)
    }
}

/// Runs of one recipe and one kind of split.
#[derive(Clone, Debug)]
pub struct Group {
    /// The runs, in the order they were given.
    pub runs: Vec<ComparedRun>,
    /// How each metric is spread over the seeds, where there are several and each comes once; none where a run lacks it.
    pub spreads: Option<PerMetric<Option<Spread>>>,
}

/// A mean and how far single runs are from it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    pub(crate) mean: f64,
    /// The standard deviation of the sample (over n - 1).
    pub standard_deviation: f64,
}

/// What a split by image adds to the figures of a recipe, paired by seed.
#[derive(Clone, Debug, PartialEq)]
pub struct SplitEffect {
    pub(crate) recipe: String,
    pub(crate) part: Part,
    /// How many seeds both kinds of split were run with.
    pub seeds: usize,
    /// By image minus by case, in the order of [`Metric::OF_SPLITS`]; none where one of the runs has no figure.
    pub differences: [Option<Difference>; 4],
}

/// A mean of paired differences.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    pub(crate) mean: f64,
    /// Student's 95 % interval of the mean, corrected for runs that share their cases; undefined for a single pair.
    pub interval: Interval,
}

/// Runs that each held out other images, put together as if one network had predicted them all.
#[derive(Clone, Debug)]
pub struct Pooled {
    /// How many runs.
    pub runs: usize,
    pub(crate) cases: usize,
    pub(crate) figures: Figures,
    /// 95 % intervals over cases.
    pub intervals: PerMetric<Interval>,
    /// The means of the runs' own [`Metric::AREAS`]: networks that are sure of themselves to different degrees lose when
    /// they are put together, and do not here.
    pub means: PerMetric<Option<f64>>,
    /// Their 95 % intervals over cases.
    pub mean_intervals: PerMetric<Interval>,
    /// What calibration is worth, each run's images calibrated by the other runs; none where these lack a class.
    pub cross_fitted: Option<CrossFitted>,
    /// The controls on the same images, as far as all runs' predictions hold them.
    pub controls: Vec<PooledControl>,
}

/// A control on the images of several runs.
#[derive(Clone, Debug)]
pub struct PooledControl {
    /// Which.
    pub control: Control,
    /// Its figures on all of them together.
    pub figures: ControlFigures,
    /// The means of its figures on each run's.
    pub means: ControlFigures,
}

impl Pooled {
    /// Puts runs together; `predictions` are those that their figures come from, in the same order.
    pub fn of(runs: &[ComparedRun], predictions: &[Predictions], threshold: Threshold) -> Self {
        let together = Predictions::joined(predictions);
        // The mean of some of the runs would be of other images than the pooled figure beside it.
        let mean = |metric| mean_of_all(runs.iter().map(|run| run.figures.get(metric)));
        let control = |(control, figures)| {
            let of_runs = runs.iter().flat_map(|run| &run.controls).filter(|(other, _)| *other == control);
            PooledControl { control, figures, means: ControlFigures::mean(of_runs.map(|(_, figures)| figures)) }
        };
        Self {
            runs: runs.len(),
            cases: together.cases().len(),
            figures: Figures::of(&together, &together.all(), threshold),
            intervals: over_cases(&together, threshold),
            means: PerMetric::of(|metric| Metric::AREAS.contains(&metric).then(|| mean(metric)).flatten()),
            mean_intervals: of_means(predictions, threshold),
            cross_fitted: CrossFitted::of(predictions),
            controls: ControlFigures::all(&together).into_iter().map(control).collect(),
        }
    }
}

/// Runs side by side.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The runs, those of one recipe and kind of split together, in the order they were first named.
    pub groups: Vec<Group>,
    /// By image against by case, for each recipe that has both for the same seed.
    pub effects: Vec<SplitEffect>,
    /// All predictions as those of one network, where that was asked for.
    pub pooled: Option<Pooled>,
    /// What these runs have more than others on the same images, where that was asked for.
    pub paired: Option<Paired>,
    /// Why a mean or a difference that one might look for is not there.
    pub notes: Vec<String>,
}

impl Comparison {
    /// Compares runs; `pooled` are their predictions together, where they held out different images.
    pub fn of(runs: Vec<ComparedRun>, pooled: Option<Pooled>) -> Self {
        let mut groups: Vec<Group> = Vec::new();
        for run in runs {
            let is_like = |other: &ComparedRun| other.is_trained_like(&run) && other.split() == run.split();
            match groups.iter_mut().find(|group| is_like(&group.runs[0])) {
                Some(group) => group.runs.push(run),
                None => groups.push(Group { runs: vec![run], spreads: None }),
            }
        }
        let mut notes = Vec::new();
        // Runs that held out different images differ in more than their seeds; they are put together instead.
        for group in groups.iter_mut().filter(|_| pooled.is_none()) {
            match twins(&group.runs) {
                None => group.spreads = spreads(&group.runs),
                Some([first, second]) => notes.push(format!(
                    "{} and {} have the same recipe, kind of split and seed, so there are no means and differences over \
                     seeds; leave one of them out, or put folds together by --pool",
                    first.name, second.name
                )),
            }
        }
        notes.extend(unlike(&groups));
        let effects = groups.iter().filter_map(|group| {
            let first = &group.runs[0];
            let is_other = |run: &ComparedRun| run.is_trained_like(first) && run.split() == SplitKind::ByImage;
            SplitEffect::of(&groups.iter().find(|other| is_other(&other.runs[0]))?.runs, &group.runs)
        });
        Self { effects: effects.collect(), groups, pooled, paired: None, notes }
    }

    /// Runs side by side and nothing of them together: a part of runs whose mean would be taken for that of all.
    pub fn without_means(runs: Vec<ComparedRun>) -> Self {
        let mut groups = Self::of(runs, None).groups;
        groups.iter_mut().for_each(|group| group.spreads = None);
        Self { groups, effects: Vec::new(), pooled: None, paired: None, notes: Vec::new() }
    }

    /// The runs in the order of the groups.
    pub fn runs(&self) -> impl Iterator<Item = &ComparedRun> {
        self.groups.iter().flat_map(|group| &group.runs)
    }
}

/// Two runs with one seed.
fn twins(runs: &[ComparedRun]) -> Option<[&ComparedRun; 2]> {
    let mut pairs =
        runs.iter().enumerate().flat_map(|(index, run)| runs[..index].iter().map(move |first| [first, run]));
    pairs.find(|[first, second]| first.seed == second.seed)
}

/// Notes on groups whose recipe has other settings than the first of its name.
fn unlike(groups: &[Group]) -> Vec<String> {
    let first_runs = || groups.iter().filter_map(|group| group.runs.first());
    let pairs = first_runs().filter_map(|run| Some((first_runs().find(|first| first.recipe == run.recipe)?, run)));
    let unlike = pairs.filter(|(first, run)| first.settings != run.settings);
    let note = |(ComparedRun { name, recipe, .. }, run): (&ComparedRun, &ComparedRun)| {
        format!("{name} and {} are both of the recipe {recipe}, in other settings, and are not averaged", run.name)
    };
    unlike.map(note).collect()
}

fn spreads(runs: &[ComparedRun]) -> Option<PerMetric<Option<Spread>>> {
    let spread = |metric| Spread::of(&runs.iter().map(|run| run.figures.get(metric)).collect::<Option<Vec<_>>>()?);
    (runs.len() > 1).then(|| PerMetric::of(spread))
}

impl Spread {
    /// None for fewer than two numbers, which have no spread.
    fn of(numbers: &[f64]) -> Option<Self> {
        let n = numbers.len() as f64;
        let mean = numbers.iter().sum::<f64>() / n;
        let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
        (n > 1.0).then(|| Self { mean, standard_deviation: (squares / (n - 1.0)).sqrt() })
    }
}

impl SplitEffect {
    /// None where no seed is in both, or a seed is there twice in one.
    fn of(by_image: &[ComparedRun], by_case: &[ComparedRun]) -> Option<Self> {
        if by_case[0].split() == SplitKind::ByImage || twins(by_image).or_else(|| twins(by_case)).is_some() {
            return None;
        }
        let pairs: Vec<(&ComparedRun, &ComparedRun)> = by_case
            .iter()
            .filter_map(|case| by_image.iter().find(|image| image.seed == case.seed).map(|image| (image, case)))
            .collect();
        let runs = || pairs.iter().flat_map(|(image, case)| [image, case]);
        let measured: usize = runs().map(|run| run.figures.n).sum();
        let trained_on: usize = runs().map(|run| run.trained_on).sum();
        let difference = |metric| {
            let of_pair = |(image, case): &(&ComparedRun, &ComparedRun)| {
                Some(image.figures.get(metric)? - case.figures.get(metric)?)
            };
            let differences = pairs.iter().map(of_pair).collect::<Option<Vec<_>>>()?;
            Difference::of(&differences, measured as f64 / trained_on.max(1) as f64)
        };
        let (recipe, part) = (by_case[0].recipe.clone(), by_case[0].part);
        let differences = Metric::OF_SPLITS.map(difference);
        (!pairs.is_empty()).then_some(Self { recipe, part, seeds: pairs.len(), differences })
    }
}

impl Difference {
    /// The interval is Student's with the variance of Nadeau and Bengio (2003, Machine Learning 52, 239-281):
    /// `1 / seeds + measured / trained on` takes the place of `1 / seeds`, because the seeds split the same images over
    /// and over, and trainings that share most of their images are no independent samples. `ratio` is the number of
    /// images measured over that of images trained on, over all runs that were subtracted.
    fn of(differences: &[f64], ratio: f64) -> Option<Self> {
        let Some(Spread { mean, standard_deviation }) = Spread::of(differences) else {
            return differences.first().map(|only| Self { mean: *only, interval: None });
        };
        let seeds = differences.len() as f64;
        let quantile = StudentsT::new(0.0, 1.0, seeds - 1.0).ok()?.inverse_cdf(0.975);
        let half = quantile * standard_deviation * (1.0 / seeds + ratio).sqrt();
        Some(Self { mean, interval: Some((mean - half, mean + half)) })
    }
}

#[cfg(test)]
pub(crate) mod tests;
