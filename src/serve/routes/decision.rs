//! What an answer says of an image: its prediction, and the decision at the threshold that the query asks for or else
//! the weights file holds.

use serde::{Serialize, Serializer};

use crate::diagnosis::{Label, Probability, Threshold};
use crate::inference::Classification;
use crate::serve::error::{Code, HttpError};
use crate::serve::reply::milliseconds;

#[derive(Serialize)]
pub(in crate::serve) struct Finding {
    pub(in crate::serve) label: Label,
    #[serde(serialize_with = "rounded")]
    pub(in crate::serve) confidence: Probability,
    #[serde(serialize_with = "rounded")]
    pub(in crate::serve) probability_malignant: Probability,
    #[serde(serialize_with = "lower")]
    pub(in crate::serve) decision: Label,
    pub(in crate::serve) threshold: Threshold,
    pub(in crate::serve) timings_ms: Timings,
}

fn rounded<S: Serializer>(probability: &Probability, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(probability.rounded())
}

fn lower<S: Serializer>(label: &Label, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(label.lower())
}

/// How long the phases took, in milliseconds.
#[derive(Serialize)]
pub(in crate::serve) struct Timings {
    pub(in crate::serve) decode: f64,
    pub(in crate::serve) queue: f64,
    pub(in crate::serve) inference: f64,
}

impl Finding {
    pub(in crate::serve) fn of(classification: &Classification, threshold: Threshold) -> Self {
        let &Classification { prediction, queue, decode, inference, .. } = classification;
        let [decode, queue, inference] = [decode, queue, inference].map(milliseconds);
        let timings_ms = Timings { decode, queue, inference };
        Self {
            label: prediction.label(),
            confidence: prediction.confidence(),
            probability_malignant: prediction.probability_malignant,
            decision: threshold.decide(prediction.probability_malignant),
            threshold,
            timings_ms,
        }
    }
}

/// The threshold that the query asks for.
///
/// # Errors
/// 400 when it is not one number from 0 to 1.
pub(super) fn threshold_of(query: Option<&str>) -> Result<Option<Threshold>, HttpError> {
    let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut asked = query.filter(|(name, _)| name == "threshold").map(|(_, value)| value);
    let Some(value) = asked.next() else { return Ok(None) };
    match value.parse() {
        Ok(threshold) if asked.next().is_none() => Ok(Some(threshold)),
        _ => Err(HttpError::new(
            Code::BadThreshold,
            "The query's threshold is not one number from 0 to 1. Write it as ?threshold=0.5, or leave it out.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_one_number_from_0_to_1_or_absent() {
        let asked = |query: Option<&str>| {
            threshold_of(query).map(|threshold| threshold.map(Threshold::get)).map_err(|error| error.code)
        };
        assert_eq!(asked(None), Ok(None));
        assert_eq!(asked(Some("other=1")), Ok(None));
        assert_eq!(asked(Some("other=1&threshold=0.25")), Ok(Some(0.25)));
        assert_eq!(asked(Some("threshold=%30%2e5")), Ok(Some(0.5)));
        for bad in ["", "x", "1.5", "-0.1", "NaN", ".1&threshold=.2"] {
            assert_eq!(asked(Some(&format!("threshold={bad}"))), Err(Code::BadThreshold), "{bad}");
        }
    }
}
