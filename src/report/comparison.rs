//! What a comparison of runs shows.

use crate::breakhis::Part;
use crate::diagnosis::RESEARCH_USE;
use crate::evaluate::comparison::{
    ComparedRun, Comparison, Difference, Group, Pooled, PooledControl, SplitEffect, SplitKind, Spread,
};
use crate::evaluate::{Confusion, ControlFigures, Figures, Interval, Metric, Paired};
use crate::report::evaluation::{cells_of_control, header_of_controls};
use crate::report::sections::{Cell, Records, Section, interval, number, row};
use crate::report::{Results, calibration, paired, svg};

impl Results for Comparison {
    fn sections(&self) -> Vec<Section> {
        let report = "Decisions at a probability of one half; malignant is positive";
        let mut sections = vec![
            figures(self, report, &Metric::OF_REPORT),
            figures(self, TISSUE, &Metric::beside_the_report_areas_first()),
        ];
        sections.extend(controls(self));
        sections.push(matrices(self));
        sections.extend(effects(self));
        sections.extend(self.pooled.iter().flat_map(pooled));
        sections.extend(self.paired.as_ref().map(paired::table));
        if !self.notes.is_empty() {
            sections.push(Section::Lines(self.notes.iter().map(|note| format!("Note: {note}.")).collect()));
        }
        sections.push(Section::Sentence(RESEARCH_USE.to_owned()));
        sections
    }

    /// A record a run, and further ones for each mean, standard deviation, difference and end of its interval, for each
    /// control on the images of each run, for the predictions of all runs together, before and after calibration, and for the
    /// paired difference to other runs; `kind` names which of these it is.
    fn records(&self) -> Records {
        let mut columns = vec!["kind", "run", "recipe", "split", "shared_cases", "part", "seed", "seeds", "n"];
        columns.extend(Metric::OF_REPORT.map(Metric::key));
        columns.extend(["tn", "fp", "fn", "tp"]);
        columns.extend(Metric::beside_the_report().map(Metric::key));
        columns.push("control");
        columns.push(Metric::Specificity.key());
        columns.extend(calibration::METRICS.iter().filter(|metric| !metric.is_compared()).map(|metric| metric.key()));
        let runs = self.runs().map(record_of_run);
        let means = self.groups.iter().flat_map(records_of_mean);
        let effects = self.effects.iter().flat_map(records_of_effect);
        let controls = self.runs().flat_map(records_of_controls);
        let pooled = self.pooled.iter().flat_map(records_of_pooled);
        let paired = self.paired.iter().flat_map(records_of_paired);
        Records::new(columns, runs.chain(means).chain(effects).chain(controls).chain(pooled).chain(paired).collect())
    }

    fn figure(&self) -> String {
        svg::comparison::figure(self)
    }
}

/// What the metrics beside the report's are.
const TISSUE: &str = "What is not tissue: areas under the ROC curve over pairs of one magnification and source width (within \
                      strata), with the colours of other images (exchanged) and both; choice is the mean of the two within \
                      strata; the share of decisions that change; the loss where the mean colour errs";

fn figures(comparison: &Comparison, title: &str, metrics: &[Metric]) -> Section {
    let header = ["run", "recipe", "split", "part", "seed", "n"].into_iter().chain(metrics.iter().map(|m| m.name()));
    let runs = comparison.runs().map(|run| {
        let (seed, n) = (run.seed.to_string(), run.figures.n.to_string());
        let words = [&*run.name, &run.recipe, &split_of(run), &run.part.to_string(), &seed, &n];
        row(words, metrics.iter().map(|metric| number(run.figures.get(*metric))))
    });
    let means = comparison.groups.iter().filter_map(|group| figures_of_mean(group, metrics)).flatten();
    Section::table(title, 4, header, runs.chain(means))
}

/// The mean and, below it, the standard deviation.
fn figures_of_mean(group: &Group, metrics: &[Metric]) -> Option<[Vec<String>; 2]> {
    let (spreads, run) = (group.spreads?, group.runs.first()?);
    let (split, part, seeds) = (run.split().to_string(), run.part.to_string(), format!("{} seeds", group.runs.len()));
    let words = |what| [what, &*run.recipe, &split, &part, &seeds, ""];
    let numbers = |of: fn(Spread) -> f64| metrics.iter().map(move |metric| number(spreads[*metric].map(of)));
    Some([
        row(words("mean"), numbers(|spread| spread.mean)),
        row(words("standard deviation"), numbers(|spread| spread.standard_deviation)),
    ])
}

/// The controls on the images of each run, as far as its predictions hold them.
fn controls(comparison: &Comparison) -> Option<Section> {
    let of_run = |run: &ComparedRun| {
        let of = |(control, figures): &(_, _)| control_row([&run.name], control, figures);
        run.controls.iter().map(of).collect::<Vec<_>>()
    };
    let rows: Vec<Vec<String>> = comparison.runs().flat_map(of_run).collect();
    let title = "Controls that know no tissue or go by colour, on the same images";
    (!rows.is_empty()).then(|| Section::table(title, 2, header_of_controls(["run", "control"]), rows))
}

/// The kind of split; by image, with how many cases it tears apart.
fn split_of(run: &ComparedRun) -> String {
    match run.split() {
        SplitKind::ByCase => run.split().to_string(),
        SplitKind::ByImage => format!("{} ({} shared cases)", run.split(), run.shared_cases),
    }
}

fn matrices(comparison: &Comparison) -> Section {
    let header = ["run", "benign: called benign", "called malignant", "malignant: called benign", "called malignant"];
    let rows = comparison.runs().map(|run| {
        let Confusion { tp, fn_, fp, tn } = run.figures.confusion;
        row([&*run.name], [tn, fp, fn_, tp].map(|count| count.to_string()))
    });
    Section::table("Confusion matrices, in images", 1, header, rows)
}

fn effects(comparison: &Comparison) -> Option<Section> {
    let header = ["recipe", "part", "figure", "seeds", "difference", "95 % interval"];
    let mut rows = Vec::new();
    for effect in &comparison.effects {
        for (metric, difference) in Metric::OF_SPLITS.into_iter().zip(effect.differences) {
            let numbers = match difference {
                Some(Difference { mean, interval: Some((low, high)) }) => {
                    [format!("{mean:+.4}"), format!("{low:+.4} to {high:+.4}")]
                }
                Some(Difference { mean, .. }) => [format!("{mean:+.4}"), "none: one seed".to_owned()],
                None => ["undefined".to_owned(), String::new()],
            };
            let words = [&*effect.recipe, &effect.part.to_string(), metric.name(), &effect.seeds.to_string()];
            rows.push(row(words, numbers));
        }
    }
    let title = "Split by image minus split by case, paired by seed. The interval of the mean is Student's with Nadeau and \
                 Bengio's variance (1 / seeds + images measured / images trained on), because seeds split the same \
                 images over and over";
    (!rows.is_empty()).then(|| Section::table(title, 3, header, rows))
}

fn pooled(pooled: &Pooled) -> Vec<Section> {
    let Pooled { runs, cases, figures, intervals, means, mean_intervals, cross_fitted, controls } = pooled;
    let rows = Metric::compared().map(|metric| {
        let ends = intervals[metric].map_or_else(|| "undefined".to_owned(), |ends| interval(Some(ends)));
        let mean = match Metric::AREAS.contains(&metric) {
            true => [number(means[metric]), interval(mean_intervals[metric])],
            false => Default::default(),
        };
        row([metric.name()], [number(figures.get(metric)), ends].into_iter().chain(mean))
    });
    let title = format!(
        "All {} predictions of the {runs} runs together, {cases} cases (bootstrap of whole cases); beside each area the \
         mean of the runs' own, which does not depend on how sure of itself each network is",
        figures.n
    );
    let header = ["figure", "value", "95 % interval over cases", "mean of the runs", "95 % over cases"];
    let mut sections = vec![Section::table(title, 1, header, rows)];
    sections.extend(cross_fitted.iter().flat_map(calibration::cross_fitted));
    if !controls.is_empty() {
        let rows = controls.iter().flat_map(|PooledControl { control, figures, means }| {
            [control_row([], control, figures), control_row([], &"  mean of the runs", means)]
        });
        let title = "Controls that know no tissue or go by colour, on all these images";
        sections.push(Section::table(title, 1, header_of_controls(["control"]), rows));
    }
    sections
}

type Record = Vec<(&'static str, Cell)>;

/// A record of a kind about some metrics.
fn record(kind: &'static str, cells: impl IntoIterator<Item = (&'static str, Cell)>) -> Record {
    [("kind", kind.into())].into_iter().chain(cells).collect()
}

/// Metrics as cells.
fn cells(number: impl Fn(Metric) -> Option<f64>) -> impl Iterator<Item = (&'static str, Cell)> {
    Metric::compared().map(move |metric| (metric.key(), number(metric).into()))
}

/// All figures of a network.
fn cells_of(figures: &Figures) -> impl Iterator<Item = (&'static str, Cell)> {
    let Confusion { tp, fn_, fp, tn } = figures.confusion;
    let counts = [("n", figures.n), ("tn", tn), ("fp", fp), ("fn", fn_), ("tp", tp)];
    counts.into_iter().map(|(key, count)| (key, count.into())).chain(cells(|metric| figures.get(metric)))
}

/// The cells of a recipe under a kind of split.
fn about(recipe: &str, split: &str, part: Part, seeds: usize) -> [(&'static str, Cell); 4] {
    [("recipe", recipe.into()), ("split", split.into()), ("part", (&*part.to_string()).into()), ("seeds", seeds.into())]
}

fn record_of_run(run: &ComparedRun) -> Record {
    let own =
        [("run", (&*run.name).into()), ("shared_cases", run.shared_cases.into()), ("seed", Cell::Count(run.seed))];
    let about = about(&run.recipe, &run.split().to_string(), run.part, 1);
    record("run", own.into_iter().chain(about).chain(cells_of(&run.figures)))
}

fn records_of_controls(run: &ComparedRun) -> impl Iterator<Item = Record> {
    run.controls.iter().map(|(control, figures)| {
        let about = [
            ("run", (&*run.name).into()),
            ("part", (&*run.part.to_string()).into()),
            ("n", run.figures.n.into()),
            ("control", control.key().into()),
        ];
        record("control", about.into_iter().chain(cells(|metric| figures.get(metric))))
    })
}

fn records_of_pooled(pooled: &Pooled) -> Vec<Record> {
    let Pooled { figures, intervals, means, mean_intervals, cross_fitted, controls, .. } = pooled;
    let n = || ("n", Cell::from(figures.n));
    let (low, high) = (|ends: Interval| ends.map(|(low, _)| low), |ends: Interval| ends.map(|(_, high)| high));
    let mut records = vec![
        record("pooled", cells_of(figures)),
        record("pooled_low", [n()].into_iter().chain(cells(|metric| low(intervals[metric])))),
        record("pooled_high", [n()].into_iter().chain(cells(|metric| high(intervals[metric])))),
        record("mean_of_runs", [n()].into_iter().chain(cells(|metric| means[metric]))),
        record("mean_of_runs_low", [n()].into_iter().chain(cells(|metric| low(mean_intervals[metric])))),
        record("mean_of_runs_high", [n()].into_iter().chain(cells(|metric| high(mean_intervals[metric])))),
    ];
    let calibrations = cross_fitted.iter().flat_map(calibration::records);
    records.extend(calibrations.map(|(kind, cells)| record(kind, cells)));
    for PooledControl { control, figures, means } in controls {
        for (kind, figures) in [("pooled_control", figures), ("mean_of_runs_control", means)] {
            let about = [n(), ("control", control.key().into())];
            records.push(record(kind, about.into_iter().chain(cells(|metric| figures.get(metric)))));
        }
    }
    records
}

fn records_of_paired(paired: &Paired) -> [Record; 3] {
    let Paired { n, differences, intervals, .. } = paired;
    let record = |kind, number: &dyn Fn(Metric) -> Option<f64>| {
        record(kind, [("n", Cell::from(*n))].into_iter().chain(cells(number)))
    };
    [
        record("paired_difference", &|metric| differences[metric]),
        record("paired_low", &|metric| intervals[metric].map(|(low, _)| low)),
        record("paired_high", &|metric| intervals[metric].map(|(_, high)| high)),
    ]
}

fn records_of_mean(group: &Group) -> Vec<Record> {
    let (Some(spreads), Some(run)) = (group.spreads, group.runs.first()) else { return Vec::new() };
    let of = |kind, number: fn(Spread) -> f64| {
        let about = about(&run.recipe, &run.split().to_string(), run.part, group.runs.len());
        record(kind, about.into_iter().chain(cells(|metric| spreads[metric].map(number))))
    };
    vec![of("mean", |spread| spread.mean), of("standard_deviation", |spread| spread.standard_deviation)]
}

fn records_of_effect(effect: &SplitEffect) -> Vec<Record> {
    let of = |kind, number: fn(Difference) -> Option<f64>| {
        let about = about(&effect.recipe, "by image - by case", effect.part, effect.seeds);
        let differences = Metric::OF_SPLITS.into_iter().zip(effect.differences);
        let differences = differences.map(|(metric, difference)| (metric.key(), difference.and_then(number).into()));
        record(kind, about.into_iter().chain(differences))
    };
    vec![
        of("difference", |difference| Some(difference.mean)),
        of("interval_low", |difference| difference.interval.map(|(low, _)| low)),
        of("interval_high", |difference| difference.interval.map(|(_, high)| high)),
    ]
}

/// A row of a control behind some words.
fn control_row<const N: usize>(
    words: [&str; N],
    name: &dyn std::fmt::Display,
    figures: &ControlFigures,
) -> Vec<String> {
    row(words.into_iter().chain([&*name.to_string()]), cells_of_control(Some(figures)))
}
