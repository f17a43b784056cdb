//! An evaluation as CSV: a figure a line.

use serde::Serialize;

use crate::evaluate::{Control, ControlFigures, Evaluation, Measure, Section};

/// A figure; what is not defined is empty.
#[derive(Serialize)]
struct Row {
    /// `all`, or a magnification, a subtype or a case with what it is before a colon.
    images: String,
    /// `network`, a control, or a shift with its severity behind a colon.
    of: String,
    figure: &'static str,
    value: Option<f64>,
    /// The ends of its 95 % interval over cases.
    low: Option<f64>,
    high: Option<f64>,
}

/// All figures; numbers have all their digits.
pub(crate) fn csv(evaluation: &Evaluation) -> anyhow::Result<String> {
    let mut rows = section("all", &evaluation.all);
    for (measure, ends) in Measure::ALL.into_iter().zip(evaluation.intervals) {
        let row = rows.iter_mut().find(|row| row.of == "network" && row.figure == measure.key());
        if let (Some(row), Some((low, high))) = (row, ends) {
            (row.low, row.high) = (Some(low), Some(high));
        }
    }
    for (times, of_magnification) in &evaluation.magnifications {
        rows.extend(section(&format!("magnification:{times}"), of_magnification));
    }
    for (what, groups) in [("subtype", &evaluation.subtypes), ("case", &evaluation.cases)] {
        for (name, group) in groups {
            let figures = [
                ("n", Some(group.n as f64)),
                ("mean_probability", Some(group.mean_probability)),
                ("recall", Some(group.recall)),
                ("changed", group.changed),
            ];
            rows.extend(figures.map(|(figure, value)| row(&format!("{what}:{name}"), "network", figure, value)));
        }
    }
    if let Some(trained) = evaluation.trained_on_these {
        rows.push(row("all", "network", "trained_on_images", Some(trained.images as f64)));
        rows.push(row("all", "network", "trained_on_cases", Some(trained.cases as f64)));
    }
    let mut writer = csv::Writer::from_writer(Vec::new());
    for row in rows {
        writer.serialize(row)?;
    }
    Ok(String::from_utf8(writer.into_inner()?)?)
}

fn row(images: &str, of: &str, figure: &'static str, value: Option<f64>) -> Row {
    Row { images: images.to_owned(), of: of.to_owned(), figure, value, low: None, high: None }
}

fn section(images: &str, Section { figures, controls, shifts }: &Section) -> Vec<Row> {
    let mut rows: Vec<Row> =
        Measure::ALL.map(|measure| row(images, "network", measure.key(), measure.of(figures))).into_iter().collect();
    let metrics = &figures.metrics;
    rows.extend(
        [
            ("n", Some(metrics.n as f64)),
            ("specificity", metrics.specificity),
            ("brier", metrics.brier),
            ("ece", metrics.ece),
            ("pr_auc", metrics.pr_auc),
            ("patient_recognition_rate", figures.patient_recognition_rate),
            ("hard_n", figures.hard.n.map(|n| n as f64)),
            ("tp", Some(metrics.confusion.tp as f64)),
            ("fn", Some(metrics.confusion.fn_ as f64)),
            ("fp", Some(metrics.confusion.fp as f64)),
            ("tn", Some(metrics.confusion.tn as f64)),
        ]
        .map(|(figure, value)| row(images, "network", figure, value)),
    );
    for control in Control::ALL {
        let figures = controls.get(&control).and_then(Option::as_ref);
        let of = |get: fn(&ControlFigures) -> Option<f64>| figures.and_then(get);
        rows.extend(
            [
                ("roc_auc", of(|figures| figures.roc_auc)),
                ("within_strata", of(|figures| figures.within_strata.roc_auc)),
                ("exchanged", of(|figures| figures.exchanged.roc_auc)),
                ("exchanged_within_strata", of(|figures| figures.exchanged.within_strata)),
                ("changed", of(|figures| figures.exchanged.changed)),
                ("nll", of(|figures| figures.nll)),
            ]
            .map(|(figure, value)| row(images, control.key(), figure, value)),
        );
    }
    for shift in shifts {
        let of = format!("{}:{}", shift.name, shift.severity);
        rows.extend(
            [
                ("roc_auc", shift.roc_auc),
                ("within_strata", shift.within_strata.roc_auc),
                ("nll", shift.nll),
                ("changed", shift.changed),
            ]
            .map(|(figure, value)| row(images, &of, figure, value)),
        );
    }
    rows
}
