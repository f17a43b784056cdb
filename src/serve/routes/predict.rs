//! `POST /predict` and `POST /predict/batch`: images in, a prediction for each out, as JSON or as a page.

use std::time::Duration;

use hyper::http::request::Parts;
use serde::Serialize;
use tokio::task::JoinSet;

use super::decision::{Finding, threshold_of};
use crate::diagnosis::{RESEARCH_USE, Threshold};
use crate::inference::{Classification, InferenceError};
use crate::model::ModelId;
use crate::serve::error::{HttpError, Problem};
use crate::serve::page;
use crate::serve::pending_request::PendingRequest;
use crate::serve::reply::{Reply, html, json};
use crate::serve::service::Service;
use crate::serve::upload::{self, Expected, File, RequestBody, Upload};

/// Answers `POST /predict`: one image.
///
/// # Errors
/// What is wrong with the query, the upload or the image, 503 when the service is full, and 500.
pub(super) async fn predict(
    service: &Service,
    request: &Parts,
    body: RequestBody,
    pending: &mut PendingRequest<'_>,
) -> Result<Reply, HttpError> {
    let (threshold, upload) = read(service, request, body, Expected::One, pending).await?;
    let file = &upload.files[0];

    let classification = service.inference.classify(file.content.clone()).await?;
    count(service, pending, &classification);
    let (model, request_id) = (service.classifier.id(), &pending.request_id);
    let answer = Answer { found: Finding::of(&classification, threshold), model, request_id, notice: RESEARCH_USE };
    if !pending.wants_page {
        return json(&answer);
    }
    let section = page::Section { file, outcome: Ok(&answer.found), json: pretty(&answer) };
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
    pending: &mut PendingRequest<'_>,
) -> Result<Reply, HttpError> {
    let expected = Expected::AtMost(service.config.batch);
    let (threshold, upload) = read(service, request, body, expected, pending).await?;
    let outcomes = classify_all(service, &upload.files).await;
    for classification in outcomes.iter().flatten() {
        count(service, pending, classification);
    }

    let (model, request_id) = (service.classifier.id(), &pending.request_id);
    let outcomes: Vec<Result<Finding, HttpError>> =
        outcomes.into_iter().map(|outcome| Ok(Finding::of(&outcome?, threshold))).collect();
    let predictions: Vec<_> = (upload.files.iter().zip(&outcomes).enumerate())
        .map(|(index, (file, outcome))| Entry {
            index,
            filename: file.name.as_deref(),
            finding: outcome.as_ref().ok(),
            error: outcome.as_ref().err().map(|error| Problem::of(error, request_id)),
        })
        .collect();
    if !pending.wants_page {
        return json(&Answer { found: Batch { predictions }, model, request_id, notice: RESEARCH_USE });
    }
    let sections: Vec<_> = (upload.files.iter().zip(&outcomes).zip(&predictions))
        .map(|((file, outcome), entry)| page::Section { file, outcome: outcome.as_ref(), json: pretty(entry) })
        .collect();
    Ok(html(page::results(&sections, model, request_id)))
}

/// Reads the threshold and the upload, unless the images would have to be refused afterwards anyway.
async fn read(
    service: &Service,
    request: &Parts,
    body: RequestBody,
    expected: Expected,
    pending: &mut PendingRequest<'_>,
) -> Result<(Threshold, Upload), HttpError> {
    let query = request.uri.query();
    threshold_of(query, &[])?;
    service.inference.has_room()?;
    let upload = upload::read(&request.headers, body, expected, &service.uploads, &service.config).await?;
    pending.phases.read = Some(pending.elapsed());
    let threshold = threshold_of(query, &upload.fields)?.unwrap_or(service.classifier.threshold());
    Ok((threshold, upload))
}

/// Classifies images, as many at a time as there are threads: more would only keep others out of the queue.
async fn classify_all(service: &Service, files: &[File]) -> Vec<Result<Classification, InferenceError>> {
    // When the client has gone, the set is dropped and ends its tasks.
    let mut running = JoinSet::new();
    let mut outcomes: Vec<_> = files.iter().map(|_| Err(InferenceError::ThreadEnded)).collect();
    let mut images = files.iter().map(|file| file.content.clone()).enumerate();
    loop {
        while running.len() < service.config.threads
            && let Some((index, image)) = images.next()
        {
            let inference = service.inference.clone();
            running.spawn(async move { (index, inference.classify_when_there_is_room(image).await) });
        }
        match running.join_next().await {
            Some(Ok((index, outcome))) => outcomes[index] = outcome,
            Some(Err(error)) => tracing::error!(%error, "an image of a batch was not classified"),
            None => return outcomes,
        }
    }
}

/// Counts an image that was classified, and adds its times to those of the request.
fn count(service: &Service, pending: &mut PendingRequest<'_>, classification: &Classification) {
    service.metrics.classified(classification.prediction.label());
    let add = |sum: &mut Option<Duration>, time| *sum = Some(sum.unwrap_or_default() + time);
    add(&mut pending.phases.queue, classification.queue);
    add(&mut pending.phases.decode, classification.decode);
    add(&mut pending.phases.inference, classification.inference);
}

/// The answer with what was found: the [`Finding`] of one image, or a [`Batch`].
#[derive(Serialize)]
struct Answer<'a, T> {
    #[serde(flatten)]
    found: T,
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
struct Entry<'a> {
    /// Its place in the request, from 0.
    index: usize,
    filename: Option<&'a str>,
    #[serde(flatten)]
    finding: Option<&'a Finding>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Problem<'a>>,
}

/// An answer as a page shows it, to be read and copied.
fn pretty(answer: &impl Serialize) -> String {
    serde_json::to_string_pretty(answer).unwrap_or_default()
}
