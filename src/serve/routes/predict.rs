//! `POST /predict` and `POST /predict/batch`: images in, a prediction for each out, as JSON or as a page.

use std::time::Duration;

use bytes::Bytes;
use hyper::http::request::Parts;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::decision::{Finding, check_parameters, point_of};
use super::heatmap::{HeatmapAnswer, refuse_heatmap, wants_heatmap};
use crate::diagnosis::RESEARCH_USE;
use crate::inference::{Classification, EncodedImage, InferenceError};
use crate::model::{DecisionPoint, ModelId};
use crate::serve::error::{Code, HttpError, Problem};
use crate::serve::page;
use crate::serve::pending_request::PendingRequest;
use crate::serve::reply::{Reply, html, json};
use crate::serve::service::Service;
use crate::serve::upload::{self, Damage, Expected, File, RequestBody, Reservation, Upload};

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
    let Some(File { name, content, damage }) = upload.files.into_iter().next() else {
        return Err(HttpError::internal("an upload without a file"));
    };
    if let Some(damage) = damage {
        return Err(HttpError::new(Code::UndecodableImage, damage));
    }
    let image = EncodedImage { content, wants_thumbnail: pending.wants_page, wants_heatmap };
    let classification = service.inference.classify(image).await?;
    let found = Finding::of(&classification, point, service.classifier.metadata());
    count(service, pending, &classification, &found);
    let (model, request_id) = (service.classifier.id(), &pending.request_id);
    let heatmap = classification.heatmap.as_ref().map(HeatmapAnswer::of);
    let answer = |heatmap| Answer { found: &found, heatmap, model, request_id, notice: RESEARCH_USE };
    if !pending.wants_page {
        return json(&answer(heatmap));
    }
    let section = page::Section {
        name: name.as_deref(),
        thumbnail: classification.thumbnail.as_ref(),
        heatmap: heatmap.as_ref(),
        outcome: Ok(&found),
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
    if service.batches.available_permits() == 0 {
        return Err(HttpError::overloaded());
    }
    let query = request.uri.query();
    refuse_heatmap(query, &[])?;
    let (point, upload) = read(service, request, body, expected, pending).await?;
    refuse_heatmap(query, &upload.fields)?;
    let permit = service.batches.try_acquire().map_err(|_| HttpError::overloaded())?;
    let (names, images): (Vec<_>, Vec<_>) = (upload.files.into_iter())
        .map(|File { name, content, damage }| (name, damage.map_or(Ok(content), Err)))
        .unzip();
    let classifications = classify_all(service, images, pending).await;
    drop(permit);
    let mut found = |classification: Classification| {
        let finding = Finding::of(&classification, point, service.classifier.metadata());
        count(service, pending, &classification, &finding);
        (finding, classification.thumbnail)
    };
    let outcomes: Vec<_> = classifications.into_iter().map(|outcome| outcome.map(&mut found)).collect();
    let (model, request_id) = (service.classifier.id(), &pending.request_id);
    for note in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()?.log.as_deref()) {
        tracing::error!(request_id, note, "an image of a batch was not classified");
    }
    let predictions: Vec<_> = (names.iter().zip(&outcomes).enumerate())
        .map(|(index, (name, outcome))| Entry {
            index,
            filename: name.as_deref(),
            finding: outcome.as_ref().ok().map(|(finding, _)| finding),
            error: outcome.as_ref().err().map(|error| Problem::of(error, request_id)),
        })
        .collect();
    if !pending.wants_page {
        return json(&Answer { found: Batch { predictions }, heatmap: None, model, request_id, notice: RESEARCH_USE });
    }
    let sections: Vec<_> = (outcomes.iter().zip(&predictions))
        .map(|(outcome, entry)| page::Section {
            name: entry.filename,
            thumbnail: outcome.as_ref().ok().and_then(|(_, thumbnail)| thumbnail.as_ref()),
            heatmap: None,
            outcome: outcome.as_ref().map(|(finding, _)| finding),
            json: pretty(entry),
        })
        .collect();
    Ok(html(page::results(&sections, model, request_id)))
}

/// Reads the threshold and the upload, unless the images would have to be refused afterwards anyway.
async fn read(
    service: &Service,
    request: &Parts,
    body: RequestBody,
    expected: Expected,
    pending: &mut PendingRequest,
) -> Result<(DecisionPoint, Upload), HttpError> {
    let query = request.uri.query();
    check_parameters(query)?;
    let network = service.classifier.metadata();
    point_of(query, &[], network)?;
    service.inference.has_room()?;
    let upload = upload::read(&request.headers, body, expected, &service.memory, &service.config).await?;
    pending.phases.read = Some(pending.elapsed());
    Ok((point_of(query, &upload.fields, network)?, upload))
}

/// Classifies images, as many at a time as there are threads: more would only keep others out of the queue. When the
/// time of the request is nearly up, what is not classified by then has an error of its own.
async fn classify_all(
    service: &Service,
    images: Vec<Result<Bytes, Damage>>,
    pending: &PendingRequest,
) -> Vec<Result<Classification, HttpError>> {
    let last = pending.deadline() - time_for_the_answer(service.config.request_timeout);
    let thumbnails = service.memory.reservation();
    // When the client has gone, the set is dropped and ends its tasks.
    let mut running = JoinSet::new();
    let (mut outcomes, mut whole) = (Vec::new(), Vec::new());
    for (index, image) in images.into_iter().enumerate() {
        outcomes.push(Err(match image {
            Ok(content) => {
                whole.push((index, content));
                InferenceError::ThreadEnded.into()
            }
            Err(damage) => HttpError::new(Code::UndecodableImage, damage),
        }));
    }
    let mut images = whole.into_iter();
    loop {
        while running.len() < service.config.threads
            && Instant::now() < last
            && let Some((index, content)) = images.next()
        {
            let inference = service.inference.clone();
            let image = EncodedImage { content, wants_thumbnail: pending.wants_page, wants_heatmap: false };
            running.spawn(async move {
                let classified = timeout_at(last, inference.classify_when_there_is_room(image)).await;
                (index, classified.unwrap_or(Err(InferenceError::OutOfTime)))
            });
        }
        match running.join_next().await {
            Some(Ok((index, outcome))) => {
                outcomes[index] = outcome.map(|it| in_memory(it, &thumbnails)).map_err(HttpError::from)
            }
            Some(Err(error)) => tracing::error!(%error, "a task of a batch has ended early"),
            None => break,
        }
    }
    images.for_each(|(index, _)| outcomes[index] = Err(InferenceError::OutOfTime.into()));
    outcomes
}

/// What is kept of the time for a request to write its answer in.
fn time_for_the_answer(request_timeout: Duration) -> Duration {
    (request_timeout / 20).min(Duration::from_secs(1))
}

/// A classification whose thumbnail has its part of the memory, or none where there is no more.
fn in_memory(mut classification: Classification, thumbnails: &Reservation) -> Classification {
    classification.thumbnail =
        classification.thumbnail.filter(|jpeg| thumbnails.take(jpeg.len())).map(|jpeg| thumbnails.keep(jpeg));
    classification
}

/// Counts an image that was classified, and adds its times to those of the request.
fn count(service: &Service, pending: &mut PendingRequest, classification: &Classification, found: &Finding) {
    service.metrics.classified(found.label, found.flags, found.decision);
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
