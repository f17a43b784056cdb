//! Vertex AI's custom containers: `{"instances": [{"b64": ...}], "parameters": {...}}` in, `{"predictions": [...]}` out.
//!
//! Of an answer Vertex AI hands on the predictions alone, so each of them has all that its client shall read.

use std::borrow::Cow;

use hyper::http::request::Parts;
use serde::Serialize;

use super::{bad_request, check_number_of_images, image, parameters, threshold, values};
use crate::diagnosis::RESEARCH_USE;
use crate::serve::error::{Code, HttpError};
use crate::serve::pending_request::PendingRequest;
use crate::serve::reply::{Reply, json};
use crate::serve::routes::{Entry, Route, classify, refuse_heatmap, without_slash};
use crate::serve::service::Service;
use crate::serve::upload::json::Json;
use crate::serve::upload::{Fields, File, RequestBody, Reservation, read_whole};

/// The addresses at which Vertex AI looks for a container's health and asks for predictions, beside those that the service
/// has anyway.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VertexRoutes {
    health: Option<String>,
    predict: Option<String>,
}

impl VertexRoutes {
    /// Takes the addresses that the variables `AIP_HEALTH_ROUTE` and `AIP_PREDICT_ROUTE` have, where they are set.
    ///
    /// # Errors
    /// A sentence with the variable's name, where an address is none or means something else already.
    pub fn new(health: Option<String>, predict: Option<String>) -> Result<Self, String> {
        let none = Self::default();
        let may = |name: &str, path: Option<String>, same: &[Route]| {
            let Some(path) = path else { return Ok(None) };
            let is_path = path.starts_with('/') && path.bytes().all(|byte| byte.is_ascii_graphic());
            let path = without_slash(&path).to_owned();
            if !is_path || path.contains(['?', '#', '%']) {
                return Err(format!(
                    "the variable {name} is {path:?}, which is no address: set it to one that begins with a slash and \
                     has no space, %, ? or #, such as /vertex/predict"
                ));
            }
            match Route::at(&path, &none) {
                Some(route) if !same.contains(&route) => Err(format!(
                    "the variable {name} is {path:?}, where the service has something else: set it to another address, \
                     such as /vertex/predict"
                )),
                _ => Ok(Some(path)),
            }
        };
        let alive = [Route::Health, Route::Ready, Route::ServerLive, Route::ServerReady];
        let health = may("AIP_HEALTH_ROUTE", health, &alive)?;
        let predict = may("AIP_PREDICT_ROUTE", predict, &[Route::Predict])?;
        if let Some(path) = health.as_ref().filter(|_| health == predict) {
            return Err(format!("the variables AIP_HEALTH_ROUTE and AIP_PREDICT_ROUTE are both {path:?}: set two"));
        }
        Ok(Self { health, predict })
    }

    /// What an address is for, if it is one of these.
    pub(in crate::serve) fn route(&self, path: &str) -> Option<Route> {
        let is = |route: &Option<String>| route.as_deref() == Some(path);
        if is(&self.health) { Some(Route::VertexHealth) } else { is(&self.predict).then_some(Route::VertexPredict) }
    }
}

/// Answers the predictions that Vertex AI asks for.
///
/// # Errors
/// What is wrong with the request as a whole, 503 when the service is full, and 500.
pub(in crate::serve) async fn predict(
    service: &Service,
    request: &Parts,
    body: RequestBody,
    pending: &mut PendingRequest,
) -> Result<Reply, HttpError> {
    #[derive(Serialize)]
    struct Answer<'a> {
        predictions: Vec<Prediction<'a>>,
    }
    #[derive(Serialize)]
    struct Prediction<'a> {
        #[serde(flatten)]
        entry: Entry<'a>,
        notice: &'static str,
    }
    let (query, most) = (request.uri.query(), service.config.batch);
    refuse_heatmap(query, &[])?;
    let take = move |body: &[u8], _: &Reservation| take(body, most);
    let upload = read_whole(&request.headers, body, &service.memory, &service.config, take);
    let (point, upload, ()) = classify::read(service, query, pending, upload).await?;
    let outcomes = classify::one_or_several(service, pending, upload.files, point).await?;
    let prediction = |(index, outcome)| Prediction {
        entry: Entry::of(index, None, outcome, &pending.request_id),
        notice: RESEARCH_USE,
    };
    json(&Answer { predictions: outcomes.iter().enumerate().map(prediction).collect() })
}

pub(super) fn take(body: &[u8], most: usize) -> Result<(Vec<File>, Fields, ()), HttpError> {
    let mut request = Json::read(body, values(most))?;
    let fields = threshold(&mut parameters(&mut request, &["threshold"])?);
    let Some(Json::List(instances)) = request.take("instances") else {
        return Err(bad_request(&format!("The body has no list of instances. {HOW}")));
    };
    check_number_of_images(instances.items.len() + instances.numbers.bytes.len(), most)?;
    if !instances.numbers.bytes.is_empty() {
        return Err(no_instance("An instance is a number.".to_owned()));
    }
    let files = instances.items.into_iter().enumerate().map(|(index, instance)| Ok(image(text_of(instance, index)?)));
    Ok((files.collect::<Result<_, HttpError>>()?, fields, ()))
}

const HOW: &str = "Send {\"instances\": [{\"b64\": \"...\"}, ...]} with the base64 of an image file in each.";

/// The base64 of an instance, in one of the spellings that clients have for it.
fn text_of(instance: Json<'_>, index: usize) -> Result<String, HttpError> {
    const NAMES: [&str; 4] = ["b64", "image", "image_bytes", "content"];
    match instance {
        Json::Text(text) => Ok(Cow::into_owned(text)),
        mut object @ Json::Object(_) => {
            let mut found = NAMES.into_iter().filter_map(|name| object.take(name));
            match (found.next(), found.next()) {
                (Some(value), None) => text_of(value, index),
                (None, _) => Err(no_instance(format!("Instance {index}, counted from 0, has no image."))),
                _ => {
                    let detail = format!("Instance {index}, counted from 0, has more than one image. {HOW}");
                    Err(HttpError::new(Code::SeveralImages, detail))
                }
            }
        }
        _ => Err(no_instance(format!("Instance {index}, counted from 0, is no image."))),
    }
}

fn no_instance(what: String) -> HttpError {
    bad_request(&format!("{what} {HOW}"))
}
