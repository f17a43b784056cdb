//! The routes that say what the service is and how it is: `GET /`, `/model`, `/health`, `/ready` and `/openapi.json`.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use crate::diagnosis::{Label, RESEARCH_USE, Threshold};
use crate::model::{
    Architecture, Calibration, FlagThresholds, ModelId, OperatingPoint, Origin, Provenance, Quantisation,
};
use crate::pixels::Preprocess;
use crate::serve::error::HttpError;
use crate::serve::page;
use crate::serve::pending_request::PendingRequest;
use crate::serve::reply::{Reply, html, json, with_type};
use crate::serve::service::Service;

/// The contract, as OpenAPI 3.1.
const OPENAPI: &str = include_str!("openapi.json");

/// What the network is for, in the words of its model card.
const INTENDED_USE: &str = "Research on the classification of breast-histology images in the manner of BreakHis: \
                            haematoxylin and eosin, 40X to 400X, tumours only.";

/// What it is not for.
const OUT_OF_SCOPE: &str = "Any decision about a patient; images of other laboratories, stains, organs or normal \
                            tissue, which get a label too.";

/// What a network says of its flags that has statistics for them.
const FLAGS: &str = "An image that is unlike those of the training (foreign) or too close to the threshold (uncertain) gets \
                     the decision abstain; one in other colours than theirs (stain) is flagged and decided about.";

/// The same of one that has none.
const NO_FLAGS: &str = "The weights file has no statistics for flags. Nothing checks that an image shows tissue, flags is \
                        null in every answer, and no decision abstains.";

/// Answers `GET /`: a browser gets the page, anything else a JSON status.
pub(super) fn home(service: &Service, pending: &PendingRequest) -> Result<Reply, HttpError> {
    let model = service.classifier.id();
    if pending.wants_page {
        let (points, can_explain) = (&service.classifier.metadata().operating_points, service.classifier.can_explain());
        return Ok(html(page::home(model, points, can_explain, &service.config)));
    }
    #[derive(Serialize)]
    struct Status<'a> {
        name: &'static str,
        status: &'static str,
        version: &'static str,
        model: &'a ModelId,
        notice: &'static str,
    }
    json(&Status {
        name: env!("CARGO_PKG_NAME"),
        status: if service.is_shutting_down() { "stopping" } else { "ready" },
        version: env!("CARGO_PKG_VERSION"),
        model,
        notice: RESEARCH_USE,
    })
}

/// Answers `GET /model`: everything that the weights file says of the network, and what it is for.
pub(super) fn model(service: &Service) -> Result<Reply, HttpError> {
    #[derive(Serialize)]
    struct Description<'a> {
        #[serde(flatten)]
        model: &'a ModelId,
        architecture: &'a Architecture,
        classes: [Label; 2],
        preprocess: &'a Preprocess,
        temperature: f64,
        thresholds: BTreeMap<&'static str, Threshold>,
        operating_points: &'a [OperatingPoint],
        calibration: Option<&'a Calibration>,
        quantisation: Option<&'a Quantisation>,
        flags: Option<&'a FlagThresholds>,
        flags_in_words: &'static str,
        views: usize,
        figures: &'a BTreeMap<String, f64>,
        provenance: &'a Provenance,
        origin: Option<&'a Origin>,
        intended_use: &'static str,
        out_of_scope: &'static str,
        notice: &'static str,
    }
    let metadata = service.classifier.metadata();
    json(&Description {
        model: service.classifier.id(),
        architecture: &metadata.architecture,
        classes: metadata.classes,
        preprocess: &metadata.preprocess,
        temperature: metadata.temperature,
        thresholds: BTreeMap::from([("default", metadata.threshold)]),
        operating_points: &metadata.operating_points,
        calibration: metadata.calibration.as_ref(),
        quantisation: metadata.quantisation.as_ref(),
        flags: metadata.flags.as_ref(),
        flags_in_words: if metadata.flags.is_some() { FLAGS } else { NO_FLAGS },
        views: service.config.views.len(),
        figures: &metadata.figures,
        provenance: &metadata.provenance,
        origin: metadata.origin.as_ref(),
        intended_use: INTENDED_USE,
        out_of_scope: OUT_OF_SCOPE,
        notice: RESEARCH_USE,
    })
}

/// Answers `GET /health`: that there is an answer is all it says.
pub(super) fn health() -> Result<Reply, HttpError> {
    json(&json!({ "status": "alive" }))
}

/// Answers `GET /ready`.
///
/// # Errors
/// 503 once the shutdown has begun.
pub(super) fn ready(service: &Service) -> Result<Reply, HttpError> {
    service.check_ready()?;
    json(&json!({ "status": "ready" }))
}

/// Answers `GET /openapi.json`.
pub(super) fn openapi() -> Reply {
    with_type("application/json", OPENAPI)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::serve::error::Code;
    use crate::serve::routes::Route;

    fn document() -> Value {
        serde_json::from_str(OPENAPI).unwrap()
    }

    #[test]
    fn the_document_has_every_route_with_its_methods_and_who_may_ask() {
        let document = document();
        let [paths, items] =
            [&document["paths"], &document["components"]["pathItems"]].map(|it| it.as_object().unwrap());
        let listed: BTreeSet<String> = paths.keys().map(|path| path.replace("/versions/{version}", "")).collect();
        assert_eq!(listed, Route::ALL.map(|route| route.path().to_owned()).into_iter().collect());
        let of_vertex = [Route::VertexHealth, Route::VertexPredict];
        assert_eq!(items.keys().collect::<Vec<_>>(), of_vertex.map(Route::path));
        for route in Route::ALL.into_iter().chain(of_vertex) {
            let item = paths.get(route.path()).unwrap_or_else(|| &items[route.path()]);
            let methods = item.as_object().unwrap();
            // HEAD goes without saying where there is GET.
            let first = route.allow().split(", ").next().unwrap().to_lowercase();
            assert_eq!(methods.keys().collect::<Vec<_>>(), [&first], "{route:?}");
            let operation = &methods[&first];
            assert_eq!(operation.get("security").is_some(), route.is_guarded(), "{route:?}");
            assert_eq!(operation["responses"].get("401").is_some(), route.is_guarded(), "{route:?}");
            let refused = operation["responses"].as_object().unwrap().iter().filter(|(status, _)| *status != "200");
            let plain =
                refused.map(|(_, its)| its["$ref"] == "#/components/responses/PlainError").collect::<BTreeSet<_>>();
            assert!(plain.is_empty() || plain == BTreeSet::from([route.is_of_dialect()]), "{route:?}");
        }
    }

    #[test]
    fn the_document_has_every_code_with_its_status() {
        let document = document();
        let listed = &document["components"]["schemas"]["Problem"]["properties"]["code"]["enum"];
        let listed: BTreeSet<String> = serde_json::from_value(listed.clone()).unwrap();
        assert_eq!(listed.len(), Code::Stopping as usize + 1, "the last code's number: {listed:?}");

        // What is answered before a route is known is in no operation.
        for name in listed.iter().filter(|name| !["not_found", "method_not_allowed"].contains(&name.as_str())) {
            let code: Code = serde_json::from_value(name.as_str().into()).unwrap();
            let responses = document["components"]["responses"].as_object().unwrap();
            let response = responses.iter().find(|(_, response)| {
                let text = response["description"].as_str().unwrap();
                text.split(&[' ', ',', '.'][..]).any(|word| word == name)
            });
            let (response, _) = response.unwrap_or_else(|| panic!("{name} is described nowhere"));
            let reference = format!("#/components/responses/{response}");
            let operations =
                document["paths"].as_object().unwrap().values().flat_map(|path| path.as_object().unwrap().values());
            let statuses: BTreeSet<&String> = operations
                .flat_map(|operation| operation["responses"].as_object().unwrap())
                .filter(|(_, its)| its["$ref"] == *reference)
                .map(|(status, _)| status)
                .collect();
            assert_eq!(statuses, BTreeSet::from([&code.status().as_u16().to_string()]), "{name}");
        }
    }

    #[test]
    fn the_document_has_this_version() {
        assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
        assert!(document()["info"]["description"].as_str().unwrap().ends_with(RESEARCH_USE));
    }
}
