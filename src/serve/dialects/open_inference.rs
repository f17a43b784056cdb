//! The Open Inference Protocol, version 2, over REST: what the server and its model are, and predictions from and to
//! tensors. An input is the files of images (BYTES) or their pixels (UINT8).

use bytes::Bytes;
use hyper::header::{HeaderName, HeaderValue};
use hyper::{HeaderMap, http::request::Parts};
use serde::Serialize;
use serde_json::json as object;

use super::tensor::Input;
use super::{bad_request, flags_in_a_word, threshold, values};
use crate::diagnosis::{RESEARCH_USE, Threshold};
use crate::serve::error::{Code, HttpError};
use crate::serve::pending_request::PendingRequest;
use crate::serve::reply::{Reply, json, with_type};
use crate::serve::routes::{Finding, Route, classify, refuse_heatmap, without_slash};
use crate::serve::service::Service;
use crate::serve::upload::json::Json;
use crate::serve::upload::{Fields, File, RequestBody, Reservation, read_whole};

/// How many bytes of a body are JSON, where tensors follow it.
const HEADER_LENGTH: HeaderName = HeaderName::from_static("inference-header-content-length");

/// The model by a name that no weights file changes.
const ANY_MODEL: &str = "lobule";

/// Where a model is, as an address names it.
struct Address<'a> {
    model: &'a str,
    version: Option<&'a str>,
    route: Route,
}

impl<'a> Address<'a> {
    fn of(path: &'a str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix("/v2/models/")?.split('/').collect();
        let (model, version, what) = match parts[..] {
            [model, "versions", version, ref what @ ..] => (model, Some(version), what),
            [model, ref what @ ..] => (model, None, what),
            [] => return None,
        };
        let route = match what {
            [] => Route::ModelMetadata,
            ["ready"] => Route::ModelReady,
            ["infer"] => Route::Infer,
            _ => return None,
        };
        Some(Self { model, version, route })
    }
}

/// What an address below that of the models is for.
pub(in crate::serve) fn route(path: &str) -> Option<Route> {
    Address::of(path).map(|address| address.route)
}

/// The name and the version of the service's model, as addresses can have them.
struct ModelName {
    name: String,
    version: String,
}

impl ModelName {
    /// Finds the model that an address names.
    ///
    /// # Errors
    /// 404 where that is another one.
    fn at(service: &Service, request: &Parts) -> Result<Self, HttpError> {
        let plain = |letter: char| {
            let is_plain = letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
            if is_plain { letter } else { '-' }
        };
        let [name, version] = [&service.classifier.id().name, &service.classifier.id().version]
            .map(|text| text.chars().map(plain).collect::<String>());
        let asked = Address::of(without_slash(request.uri.path()));
        let is_it = asked.is_some_and(|asked| {
            [&name, ANY_MODEL].contains(&asked.model) && asked.version.is_none_or(|asked| asked == version)
        });
        if is_it {
            return Ok(Self { name, version });
        }
        let detail =
            format!("There is no such model here. There is {name}, also as {ANY_MODEL}, in version {version}.");
        Err(HttpError::new(Code::NotFound, detail))
    }
}

/// Answers `GET /v2`.
pub(in crate::serve) fn server() -> Result<Reply, HttpError> {
    let (name, version) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
    json(&object!({ "name": name, "version": version, "extensions": ["binary_tensor_data"] }))
}

/// Answers `GET /v2/health/live`.
pub(in crate::serve) fn live() -> Result<Reply, HttpError> {
    json(&object!({ "live": true }))
}

/// Answers `GET /v2/health/ready`.
///
/// # Errors
/// 503 once the shutdown has begun.
pub(in crate::serve) fn ready(service: &Service) -> Result<Reply, HttpError> {
    service.check_ready()?;
    json(&object!({ "ready": true }))
}

/// Answers `GET /v2/models/{model}/ready`.
///
/// # Errors
/// 404 where it is another model, and 503 once the shutdown has begun.
pub(in crate::serve) fn model_ready(service: &Service, request: &Parts) -> Result<Reply, HttpError> {
    let ModelName { name, .. } = ModelName::at(service, request)?;
    service.check_ready()?;
    json(&object!({ "name": name, "ready": true }))
}

/// Answers `GET /v2/models/{model}`.
///
/// # Errors
/// 404 where it is another model.
pub(in crate::serve) fn model(service: &Service, request: &Parts) -> Result<Reply, HttpError> {
    let ModelName { name, version } = ModelName::at(service, request)?;
    let outputs =
        Output::ALL.map(|output| object!({ "name": output.name(), "datatype": output.datatype(), "shape": [-1] }));
    json(&object!({
        "name": name,
        "versions": [version],
        "platform": "lobule",
        "inputs": [
            { "name": "image", "datatype": "BYTES", "shape": [-1] },
            { "name": "pixels", "datatype": "UINT8", "shape": [-1, -1, -1, 3] },
        ],
        "outputs": outputs,
    }))
}

/// Answers `POST /v2/models/{model}/infer`. A protocol that has no error for one image of several has one for all of them
/// where one fails.
///
/// # Errors
/// 404 where it is another model, what is wrong with the request or an image, 503 when the service is full, and 500.
pub(in crate::serve) async fn infer(
    service: &Service,
    request: &Parts,
    body: RequestBody,
    pending: &mut PendingRequest,
) -> Result<Reply, HttpError> {
    let model = ModelName::at(service, request)?;
    let (query, most, header) = (request.uri.query(), service.config.batch, header_length(&request.headers)?);
    refuse_heatmap(query, &[])?;
    let take = move |body: &[u8], held: &Reservation| take(body, header, most, held);
    let upload = read_whole(&request.headers, body, &service.memory, &service.config, take);
    let (point, upload, asked) = classify::read(service, query, pending, upload).await?;
    let outcomes = classify::one_or_several(service, pending, upload.files, point).await?;
    let is_one = outcomes.len() == 1;
    let found = outcomes.into_iter().enumerate().map(|(index, outcome)| match outcome {
        Ok(image) => Ok(image.finding),
        Err(error) if is_one => Err(error),
        Err(error) => {
            let detail = format!("Image {index} of this request, counted from 0: {}", error.detail);
            Err(HttpError { detail, ..error })
        }
    });
    answer(&model, &asked, &found.collect::<Result<Vec<_>, _>>()?, point.threshold)
}

/// What a request asks for beside its images.
#[derive(Debug)]
pub(super) struct Asked {
    id: Option<String>,
    /// The outputs, each with whether it shall be binary.
    outputs: Vec<(Output, bool)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    ProbabilityMalignant,
    Confidence,
    Label,
    Decision,
    Flags,
}

impl Output {
    const ALL: [Self; 5] = [Self::ProbabilityMalignant, Self::Confidence, Self::Label, Self::Decision, Self::Flags];

    fn name(self) -> &'static str {
        match self {
            Self::ProbabilityMalignant => "probability_malignant",
            Self::Confidence => "confidence",
            Self::Label => "label",
            Self::Decision => "decision",
            Self::Flags => "flags",
        }
    }

    fn datatype(self) -> &'static str {
        if matches!(self, Self::ProbabilityMalignant | Self::Confidence) { "FP32" } else { "BYTES" }
    }

    fn data(self, found: &[Finding]) -> Data {
        match self {
            Self::ProbabilityMalignant => {
                Data::Numbers(found.iter().map(|it| it.probability_malignant.rounded()).collect())
            }
            Self::Confidence => Data::Numbers(found.iter().map(|it| it.confidence.rounded()).collect()),
            Self::Label => Data::Texts(found.iter().map(|it| it.label.to_string()).collect()),
            Self::Decision => Data::Texts(found.iter().map(|it| it.decision.to_string()).collect()),
            Self::Flags => Data::Texts(found.iter().map(flags_in_a_word).collect()),
        }
    }
}

/// The elements of a tensor.
#[derive(Serialize)]
#[serde(untagged)]
enum Data {
    Numbers(Vec<f64>),
    Texts(Vec<String>),
}

impl Data {
    /// As the extension for binary tensors has them.
    fn bytes(&self) -> Vec<u8> {
        match self {
            Self::Numbers(numbers) => numbers.iter().flat_map(|&number| (number as f32).to_le_bytes()).collect(),
            Self::Texts(texts) => {
                texts.iter().flat_map(|text| [&(text.len() as u32).to_le_bytes(), text.as_bytes()].concat()).collect()
            }
        }
    }
}

fn answer(model: &ModelName, asked: &Asked, found: &[Finding], threshold: Threshold) -> Result<Reply, HttpError> {
    #[derive(Serialize)]
    struct Answer<'a> {
        model_name: &'a str,
        model_version: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<&'a str>,
        parameters: Parameters,
        outputs: Vec<serde_json::Value>,
    }
    #[derive(Serialize)]
    struct Parameters {
        threshold: Threshold,
        notice: &'static str,
    }
    let mut binary = Vec::new();
    let tensor = |&(output, is_binary): &(Output, bool)| {
        let data = output.data(found);
        let mut tensor = object!({ "name": output.name(), "datatype": output.datatype(), "shape": [found.len()] });
        if is_binary {
            let bytes = data.bytes();
            tensor["parameters"] = object!({ "binary_data_size": bytes.len() });
            binary.extend(bytes);
        } else {
            tensor["data"] = object!(data);
        }
        tensor
    };
    let outputs = asked.outputs.iter().map(tensor).collect();
    let parameters = Parameters { threshold, notice: RESEARCH_USE };
    let (model_name, model_version, id) = (&*model.name, &*model.version, asked.id.as_deref());
    let reply = json(&Answer { model_name, model_version, id, parameters, outputs })?;
    if binary.is_empty() {
        return Ok(reply);
    }
    let text = reply.into_body();
    let mut reply = with_type("application/octet-stream", Bytes::from([&text[..], &binary].concat()));
    reply.headers_mut().insert(HEADER_LENGTH, HeaderValue::from(text.len()));
    Ok(reply)
}

fn header_length(headers: &HeaderMap) -> Result<Option<usize>, HttpError> {
    let Some(value) = headers.get(HEADER_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| bad_request("The header Inference-Header-Content-Length is not a number of bytes."))
}

pub(super) fn take(
    body: &[u8],
    header: Option<usize>,
    most: usize,
    held: &Reservation,
) -> Result<(Vec<File>, Fields, Asked), HttpError> {
    let (text, binary) = body.split_at_checked(header.unwrap_or(body.len())).ok_or_else(|| {
        bad_request(
            "The header Inference-Header-Content-Length has more bytes than the body. Let a library write both.",
        )
    })?;
    let mut request = Json::read(text, values(most))?;
    let mut parameters = request.take("parameters").unwrap_or(Json::Null);
    let is_binary = parameters.take("binary_data_output") == Some(Json::Bool(true));
    let fields = threshold(&mut parameters);
    let asked = Asked { id: id(&mut request)?, outputs: outputs(&mut request, is_binary)? };
    // The reservation has the body's length for what is taken from it already.
    let has_room_for = |bytes: usize| held.take(bytes.saturating_sub(body.len()));
    Ok((Input::of(&mut request, binary)?.files(most, has_room_for)?, fields, asked))
}

fn id(request: &mut Json) -> Result<Option<String>, HttpError> {
    match request.take("id") {
        None => Ok(None),
        Some(Json::Text(id)) if id.len() <= 256 => Ok(Some(id.into_owned())),
        Some(_) => Err(bad_request("The id of this request is not a text of at most 256 bytes.")),
    }
}

fn outputs(request: &mut Json, all_binary: bool) -> Result<Vec<(Output, bool)>, HttpError> {
    let names = || Output::ALL.map(Output::name).join(", ");
    let unknown = || bad_request(&format!("The outputs of this request are not a list of names of {}.", names()));
    let listed = match request.take("outputs") {
        None => Vec::new(),
        Some(Json::List(list)) if list.numbers.bytes.is_empty() && list.items.len() <= Output::ALL.len() => list.items,
        Some(_) => return Err(unknown()),
    };
    if listed.is_empty() {
        return Ok(Output::ALL.map(|output| (output, all_binary)).into());
    }
    let output = |mut listed: Json| {
        let Some(Json::Text(name)) = listed.take("name") else { return Err(unknown()) };
        let output = Output::ALL.into_iter().find(|output| output.name() == name).ok_or_else(unknown)?;
        let mut parameters = listed.take("parameters").unwrap_or(Json::Null);
        if parameters.take("classification").is_some() {
            return Err(bad_request("The outputs are classified already. Leave the parameter classification out."));
        }
        Ok((output, parameters.take("binary_data").map_or(all_binary, |asked| asked == Json::Bool(true))))
    };
    listed.into_iter().map(output).collect()
}
