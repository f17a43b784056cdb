//! What a cross-validation shows at its end.

use crate::evaluate::{Metric, mean_of_all};
use crate::report::Results;
use crate::report::sections::{Section, number, row};
use crate::train::RepeatOutcome;

/// Each repeat as `lobule compare --pool` shows it, and the mean of several.
pub(crate) fn cross_validation(repeats: &[RepeatOutcome]) -> Vec<Section> {
    if let [only] = repeats {
        return only.comparison.sections();
    }
    let mut sections = Vec::new();
    for RepeatOutcome { number, seed, comparison } in repeats {
        sections.push(Section::Sentence(format!("Repeat {number} of {}, seed {seed}", repeats.len())));
        sections.extend(comparison.sections());
    }
    let rows = Metric::compared().map(|metric| {
        let pooled = repeats.iter().filter_map(|repeat| repeat.comparison.pooled.as_ref());
        row([metric.name()], [number(mean_of_all(pooled.map(|pooled| pooled.figures.get(metric))))])
    });
    let title = format!("Mean of the pooled figures over {} repeats", repeats.len());
    sections.push(Section::table(title, 1, ["figure", "mean"], rows));
    sections
}
