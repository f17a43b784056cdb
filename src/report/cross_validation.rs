//! What a cross-validation shows: each repeat as `lobule compare --pool` shows its runs, and the mean of several.

use crate::evaluate::comparison::Comparison;
use crate::evaluate::{Metric, mean_of_all};
use crate::report::sections::{Cell, Records, Section, number, row};
use crate::report::{Results, svg};
use crate::train::CrossValidated;

/// The repeats of a cross-validation, one at least.
#[derive(Debug)]
pub struct CrossValidationResults(pub Vec<CrossValidated>);

impl CrossValidationResults {
    /// The only repeat, where there are not several.
    fn only(&self) -> Option<&Comparison> {
        if let [only] = &self.0[..] { Some(&only.comparison) } else { None }
    }

    /// The mean of a pooled figure over the repeats; none where one of them lacks it.
    fn mean(&self, metric: Metric) -> Option<f64> {
        let pooled = self.0.iter().filter_map(|repeat| repeat.comparison.pooled.as_ref());
        mean_of_all(pooled.map(|pooled| pooled.figures.get(metric)))
    }
}

impl Results for CrossValidationResults {
    fn sections(&self) -> Vec<Section> {
        if let Some(only) = self.only() {
            return only.sections();
        }
        let (mut sections, count) = (Vec::new(), self.0.len());
        for (number, CrossValidated { seed, comparison, .. }) in (1..).zip(&self.0) {
            sections.push(Section::Sentence(format!("Repeat {number} of {count}, seed {seed}")));
            sections.extend(comparison.sections());
        }
        let rows = Metric::compared().map(|metric| row([metric.name()], [number(self.mean(metric))]));
        let title = format!("Mean of the pooled figures over {count} repeats");
        sections.push(Section::table(title, 1, ["figure", "mean"], rows));
        sections
    }

    /// The records of each repeat's comparison, with its number before them, and one of kind `mean_of_repeats`; those of
    /// the only repeat as they are.
    fn records(&self) -> Records {
        if let Some(only) = self.only() {
            return only.records();
        }
        let means = Metric::compared().map(|metric| (metric.key(), self.mean(metric).into()));
        let means = [("kind", "mean_of_repeats".into())].into_iter().chain(means).collect();
        let tables: Vec<Records> = self.0.iter().map(|repeat| repeat.comparison.records()).collect();
        let columns = tables.iter().take(1).flat_map(|table| table.columns.iter().copied());
        let mut records = Records::new(["repeat"].into_iter().chain(columns).collect(), vec![means]);
        let numbered = |(number, table): (u64, Records)| {
            table.rows.into_iter().map(move |cells| [vec![Cell::Count(number)], cells].concat())
        };
        records.rows.splice(0..0, (1..).zip(tables).flat_map(numbered));
        records
    }

    /// The runs of all repeats side by side.
    fn figure(&self) -> String {
        let runs = self.0.iter().flat_map(|repeat| repeat.comparison.runs().cloned());
        self.only().map_or_else(|| svg::comparison::figure(&Comparison::without_means(runs.collect())), Results::figure)
    }
}
