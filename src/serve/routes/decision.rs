//! What an answer says of an image: its prediction, the flags that speak against it, and the decision at the threshold
//! that the request asks for or else the weights file holds.

use std::borrow::Cow;

use serde::{Serialize, Serializer};

use crate::diagnosis::{Decision, Flags, Label, Probability, Threshold};
use crate::inference::Classification;
use crate::model::{AskedThreshold, DecisionPoint, Metadata, PointName};
use crate::pixels::Note;
use crate::serve::error::{Code, HttpError};
use crate::serve::reply::milliseconds;

#[derive(Serialize)]
pub(in crate::serve) struct Finding {
    pub(in crate::serve) label: Label,
    #[serde(serialize_with = "rounded")]
    pub(in crate::serve) confidence: Probability,
    #[serde(serialize_with = "rounded")]
    pub(in crate::serve) probability_malignant: Probability,
    pub(in crate::serve) decision: Decision,
    pub(in crate::serve) threshold: Threshold,
    /// The name that the threshold was asked for by, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::serve) operating_point: Option<PointName>,
    /// What speaks against the prediction; none where the weights file has no statistics to tell.
    pub(in crate::serve) flags: Option<Flags>,
    /// What was done to the image before it was classified.
    pub(in crate::serve) notes: Vec<Note>,
    pub(in crate::serve) timings_ms: Timings,
}

fn rounded<S: Serializer>(probability: &Probability, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(probability.rounded())
}

/// How long the phases took, in milliseconds.
#[derive(Serialize)]
pub(in crate::serve) struct Timings {
    pub(in crate::serve) decode: f64,
    pub(in crate::serve) queue: f64,
    pub(in crate::serve) inference: f64,
}

impl Finding {
    pub(in crate::serve) fn of(classification: &Classification, point: DecisionPoint, network: &Metadata) -> Self {
        let DecisionPoint { threshold, name } = point;
        let Classification { prediction, notes, queue, decode, inference, .. } = classification;
        let [decode, queue, inference] = [decode, queue, inference].map(|time| milliseconds(*time));
        let timings_ms = Timings { decode, queue, inference };
        let flags = network.flags_of(prediction, threshold);
        Self {
            label: prediction.label(),
            confidence: prediction.confidence(),
            probability_malignant: prediction.probability_malignant,
            decision: Decision::of(threshold.decide(prediction.probability_malignant), flags),
            threshold,
            operating_point: name,
            flags,
            notes: notes.clone(),
            timings_ms,
        }
    }
}

/// Letters that are repeated of a parameter's name.
const REPEATED: usize = 40;

/// Refuses a parameter of the query that is not known: a misspelt one would be passed over in silence.
///
/// # Errors
/// 400 with its name.
pub(super) fn check_parameters(query: Option<&str>) -> Result<(), HttpError> {
    let mut names = form_urlencoded::parse(query.unwrap_or_default().as_bytes()).map(|(name, _)| name);
    let Some(name) = names.find(|name| !["threshold", "heatmap"].contains(&&**name)) else { return Ok(()) };
    let name: String = name.chars().take(REPEATED).collect();
    let detail = format!(
        "The query has a parameter that is not known: {name:?}. Known are threshold and heatmap, as \
         ?threshold=0.5&heatmap=true."
    );
    Err(HttpError::new(Code::BadRequest, detail))
}

/// The threshold that the query or the body asks for, as a form's field or among the parameters of JSON.
///
/// # Errors
/// 400 when it is not one number from 0 to 1 or one name, when they do not agree, and when the network has no operating
/// point of the name.
pub(super) fn point_of(
    query: Option<&str>,
    fields: &[(String, String)],
    network: &Metadata,
) -> Result<DecisionPoint, HttpError> {
    let asked = threshold_of(query, fields)?;
    network.decision_point(asked).map_err(|error| bad_threshold(&format!("A threshold cannot be taken: {error}.")))
}

fn threshold_of(query: Option<&str>, fields: &[(String, String)]) -> Result<Option<AskedThreshold>, HttpError> {
    let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let asked = only_threshold(query, "The query's threshold")?;
    let in_body = fields.iter().map(|(name, value)| (name.into(), value.into()));
    let in_body = only_threshold(in_body, "The body's threshold")?;
    match (asked, in_body) {
        (Some(asked), Some(in_body)) if asked != in_body => {
            Err(bad_threshold("The query and the body ask for different thresholds."))
        }
        _ => Ok(asked.or(in_body)),
    }
}

fn only_threshold<'a>(
    pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    what: &str,
) -> Result<Option<AskedThreshold>, HttpError> {
    let mut asked = pairs.filter(|(name, _)| name == "threshold").map(|(_, value)| value);
    let Some(value) = asked.next() else { return Ok(None) };
    match value.parse() {
        Ok(threshold) if asked.next().is_none() => Ok(Some(threshold)),
        _ => Err(bad_threshold(&format!(
            "{what} is not one number from 0 to 1, nor one name of an operating point, balanced or sensitive."
        ))),
    }
}

fn bad_threshold(what: &str) -> HttpError {
    let detail = format!(
        "{what} Write it once, as ?threshold=0.5, as a form's field or among the parameters of JSON, or leave it out."
    );
    HttpError::new(Code::BadThreshold, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_one_number_from_0_to_1_or_one_name_or_absent() {
        let asked = |query: Option<&str>, form: &[&str]| {
            let fields: Vec<_> = form.iter().map(|value| ("threshold".to_owned(), (*value).to_owned())).collect();
            let number = |asked| match asked {
                AskedThreshold::Number(threshold) => threshold.get(),
                AskedThreshold::Named(name) => f64::from(name as u8) + 10.0,
            };
            threshold_of(query, &fields).map(|asked| asked.map(number)).map_err(|error| error.code)
        };
        assert_eq!(asked(Some("threshold=sensitive"), &["sensitive"]), Ok(Some(11.0)));
        assert_eq!(asked(Some("threshold=sensitive"), &["balanced"]), Err(Code::BadThreshold));
        assert_eq!(asked(Some("threshold=balanced"), &["0.5"]), Err(Code::BadThreshold), "ask once for it");
        assert_eq!(asked(None, &[]), Ok(None));
        assert_eq!(asked(Some("threshold=0.25"), &[]), Ok(Some(0.25)));
        assert_eq!(asked(Some("threshold=%30%2e5"), &[]), Ok(Some(0.5)));
        assert_eq!(asked(None, &["0.25"]), Ok(Some(0.25)));
        assert_eq!(asked(Some("threshold=0.50"), &["0.5"]), Ok(Some(0.5)));
        assert_eq!(asked(Some("threshold=0.5"), &["0.25"]), Err(Code::BadThreshold));
        assert_eq!(asked(None, &["0.5", "0.5"]), Err(Code::BadThreshold));
        for bad in ["", "x", "1.5", "-0.1", "NaN"] {
            assert_eq!(asked(Some(&format!("threshold={bad}")), &[]), Err(Code::BadThreshold), "{bad}");
            assert_eq!(asked(None, &[bad]), Err(Code::BadThreshold), "{bad}");
        }
        assert_eq!(asked(Some("threshold=.1&threshold=.2"), &[]), Err(Code::BadThreshold));
    }

    #[test]
    fn a_parameter_that_is_not_known_is_named_and_one_that_is_long_is_not_repeated() {
        for known in
            [None, Some(""), Some("&"), Some("threshold=high"), Some("%74hreshold=1&threshold=2"), Some("heatmap=x")]
        {
            assert!(check_parameters(known).is_ok(), "{known:?}");
        }
        let long = "x".repeat(1000);
        for (query, named) in [
            ("treshold=.7", "\"treshold\""),
            ("threshold=.7&heatmaps=true", "\"heatmaps\""),
            ("=1", "\"\""),
            ("a%0A%22b", r#""a\n\"b""#),
            (&long, &long[..REPEATED]),
        ] {
            let error = check_parameters(Some(query)).unwrap_err();
            assert_eq!(error.code, Code::BadRequest);
            assert!(error.detail.contains(named) && error.detail.contains("?threshold=0.5"), "{}", error.detail);
            assert!(error.detail.len() < 220 && error.log.is_none());
        }
    }
}
