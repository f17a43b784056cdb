//! What clients of other model servers send and expect, translated to and from what `/predict` does: a file a dialect.
//!
//! | | |
//! |---|---|
//! | `vertex` | Vertex AI's custom containers, at the addresses that Vertex AI's variables name |
//! | `open_inference` | the Open Inference Protocol, version 2, over REST, with the binary tensors of its extension; `tensor` makes files of what comes |
//! | `hugging_face` | Hugging Face's image classification |
//!
//! A dialect has a shape for what was found and one for errors, and nothing else of its own: its images go through the
//! same limits, queue and memory as any.

use super::error::{Code, HttpError};
use super::routes::Finding;
use super::upload::json::Json;
use super::upload::{Fields, File, decode_text};
use crate::diagnosis::Flag;

pub(super) mod hugging_face;
pub(super) mod open_inference;
mod tensor;
#[cfg(test)]
mod tests;
pub(super) mod vertex;

/// How many values the JSON of so many images may have, beside samples.
fn values(images: usize) -> usize {
    1024 + images.saturating_mul(16)
}

/// The image that a text is, as base64 or as a `data:` URL of it.
fn image(text: String) -> File {
    let (content, damage) = decode_text(text);
    File { name: None, content: content.into(), damage }
}

/// The threshold that parameters have, as a form's field would have it.
fn threshold(parameters: &mut Json) -> Fields {
    let text = |value| match value {
        Json::Number(number) => number.to_string(),
        Json::Text(text) if text.len() <= 64 => text.into_owned(),
        _ => String::new(), // which is no threshold
    };
    parameters.take("threshold").map(|value| ("threshold".to_owned(), text(value))).into_iter().collect()
}

/// The parameters of a request, none where there are none, in which nothing is passed over in silence.
fn parameters<'a>(request: &mut Json<'a>, known: &[&str]) -> Result<Json<'a>, HttpError> {
    let list = known.join(", ");
    let parameters = match request.take("parameters") {
        None => Json::Null,
        Some(parameters @ Json::Object(_)) => parameters,
        Some(_) => {
            return Err(bad_request(&format!("The parameters of this request are no object. Known are {list}.")));
        }
    };
    if let Some(name) = parameters.other_name(known) {
        let name: String = name.chars().take(40).collect();
        return Err(bad_request(&format!("There is no parameter {name:?} here. Known are {list}.")));
    }
    Ok(parameters)
}

/// The flags that hold for an image, in one word for clients that take no list.
fn flags_in_a_word(found: &Finding) -> String {
    match found.flags {
        None => "unknown".to_owned(),
        Some(flags) if flags.is_empty() => "none".to_owned(),
        Some(flags) => flags.iter().map(Flag::key).collect::<Vec<_>>().join(";"),
    }
}

/// Refuses none, and too many at a time.
fn check_number_of_images(images: usize, most: usize) -> Result<(), HttpError> {
    match images {
        0 => Err(HttpError::new(Code::NoImage, "There is no image in this request. Send at least one.")),
        _ if images <= most => Ok(()),
        _ => {
            let detail = format!("There are more than {most} images in this request. Send them in several requests.");
            Err(HttpError::new(Code::TooLarge, detail))
        }
    }
}

fn bad_request(detail: &str) -> HttpError {
    HttpError::new(Code::BadRequest, detail)
}
