//! A GeoJSON collection of features (RFC 7946) as QuPath 0.4 and later read them, which take the coordinates as pixels from
//! the upper left corner of the image and pass over members that they do not know.

use serde::Serialize;
use serde_json::json;

use super::answer::Answer;
use crate::diagnosis::{Decision, RESEARCH_USE};
use crate::explain::{BENIGN_COLOUR, MALIGNANT_COLOUR};
use crate::model::ModelId;
use crate::system::path_for_programs;

/// The colour of what no decision was made about.
const ABSTAIN_COLOUR: [i32; 3] = [128, 128, 128];

#[derive(Serialize)]
struct Feature<'a> {
    r#type: &'static str,
    geometry: Polygon,
    properties: Properties<'a>,
}

#[derive(Serialize)]
struct Polygon {
    r#type: &'static str,
    /// One ring of corners, of which the last is the first again.
    coordinates: [[[u64; 2]; 5]; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Properties<'a> {
    object_type: &'static str,
    classification: Classification,
    measurements: Measurements,
    metadata: Metadata<'a>,
}

/// What QuPath colours an object by: the decision.
#[derive(Serialize)]
struct Classification {
    name: &'static str,
    color: [i32; 3],
}

/// Numbers alone, as QuPath wants them.
#[derive(Serialize)]
struct Measurements {
    probability_malignant: f64,
    confidence: f64,
    threshold: f64,
}

/// Text alone, as QuPath (since 0.5) keeps it.
#[derive(Serialize)]
struct Metadata<'a> {
    file: &'a str,
    label: String,
    decision: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    operating_point: Option<String>,
    flags: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    notes: String,
}

/// The collection up to its features.
pub(super) fn head(model: &ModelId, threshold: f64) -> anyhow::Result<String> {
    let (notice, model) = (json!(RESEARCH_USE), serde_json::to_string(model)?);
    let about = format!(r#""research_use":{notice},"model":{model},"threshold":{}"#, json!(threshold));
    Ok(format!("{{\"type\":\"FeatureCollection\",{about},\"features\":[\n"))
}

/// What was classified and what came of it, on a line without its end.
pub(super) fn feature(answer: &Answer) -> anyhow::Result<String> {
    let place = answer.place();
    let [left, top] = [place.x, place.y].map(u64::from);
    let [right, bottom] = [left + u64::from(place.width), top + u64::from(place.height)];
    let ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]];
    let (name, color) = match answer.decision {
        Decision::Benign => ("Benign", BENIGN_COLOUR),
        Decision::Malignant => ("Malignant", MALIGNANT_COLOUR),
        Decision::Abstain => ("Abstain", ABSTAIN_COLOUR),
    };
    let &Answer { probability_malignant, confidence, threshold, .. } = answer;
    let feature = Feature {
        r#type: "Feature",
        geometry: Polygon { r#type: "Polygon", coordinates: [ring] },
        properties: Properties {
            // Tiles can be many: QuPath draws them faster than annotations, and does not let them be moved by mistake.
            object_type: if answer.field.is_some() { "tile" } else { "annotation" },
            classification: Classification { name, color },
            measurements: Measurements { probability_malignant, confidence, threshold },
            metadata: Metadata {
                file: &path_for_programs(&answer.file),
                label: answer.label.to_string(),
                decision: answer.decision.lower(),
                operating_point: answer.operating_point.map(|name| name.to_string()),
                flags: answer.flags_as_text().unwrap_or_else(|| "unknown".to_owned()),
                notes: answer.notes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
            },
        },
    };
    Ok(serde_json::to_string(&feature)?)
}

/// The collection behind its features.
pub(super) fn tail(is_complete: bool) -> String {
    format!("\n],\"complete\":{is_complete}}}\n")
}
