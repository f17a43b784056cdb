//! Answers held against `openapi.json`: each answer that [`super::client`] gets is one that the document has.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex};

use jsonschema::Validator;
use serde_json::Value;

use super::client::Answer;

/// The contract as it lies in the source; what is served is the same.
pub(crate) static DOCUMENT: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(include_str!("../../src/serve/routes/openapi.json")).unwrap());

/// What is wrong with an answer to a request, by the contract; nothing, if it is kept.
pub(crate) fn faults(method: &str, path: &str, answer: &Answer) -> Vec<String> {
    if method == "HEAD" || (method == "OPTIONS" && answer.status == 204) {
        return Vec::new();
    }
    let status = answer.status.as_u16();
    let path = path.split('?').next().unwrap_or_default();
    // An address may end with one slash more.
    let path = path.strip_suffix('/').filter(|path| !path.is_empty()).unwrap_or(path);
    let item = item_of(path);
    let operation = format!("{item}/{}", method.to_lowercase());
    let before_a_route =
        if path.starts_with("/v2/") { "/components/responses/PlainError" } else { "/components/responses/Internal" };
    let response = match (DOCUMENT.pointer(&item), DOCUMENT.pointer(&operation)) {
        // What is answered before there is a route and a method is in no operation.
        (None, _) if status == 404 => before_a_route.to_owned(),
        // Vertex AI's are there only where it has named them.
        _ if status == 404 && item.starts_with("/components") => before_a_route.to_owned(),
        (Some(_), None) if status == 405 && is_of_dialect(&item) => "/components/responses/PlainError".to_owned(),
        (Some(_), None) if status == 405 => "/components/responses/Internal".to_owned(),
        (_, None) => return vec![format!("status {status} where there is nothing")],
        _ => format!("{operation}/responses/{status}"),
    };
    let Some(listed) = DOCUMENT.pointer(&response) else { return vec![format!("status {status} is not listed")] };
    let response = listed["$ref"].as_str().map_or(response, |target| target.trim_start_matches('#').to_owned());
    let listed = &DOCUMENT.pointer(&response).unwrap();

    let headers = listed["headers"].as_object().into_iter().flat_map(|headers| headers.keys());
    let missing = headers.filter(|name| answer.header(name).is_empty());
    let mut faults: Vec<_> = missing.map(|name| format!("the header {name} is missing")).collect();
    let content_type = answer.header("content-type").split(';').next().unwrap_or_default();
    if listed["content"].get(content_type).is_none() {
        faults.push(format!("the content type {content_type:?} is not listed"));
    } else if content_type.ends_with("json") {
        let schema = format!("#{response}/content/{}/schema", content_type.replace('/', "~1"));
        let body = answer.json();
        faults.extend(validator(&schema).iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())));
    }
    if content_type == "application/problem+json" {
        faults.extend(faults_of_problem(answer));
    }
    faults
}

/// Where the tests let Vertex AI ask.
pub(crate) const VERTEX: [(&str, &str); 2] =
    [("AIP_HEALTH_ROUTE", "/vertex/health"), ("AIP_PREDICT_ROUTE", "/v1/endpoints/1/deployedModels/2:predict")];

/// Where the document has an address: one that Vertex AI names, or a path, whose parts in braces are any.
fn item_of(path: &str) -> String {
    if let Some((variable, _)) = VERTEX.iter().find(|(_, its)| *its == path) {
        return format!("/components/pathItems/{variable}");
    }
    let parts: Vec<&str> = path.split('/').collect();
    let is_it = |listed: &&String| {
        let listed: Vec<&str> = listed.split('/').collect();
        listed.len() == parts.len() && listed.iter().zip(&parts).all(|(its, part)| its == part || its.starts_with('{'))
    };
    let listed = DOCUMENT["paths"].as_object().unwrap().keys().find(is_it).map_or(path, String::as_str);
    format!("/paths/{}", listed.replace('/', "~1"))
}

/// Whether errors at this place of the document have another server's shape.
fn is_of_dialect(item: &str) -> bool {
    let methods = DOCUMENT.pointer(item).and_then(Value::as_object).into_iter().flat_map(|item| item.values());
    methods.flat_map(|its| its["tags"].as_array().unwrap()).any(|tag| tag == "other clients")
}

/// What no schema can say of a problem: that it repeats what its answer has, and holds a sentence.
fn faults_of_problem(answer: &Answer) -> Vec<String> {
    let problem = answer.json();
    let repeats = [
        ("status", problem["status"] == answer.status.as_u16()),
        ("title", problem["title"] == answer.status.canonical_reason().unwrap_or_default()),
        ("request_id", problem["request_id"] == answer.header("x-request-id")),
        ("detail", problem["detail"].as_str().is_some_and(|detail| detail.ends_with('.'))),
    ];
    repeats.iter().filter(|(_, kept)| !kept).map(|(name, _)| format!("{name} of {problem}")).collect()
}

/// A validator for the schema at a place of the document, made once: the document itself, which refers to the place.
fn validator(schema: &str) -> Arc<Validator> {
    static VALIDATORS: LazyLock<Mutex<HashMap<String, Arc<Validator>>>> = LazyLock::new(Mutex::default);
    let mut validators = VALIDATORS.lock().unwrap();
    let made = || {
        let mut document = DOCUMENT.clone();
        document["$ref"] = schema.replace('{', "%7B").replace('}', "%7D").into();
        Arc::new(jsonschema::validator_for(&document).unwrap_or_else(|error| panic!("{schema}: {error}")))
    };
    Arc::clone(validators.entry(schema.to_owned()).or_insert_with(made))
}
