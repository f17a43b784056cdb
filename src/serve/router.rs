//! The routes: which there are, which methods each takes, and who answers.

use hyper::body::Incoming;
use hyper::{Method, Request};

use super::body::RequestBody;
use super::error::{Code, HttpError};
use super::exchange::{Exchange, Reply};
use super::{Service, predict, status};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Route {
    Home,
    Predict,
    Health,
    Ready,
}

impl Route {
    const ALL: [Self; 4] = [Self::Home, Self::Predict, Self::Health, Self::Ready];

    fn path(self) -> &'static str {
        match self {
            Self::Home => "/",
            Self::Predict => "/predict",
            Self::Health => "/health",
            Self::Ready => "/ready",
        }
    }

    fn at(path: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|route| route.path() == path)
    }

    /// The methods that it takes, as `Allow` lists them.
    fn allow(self) -> &'static str {
        match self {
            Self::Predict => "POST",
            Self::Home | Self::Health | Self::Ready => "GET, HEAD",
        }
    }

    fn takes(self, method: &Method) -> bool {
        self.allow().split(", ").any(|allowed| allowed == method.as_str())
    }
}

/// Answers a request, whatever it is.
pub(super) async fn answer(service: &Service, request: Request<Incoming>) -> Reply {
    let (request, body) = RequestBody::split(request);
    let route = Route::at(request.uri.path());
    let mut exchange = Exchange::begin(&request, route.map_or("unknown", Route::path));
    let outcome = match route {
        None => Err(HttpError::new(Code::NotFound, "There is nothing at this address.")),
        Some(route) if !route.takes(&request.method) => Err(HttpError::method_not_allowed(route.allow())),
        Some(Route::Home) => status::home(service, &exchange),
        Some(Route::Predict) => predict::predict(service, &request, body, &mut exchange).await,
        Some(Route::Health) => status::health(),
        Some(Route::Ready) => status::ready(service),
    };
    exchange.finish(outcome)
}
