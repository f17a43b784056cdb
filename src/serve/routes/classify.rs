//! From the images of a request to what was found in them: for `/predict`, for `/predict/batch`, and for the addresses
//! where other servers' clients ask.

use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use super::decision::{Finding, check_parameters, point_of};
use crate::inference::{Classification, EncodedImage, HeatmapPng, InferenceError};
use crate::model::DecisionPoint;
use crate::serve::error::{Code, HttpError};
use crate::serve::pending_request::PendingRequest;
use crate::serve::service::Service;
use crate::serve::upload::{Damage, File, Reservation, Upload};

/// An image that was classified.
pub(in crate::serve) struct Classified {
    pub(in crate::serve) finding: Finding,
    /// A small copy of it, for a page.
    pub(super) thumbnail: Option<Bytes>,
    pub(super) heatmap: Option<HeatmapPng>,
}

/// Reads the threshold and the upload, with what else a request asks for, unless the images would have to be refused
/// afterwards anyway.
///
/// # Errors
/// What is wrong with the query or the upload, and 503 when the service is full.
pub(in crate::serve) async fn read<T>(
    service: &Service,
    query: Option<&str>,
    pending: &mut PendingRequest,
    upload: impl Future<Output = Result<(Upload, T), HttpError>>,
) -> Result<(DecisionPoint, Upload, T), HttpError> {
    check_parameters(query)?;
    let network = service.classifier.metadata();
    point_of(query, &[], network)?;
    service.inference.has_room()?;
    let (upload, more) = upload.await?;
    pending.phases.read = Some(pending.elapsed());
    Ok((point_of(query, &upload.fields, network)?, upload, more))
}

/// Classifies one image.
///
/// # Errors
/// What is wrong with the image, 503 when the service is full, and 500.
pub(in crate::serve) async fn one(
    service: &Service,
    pending: &mut PendingRequest,
    file: File,
    point: DecisionPoint,
    wants_heatmap: bool,
) -> Result<Classified, HttpError> {
    if let Some(damage) = file.damage {
        return Err(HttpError::new(Code::UndecodableImage, damage));
    }
    let image = EncodedImage { content: file.content, wants_thumbnail: pending.wants_page, wants_heatmap };
    let classification = service.inference.classify(image).await?;
    Ok(classified(service, pending, classification, point))
}

/// Refuses several images where as many batches are classified as there is room for.
///
/// # Errors
/// 503.
pub(super) fn has_room_for_batch(service: &Service) -> Result<(), HttpError> {
    if service.batches.available_permits() == 0 { Err(HttpError::overloaded()) } else { Ok(()) }
}

/// Classifies several images, each with a result or an error of its own.
///
/// # Errors
/// 503 when the service is full.
pub(super) async fn several(
    service: &Service,
    pending: &mut PendingRequest,
    files: Vec<File>,
    point: DecisionPoint,
) -> Result<Vec<Result<Classified, HttpError>>, HttpError> {
    let permit = service.batches.try_acquire().map_err(|_| HttpError::overloaded())?;
    let images = files.into_iter().map(|File { content, damage, .. }| damage.map_or(Ok(content), Err)).collect();
    let classifications = classify_all(service, images, pending).await;
    drop(permit);
    let mut found = |classification| classified(service, pending, classification, point);
    let outcomes: Vec<_> = classifications.into_iter().map(|outcome| outcome.map(&mut found)).collect();
    log_failures(&outcomes, pending);
    Ok(outcomes)
}

/// Classifies the images of a request that may have one or more: one as `/predict` does, with as much room in the queue,
/// and several as a batch.
///
/// # Errors
/// 503 when the service is full.
pub(in crate::serve) async fn one_or_several(
    service: &Service,
    pending: &mut PendingRequest,
    files: Vec<File>,
    point: DecisionPoint,
) -> Result<Vec<Result<Classified, HttpError>>, HttpError> {
    let file = match <[File; 1]>::try_from(files) {
        Ok([file]) => file,
        Err(files) => return several(service, pending, files, point).await,
    };
    match one(service, pending, file, point, false).await {
        Err(error) if error.code == Code::Overloaded => Err(error),
        outcome => {
            log_failures(std::slice::from_ref(&outcome), pending);
            Ok(vec![outcome])
        }
    }
}

/// Logs what went wrong on our side with images that have an error of their own.
fn log_failures(outcomes: &[Result<Classified, HttpError>], pending: &PendingRequest) {
    for note in outcomes.iter().filter_map(|outcome| outcome.as_ref().err()?.log.as_deref()) {
        tracing::error!(request_id = pending.request_id, note, "an image of a batch was not classified");
    }
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

/// What was found in an image, which is counted; its times are added to those of the request.
fn classified(
    service: &Service,
    pending: &mut PendingRequest,
    classification: Classification,
    point: DecisionPoint,
) -> Classified {
    let finding = Finding::of(&classification, point, service.classifier.metadata());
    service.metrics.classified(finding.label, finding.flags, finding.decision);
    let add = |sum: &mut Option<Duration>, time| *sum = Some(sum.unwrap_or_default() + time);
    add(&mut pending.phases.queue, classification.queue);
    add(&mut pending.phases.decode, classification.decode);
    add(&mut pending.phases.inference, classification.inference);
    Classified { finding, thumbnail: classification.thumbnail, heatmap: classification.heatmap }
}
