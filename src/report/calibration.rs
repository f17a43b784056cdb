//! What the calibration of pooled runs shows: each run's images calibrated by the other runs.

use crate::evaluate::{CrossFitted, Figures, Fit, Metric, SENSITIVITY_PERCENT};
use crate::report::sections::{Cell, Section, number, row};

/// The metrics that a temperature moves.
pub(super) const METRICS: [Metric; 4] = [Metric::Ece, Metric::EceDebiased, Metric::Brier, Metric::Nll];

pub(super) fn cross_fitted(crossed: &CrossFitted) -> [Section; 2] {
    let CrossFitted { fits, before, after, sensitive, .. } = crossed;
    let rows = METRICS.map(|metric| row([metric.name()], [before, after].map(|figures| number(figures.get(metric)))));
    let title =
        "Calibration: each run's images with the temperature that the other runs give, each case weighing the same";
    let table = Section::table(title, 1, ["figure", "before", "after"], rows);
    let list = |of: fn(&Fit) -> String| fits.iter().map(of).collect::<Vec<_>>().join(", ");
    let decisions =
        |sensitivity, specificity| format!("sensitivity {}, specificity {}", number(sensitivity), number(specificity));
    let lines = vec![
        format!("temperatures: {}", list(|fit| format!("{:.4}", fit.temperature))),
        format!("at one half: {}", decisions(after.get(Metric::Recall), after.get(Metric::Specificity))),
        format!(
            "sensitive: {}, at the thresholds that {SENSITIVITY_PERCENT} % of the other runs' malignant images reach ({})",
            decisions(sensitive.sensitivity(), sensitive.specificity()),
            list(|fit| format!("{:.4}", fit.sensitive.get()))
        ),
    ];
    [table, Section::Lines(lines)]
}

/// The same as records, with the kind of each.
pub(super) fn records(crossed: &CrossFitted) -> [(&'static str, Vec<(&'static str, Cell)>); 3] {
    let CrossFitted { before, after, sensitive, .. } = crossed;
    let cells = |figures: &Figures| {
        let cell = |metric: Metric| (metric.key(), figures.get(metric).into());
        [("n", figures.n.into())].into_iter().chain(METRICS.map(cell)).collect()
    };
    let counts = [("tn", sensitive.tn), ("fp", sensitive.fp), ("fn", sensitive.fn_), ("tp", sensitive.tp)];
    let shares = [(Metric::Recall, sensitive.sensitivity()), (Metric::Specificity, sensitive.specificity())]
        .map(|(metric, share)| (metric.key(), share.into()));
    let counts = counts.map(|(key, count)| (key, count.into()));
    let sensitive = [("n", after.n.into())].into_iter().chain(counts).chain(shares).collect();
    [("uncalibrated", cells(before)), ("calibrated", cells(after)), ("sensitive", sensitive)]
}
