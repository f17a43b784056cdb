//! The service's pages: the form, the result of a form that was sent without scripts, and errors.
//!
//! All of it is in the program; nothing is asked of other hosts. The style and the script stand inside the page, and the
//! content security policy names them by their hashes, so that no other script or style runs whatever else gets in.

use std::sync::LazyLock;

use base64::{Engine, prelude::BASE64_STANDARD};
use hyper::{StatusCode, header::HeaderValue};
use sha2::{Digest, Sha256};

use super::config::Config;
use crate::diagnosis::RESEARCH_USE;
use crate::model::{ModelId, OperatingPoint};
use crate::pixels::FORMATS;
pub(super) use result::Section;
use result::percent;
use template::fill;

mod result;
mod template;

const LAYOUT: &str = include_str!("layout.html");
const HOME: &str = include_str!("home.html");
const POINTS: &str = include_str!("points.html");
const TOKEN: &str = include_str!("token.html");
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
        ("blank_result", &result::blank()),
        ("blank_heatmap", &result::blank_heatmap()),
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

/// The page with the results for images.
pub(super) fn results(sections: &[Section<'_>], model: &ModelId, request_id: &str) -> String {
    let title = match sections {
        [Section { outcome: Ok(finding), .. }] => result::heading(finding),
        [_] => FAILED.to_owned(),
        _ => format!("{} results", sections.iter().filter(|section| section.outcome.is_ok()).count()),
    };
    let results: Vec<_> = sections
        .iter()
        .map(|section| match section.outcome {
            Ok(finding) => result::filled(section, finding, model),
            Err(error) => fill(FAILURE, &[("name", result::name(section)), ("detail", &error.detail)]),
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

fn source_hash(source: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(source)))
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::diagnosis::{Probability, Threshold};
    use crate::model::{PointName, Precision};
    use crate::serve::error::HttpError;

    #[test]
    fn the_form_offers_the_operating_points() {
        let (card, config) = (
            ModelId { name: String::new(), version: String::new(), sha256: String::new(), precision: Precision::F32 },
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
        let card =
            ModelId { name: String::new(), version: String::new(), sha256: String::new(), precision: Precision::F32 };
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
