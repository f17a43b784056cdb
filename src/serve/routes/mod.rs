//! The routes: which there are, which methods each takes, who may ask, and what answers.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderValue,
};
use hyper::{Method, Request, Response, StatusCode, http::request::Parts};
use tokio::time::timeout_at;

use super::dialects::vertex::VertexRoutes;
use super::dialects::{hugging_face, open_inference, vertex};
use super::error::{Code, HttpError};
use super::outgoing::OutgoingBody;
use super::pending_request::PendingRequest;
use super::reply::Reply;
use super::server::OpenRequest;
use super::service::Service;
use super::upload::{HOW, RequestBody, says_json};
use crate::inference::panic_message;

pub(super) mod classify;
mod decision;
mod heatmap;
mod predict;
mod status;

pub(super) use decision::Finding;
#[cfg(test)]
pub(super) use decision::Timings;
pub(super) use heatmap::{HeatmapAnswer, refuse_heatmap};
pub(super) use predict::Entry;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    Home,
    Predict,
    Batch,
    Model,
    Health,
    Ready,
    Metrics,
    OpenApi,
    Server,
    ServerLive,
    ServerReady,
    ModelMetadata,
    ModelReady,
    Infer,
    HuggingFace,
    /// These two are there only where Vertex AI has named their addresses.
    VertexHealth,
    VertexPredict,
}

impl Route {
    /// Those that are always there.
    const ALL: [Self; 15] = [
        Self::Home,
        Self::Predict,
        Self::Batch,
        Self::Model,
        Self::Health,
        Self::Ready,
        Self::Metrics,
        Self::OpenApi,
        Self::Server,
        Self::ServerLive,
        Self::ServerReady,
        Self::ModelMetadata,
        Self::ModelReady,
        Self::Infer,
        Self::HuggingFace,
    ];

    /// Its address, or what stands for it where that is not always the same.
    fn path(self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Predict => "/predict",
            Self::Batch => "/predict/batch",
            Self::Model => "/model",
            Self::Health => "/health",
            Self::Ready => "/ready",
            Self::Metrics => "/metrics",
            Self::OpenApi => "/openapi.json",
            Self::Server => "/v2",
            Self::ServerLive => "/v2/health/live",
            Self::ServerReady => "/v2/health/ready",
            Self::ModelMetadata => "/v2/models/{model}",
            Self::ModelReady => "/v2/models/{model}/ready",
            Self::Infer => "/v2/models/{model}/infer",
            Self::HuggingFace => "/huggingface",
            Self::VertexHealth => "AIP_HEALTH_ROUTE",
            Self::VertexPredict => "AIP_PREDICT_ROUTE",
        }
    }

    /// The route at this address, which may end with one slash more than it has.
    pub(super) fn at(path: &str, vertex: &VertexRoutes) -> Option<Self> {
        let path = without_slash(path);
        let own = Self::ALL.into_iter().find(|route| path == route.path());
        own.or_else(|| open_inference::route(path)).or_else(|| vertex.route(path))
    }

    /// The methods that it takes, as `Allow` lists them.
    fn allow(self) -> &'static str {
        match self {
            Self::Predict | Self::Batch | Self::Infer | Self::HuggingFace | Self::VertexPredict => "POST",
            _ => "GET, HEAD",
        }
    }

    /// Whether only a client that shows the token is answered. Probes have none, and the page must come before it is
    /// typed in.
    fn is_guarded(self) -> bool {
        matches!(self, Self::Model | Self::Metrics | Self::ModelMetadata) || self.allow() == "POST"
    }

    /// Whether its clients are those of another server.
    fn is_of_dialect(self) -> bool {
        use Route::*;
        let protocol = matches!(self, Server | ServerLive | ServerReady | ModelMetadata | ModelReady | Infer);
        protocol || matches!(self, HuggingFace | VertexHealth | VertexPredict)
    }
}

/// An address without the slash that it may end with.
pub(super) fn without_slash(path: &str) -> &str {
    path.strip_suffix('/').filter(|shorter| shorter.len() > 1).unwrap_or(path)
}

/// Answers a request, whatever it is.
pub(super) async fn answer(
    service: Arc<Service>,
    request: Request<Incoming>,
    open: OpenRequest,
) -> Response<OutgoingBody> {
    let (request, body) = RequestBody::split(request);
    let (path, vertex) = (request.uri.path(), &service.config.vertex);
    let mut route = Route::at(path, vertex);
    if route == Some(Route::Predict) && says_json(&request.headers) {
        route = vertex.route(Route::Predict.path()).or(route);
    }
    let name = route.map_or("unknown", Route::path);
    let is_of_dialect = route.map_or_else(|| path.starts_with("/v2/"), Route::is_of_dialect);
    let mut pending = PendingRequest::begin(Arc::clone(&service), &request, name, is_of_dialect, open);
    let deadline = pending.deadline();
    let answering = without_panic(respond(&service, route, &request, body, &mut pending));
    let outcome = timeout_at(deadline, answering).await;
    pending.finish(outcome.unwrap_or_else(|_| Err(HttpError::out_of_time())))
}

/// An answer, whatever happens on the way to it: a panic is a mistake of ours, of which the client learns by a status
/// and not by a connection that is cut.
async fn without_panic(answering: impl Future<Output = Result<Reply, HttpError>>) -> Result<Reply, HttpError> {
    let mut answering = pin!(answering);
    poll_fn(|context| {
        // What it has left half done is its own, and dropped with it.
        catch_unwind(AssertUnwindSafe(|| answering.as_mut().poll(context))).unwrap_or_else(|panic| {
            let message = format!("a panic while answering: {}", panic_message(&*panic));
            Poll::Ready(Err(HttpError::internal(message)))
        })
    })
    .await
}

async fn respond(
    service: &Service,
    route: Option<Route>,
    request: &Parts,
    body: RequestBody,
    pending: &mut PendingRequest,
) -> Result<Reply, HttpError> {
    let route = route.ok_or_else(not_found)?;
    if is_preflight(request) && pending.is_from_allowed_origin() {
        return Ok(preflight(route));
    }
    if !route.allow().split(", ").any(|method| request.method == method) {
        let mut refused = HttpError::method_not_allowed(route.allow());
        if matches!(route, Route::Predict | Route::Batch) {
            refused.detail = format!("{} {HOW}.", refused.detail);
        }
        return Err(refused);
    }
    if let Some(token) = service.config.token.as_ref().filter(|_| route.is_guarded()) {
        token.check(&request.headers)?;
    }
    // The futures of those that classify are large, and every open request, whatever its route, would have room for them.
    match route {
        Route::Home => status::home(service, pending),
        Route::Predict => Box::pin(predict::predict(service, request, body, pending)).await,
        Route::Batch => Box::pin(predict::batch(service, request, body, pending)).await,
        Route::Model => status::model(service),
        Route::Health => status::health(),
        Route::Ready => status::ready(service),
        Route::Metrics => service.metrics.reply(service.inference.waiting(), service.memory.taken()),
        Route::OpenApi => Ok(status::openapi()),
        Route::Server => open_inference::server(),
        Route::ServerLive => open_inference::live(),
        Route::ServerReady => open_inference::ready(service),
        Route::ModelMetadata => open_inference::model(service, request),
        Route::ModelReady => open_inference::model_ready(service, request),
        Route::Infer => Box::pin(open_inference::infer(service, request, body, pending)).await,
        Route::HuggingFace => Box::pin(hugging_face::predict(service, request, body, pending)).await,
        Route::VertexHealth => status::ready(service),
        Route::VertexPredict => Box::pin(vertex::predict(service, request, body, pending)).await,
    }
}

fn not_found() -> HttpError {
    let addresses = Route::ALL.map(Route::path).join(", ");
    HttpError::new(Code::NotFound, format!("There is nothing at this address. The addresses are {addresses}."))
}

/// Whether a browser asks if a script of another site may send its request.
fn is_preflight(request: &Parts) -> bool {
    request.method == Method::OPTIONS && request.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// What such a script may send; the pending request adds whose script it is.
fn preflight(route: Route) -> Reply {
    let mut reply = Reply::default();
    *reply.status_mut() = StatusCode::NO_CONTENT;
    let headers = reply.headers_mut();
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(route.allow()));
    let names = "authorization, content-type, x-request-id, traceparent, inference-header-content-length";
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(names));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_end_with_one_slash_more() {
        let at = |path: &str| Route::at(path, &VertexRoutes::default());
        for route in Route::ALL {
            assert_eq!(at(route.path()), Some(route));
            let more = if route == Route::Home { 0 } else { 1 };
            assert_eq!(at(&format!("{}{}", route.path(), "/".repeat(more))), Some(route));
            assert_eq!(at(&format!("{}{}", route.path(), "/".repeat(more + 1))), None);
        }
        for other in ["", "//", "/Predict", "/predict/batch/x", "predict"] {
            assert_eq!(at(other), None, "{other}");
        }
    }

    #[tokio::test]
    async fn a_panic_in_a_handler_is_an_internal_error_that_the_log_calls_what_it_is() {
        let panics = async {
            tokio::task::yield_now().await;
            panic!("a mistake at {}", 7)
        };
        let error = without_panic(panics).await.unwrap_err();
        assert_eq!(
            (error.code, error.log.as_deref()),
            (Code::Internal, Some("a panic while answering: a mistake at 7"))
        );
        assert!(without_panic(async { Ok(Reply::default()) }).await.is_ok());
    }
}
