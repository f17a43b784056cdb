use std::collections::BTreeSet;

use super::*;
use crate::diagnosis::{Label, Threshold};
use crate::evaluate::Predictions;
use crate::evaluate::{Evaluation, Margins, Metric, Setting, Stratum, Subject};
use crate::report::EvaluationResults;

/// Four cases of ten images; every third image is called what it is not.
fn predictions() -> Predictions {
    let subject = |index: usize| Subject {
        filename: format!("<b>{index}</b>&\"'.png"),
        case: format!("{}<", index / 10),
        ..Subject::drawn(Label::ALL[index / 10 % 2], "", Some(Stratum { magnification: 40 << (index % 2), width: 700 }))
    };
    let subjects: Vec<Subject> = (0..40).map(subject).collect();
    let margin = |(index, subject): (usize, &Subject)| {
        let right = if subject.truth == Label::Malignant { 1.0 } else { -1.0 };
        right * if index % 3 == 0 { -0.05 } else { 0.1 } * (index + 1) as f64
    };
    let plain = subjects.iter().enumerate().map(margin).collect();
    Predictions { subjects, network: Margins { plain, exchanged: Vec::new() }, ..Predictions::default() }
}

fn evaluation(predictions: &Predictions) -> Evaluation {
    let setting = Setting {
        threshold: Threshold::HALF,
        exchanges: 0,
        exchange_seed: 0,
        views: 1,
        controls_fitted_to: "nothing".to_owned(),
        frozen_taps: "none".to_owned(),
    };
    Evaluation::of(predictions, &["0<".to_owned()], setting)
}

fn page(predictions: &Predictions) -> (Evaluation, String) {
    let evaluation = evaluation(predictions);
    let mistakes: Vec<Mistake> = predictions
        .worst_mistakes(Threshold::HALF, MISTAKES)
        .into_iter()
        .map(|index| {
            let heatmap = Some(DrawnHeatmap { png: vec![0xFF; 120_000], range: 12.34 });
            Mistake { index, thumbnail: Some(vec![0xFF; 20_000]), heatmap }
        })
        .collect();
    let results = EvaluationResults { evaluation: &evaluation, network: "<i>net 1", images: "all images of <a>" };
    let network = [("recipe", "<script>".to_owned())];
    let html = EvaluationReport { results, predictions, network: &network, mistakes: &mistakes }.html();
    (evaluation, html)
}

/// The tags of a page with what stands between their brackets; names that end with a slash close themselves.
fn tags(html: &str) -> Vec<&str> {
    html.split('<')
        .skip(1)
        .map(|rest| rest.split_once('>').unwrap_or_else(|| panic!("an open bracket: {rest}")).0)
        .collect()
}

#[test]
fn every_element_is_closed_every_link_leads_somewhere_and_nothing_is_asked_of_others() {
    for predictions in [predictions(), Predictions::default()] {
        let (_, html) = page(&predictions);
        let mut open = Vec::new();
        let (mut ids, mut links) = (BTreeSet::new(), BTreeSet::new());
        for tag in tags(&html) {
            let name = tag.split([' ', '\n']).next().unwrap_or_default();
            if let Some(closed) = name.strip_prefix('/') {
                assert_eq!(open.pop(), Some(closed), "{tag}");
            } else if !tag.ends_with('/') && !["!doctype", "meta", "img", "br"].contains(&name) {
                open.push(name);
            }
            let attribute =
                |name: &str| tag.split_once(&format!(" {name}=\"")).and_then(|(_, rest)| rest.split_once('"'));
            if let Some((id, _)) = attribute("id") {
                assert!(ids.insert(id), "{id} stands twice");
            }
            links.extend(attribute("href").map(|(link, _)| link.trim_start_matches('#')));
            let handles_events = tag.split('"').step_by(2).any(|outside| outside.starts_with(" on"));
            assert!(name != "script" && name != "link" && !handles_events, "{tag}");
        }
        assert!(open.is_empty(), "{open:?}");
        assert!(links.is_subset(&ids), "{links:?} {ids:?}");
        assert!(!html.replace("http://www.w3.org/2000/svg", "").contains("http"), "an address of another host");
        assert!(html.len() < 3_000_000 && !html.contains("NaN") && html.contains(RESEARCH_USE));
    }
}

#[test]
fn names_are_never_markup() {
    let (_, html) = page(&predictions());
    assert!(html.contains("&lt;b&gt;39&lt;/b&gt;&amp;&quot;&apos;.png"), "the worst mistake is named");
    assert!(html.contains("Evaluation of &lt;i&gt;net 1") && html.contains("&lt;script&gt;"));
    for raw in ["<b>", "<i>", "<script", "<a>", "0<<"] {
        assert!(!html.contains(raw), "{raw}");
    }
}

#[test]
fn it_holds_the_figures_of_the_evaluation() {
    let (evaluation, html) = page(&predictions());
    for metric in Metric::ALL {
        if let Some(value) = evaluation.all.figures.get(metric).filter(|_| !metric.is_a_count()) {
            assert!(html.contains(&format!(">{value:.4}<")), "{metric:?}");
        }
        if let Some((low, high)) = evaluation.intervals[metric].filter(|_| metric.has_interval()) {
            assert!(html.contains(&format!("{low:.4} to {high:.4}")), "{metric:?}");
        }
    }
    for (name, group) in &evaluation.cases {
        assert!(html.contains(&format!(">{}</th>", escaped(name))) && html.contains(&format!(">{:.4}<", group.recall)));
    }
    assert_eq!(html.matches("<img ").count(), 2 * MISTAKES);
    assert_eq!(html.matches("; colours from −12.3 to +12.3<").count(), MISTAKES);
    assert_eq!(html.matches("no proof").count(), 1);
    assert!(html.contains("WARNING: the network was trained on 10 of these 40 images"), "trained on a measured case");
    let (_, none) = page(&Predictions::default());
    assert!(none.contains("not defined for these images") && none.contains("No image is called what it is not."));
}
