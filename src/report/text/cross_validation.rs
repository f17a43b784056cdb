//! The repeats of a cross-validation: each as `lobule compare --pool` prints it, and the mean of several.

use std::fmt::Write;

use crate::evaluate::comparison::Measure;
use crate::evaluate::mean_of_all;
use crate::report::text::{comparison, number};
use crate::train::RepeatOutcome;

/// What is printed at the end of a cross-validation.
pub(crate) fn text(repeats: &[RepeatOutcome]) -> String {
    if let [only] = repeats {
        return comparison::text(&only.comparison);
    }
    let mut text = String::new();
    for RepeatOutcome { number, seed, comparison } in repeats {
        let table = comparison::text(comparison);
        let _ = writeln!(text, "Repeat {number} of {}, seed {seed}\n\n{table}", repeats.len());
    }
    let _ = writeln!(text, "Mean of the pooled figures over {} repeats", repeats.len());
    for measure in Measure::ALL {
        let pooled = repeats.iter().filter_map(|repeat| repeat.comparison.pooled.as_ref());
        let mean = number(mean_of_all(pooled.map(|pooled| measure.of(&pooled.figures))));
        let _ = writeln!(text, "{:<16}{mean:>9}", measure.name());
    }
    text
}
