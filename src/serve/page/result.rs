//! One image's part of a page of results, in words: `script.js` says the same in the same ones.

use base64::{Engine, prelude::BASE64_STANDARD};
use bytes::Bytes;

use super::template::fill;
use crate::diagnosis::{Decision, Flag, Label, Probability};
use crate::model::ModelId;
use crate::serve::error::HttpError;
use crate::serve::routes::{Finding, HeatmapAnswer};

const RESULT: &str = include_str!("result.html");
const HEATMAP: &str = include_str!("heatmap.html");

/// The heading of a result without a decision.
const NO_DECISION: &str = "No decision";

/// One image's section of a page of results.
pub(in crate::serve) struct Section<'a> {
    /// What its client calls it.
    pub(in crate::serve) name: Option<&'a str>,
    /// A small JPEG of it.
    pub(in crate::serve) thumbnail: Option<&'a Bytes>,
    /// Where the network looked, where that was asked for.
    pub(in crate::serve) heatmap: Option<&'a HeatmapAnswer>,
    pub(in crate::serve) outcome: Result<&'a Finding, &'a HttpError>,
    /// The answer as a program gets it.
    pub(in crate::serve) json: String,
}

/// The result for the script to fill in, with what every flag means.
pub(super) fn blank() -> String {
    fill(RESULT, &[("flags", meanings(Flag::ALL.into_iter()))])
}

/// The overlay and its caption, likewise.
pub(super) fn blank_heatmap() -> String {
    fill::<&str>(HEATMAP, &[])
}

pub(super) fn name<'a>(section: &Section<'a>) -> &'a str {
    section.name.unwrap_or("The image that was sent")
}

pub(super) fn heading(finding: &Finding) -> String {
    match finding.decision {
        Decision::Abstain => NO_DECISION.to_owned(),
        Decision::Benign => Label::Benign.to_string(),
        Decision::Malignant => Label::Malignant.to_string(),
    }
}

/// A list's items that say what flags mean and what to do.
fn meanings(flags: impl Iterator<Item = Flag>) -> String {
    let item = |flag: Flag| {
        let slots = [("flag", flag.key()), ("meaning", flag.meaning())];
        fill("<li data-flag=\"{{flag}}\"><strong>Flag {{flag}}.</strong> {{meaning}}</li>", &slots)
    };
    flags.map(item).collect()
}

/// The result of an image.
pub(super) fn filled(section: &Section<'_>, finding: &Finding, model: &ModelId) -> String {
    let (malignant, threshold, timings) = (finding.probability_malignant, finding.threshold.get(), &finding.timings_ms);
    let time = |milliseconds: f64| format!("{milliseconds:.1} ms");
    let slots = [
        ("image", section.thumbnail.map(shown).unwrap_or_default()),
        ("heatmap", section.heatmap.map(heatmap).unwrap_or_default()),
        ("name", name(section).to_owned()),
        ("heading", heading(finding)),
        ("confidence", confidence(finding)),
        ("flags", meanings(finding.flags.unwrap_or_default().iter())),
        ("flag_names", flag_names(finding)),
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

/// How probable the label is.
fn confidence(finding: &Finding) -> String {
    let confidence = percent(finding.confidence);
    if finding.decision.lower() == finding.label.lower() {
        format!("{confidence} confidence")
    } else {
        format!("The more probable class is {}, with {confidence} confidence", finding.label.lower())
    }
}

/// The decision in plain words.
fn decision(finding: &Finding) -> String {
    let probability = percent(finding.probability_malignant);
    let decision = match finding.decision {
        Decision::Abstain => {
            let reasons = finding.flags.unwrap_or_default().iter().filter(|flag| flag.abstains());
            let reasons = reasons.map(|flag| format!("the flag {flag}")).collect::<Vec<_>>().join(" and ");
            format!("no decision is made, because of {reasons}. The probability of malignancy is {probability}.")
        }
        Decision::Benign => {
            format!("the decision is benign: the probability of malignancy, {probability}, is below it.")
        }
        Decision::Malignant => {
            format!("the decision is malignant: the probability of malignancy, {probability}, reaches it.")
        }
    };
    let named = finding
        .operating_point
        .map_or_else(String::new, |name| format!(" This threshold is the operating point {name}."));
    format!("At a threshold of {} {decision}{named}", finding.threshold.get())
}

/// The names of the flags, or why there are none.
fn flag_names(finding: &Finding) -> String {
    match finding.flags {
        None => "not looked for: the weights file has no statistics for them".to_owned(),
        Some(flags) if flags.is_empty() => "none".to_owned(),
        Some(flags) => flags.iter().map(Flag::key).collect::<Vec<_>>().join(", "),
    }
}

/// A percentage with one digit, which never rounds to a certainty that the network has not.
pub(super) fn percent(probability: Probability) -> String {
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

#[cfg(test)]
mod tests {
    use super::super::results;
    use super::*;
    use crate::diagnosis::{Flags, RESEARCH_USE, Threshold};
    use crate::model::{DecisionPoint, PointName, Precision};
    use crate::pixels::Note;
    use crate::serve::routes::Timings;

    fn found(malignant: f64, point: DecisionPoint, flags: Option<&[Flag]>) -> Finding {
        let DecisionPoint { threshold, name } = point;
        let probability_malignant = Probability::new(malignant).unwrap();
        let label = Threshold::HALF.decide(probability_malignant);
        let confidence = Probability::new(malignant.max(1.0 - malignant)).unwrap();
        let flags = flags.map(|flags| flags.iter().copied().collect::<Flags>());
        Finding {
            label,
            confidence,
            probability_malignant,
            decision: Decision::of(threshold.decide(probability_malignant), flags),
            threshold,
            operating_point: name,
            flags,
            notes: vec![Note::TransparentOnWhite],
            timings_ms: Timings { decode: 1.234, queue: 0.0, inference: 0.0 },
        }
    }

    fn page_of(finding: &Finding, thumbnail: Option<&'static [u8]>) -> String {
        let card = ModelId {
            name: "<b>net</b>".into(),
            version: "\"1\"".into(),
            sha256: String::new(),
            precision: Precision::F32,
        };
        let thumbnail = thumbnail.map(Bytes::from_static);
        let (name, thumbnail) = (Some("<i>a.png"), thumbnail.as_ref());
        let heatmap = HeatmapAnswer { image: "data:image/png;base64,AA==".into(), range: 2.345 };
        let broken = HttpError::internal("");
        let sections = [
            Section { name, thumbnail, heatmap: Some(&heatmap), outcome: Ok(finding), json: "{\"<\": 1}".into() },
            Section { name, thumbnail: None, heatmap: None, outcome: Err(&broken), json: String::new() },
        ];
        results(&sections, &card, "id")
    }

    fn example(thumbnail: Option<&'static [u8]>, malignant: f64) -> String {
        page_of(&found(malignant, Threshold::HALF.into(), None), thumbnail)
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
    fn a_thumbnail_stands_within_the_page() {
        assert!(example(Some(b"\xff\xd8\xff"), 0.5).contains("<img src=\"data:image/jpeg;base64,/9j/\" alt=\"The"));
        assert!(!example(None, 0.5).contains("data:image/jpeg"));
    }

    #[test]
    fn a_result_names_the_operating_point_that_was_asked_for() {
        let sensitive = DecisionPoint { threshold: Threshold::new(0.25).unwrap(), name: Some(PointName::Sensitive) };
        let page = page_of(&found(0.3, sensitive, None), None);
        assert!(
            page.contains("At a threshold of 0.25 the decision is malignant: the probability of malignancy, 30.0%,")
        );
        assert!(page.contains("This threshold is the operating point sensitive."));
        assert!(page.contains("<h2 data-field=\"heading\">Malignant</h2>"), "it is the decision");
        assert!(page.contains("The more probable class is benign, with 70.0% confidence"));
        assert!(!example(None, 0.3).contains("operating point"));
    }

    #[test]
    fn what_is_flagged_is_said_in_words_and_without_a_decision_the_probability_stays() {
        let page = |flags| page_of(&found(0.75, Threshold::HALF.into(), flags), None);
        let (foreign, stain) = (Flag::Foreign.meaning(), Flag::Stain.meaning());
        let decided = "At a threshold of 0.5 the decision is malignant";
        let heading = |text: &str| format!("<h2 data-field=\"heading\">{text}</h2>");
        for (flags, parts, absent) in [
            (
                Some(&[Flag::Foreign, Flag::Stain, Flag::Uncertain][..]),
                vec![
                    &heading("No decision")[..],
                    "The more probable class is malignant, with 75.0% confidence",
                    "no decision is made, because of the flag foreign and the flag uncertain. The probability of malignancy is 75.0%.",
                    "<dd data-field=\"flags\">foreign, stain, uncertain</dd>",
                    foreign,
                    stain,
                ],
                decided,
            ),
            (Some(&[Flag::Stain]), vec![&heading("Malignant"), decided, stain, ">stain</dd>"], foreign),
            (Some(&[]), vec![&heading("Malignant"), decided, ">none</dd>", "aria-label=\"Flags\"></ul>"], stain),
            (None, vec![&heading("Malignant"), decided, ">not looked for: the weights file has no"], stain),
        ] {
            let page = page(flags);
            for part in parts {
                assert!(page.contains(part), "{part} is missing of {flags:?}");
            }
            assert!(!page.contains(absent), "{absent} stands on the page of {flags:?}");
        }
        for flag in Flag::ALL {
            assert!(blank().contains(flag.meaning()), "the script has all of them to choose from");
        }
    }
}
