//! Hugging Face's image classification: an image as the body, or `{"inputs": base64, "parameters": {...}}`; a list of labels
//! with their scores out.
//!
//! Its answer has room for nothing else, so that the notice, the decision and the flags are headers.

use hyper::header::{HeaderName, HeaderValue};
use hyper::http::request::Parts;
use serde::Serialize;

use super::{bad_request, flags_in_a_word, image, parameters, threshold, values};
use crate::diagnosis::{Label, RESEARCH_USE};
use crate::serve::error::{Code, HttpError};
use crate::serve::pending_request::PendingRequest;
use crate::serve::reply::{Reply, json};
use crate::serve::routes::{classify, refuse_heatmap};
use crate::serve::service::Service;
use crate::serve::upload::json::Json;
use crate::serve::upload::{self, Expected, Fields, File, RequestBody, says_json};

const NOTICE: HeaderName = HeaderName::from_static("x-lobule-notice");
const DECISION: HeaderName = HeaderName::from_static("x-lobule-decision");
const FLAGS: HeaderName = HeaderName::from_static("x-lobule-flags");

/// Answers `POST /huggingface`: one image.
///
/// # Errors
/// What is wrong with the request or the image, 503 when the service is full, and 500.
pub(in crate::serve) async fn predict(
    service: &Service,
    request: &Parts,
    body: RequestBody,
    pending: &mut PendingRequest,
) -> Result<Reply, HttpError> {
    #[derive(Serialize)]
    struct Score {
        label: Label,
        score: f64,
    }
    let (query, headers, memory, config) = (request.uri.query(), &request.headers, &service.memory, &service.config);
    refuse_heatmap(query, &[])?;
    let upload = async {
        if says_json(headers) {
            upload::read_whole(headers, body, memory, config, |body, _| take(body)).await
        } else {
            Ok((upload::read(headers, body, Expected::One, memory, config).await?, Label::ALL.len()))
        }
    };
    let (point, upload, most) = classify::read(service, query, pending, upload).await?;
    refuse_heatmap(query, &upload.fields)?;
    let found = classify::one(service, pending, upload.only_file()?, point, false).await?.finding;

    let malignant = found.probability_malignant;
    let score = |label| match label {
        Label::Malignant => Score { label, score: malignant.rounded() },
        Label::Benign => Score { label, score: malignant.complement().rounded() },
    };
    let mut scores = Label::ALL.map(score);
    scores.sort_by_key(|score| score.label != found.label);
    let mut reply = json(&&scores[..most.min(scores.len())])?;
    let headers = reply.headers_mut();
    headers.insert(NOTICE, HeaderValue::from_static(RESEARCH_USE));
    headers.insert(DECISION, HeaderValue::from_static(found.decision.lower()));
    headers.extend(HeaderValue::from_str(&flags_in_a_word(&found)).map(|flags| (FLAGS, flags)));
    Ok(reply)
}

/// The image of a request in JSON, and how many labels it asks for.
pub(super) fn take(body: &[u8]) -> Result<(Vec<File>, Fields, usize), HttpError> {
    let mut request = Json::read(body, values(1))?;
    let mut parameters = parameters(&mut request, &["top_k", "function_to_apply", "threshold"])?;
    let most = match parameters.take("top_k") {
        None => Label::ALL.len(),
        Some(Json::Number(most)) if most >= 1.0 && most.fract() == 0.0 => most as usize,
        Some(_) => return Err(bad_request("The parameter top_k is not a whole number of at least 1.")),
    };
    match parameters.take("function_to_apply") {
        None => {}
        Some(Json::Text(name)) if name == "softmax" => {}
        Some(_) => {
            let detail = "The parameter function_to_apply is another than softmax. The scores are calibrated \
                          probabilities of two classes; leave it out.";
            return Err(bad_request(detail));
        }
    }
    let Some(Json::Text(text)) = request.take("inputs") else {
        return Err(bad_request(&format!("The body has no inputs that are one text. {HOW}")));
    };
    if text.starts_with("http://") || text.starts_with("https://") {
        return Err(bad_request(&format!("The inputs are an address, and nothing is downloaded here. {HOW}")));
    }
    if text.trim().is_empty() {
        return Err(HttpError::new(Code::NoImage, format!("The inputs are empty. {HOW}")));
    }
    Ok((vec![image(text.into_owned())], threshold(&mut parameters), most))
}

const HOW: &str = "Send the image as the body, or its base64 as the inputs.";
