//! Where the network looked: whether a request asks for it, and how an answer has it.

use std::borrow::Cow;

use base64::prelude::{BASE64_STANDARD, Engine};
use serde::Serialize;

use crate::inference::HeatmapPng;
use crate::serve::error::{Code, HttpError};
use crate::serve::service::Service;

/// A heatmap as an answer has it.
#[derive(Serialize)]
pub(in crate::serve) struct HeatmapAnswer {
    /// The image under the colours of its heatmap: a PNG as a data URL.
    #[serde(rename = "heatmap")]
    pub(in crate::serve) image: String,
    /// What the ends of its scale are.
    #[serde(rename = "heatmap_range")]
    pub(in crate::serve) range: f64,
}

/// What a data URL of a PNG begins with.
const BEGINNING: &str = "data:image/png;base64,";

impl HeatmapAnswer {
    pub(super) fn of(heatmap: &HeatmapPng) -> Self {
        let mut image = String::with_capacity(BEGINNING.len() + heatmap.png.len().div_ceil(3) * 4);
        image += BEGINNING;
        BASE64_STANDARD.encode_string(&heatmap.png, &mut image);
        Self { image, range: heatmap.range }
    }

    /// The same for people to read, who see the image elsewhere.
    pub(super) fn in_short(&self) -> Self {
        Self { image: format!("{BEGINNING}..."), range: self.range }
    }
}

/// Whether the query or a form's field asks for a heatmap.
///
/// # Errors
/// 400 when one is neither `true` nor `false`, or they do not agree, or the network has none to give.
pub(super) fn wants_heatmap(
    service: &Service,
    query: Option<&str>,
    fields: &[(String, String)],
) -> Result<bool, HttpError> {
    let wanted = asked(query, fields)?;
    if wanted && !service.classifier.can_explain() {
        let detail = "The network of this service has no taps, from which a heatmap is made. Leave heatmap out.";
        return Err(HttpError::new(Code::BadRequest, detail));
    }
    Ok(wanted)
}

/// Refuses a heatmap where the answer has no room for one.
///
/// # Errors
/// 400 when one is asked for, or as [`wants_heatmap`].
pub(in crate::serve) fn refuse_heatmap(query: Option<&str>, fields: &[(String, String)]) -> Result<(), HttpError> {
    if !asked(query, fields)? {
        return Ok(());
    }
    let detail = "This address has no heatmaps. Send each image to /predict with heatmap=true, or leave heatmap out.";
    Err(HttpError::new(Code::BadRequest, detail))
}

fn asked(query: Option<&str>, fields: &[(String, String)]) -> Result<bool, HttpError> {
    let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let in_form = fields.iter().map(|(name, value)| (name.into(), value.into()));
    match (only_heatmap(query, "The query's heatmap")?, only_heatmap(in_form, "The form's field heatmap")?) {
        (Some(asked), Some(in_form)) if asked != in_form => {
            Err(bad_heatmap("The query and the form do not agree whether there shall be a heatmap."))
        }
        (asked, in_form) => Ok(asked.or(in_form).unwrap_or(false)),
    }
}

fn only_heatmap<'a>(
    pairs: impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)>,
    what: &str,
) -> Result<Option<bool>, HttpError> {
    let mut asked = pairs.filter(|(name, _)| name == "heatmap").map(|(_, value)| value);
    let Some(value) = asked.next() else { return Ok(None) };
    match value.parse() {
        Ok(wanted) if asked.next().is_none() => Ok(Some(wanted)),
        _ => Err(bad_heatmap(&format!("{what} is not one of true and false."))),
    }
}

fn bad_heatmap(what: &str) -> HttpError {
    let detail = format!("{what} Write it once, as ?heatmap=true or as a form's field, or leave it out.");
    HttpError::new(Code::BadRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_heatmap_is_asked_for_by_one_word() {
        let ask = |query: Option<&str>, form: &[&str]| {
            let fields: Vec<_> = form.iter().map(|value| ("heatmap".to_owned(), (*value).to_owned())).collect();
            asked(query, &fields).map_err(|error| error.code)
        };
        assert_eq!(ask(None, &[]), Ok(false));
        assert_eq!(ask(Some("threshold=.5&heatmap=true"), &[]), Ok(true));
        assert_eq!(ask(Some("heatmap=false"), &[]), Ok(false));
        assert_eq!(ask(None, &["true"]), Ok(true));
        assert_eq!(ask(Some("heatmap=true"), &["true"]), Ok(true));
        assert_eq!(ask(Some("heatmap=true"), &["false"]), Err(Code::BadRequest));
        assert_eq!(ask(Some("heatmap=true&heatmap=true"), &[]), Err(Code::BadRequest));
        for bad in ["", "1", "on", "True"] {
            assert_eq!(ask(Some(&format!("heatmap={bad}")), &[]), Err(Code::BadRequest), "{bad}");
            assert_eq!(ask(None, &[bad]), Err(Code::BadRequest), "{bad}");
        }
        assert!(refuse_heatmap(Some("heatmap=true"), &[]).unwrap_err().detail.contains("/predict with heatmap=true"));
        assert!(refuse_heatmap(Some("heatmap=false"), &[]).is_ok() && refuse_heatmap(None, &[]).is_ok());
    }
}
