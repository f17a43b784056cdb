//! `POST /predict` and `POST /predict/batch`: images in, a prediction for each out, as JSON or as a page.

use hyper::http::request::Parts;
use serde::Serialize;

use super::classify::{self, Classified, has_room_for_batch, one, several};
use super::decision::Finding;
use super::heatmap::{HeatmapAnswer, refuse_heatmap, wants_heatmap};
use crate::diagnosis::RESEARCH_USE;
use crate::model::{DecisionPoint, ModelId};
use crate::serve::error::{HttpError, Problem};
use crate::serve::page;
use crate::serve::pending_request::PendingRequest;
use crate::serve::reply::{Reply, html, json};
use crate::serve::service::Service;
use crate::serve::upload::{self, Expected, RequestBody, Upload};

/// Answers `POST /predict`: one image.
///
/// # Errors
/// What is wrong with the query, the upload or the image, 503 when the service is full, and 500.
pub(super) async fn predict(
    service: &Service,
    request: &Parts,
    body: RequestBody,
    pending: &mut PendingRequest,
) -> Result<Reply, HttpError> {
    let query = request.uri.query();
    wants_heatmap(service, query, &[])?;
    let (point, upload) = read(service, request, body, Expected::One, pending).await?;
    let wants_heatmap = wants_heatmap(service, query, &upload.fields)?;
    let file = upload.only_file()?;
    let name = file.name.clone();
    let Classified { finding, thumbnail, heatmap } = one(service, pending, file, point, wants_heatmap).await?;
    let (model, request_id) = (service.classifier.id(), &pending.request_id);
    let heatmap = heatmap.as_ref().map(HeatmapAnswer::of);
    let answer = |heatmap| Answer { found: &finding, heatmap, model, request_id, notice: RESEARCH_USE };
    if !pending.wants_page {
        return json(&answer(heatmap));
    }
    let section = page::Section {
        name: name.as_deref(),
        thumbnail: thumbnail.as_ref(),
        heatmap: heatmap.as_ref(),
        outcome: Ok(&finding),
        json: pretty(&answer(heatmap.as_ref().map(HeatmapAnswer::in_short))),
    };
    Ok(html(page::results(&[section], model, request_id)))
}

/// Answers `POST /predict/batch`: several images, each with a result or an error of its own.
///
/// # Errors
/// What is wrong with the query or the upload as a whole, 503 when the service is full, and 500.
pub(super) async fn batch(
    service: &Service,
    request: &Parts,
    body: RequestBody,
    pending: &mut PendingRequest,
) -> Result<Reply, HttpError> {
    let expected = Expected::AtMost(service.config.batch);
    has_room_for_batch(service)?;
    let query = request.uri.query();
    refuse_heatmap(query, &[])?;
    let (point, upload) = read(service, request, body, expected, pending).await?;
    refuse_heatmap(query, &upload.fields)?;
    let names: Vec<_> = upload.files.iter().map(|file| file.name.clone()).collect();
    let outcomes = several(service, pending, upload.files, point).await?;
    let (model, request_id) = (service.classifier.id(), &pending.request_id);
    let predictions: Vec<_> = (names.iter().zip(&outcomes).enumerate())
        .map(|(index, (name, outcome))| Entry::of(index, name.as_deref(), outcome, request_id))
        .collect();
    if !pending.wants_page {
        return json(&Answer { found: Batch { predictions }, heatmap: None, model, request_id, notice: RESEARCH_USE });
    }
    let sections: Vec<_> = (outcomes.iter().zip(&predictions))
        .map(|(outcome, entry)| page::Section {
            name: entry.filename,
            thumbnail: outcome.as_ref().ok().and_then(|image| image.thumbnail.as_ref()),
            heatmap: None,
            outcome: outcome.as_ref().map(|image| &image.finding),
            json: pretty(entry),
        })
        .collect();
    Ok(html(page::results(&sections, model, request_id)))
}

/// As [`classify::read`], for images in a form or as the body.
async fn read(
    service: &Service,
    request: &Parts,
    body: RequestBody,
    expected: Expected,
    pending: &mut PendingRequest,
) -> Result<(DecisionPoint, Upload), HttpError> {
    let upload =
        async { Ok((upload::read(&request.headers, body, expected, &service.memory, &service.config).await?, ())) };
    let (point, upload, ()) = classify::read(service, request.uri.query(), pending, upload).await?;
    Ok((point, upload))
}

/// The answer with what was found: the [`Finding`] of one image, or a [`Batch`].
#[derive(Serialize)]
struct Answer<'a, T> {
    #[serde(flatten)]
    found: T,
    #[serde(flatten)]
    heatmap: Option<HeatmapAnswer>,
    model: &'a ModelId,
    request_id: &'a str,
    notice: &'static str,
}

#[derive(Serialize)]
struct Batch<'a> {
    predictions: Vec<Entry<'a>>,
}

/// What became of one image of a batch: a finding or an error.
#[derive(Serialize)]
pub(in crate::serve) struct Entry<'a> {
    /// Its place in the request, from 0.
    index: usize,
    filename: Option<&'a str>,
    #[serde(flatten)]
    finding: Option<&'a Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem<'a>>,
}

impl<'a> Entry<'a> {
    pub(in crate::serve) fn of(
        index: usize,
        filename: Option<&'a str>,
        outcome: &'a Result<Classified, HttpError>,
        request_id: &'a str,
    ) -> Self {
        Self {
            index,
            filename,
            finding: outcome.as_ref().ok().map(|image| &image.finding),
            error: outcome.as_ref().err().map(|error| Problem::of(error, request_id)),
        }
    }
}

/// An answer as a page shows it, to be read and copied.
fn pretty(answer: &impl Serialize) -> String {
    serde_json::to_string_pretty(answer).unwrap_or_default()
}
