//! A model card whose figures are made from files, so that they cannot drift: what stands between its marks comes from
//! metrics.json and the weights file, and what stands around them is written by hand. The marks keep the prose where it is
//! read and edited, in the card itself, which a template elsewhere would not.
//!
//! In: a card, or none, and [`CardSources`]. Out: the card with its marked parts filled anew.

mod front_matter;
mod metrics;
mod parts;

use serde_json::Value;

pub use metrics::card_metrics;

use crate::diagnosis::RESEARCH_USE;

/// What begins a marked part; its name and [`MARK_END`] follow.
const MARK: &str = "<!-- lobule card: ";
const MARK_END: &str = " -->";
/// What ends it.
const END: &str = "<!-- end -->";

/// Where the figures of a card come from.
#[derive(Clone, Copy, Debug)]
pub struct CardSources<'a> {
    /// What [`card_metrics`] wrote, read again.
    pub metrics: &'a Value,
    /// The metadata of the weights file.
    pub metadata: &'a Value,
    /// What else is known of the file and its network: names with what they stand for.
    pub facts: &'a [(&'static str, String)],
}

/// Why a card cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CardError {
    /// The figures are not those that a card is made from.
    #[error("the metrics hold no repeats of a cross-validation; --cross-validation makes them anew")]
    Metrics,
    /// The figures are those of another network.
    #[error("the metrics are of the recipe {metrics:?} and the weights file of {weights:?}")]
    OtherRecipe {
        /// Of the metrics.
        metrics: String,
        /// Of the weights file.
        weights: String,
    },
    /// A file that is no card.
    #[error("it has text and no mark of a card; write {MARK}summary{MARK_END} and {END} into it, or name another file")]
    NoMarks,
    /// A part is begun and never ended.
    #[error("the part {0:?} of the card has no end; {END} ends it")]
    Unended(String),
    /// A part that this program does not know.
    #[error("there is no part {name:?} of a card; its parts are {known}")]
    Unknown {
        /// What it is called in the card.
        name: String,
        /// Those that there are.
        known: String,
    },
}

/// The card with its front matter and all its marked parts made anew; without one a card that has every part.
///
/// # Errors
/// When the metrics are of another kind, or a mark of the card is not one of ours.
pub fn card(written: Option<&str>, sources: &CardSources<'_>) -> Result<String, CardError> {
    if sources.metrics.pointer("/repeats/0/evaluation/n").is_none() {
        return Err(CardError::Metrics);
    }
    let recipes = [&sources.metrics["recipe"]["name"], &sources.metadata["provenance"]["recipe"]];
    if let [Some(metrics), Some(weights)] = recipes.map(Value::as_str)
        && metrics != weights
    {
        return Err(CardError::OtherRecipe { metrics: metrics.to_owned(), weights: weights.to_owned() });
    }
    if written.is_some_and(|card| !card.contains(MARK)) {
        return Err(CardError::NoMarks);
    }
    let begun = begin(sources);
    let body = without_front_matter(written.unwrap_or(&begun));
    Ok(format!("{}\n{}", front_matter::front_matter(sources), filled(body, sources)?))
}

/// What follows the front matter, where there is one.
fn without_front_matter(card: &str) -> &str {
    let fenced = card.strip_prefix("---\n").and_then(|rest| rest.split_once("\n---\n"));
    fenced.map_or(card, |(_, body)| body.trim_start_matches('\n'))
}

fn filled(mut rest: &str, sources: &CardSources<'_>) -> Result<String, CardError> {
    let mut card = String::new();
    while let Some((before, marked)) = rest.split_once(MARK) {
        let (name, behind) = marked.split_once(MARK_END).ok_or_else(|| CardError::Unended(marked.to_owned()))?;
        let (_, after) = behind.split_once(END).ok_or_else(|| CardError::Unended(name.to_owned()))?;
        let (_, make) = parts::PARTS.into_iter().find(|(known, _)| *known == name).ok_or_else(|| {
            CardError::Unknown { name: name.to_owned(), known: parts::PARTS.map(|(known, _)| known).join(", ") }
        })?;
        card += &format!("{before}{MARK}{name}{MARK_END}\n\n{}\n\n{END}", make(sources));
        rest = after;
    }
    Ok(card + rest)
}

/// A card of marks alone, to be written around.
fn begin(sources: &CardSources<'_>) -> String {
    let name = sources.metadata["name"].as_str().unwrap_or("a network");
    let version = sources.metadata["version"].as_str().unwrap_or_default();
    let part = |(name, _): (&str, _)| format!("{MARK}{name}{MARK_END}\n{END}\n\n");
    let marks = parts::PARTS.map(part).concat();
    format!("# Model card: {name} {version}\n\n**{RESEARCH_USE}**\n\n{}\n", marks.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metrics() -> Value {
        serde_json::json!({"repeats": [{"name": "folds/repeat-1", "seed": 1, "comparison": [], "evaluation": {
        "n": 1285, "roc_auc": 0.8164, "within_strata": {"roc_auc": 0.8137}, "intervals": {"roc_auc": [0.7, 0.9]},
        "confusion": {"tp": 9, "fn": 1, "fp": 4, "tn": 6}, "cases": {
            "1": {"truth": "benign", "n": 4, "recall": 0.25}, "2": {"truth": "malignant", "n": 6, "recall": 1.0}
        }}}]})
    }

    fn card_of(written: Option<&str>, metrics: &Value) -> Result<String, CardError> {
        let metadata = serde_json::json!({"name": "net", "version": "1.2.3", "provenance": {"recipe": "best"}});
        card(
            written,
            &CardSources { metrics, metadata: &metadata, facts: &[("architecture", "a <kind> | b".to_owned())] },
        )
    }

    #[test]
    fn figures_between_marks_are_made_anew_and_prose_around_them_stays() {
        let begun = card_of(None, &metrics()).unwrap();
        assert!(begun.starts_with("---\n") && begun.contains("# Model card: net 1.2.3"), "{begun}");
        assert_eq!(begun.matches(MARK).count(), parts::PARTS.len());
        assert_eq!(card_of(Some(&begun), &metrics()).unwrap(), begun, "nothing has changed");

        let written = begun.replace(RESEARCH_USE, "My prose of .123.").replace(".816", ".999");
        assert_ne!(written, begun);
        let mended = card_of(Some(&written), &metrics()).unwrap();
        assert_eq!(mended, begun.replace(RESEARCH_USE, "My prose of .123."));

        let mut other = metrics();
        other["repeats"][0]["evaluation"]["roc_auc"] = 0.5.into();
        let changed = card_of(Some(&begun), &other).unwrap();
        assert!(changed.contains(".500") && !changed.contains(".816"), "{changed}");
    }

    #[test]
    fn a_mark_that_is_not_ours_or_has_no_end_is_named() {
        let message = |card: &str, metrics: &Value| card_of(Some(card), metrics).unwrap_err().to_string();
        assert!(message("<!-- lobule card: figure -->\n<!-- end -->", &metrics()).contains("no part \"figure\""));
        assert!(message("<!-- lobule card: summary -->\n", &metrics()).contains("\"summary\" of the card has no end"));
        assert!(message("", &serde_json::json!({"n": 3})).contains("--cross-validation"));
        assert!(message("a text of somebody's own\n", &metrics()).contains("no mark of a card"));
        let mut other = metrics();
        other["recipe"] = serde_json::json!({"name": "baseline"});
        let message = message(&card_of(None, &metrics()).unwrap(), &other);
        assert!(message.contains("the recipe \"baseline\" and the weights file of \"best\""), "{message}");
        assert_eq!(without_front_matter("---\na: b\n---\n\n# c\n"), "# c\n");
        assert_eq!(without_front_matter("# c\n\n---\n"), "# c\n\n---\n");
    }
}
