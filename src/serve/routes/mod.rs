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

use super::error::{Code, HttpError};
use super::outgoing::OutgoingBody;
use super::pending_request::PendingRequest;
use super::reply::Reply;
use super::server::OpenRequest;
use super::service::Service;
use super::upload::{HOW, RequestBody};
use crate::inference::panic_message;

mod decision;
mod heatmap;
mod predict;
mod status;

pub(super) use decision::Finding;
#[cfg(test)]
pub(super) use decision::Timings;
pub(super) use heatmap::HeatmapAnswer;

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
pub(super) async fn answer(
    service: Arc<Service>,
    request: Request<Incoming>,
    open: OpenRequest,
) -> Response<OutgoingBody> {
    let (request, body) = RequestBody::split(request);
    let route = Route::at(request.uri.path());
    let name = route.map_or("unknown", Route::path);
    let mut pending = PendingRequest::begin(Arc::clone(&service), &request, name, open);
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
    match route {
        Route::Home => status::home(service, pending),
        Route::Predict => predict::predict(service, request, body, pending).await,
        Route::Batch => predict::batch(service, request, body, pending).await,
        Route::Model => status::model(service),
        Route::Health => status::health(),
        Route::Ready => status::ready(service),
        Route::Metrics => service.metrics.reply(service.inference.waiting(), service.memory.taken()),
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
