//! `POST /predict`: one picture in, one prediction out, as JSON or as a page.

use hyper::http::request::Parts;
use serde::Serialize;

use super::body::RequestBody;
use super::error::{Code, HttpError};
use super::exchange::{Exchange, Reply, html, json};
use super::inference::Judged;
use super::milliseconds;
use super::upload::read_picture;
use super::{Service, page};
use crate::diagnosis::{Label, RESEARCH_USE, Threshold};
use crate::model::ModelCard;

/// Answers `POST /predict`.
///
/// # Errors
/// What is wrong with the query, the upload or the picture, 503 when the service is full, and 500.
pub(super) async fn predict(
    service: &Service,
    request: &Parts,
    body: RequestBody,
    exchange: &mut Exchange,
) -> Result<Reply, HttpError> {
    let threshold = threshold_of(request.uri.query())?.unwrap_or(service.classifier.threshold());
    let picture = read_picture(&request.headers, body, &service.config).await?;
    exchange.phases.read = Some(exchange.elapsed());

    let judged = service.inference.judge(picture.clone()).await?;
    exchange.phases.queue = Some(judged.queue);
    exchange.phases.decode = Some(judged.judgement.decode);
    exchange.phases.inference = Some(judged.judgement.inference);

    let card = service.classifier.card();
    if exchange.wants_page {
        Ok(html(page::result(&judged, threshold, card, &picture, &exchange.request_id)))
    } else {
        json(&Answer::new(&judged, threshold, card, &exchange.request_id))
    }
}

/// The answer of `POST /predict`.
#[derive(Serialize)]
struct Answer<'a> {
    label: Label,
    confidence: f64,
    probability_malignant: f64,
    decision: &'static str,
    threshold: Threshold,
    model: Model<'a>,
    timings_ms: Timings,
    request_id: &'a str,
    notice: &'static str,
}

impl<'a> Answer<'a> {
    fn new(judged: &Judged, threshold: Threshold, card: &'a ModelCard, request_id: &'a str) -> Self {
        let prediction = judged.judgement.prediction;
        Self {
            label: prediction.label(),
            confidence: prediction.confidence().rounded(),
            probability_malignant: prediction.probability_malignant.rounded(),
            decision: threshold.decide(prediction.probability_malignant).lower(),
            threshold,
            model: Model::of(card),
            timings_ms: Timings {
                decode: milliseconds(judged.judgement.decode),
                queue: milliseconds(judged.queue),
                inference: milliseconds(judged.judgement.inference),
            },
            request_id,
            notice: RESEARCH_USE,
        }
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
    pub(super) fn of(card: &'a ModelCard) -> Self {
        Self { name: &card.name, version: &card.version, sha256: &card.sha256 }
    }
}

#[derive(Serialize)]
struct Timings {
    decode: f64,
    queue: f64,
    inference: f64,
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
