//! A comparison as one table for other programs, in CSV or JSON.

use serde::Serialize;

use crate::evaluate::comparison::{
    Comparison, Difference, Group, Interval, MEASURES, Mean, Measure, Pooled, PooledControl, Run, SplitEffect,
};
use crate::evaluate::{Confusion, Figures, Metrics};

/// A row; `kind` says of what. What is not defined, or means nothing in a row, is empty (null in JSON).
#[derive(Default, Serialize)]
struct Row<'a> {
    kind: &'static str,
    run: Option<&'a str>,
    recipe: Option<&'a str>,
    split: Option<String>,
    shared_cases: Option<usize>,
    part: Option<String>,
    seed: Option<u64>,
    seeds: Option<usize>,
    n: Option<usize>,
    accuracy: Option<f64>,
    nll: Option<f64>,
    precision: Option<f64>,
    recall: Option<f64>,
    f1: Option<f64>,
    roc_auc: Option<f64>,
    tn: Option<usize>,
    fp: Option<usize>,
    #[serde(rename = "fn")]
    fn_: Option<usize>,
    tp: Option<usize>,
    within_strata: Option<f64>,
    exchanged: Option<f64>,
    exchanged_within_strata: Option<f64>,
    changed: Option<f64>,
    hard_nll: Option<f64>,
    choice: Option<f64>,
    /// The control, in rows of a control.
    control: Option<&'static str>,
}

/// A row a run, and further ones for each mean, standard deviation, difference and end of its interval, for each control
/// on the images of each run, and for the predictions of all runs together. Numbers have all their digits.
fn rows(comparison: &Comparison) -> impl Iterator<Item = Row<'_>> {
    let runs = comparison.runs().map(row_of_run);
    let means = comparison.groups.iter().flat_map(rows_of_mean);
    let effects = comparison.effects.iter().flat_map(rows_of_effect);
    let controls = comparison.runs().flat_map(rows_of_controls);
    let pooled = comparison.pooled.iter().flat_map(rows_of_pooled);
    runs.chain(means).chain(effects).chain(controls).chain(pooled)
}

/// The rows with their names above them.
pub(crate) fn csv(comparison: &Comparison) -> anyhow::Result<String> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows(comparison) {
        writer.serialize(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

/// The rows as a list of objects.
pub(crate) fn json(comparison: &Comparison) -> anyhow::Result<String> {
    Ok(serde_json::to_string(&rows(comparison).collect::<Vec<_>>())? + "\n")
}

impl Row<'_> {
    /// With the measures that it is about.
    fn with(mut self, measures: impl IntoIterator<Item = (Measure, Option<f64>)>) -> Self {
        for (measure, number) in measures {
            *match measure {
                Measure::Accuracy => &mut self.accuracy,
                Measure::Nll => &mut self.nll,
                Measure::Precision => &mut self.precision,
                Measure::Recall => &mut self.recall,
                Measure::F1 => &mut self.f1,
                Measure::RocAuc => &mut self.roc_auc,
                Measure::WithinStrata => &mut self.within_strata,
                Measure::Exchanged => &mut self.exchanged,
                Measure::ExchangedWithinStrata => &mut self.exchanged_within_strata,
                Measure::Changed => &mut self.changed,
                Measure::HardNll => &mut self.hard_nll,
                Measure::Choice => &mut self.choice,
            } = number;
        }
        self
    }

    /// With all figures of a network.
    fn of(self, figures: &Figures) -> Self {
        let Metrics { n, confusion: Confusion { tp, fn_, fp, tn }, .. } = figures.metrics;
        let row = Self { n: Some(n), tn: Some(tn), fp: Some(fp), fn_: Some(fn_), tp: Some(tp), ..self };
        row.with(Measure::ALL.map(|measure| (measure, measure.of(figures))))
    }
}

fn row_of_run(run: &Run) -> Row<'_> {
    let row = Row {
        kind: "run",
        run: Some(&run.name),
        recipe: Some(&run.recipe),
        split: Some(run.split().to_string()),
        shared_cases: Some(run.shared_cases),
        part: Some(run.part.to_string()),
        seed: Some(run.seed),
        seeds: Some(1),
        ..Row::default()
    };
    row.of(&run.figures)
}

fn rows_of_controls(run: &Run) -> impl Iterator<Item = Row<'_>> {
    run.controls.iter().map(|(control, figures)| {
        let row = Row {
            kind: "control",
            run: Some(&run.name),
            part: Some(run.part.to_string()),
            n: Some(run.figures.metrics.n),
            control: Some(control.key()),
            ..Row::default()
        };
        row.with(Measure::ALL.map(|measure| (measure, measure.of_control(figures))))
    })
}

fn rows_of_pooled(pooled: &Pooled) -> Vec<Row<'_>> {
    let Pooled { figures, intervals, means, mean_intervals, controls, .. } = pooled;
    let row = |kind, control| Row { kind, n: Some(figures.metrics.n), control, ..Row::default() };
    let (low, high) = (|ends: &Interval| ends.map(|(low, _)| low), |ends: &Interval| ends.map(|(_, high)| high));
    let all = |numbers: [Option<f64>; MEASURES]| Measure::ALL.into_iter().zip(numbers);
    let areas = |numbers: [Option<f64>; Measure::AREAS.len()]| Measure::AREAS.into_iter().zip(numbers);
    let mut rows = vec![
        row("pooled", None).of(figures),
        row("pooled_low", None).with(all(intervals.each_ref().map(low))),
        row("pooled_high", None).with(all(intervals.each_ref().map(high))),
        row("mean_of_runs", None).with(areas(*means)),
        row("mean_of_runs_low", None).with(areas(mean_intervals.each_ref().map(low))),
        row("mean_of_runs_high", None).with(areas(mean_intervals.each_ref().map(high))),
    ];
    for PooledControl { control, figures, means } in controls {
        for (kind, figures) in [("pooled_control", figures), ("mean_of_runs_control", means)] {
            let measured = Measure::ALL.map(|measure| (measure, measure.of_control(figures)));
            rows.push(row(kind, Some(control.key())).with(measured));
        }
    }
    rows
}

fn rows_of_mean(group: &Group) -> Vec<Row<'_>> {
    let (Some(Mean { seeds, spreads }), Some(run)) = (&group.mean, group.runs.first()) else { return Vec::new() };
    let row = |kind| Row {
        kind,
        recipe: Some(&run.recipe),
        split: Some(run.split().to_string()),
        part: Some(run.part.to_string()),
        seeds: Some(*seeds),
        ..Row::default()
    };
    let measured = || Measure::ALL.into_iter().zip(spreads);
    vec![
        row("mean").with(measured().map(|(measure, spread)| (measure, spread.map(|spread| spread.mean)))),
        row("standard_deviation")
            .with(measured().map(|(measure, spread)| (measure, spread.map(|spread| spread.standard_deviation)))),
    ]
}

fn rows_of_effect(effect: &SplitEffect) -> Vec<Row<'_>> {
    let row = |kind, number: fn(Difference) -> Option<f64>| {
        let row = Row {
            kind,
            recipe: Some(&effect.recipe),
            split: Some("by image - by case".to_owned()),
            part: Some(effect.part.to_string()),
            seeds: Some(effect.seeds),
            ..Row::default()
        };
        row.with(Measure::OF_SPLITS.into_iter().zip(effect.differences.map(|difference| difference.and_then(number))))
    };
    vec![
        row("difference", |difference| Some(difference.mean)),
        row("interval_low", |difference| difference.interval.map(|(low, _)| low)),
        row("interval_high", |difference| difference.interval.map(|(_, high)| high)),
    ]
}
