//! The routes that say how the service is: `GET /`, `GET /health` and `GET /ready`.

use serde::Serialize;
use serde_json::json;

use super::error::HttpError;
use super::exchange::{Exchange, Reply, html, json};
use super::predict::Model;
use super::{Service, page};
use crate::diagnosis::RESEARCH_USE;

/// Answers `GET /`: a browser gets the page, anything else a JSON status.
///
/// # Errors
/// None that a client could cause.
pub(super) fn home(service: &Service, exchange: &Exchange) -> Result<Reply, HttpError> {
    let card = service.classifier.card();
    if exchange.wants_page {
        return Ok(html(page::home(card, &service.config)));
    }
    json(&Status {
        name: env!("CARGO_PKG_NAME"),
        status: "ready",
        version: env!("CARGO_PKG_VERSION"),
        model: Model::of(card),
        notice: RESEARCH_USE,
    })
}

#[derive(Serialize)]
struct Status<'a> {
    name: &'static str,
    status: &'static str,
    version: &'static str,
    model: Model<'a>,
    notice: &'static str,
}

/// Answers `GET /health`: whoever reads this answer has been answered, which is all it says.
///
/// # Errors
/// None that a client could cause.
pub(super) fn health() -> Result<Reply, HttpError> {
    json(&json!({ "status": "alive" }))
}

/// Answers `GET /ready`: a [`Service`] exists only after its network has been loaded and has judged a first picture.
///
/// # Errors
/// None that a client could cause.
pub(super) fn ready(_: &Service) -> Result<Reply, HttpError> {
    json(&json!({ "status": "ready" }))
}
