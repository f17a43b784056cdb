//! metrics.json of a model card: figures of networks that did not see the cases which they were measured on.

use serde::Serialize;

use crate::evaluate::Evaluation;
use crate::report::{ExportError, Records, Results};
use crate::train::{CrossValidated, Recipe};

#[derive(Serialize)]
struct Metrics<'a> {
    /// Every number of it; none where there are no repeats.
    recipe: Option<&'a Recipe>,
    repeats: Vec<Repeat>,
}

#[derive(Serialize)]
struct Repeat {
    name: String,
    seed: u64,
    /// As `lobule evaluate --json` prints it, of all folds together.
    evaluation: Evaluation,
    /// As `lobule compare --pool --format json` prints it.
    comparison: Records,
}

/// The figures of cross-validations, each with its name, as indented JSON with every digit.
///
/// # Errors
/// When they cannot be written as JSON.
pub fn card_metrics(cross_validations: &[(String, Vec<CrossValidated>)]) -> Result<String, ExportError> {
    let all = || cross_validations.iter().flat_map(|(name, repeats)| repeats.iter().map(move |of| (name, of)));
    let repeat = |(name, of): (&String, &CrossValidated)| Repeat {
        name: format!("{name}/{}", of.name),
        seed: of.seed,
        evaluation: Evaluation::of(&of.predictions, &[], of.setting.clone()),
        comparison: of.comparison.records(),
    };
    let recipe = all().next().map(|(_, of)| &of.recipe);
    Ok(serde_json::to_string_pretty(&Metrics { recipe, repeats: all().map(repeat).collect() })? + "\n")
}
