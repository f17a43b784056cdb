//! The service's pages: the form, the result of a form that was sent without scripts, and errors.
//!
//! All of it is in the program; nothing is asked of other hosts. The style and the script stand inside the page, and the
//! content security policy names them by their hashes, so that no other script or style runs whatever else gets in.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;
use hyper::{StatusCode, header::HeaderValue};
use sha2::{Digest, Sha256};

use super::config::Config;
use super::error::HttpError;
use super::routes::{Finding, HeatmapAnswer};
use crate::diagnosis::{Label, Probability, RESEARCH_USE};
use crate::model::{ModelId, OperatingPoint};
use crate::pixels::FORMATS;
use template::fill;

mod template;

const LAYOUT: &str = include_str!("layout.html");
const HOME: &str = include_str!("home.html");
const POINTS: &str = include_str!("points.html");
const TOKEN: &str = include_str!("token.html");
const RESULT: &str = include_str!("result.html");
const HEATMAP: &str = include_str!("heatmap.html");
const HEATMAP_CHOICE: &str = include_str!("heatmap_choice.html");
const FAILURE: &str = include_str!("failed_image.html");
const ANSWER: &str = include_str!("results.html");
const PROBLEM: &str = include_str!("error.html");
const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// The heading over what went wrong by what was sent.
const FAILED: &str = "That did not work";

/// The content security policy of every answer.
pub(super) static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let policy = format!(
        "default-src 'none'; style-src '{style}'; script-src '{script}'; img-src data: blob:; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        style = source_hash(STYLE),
        script = source_hash(SCRIPT),
    );
    HeaderValue::try_from(policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
});

/// The page with the form; heatmaps are among its choices where the network has them.
pub(super) fn home(model: &ModelId, points: &[OperatingPoint], can_explain: bool, config: &Config) -> String {
    let max_bytes = config.limits.max_bytes.min(config.max_body_bytes);
    let content = [
        ("formats", FORMATS),
        ("megabytes", &(max_bytes >> 20).to_string()),
        ("max_bytes", &max_bytes.to_string()),
        ("most", &config.batch.to_string()),
        ("token", if config.token.is_some() { TOKEN } else { "" }),
        ("points", &choice(points)),
        ("heatmap_choice", if can_explain { HEATMAP_CHOICE } else { "" }),
        ("model", &model.name),
        ("version", &model.version),
        ("blank_result", &fill::<&str>(RESULT, &[])),
        ("blank_heatmap", &fill::<&str>(HEATMAP, &[])),
        ("script", SCRIPT),
    ];
    layout(STYLE, "Lobule", &fill(HOME, &content))
}

/// The form's field for the operating point, where there are several to choose from.
fn choice(points: &[OperatingPoint]) -> String {
    let option = |OperatingPoint { name, threshold, .. }: &OperatingPoint| {
        let slots = [("name", name.key()), ("threshold", &threshold.get().to_string())];
        fill("<option value=\"{{name}}\">{{name}}, from {{threshold}} on</option>", &slots)
    };
    let shares = |OperatingPoint { name, sensitivity, specificity, .. }: &OperatingPoint| {
        let [malignant, benign] = [sensitivity, specificity].map(|share| percent(*share));
        format!("{name} called {malignant} of the malignant ones malignant and {benign} of the benign ones benign")
    };
    if points.len() < 2 {
        return String::new();
    }
    let shares = points.iter().map(shares).collect::<Vec<_>>().join("; ");
    fill(POINTS, &[("options", points.iter().map(option).collect()), ("shares", shares)])
}

/// One image's section of a page of results.
pub(super) struct Section<'a> {
    /// What its client calls it.
    pub(super) name: Option<&'a str>,
    /// A small JPEG of it.
    pub(super) thumbnail: Option<&'a Bytes>,
    /// Where the network looked, where that was asked for.
    pub(super) heatmap: Option<&'a HeatmapAnswer>,
    pub(super) outcome: Result<&'a Finding, &'a HttpError>,
    /// The answer as a program gets it.
    pub(super) json: String,
}

/// The page with the results for images.
pub(super) fn results(sections: &[Section<'_>], model: &ModelId, request_id: &str) -> String {
    let title = match sections {
        [Section { outcome: Ok(finding), .. }] => finding.label.to_string(),
        [_] => FAILED.to_owned(),
        _ => format!("{} results", sections.iter().filter(|section| section.outcome.is_ok()).count()),
    };
    let results: Vec<_> = sections
        .iter()
        .map(|section| match section.outcome {
            Ok(finding) => result(section, finding, model),
            Err(error) => fill(FAILURE, &[("name", name(section)), ("detail", &error.detail)]),
        })
        .collect();
    let results = format!("<div class=\"results\">{}</div>", results.concat());
    let heading = match sections {
        _ if sections.iter().all(|section| section.outcome.is_err()) => FAILED,
        [_] => "Result",
        _ => "Results",
    };
    let content = [("title", heading), ("results", &results), ("request_id", request_id)];
    layout(STYLE, &format!("{title} | Lobule"), &fill(ANSWER, &content))
}

fn name<'a>(section: &Section<'a>) -> &'a str {
    section.name.unwrap_or("Most probable class")
}

fn result(section: &Section<'_>, finding: &Finding, model: &ModelId) -> String {
    let (malignant, threshold, timings) = (finding.probability_malignant, finding.threshold.get(), &finding.timings_ms);
    let time = |milliseconds: f64| format!("{milliseconds:.1} ms");
    let slots = [
        ("image", section.thumbnail.map(shown).unwrap_or_default()),
        ("heatmap", section.heatmap.map(heatmap).unwrap_or_default()),
        ("name", name(section).to_owned()),
        ("label", finding.label.to_string()),
        ("confidence", percent(finding.confidence)),
        ("probability", percent(malignant)),
        ("decision", decision(finding)),
        ("notes", finding.notes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")),
        ("threshold", threshold.to_string()),
        ("threshold_at", (100.0 * threshold).to_string()),
        ("width", (100.0 * malignant.get()).to_string()),
        ("bar", format!("Probability of malignancy {}, threshold {threshold}", percent(malignant))),
        ("decode", time(timings.decode)),
        ("queue", time(timings.queue)),
        ("inference", time(timings.inference)),
        ("model", format!("{} {}", model.name, model.version)),
        ("json", section.json.clone()),
    ];
    fill(RESULT, &slots)
}

/// The page for an error.
pub(super) fn problem(status: StatusCode, detail: &str, request_id: &str) -> String {
    styled_problem(STYLE, status, detail, request_id)
}

/// The same in fewer bytes, where there is no memory for more.
pub(super) fn bare_problem(status: StatusCode, detail: &str, request_id: &str) -> String {
    styled_problem("", status, detail, request_id)
}

fn styled_problem(style: &str, status: StatusCode, detail: &str, request_id: &str) -> String {
    let title = match status {
        StatusCode::NOT_FOUND => "There is nothing here",
        StatusCode::UNAUTHORIZED => "A token is needed",
        StatusCode::SERVICE_UNAVAILABLE => "Too busy just now",
        _ if status.is_client_error() => FAILED,
        _ => "The service failed",
    };
    let content = [("title", title), ("detail", detail), ("status", &status.to_string()), ("request_id", request_id)];
    layout(style, &format!("{title} | Lobule"), &fill(PROBLEM, &content))
}

fn layout(style: &str, title: &str, content: &str) -> String {
    fill(LAYOUT, &[("title", title), ("style", style), ("content", content), ("notice", RESEARCH_USE)])
}

/// The decision in plain words; `script.js` says it in the same ones.
fn decision(finding: &Finding) -> String {
    let relation = if finding.decision == Label::Malignant { "reaches" } else { "is below" };
    let named =
        finding.operating_point.map_or_else(String::new, |name| format!(" This is the operating point {name}."));
    format!(
        "At a threshold of {} the decision is {}: the probability of malignancy, {}, {relation} it.{named}",
        finding.threshold.get(),
        finding.decision.lower(),
        percent(finding.probability_malignant)
    )
}

/// A percentage with one digit, which never rounds to a certainty that the network has not.
fn percent(probability: Probability) -> String {
    let rounded = format!("{:.1}", 100.0 * probability.get());
    match rounded.as_str() {
        "100.0" if probability.get() < 1.0 => "over 99.9%".into(),
        "0.0" if probability.get() > 0.0 => "under 0.1%".into(),
        _ => format!("{rounded}%"),
    }
}

/// A thumbnail within the page, which lies nowhere else.
fn shown(thumbnail: &Bytes) -> String {
    let data = BASE64_STANDARD.encode(thumbnail);
    format!("<img src=\"data:image/jpeg;base64,{data}\" alt=\"The image that was sent\">")
}

/// The overlay and its caption.
fn heatmap(HeatmapAnswer { image, range }: &HeatmapAnswer) -> String {
    fill(HEATMAP, &[("heatmap", image), ("range", &format!("{range:.1}"))])
}

fn source_hash(source: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(source)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    use crate::diagnosis::Threshold;
    use crate::inference::Classification;
    use crate::model::{DecisionPoint, PointName, Prediction};
    use crate::pixels::Note;

    fn example(thumbnail: Option<&'static [u8]>, probability: f64) -> String {
        example_at(Threshold::HALF.into(), thumbnail, probability)
    }

    fn example_at(point: DecisionPoint, thumbnail: Option<&'static [u8]>, probability: f64) -> String {
        let prediction = Prediction {
            probability_malignant: Probability::new(probability).unwrap(),
            ..Prediction::from_margin(0.0)
        };
        let (decode, none) = (Duration::from_micros(1234), Duration::ZERO);
        let classification = Classification {
            prediction,
            notes: vec![Note::TransparentOnWhite],
            thumbnail: None,
            heatmap: None,
            queue: none,
            decode,
            inference: none,
        };
        let card = ModelId { name: "<b>net</b>".into(), version: "\"1\"".into(), sha256: String::new() };
        let finding = Finding::of(&classification, point);
        let thumbnail = thumbnail.map(Bytes::from_static);
        let (name, thumbnail) = (Some("<i>a.png"), thumbnail.as_ref());
        let heatmap = HeatmapAnswer { image: "data:image/png;base64,AA==".into(), range: 2.345 };
        let broken = HttpError::internal("");
        let sections = [
            Section { name, thumbnail, heatmap: Some(&heatmap), outcome: Ok(&finding), json: "{\"<\": 1}".into() },
            Section { name, thumbnail: None, heatmap: None, outcome: Err(&broken), json: String::new() },
        ];
        results(&sections, &card, "id")
    }

    #[test]
    fn a_result_says_everything_in_words_and_escapes_what_it_is_given() {
        let page = example(None, 0.25);
        assert!(page.contains("&#60;b&#62;net&#60;/b&#62;") && !page.contains("<b>net"));
        assert!(page.contains("&#60;i&#62;a.png") && !page.contains("<i>"));
        for part in [
            "Benign",
            "75.0%",
            "25.0%",
            "the decision is benign",
            "Its transparent pixels were blended onto white.",
            "1.2 ms",
            "{&#34;&#60;&#34;: 1}",
            "The service failed on this request.",
            RESEARCH_USE,
            "href=\"/\"",
            "<img src=\"data:image/png;base64,AA==\"",
            "from −<span data-field=\"range\">2.3</span> (blue",
            "no proof",
        ] {
            assert!(page.contains(part), "{part} is missing");
        }
        for near in [example(None, 0.99999), example(None, 0.00001)] {
            assert!(near.contains("over 99.9%") && near.contains("decision is"));
        }
        assert!(example(None, 1.0).contains("100.0%"));
    }

    #[test]
    fn the_form_offers_the_operating_points_and_the_result_names_the_one_that_was_asked_for() {
        let (card, config) = (
            ModelId { name: String::new(), version: String::new(), sha256: String::new() },
            Config::for_machine(None, None),
        );
        let point = |name, threshold: f64, sensitivity: f64| OperatingPoint {
            name,
            threshold: Threshold::new(threshold).unwrap(),
            sensitivity: Probability::new(sensitivity).unwrap(),
            specificity: Probability::new(0.625).unwrap(),
        };
        let points = [point(PointName::Balanced, 0.5, 0.875), point(PointName::Sensitive, 0.25, 0.95)];
        let page = home(&card, &points, true, &config);
        for part in [
            "<select id=\"threshold\" name=\"threshold\"",
            "<option value=\"balanced\">balanced, from 0.5 on</option>",
            "<option value=\"sensitive\">sensitive, from 0.25 on</option>",
            "balanced called 87.5% of the malignant ones malignant and 62.5% of the benign ones benign; sensitive called 95",
        ] {
            assert!(page.contains(part), "{part} is missing");
        }
        for few in [&points[..1], &[]] {
            assert!(!home(&card, few, true, &config).contains("<select"), "there is nothing to choose");
        }
        let named = DecisionPoint { threshold: points[1].threshold, name: Some(PointName::Sensitive) };
        let result = example_at(named, None, 0.3);
        assert!(result.contains("At a threshold of 0.25 the decision is malignant"));
        assert!(result.contains("This is the operating point sensitive."));
        assert!(!example(None, 0.3).contains("operating point"));
    }

    #[test]
    fn a_thumbnail_stands_within_the_page() {
        assert!(example(Some(b"\xff\xd8\xff"), 0.5).contains("<img src=\"data:image/jpeg;base64,/9j/\" alt=\"The"));
        assert!(!example(None, 0.5).contains("data:image/jpeg"));
    }

    #[test]
    fn a_bare_page_for_an_error_is_small_and_says_the_same() {
        let page = bare_problem(StatusCode::SERVICE_UNAVAILABLE, &HttpError::overloaded().detail, &"x".repeat(64));
        assert!(page.len() <= 2 << 10, "{} bytes", page.len());
        assert!(page.contains("Too busy just now") && page.contains("in a second"), "{page}");
    }

    #[test]
    fn the_policy_names_the_style_and_the_script_that_stand_in_the_page() {
        let policy = POLICY.to_str().unwrap();
        let card = ModelId { name: String::new(), version: String::new(), sha256: String::new() };
        let guarded = Config { token: Some("x".parse().unwrap()), ..Config::for_machine(None, None) };
        let page = home(&card, &[], true, &guarded);
        assert!(page.contains("id=\"token\""));
        let page = home(&card, &[], true, &Config { token: None, ..guarded });
        assert!(!page.contains("id=\"token\""));
        for tag in ["style", "script"] {
            let (_, rest) = page.split_once(&format!("<{tag}>")).unwrap();
            let (source, rest) = rest.split_once(&format!("</{tag}>")).unwrap();
            assert!(policy.contains(&format!("{tag}-src '{}'", source_hash(source))), "{tag}");
            assert!(!rest.contains(&format!("<{tag}")), "a second {tag}");
        }
        assert!(!page.contains(" style=") && !page.contains(" onclick="), "inline attributes are blocked");
    }
}
