//! The routes: which there are, which methods each takes, who may ask, and what answers.

use hyper::body::Incoming;
use hyper::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderValue,
};
use hyper::{Method, Request, StatusCode, http::request::Parts};
use tokio::time::timeout;

use super::error::{Code, HttpError};
use super::pending_request::PendingRequest;
use super::reply::Reply;
use super::service::Service;
use super::upload::{HOW, RequestBody};

mod decision;
mod predict;
mod status;

pub(super) use decision::Finding;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Home,
    Predict,
    Batch,
    Model,
    Health,
    Ready,
    Metrics,
    OpenApi,
}

impl Route {
    const ALL: [Self; 8] =
        [Self::Home, Self::Predict, Self::Batch, Self::Model, Self::Health, Self::Ready, Self::Metrics, Self::OpenApi];

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
        }
    }

    /// The route at this address, which may end with one slash more than it has.
    fn at(path: &str) -> Option<Self> {
        let path = path.strip_suffix('/').filter(|shorter| shorter.len() > 1).unwrap_or(path);
        Self::ALL.into_iter().find(|route| path == route.path())
    }

    /// The methods that it takes, as `Allow` lists them.
    fn allow(self) -> &'static str {
        match self {
            Self::Predict | Self::Batch => "POST",
            _ => "GET, HEAD",
        }
    }

    /// Whether only a client that shows the token is answered. Probes have none, and the page must come before it is
    /// typed in.
    fn is_guarded(self) -> bool {
        matches!(self, Self::Predict | Self::Batch | Self::Model | Self::Metrics)
    }
}

/// Answers a request, whatever it is.
pub(super) async fn answer(service: &Service, request: Request<Incoming>) -> Reply {
    let (request, body) = RequestBody::split(request);
    let route = Route::at(request.uri.path());
    let mut pending = PendingRequest::begin(service, &request, route.map_or("unknown", Route::path));
    let answering = respond(service, route, &request, body, &mut pending);
    let outcome = timeout(service.config.request_timeout, answering).await;
    pending.finish(outcome.unwrap_or_else(|_| Err(HttpError::overloaded())))
}

async fn respond(
    service: &Service,
    route: Option<Route>,
    request: &Parts,
    body: RequestBody,
    pending: &mut PendingRequest<'_>,
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
    match route {
        Route::Home => status::home(service, pending),
        Route::Predict => predict::predict(service, request, body, pending).await,
        Route::Batch => predict::batch(service, request, body, pending).await,
        Route::Model => status::model(service),
        Route::Health => status::health(),
        Route::Ready => status::ready(service),
        Route::Metrics => service.metrics.reply(service.inference.waiting(), service.uploads.taken()),
        Route::OpenApi => Ok(status::openapi()),
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
    let names = "authorization, content-type, x-request-id, traceparent";
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(names));
    headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("86400"));
    reply
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_end_with_one_slash_more() {
        for route in Route::ALL {
            assert_eq!(Route::at(route.path()), Some(route));
            let more = if route == Route::Home { 0 } else { 1 };
            assert_eq!(Route::at(&format!("{}{}", route.path(), "/".repeat(more))), Some(route));
            assert_eq!(Route::at(&format!("{}{}", route.path(), "/".repeat(more + 1))), None);
        }
        for other in ["", "//", "/Predict", "/predict/batch/x", "predict"] {
            assert_eq!(Route::at(other), None, "{other}");
        }
    }
}
