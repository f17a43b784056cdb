//! What Hugging Face's hub reads of a card: YAML between two lines of dashes.

use crate::evaluate::Metric;
use crate::report::card::CardSources;
use crate::report::card::parts::Figured;
use crate::system::thousands;

/// The metrics of the model index, with the hub's names for them.
const INDEXED: [(Metric, &str); 8] = [
    (Metric::RocAuc, "roc_auc"),
    (Metric::WithinStrata, "roc_auc"),
    (Metric::ExchangedWithinStrata, "roc_auc"),
    (Metric::Accuracy, "accuracy"),
    (Metric::Precision, "precision"),
    (Metric::Recall, "recall"),
    (Metric::Specificity, "specificity"),
    (Metric::Brier, "brier_score"),
];

/// Metadata, and the figures of the first repeat as a model index.
pub(super) fn front_matter(sources: &CardSources<'_>) -> String {
    let figures = Figured::first(sources);
    let name = quoted(sources.metadata["name"].as_str().unwrap_or_default());
    let images = thousands(figures.count("/n"));
    let dataset = format!("BreakHis, {images} images of {} cases, each predicted out of fold", figures.cases().len());
    let metric = |(metric, kind): (Metric, &str)| {
        let value = figures.metric(metric)?;
        let name = quoted(metric.title());
        Some(format!("          - type: {kind}\n            name: {name}\n            value: {value:.4}\n"))
    };
    format!(
        "---\nlicense: other\nlicense_name: mit-or-apache-2.0\nlanguage: en\nlibrary_name: lobule\n\
         pipeline_tag: image-classification\ntags:\n  - histology\n  - breast-cancer\n  - breakhis\n  - safetensors\n\
         metrics:\n  - roc_auc\n  - accuracy\n  - brier_score\nmodel-index:\n  - name: {name}\n    results:\n      - task:\n\
         \x20         type: image-classification\n        dataset:\n          type: breakhis\n          name: {}\n        \
         metrics:\n{}---\n",
        quoted(&dataset),
        INDEXED.into_iter().filter_map(metric).collect::<String>()
    )
}

/// A text as YAML takes it whatever is in it: JSON's strings are YAML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
