//! What was measured on whom: the use, the images and their cases, the network, the ways of measuring, and the limits.

use std::collections::{BTreeMap, BTreeSet};

use crate::breakhis::Subtype;
use crate::diagnosis::{Label, RESEARCH_USE};
use crate::evaluate::Subject;
use crate::report::evaluation::trained_on_these;
use crate::report::html::EvaluationReport;
use crate::report::html::markup::{list_of_facts, paragraph, shown};
use crate::report::sections::{Section, row};
use crate::system::digits;
use crate::system::thousands;

pub(super) fn intended_use() -> String {
    paragraph(
        "The network says of a breast-histology image in the manner of BreakHis (haematoxylin and eosin, 40X to 400X, tumours \
         only) how probable it is that it shows a malignant tumour. It is meant for research on such networks, by people who \
         know histology or machine learning. It has no place on a care pathway: no decision about a patient may rest on it.",
    ) + &paragraph(
        "This report measures a network on images whose labels are known. It asks how well the network ranks and decides, \
         whether its probabilities mean what they say, and how much of that is colour rather than tissue.",
    ) + &paragraph(RESEARCH_USE)
}

pub(super) fn data(report: &EvaluationReport<'_>) -> String {
    paragraph(&format!(
        "Measured: {}. {}.",
        report.results.images,
        capital(&trained_on_these(report.results.evaluation))
    )) + &paragraph(
        "BreakHis, as its authors describe it (Spanhol, Oliveira, Petitjean, Heutte, IEEE TBME 63(7), 2016): biopsies of \
             breast tumours from one laboratory in Parana, Brazil, collected in 2014, stained with haematoxylin and eosin and \
             photographed at 40, 100, 200 and 400 times. The labels are the diagnoses of that laboratory's pathologists; they \
             and the cases are read from the file names. Age, sex and treatment of the persons are not given. The study was \
             approved by an ethics board and the images carry no names, by the same paper.",
    ) + &shown(&composition("What was measured", "magnification", report, |subject| {
        subject.stratum.map_or_else(|| "not known".to_owned(), |stratum| format!("{}X", stratum.magnification))
    })) + &shown(&composition("By subtype", "subtype", report, |subject| {
        let code = &subject.subtype;
        Subtype::from_code(code).map_or_else(|| code.clone(), |subtype| format!("{code} ({})", subtype.full_name()))
    }))
}

/// Images and cases of each class in each group, and of all.
fn composition(
    title: &str,
    what: &'static str,
    report: &EvaluationReport<'_>,
    group: impl Fn(&Subject) -> String,
) -> Section {
    let mut groups: BTreeMap<(usize, String), Vec<&Subject>> = BTreeMap::new();
    for subject in &report.predictions.subjects {
        for name in [group(subject), "all".to_owned()] {
            // Magnifications in the order of their numbers, and all at the end.
            let number = if name == "all" { usize::MAX } else { name.trim_end_matches('X').parse().unwrap_or(0) };
            groups.entry((number, name)).or_default().push(subject);
        }
    }
    let rows = groups.iter().map(|((_, name), subjects)| {
        let of = |label: Label| subjects.iter().filter(move |subject| subject.truth == label);
        let cases = |label: Label| of(label).map(|subject| &subject.case).collect::<BTreeSet<_>>().len();
        let counts = Label::ALL.into_iter().flat_map(|label| [thousands(of(label).count()), cases(label).to_string()]);
        row([&**name], counts)
    });
    let header = [what, "benign images", "benign cases", "malignant images", "malignant cases"];
    Section::table(title, 1, header, rows)
}

pub(super) fn network(report: &EvaluationReport<'_>) -> String {
    paragraph("What the weights file says of itself:")
        + &list_of_facts(report.network.iter().map(|(name, text)| (*name, text.clone())))
}

pub(super) fn measuring(report: &EvaluationReport<'_>) -> String {
    let setting = &report.results.evaluation.setting;
    let facts = [
        ("decisions", format!("malignant from a probability of {} on; malignant is positive", digits(setting.threshold.get()))),
        (
            "views",
            match setting.views {
                1 => "each image as it is".to_owned(),
                views => format!("the mean margin of {views} turns and mirror images of each image"),
            },
        ),
        (
            "intervals",
            "95 %, percentiles of 2,000 draws of whole cases with replacement: images of one person are alike. Calibration \
             errors have none, because drawing again moves them up"
                .to_owned(),
        ),
        (
            "recognition rates",
            "as papers on BreakHis have them: the image recognition rate is the accuracy, the patient recognition rate the \
             mean over cases of the share of a case's images that are called what they are"
                .to_owned(),
        ),
        (
            "calibration error (ECE)",
            "mean distance of probability and share in 15 bins of as many images each; debiased: without what chance alone \
             adds to it"
                .to_owned(),
        ),
        (
            "risk and coverage",
            "images are answered from the surest on; AURC is the mean share of wrong ones among the answered, AUGRC that of \
             answered and wrong ones among all"
                .to_owned(),
        ),
        ("within strata", "over pairs of a benign and a malignant image of one magnification and one source width".to_owned()),
        (
            "exchanged",
            format!(
                "{} copies of each image with the colour statistics of another one, drawn whatever that one shows, seed {}; \
                 changed: the share of decisions that differ then",
                setting.exchanges, setting.exchange_seed
            ),
        ),
        ("controls", format!("logistic regressions on what is no tissue, fitted to {}", setting.controls_fitted_to)),
        ("frozen taps", setting.frozen_taps.clone()),
        ("unreadable images", "none: one image that cannot be read or predicted, and no figure is given".to_owned()),
    ];
    list_of_facts(facts)
}

pub(super) fn limits(report: &EvaluationReport<'_>) -> String {
    let cases = report.results.evaluation.cases.len();
    let lines = [
        format!("The figures rest on {cases} persons of one laboratory; the intervals say how much other persons of the same \
                 kind would move them, not what another laboratory, scanner or stain would."),
        "BreakHis holds tumours only: no normal tissue, no carcinoma in situ, no other organ. The shares of its classes and \
         subtypes are not those of any clinic, so precision and accuracy do not carry over.".to_owned(),
        "Who the persons are is not given, so nothing can be said about fairness between groups of them.".to_owned(),
        "Where a control ranks as well as the network, the network's figure is no evidence that it sees tissue.".to_owned(),
        "Figures by magnification, subtype and case rest on few cases each and have no intervals.".to_owned(),
    ];
    shown(&Section::Lines(lines.into()))
}

pub(super) fn sharing() -> String {
    paragraph(
        "Beside this page lie predictions.csv, a row an image, from which every figure here can be made again, and \
         metrics.json, the same figures with all their digits. Lobule, the program that made them, is under the MIT and the \
         Apache licence; its weights files say how they were trained. BreakHis is published by its authors. There is no protocol, no registration and no funding \
         statement for this run: whoever publishes it has to add them.",
    )
}

/// A sentence that begins with a capital.
pub(super) fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
