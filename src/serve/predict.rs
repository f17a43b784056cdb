//! `POST /predict` and `POST /predict/batch`: images in, a prediction for each out, as JSON or as a page.

use std::time::Duration;

use hyper::http::request::Parts;
use serde::Serialize;
use tokio::task::JoinSet;

use super::body::RequestBody;
use super::error::{Code, HttpError};
use super::exchange::Exchange;
use super::reply::{Problem, Reply, html, json};
use super::upload::{self, Expected, File, Upload};
use super::{Service, milliseconds, page};
use crate::diagnosis::{Label, RESEARCH_USE, Threshold};
use crate::inference::Judged;
use crate::model::ModelId;

/// Answers `POST /predict`: one image.
///
/// # Errors
/// What is wrong with the query, the upload or the image, 503 when the service is full, and 500.
pub(super) async fn predict(
    service: &Service,
    request: &Parts,
    body: RequestBody,
    exchange: &mut Exchange<'_>,
) -> Result<Reply, HttpError> {
    let (threshold, upload) = read(service, request, body, Expected::One, exchange).await?;
    let file = &upload.files[0];

    let judged = service.inference.judge(file.content.clone()).await?;
    note(service, exchange, &judged);
    let answer = Answer {
        finding: Finding::of(&judged, threshold),
        model: Model::of(service.classifier.id()),
        request_id: &exchange.request_id,
        notice: RESEARCH_USE,
    };
    if !exchange.wants_page {
        return json(&answer);
    }
    let card = page::Card { file, outcome: Ok((&judged, threshold)), json: pretty(&answer) };
    Ok(html(page::results(&[card], service.classifier.id(), &exchange.request_id)))
}

/// Answers `POST /predict/batch`: several images, each with a result or an error of its own.
///
/// # Errors
/// What is wrong with the query or the upload as a whole, 503 when the service is full, and 500.
pub(super) async fn batch(
    service: &Service,
    request: &Parts,
    body: RequestBody,
    exchange: &mut Exchange<'_>,
) -> Result<Reply, HttpError> {
    let expected = Expected::AtMost(service.config.batch);
    let (threshold, upload) = read(service, request, body, expected, exchange).await?;
    let outcomes = judge_all(service, &upload.files).await;
    for judged in outcomes.iter().flatten() {
        note(service, exchange, judged);
    }

    let id = &exchange.request_id;
    let answer = BatchAnswer {
        predictions: upload.files.iter().zip(&outcomes).enumerate().map(|at| Entry::of(at, threshold, id)).collect(),
        model: Model::of(service.classifier.id()),
        request_id: id,
        notice: RESEARCH_USE,
    };
    if !exchange.wants_page {
        return json(&answer);
    }
    let cards: Vec<_> = upload
        .files
        .iter()
        .zip(&outcomes)
        .zip(&answer.predictions)
        .map(|((file, outcome), entry)| page::Card {
            file,
            outcome: outcome.as_ref().map(|judged| (judged, threshold)),
            json: pretty(entry),
        })
        .collect();
    Ok(html(page::results(&cards, service.classifier.id(), id)))
}

/// Reads what is asked: the operating point and the upload, unless it would have to be refused afterwards anyway.
async fn read(
    service: &Service,
    request: &Parts,
    body: RequestBody,
    expected: Expected,
    exchange: &mut Exchange<'_>,
) -> Result<(Threshold, Upload), HttpError> {
    let threshold = threshold_of(request.uri.query())?.unwrap_or(service.classifier.threshold());
    service.inference.has_room()?;
    let upload = upload::read(&request.headers, body, expected, &service.uploads, &service.config).await?;
    exchange.phases.read = Some(exchange.elapsed());
    Ok((threshold, upload))
}

/// Judges images, as many at a time as there are threads: more would only keep others out of the queue.
async fn judge_all(service: &Service, files: &[File]) -> Vec<Result<Judged, HttpError>> {
    // Dropped, because the client has gone, a set ends its tasks.
    let mut running = JoinSet::new();
    let mut outcomes: Vec<_> = files.iter().map(|_| Err(HttpError::internal("an image was not judged"))).collect();
    let mut images = files.iter().map(|file| file.content.clone()).enumerate();
    loop {
        while running.len() < service.config.threads
            && let Some((index, image)) = images.next()
        {
            let inference = service.inference.clone();
            running.spawn(async move { (index, inference.judge_when_there_is_room(image).await) });
        }
        match running.join_next().await {
            Some(Ok((index, outcome))) => outcomes[index] = outcome,
            Some(Err(error)) => tracing::error!(%error, "an image of a batch was not judged"),
            None => return outcomes,
        }
    }
}

/// Adds a judged image to what is told of the request.
fn note(service: &Service, exchange: &mut Exchange<'_>, judged: &Judged) {
    service.metrics.judged(judged.judgement.prediction.label());
    let add = |sum: &mut Option<Duration>, time| *sum = Some(sum.unwrap_or_default() + time);
    add(&mut exchange.phases.queue, judged.queue);
    add(&mut exchange.phases.decode, judged.judgement.decode);
    add(&mut exchange.phases.inference, judged.judgement.inference);
}

/// What was found in an image.
#[derive(Serialize)]
struct Finding {
    label: Label,
    confidence: f64,
    probability_malignant: f64,
    decision: &'static str,
    threshold: Threshold,
    timings_ms: Timings,
}

impl Finding {
    fn of(judged: &Judged, threshold: Threshold) -> Self {
        let prediction = judged.judgement.prediction;
        Self {
            label: prediction.label(),
            confidence: prediction.confidence().rounded(),
            probability_malignant: prediction.probability_malignant.rounded(),
            decision: threshold.decide(prediction.probability_malignant).lower(),
            threshold,
            timings_ms: Timings {
                decode: milliseconds(judged.judgement.decode),
                queue: milliseconds(judged.queue),
                inference: milliseconds(judged.judgement.inference),
            },
        }
    }
}

#[derive(Serialize)]
struct Timings {
    decode: f64,
    queue: f64,
    inference: f64,
}

/// The answer of `POST /predict`.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    finding: Finding,
    model: Model<'a>,
    request_id: &'a str,
    notice: &'static str,
}

/// The answer of `POST /predict/batch`.
#[derive(Serialize)]
struct BatchAnswer<'a> {
    predictions: Vec<Entry<'a>>,
    model: Model<'a>,
    request_id: &'a str,
    notice: &'static str,
}

/// What became of one image of a batch.
#[derive(Serialize)]
struct Entry<'a> {
    /// Its place in the request, from 0.
    index: usize,
    /// Its name, as the client told it.
    filename: Option<&'a str>,
    #[serde(flatten)]
    outcome: Outcome<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome<'a> {
    Found(Finding),
    Failed { error: Problem<'a> },
}

impl<'a> Entry<'a> {
    fn of(
        (index, (file, outcome)): (usize, (&'a File, &'a Result<Judged, HttpError>)),
        threshold: Threshold,
        request_id: &'a str,
    ) -> Self {
        let outcome = match outcome {
            Ok(judged) => Outcome::Found(Finding::of(judged, threshold)),
            Err(error) => Outcome::Failed { error: Problem::of(error, request_id) },
        };
        Self { index, filename: file.name.as_deref(), outcome }
    }
}

/// Which network answers, as answers name it.
#[derive(Serialize)]
pub(super) struct Model<'a> {
    name: &'a str,
    version: &'a str,
    sha256: &'a str,
}

impl<'a> Model<'a> {
    pub(super) fn of(card: &'a ModelId) -> Self {
        Self { name: &card.name, version: &card.version, sha256: &card.sha256 }
    }
}

/// An answer as a page shows it, to be read and copied.
fn pretty(answer: &impl Serialize) -> String {
    serde_json::to_string_pretty(answer).unwrap_or_default()
}

/// The operating point that the query asks for.
fn threshold_of(query: Option<&str>) -> Result<Option<Threshold>, HttpError> {
    let query = form_urlencoded::parse(query.unwrap_or_default().as_bytes());
    let mut asked = query.filter(|(name, _)| name == "threshold").map(|(_, value)| value);
    let Some(value) = asked.next() else { return Ok(None) };
    match value.parse() {
        Ok(threshold) if asked.next().is_none() => Ok(Some(threshold)),
        _ => Err(HttpError::new(
            Code::BadThreshold,
            "The query's threshold is not one number from 0 to 1. Write it as ?threshold=0.5, or leave it out.",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_one_number_from_0_to_1_or_absent() {
        let asked =
            |query| threshold_of(query).map(|threshold| threshold.map(Threshold::get)).map_err(|error| error.code);
        assert_eq!(asked(None), Ok(None));
        assert_eq!(asked(Some("other=1")), Ok(None));
        assert_eq!(asked(Some("other=1&threshold=0.25")), Ok(Some(0.25)));
        assert_eq!(asked(Some("threshold=%30%2e5")), Ok(Some(0.5)));
        for bad in [
            "threshold=",
            "threshold=x",
            "threshold=1.5",
            "threshold=-0.1",
            "threshold=NaN",
            "threshold=.1&threshold=.2",
        ] {
            assert_eq!(asked(Some(bad)), Err(Code::BadThreshold), "{bad}");
        }
    }
}
