//! The results: figures, curves, controls, groups and mistakes.

use crate::diagnosis::{Label, Probability};
use crate::evaluate::{Curves, Evaluation, Metric, Subject, TrainedOnThese};
use crate::report::evaluation::{self as tables, trained_on_these};
use crate::report::html::EvaluationReport;
use crate::report::html::markup::{cards, image, paragraph, plots, shown};
use crate::report::html::methods::capital;
use crate::report::paired;
use crate::report::sections::number;
use crate::report::svg::{self, escaped, plots as drawn, reliability};
use crate::system::digits;
use crate::system::thousands;

/// The figures that stand first.
const FIRST: [(Metric, &str); 6] = [
    (Metric::RocAuc, "malignant ranked above benign; .5 is chance"),
    (Metric::ExchangedWithinStrata, "the same when colour, magnification and width say nothing"),
    (Metric::Recall, "of malignant images called malignant"),
    (Metric::Specificity, "of benign images called benign"),
    (Metric::ImageRecognitionRate, "of images called what they are"),
    (Metric::PatientRecognitionRate, "mean over cases of the same"),
];

pub(super) fn summary(report: &EvaluationReport<'_>) -> String {
    let evaluation = report.results.evaluation;
    let known = matches!(evaluation.trained_on_these, Some(TrainedOnThese { images: 0, .. }));
    let lead = format!(
        "A network that classifies breast-histology images as benign or malignant was measured on {} images of {} cases.",
        thousands(evaluation.all.figures.n),
        evaluation.cases.len()
    );
    let trained = capital(&trained_on_these(evaluation));
    let trained = format!("<p{}>{}.</p>\n", if known { "" } else { " class=\"warning\"" }, escaped(&trained));
    let card = |(metric, what): (Metric, &str)| {
        let interval = evaluation.intervals[metric].map_or_else(
            || "no interval: too few cases of a class".to_owned(),
            |(low, high)| format!("95 %: {low:.3} to {high:.3}"),
        );
        let value =
            evaluation.all.figures.get(metric).map_or_else(|| "undefined".to_owned(), |value| format!("{value:.3}"));
        (metric.title(), value, [interval, what.to_owned()])
    };
    paragraph(&lead) + &trained + &cards(FIRST.map(card)) + &paragraph(&beside_colour(evaluation))
}

/// The sentence without which no area may stand: what colour alone gets.
fn beside_colour(evaluation: &Evaluation) -> String {
    let colour = evaluation.all.controls.get(&crate::evaluate::Control::MeanColour).and_then(Option::as_ref);
    let of = |metric| number(colour.and_then(|figures| figures.get(metric)));
    format!(
        "The mean colour alone, three numbers and no tissue, has a ROC AUC of {} on the same images, and of {} within strata \
         with colours exchanged.",
        of(Metric::RocAuc),
        of(Metric::ExchangedWithinStrata)
    )
}

pub(super) fn figures(evaluation: &Evaluation) -> String {
    let figures = &evaluation.all.figures;
    let by_class = shown(&tables::matrix(figures)) + &shown(&tables::classification_report(figures));
    let against = evaluation.against.as_ref().map(|against| shown(&paired::table(against))).unwrap_or_default();
    format!(
        "<div class=\"beside figures\">\n{}<div>\n{by_class}</div></div>\n{against}",
        shown(&tables::figures(evaluation))
    )
}

pub(super) fn ranking(evaluation: &Evaluation, curves: &Curves) -> String {
    let figures = &evaluation.all.figures;
    let at = digits(evaluation.setting.threshold.get());
    plots([
        (
            drawn::roc(curves, figures.confusion),
            format!(
                "ROC curve; the area under it is {}. The square is the operating point, a threshold of {at}; the dashed line \
                 is chance.",
                number(figures.get(Metric::RocAuc))
            ),
        ),
        (
            drawn::precision_recall(curves, figures.confusion),
            format!(
                "Precision over recall; the area under it (average precision) is {}. The dashed line is the share of \
                 malignant images, which is chance.",
                number(figures.get(Metric::PrAuc))
            ),
        ),
    ])
}

pub(super) fn calibration(evaluation: &Evaluation, curves: &Curves) -> String {
    let figures = &evaluation.all.figures;
    plots([
        (
            reliability::diagram(&curves.reliability, reliability::CALIBRATED).finish(),
            format!(
                "Reliability, a disc for each of {} bins of as many images: on the dashed line probabilities mean what they \
                 say, and upright lines are the gaps. Calibration error {}, debiased {}; Brier score {}.",
                curves.reliability.len(),
                number(figures.get(Metric::Ece)),
                number(figures.get(Metric::EceDebiased)),
                number(figures.get(Metric::Brier))
            ),
        ),
        (
            drawn::histogram(&curves.probabilities, evaluation.setting.threshold.get()),
            "Probabilities of malignancy by class. The dashed line is the threshold: right of it images are called malignant."
                .to_owned(),
        ),
    ])
}

pub(super) fn coverage(evaluation: &Evaluation, curves: &Curves) -> String {
    let figures = &evaluation.all.figures;
    let caption = format!(
        "Wrong decisions among the images that are answered, the surest first: a network that knows when it does not know \
         rises from nearly 0. AURC {}, AUGRC {}. Far to the left few images decide.",
        number(figures.get(Metric::Aurc)),
        number(figures.get(Metric::Augrc))
    );
    format!(
        "<div class=\"beside\">\n{}{}</div>\n",
        plots([(drawn::risk_coverage(curves), caption)]),
        shown(&tables::risk_coverage(evaluation))
    )
}

pub(super) fn colour(evaluation: &Evaluation) -> String {
    let panels = svg::evaluation::panels(evaluation).map(|svg| (svg, String::new()));
    paragraph(
        "The network beside controls that know no tissue or go by colour. The bars are 95 % over cases, the dashed line is \
         chance. A figure that a control reaches too may rest on what the control knows.",
    ) + &plots(panels).replace("<figcaption></figcaption>\n", "")
        + &shown(&tables::tissue_table(evaluation))
}

pub(super) fn shifts(evaluation: &Evaluation) -> String {
    let title = "Mild shifts, as another laboratory, scanner or file makes them";
    if evaluation.all.shifts.is_empty() {
        return paragraph("Shifted images were not asked for.");
    }
    shown(&tables::shifts(&evaluation.all, title))
}

pub(super) fn groups(evaluation: &Evaluation) -> String {
    let mut content = String::new();
    if !evaluation.magnifications.is_empty() {
        content += &shown(&tables::by_magnification(&evaluation.magnifications));
        for (times, section) in &evaluation.magnifications {
            content += &shown(&tables::at_magnification(*times, section));
        }
    }
    content += &shown(&tables::groups("subtype", &evaluation.subtypes));
    content + &shown(&tables::groups("case", &evaluation.cases))
}

pub(super) fn mistakes(report: &EvaluationReport<'_>) -> String {
    if report.mistakes.is_empty() {
        return paragraph("No image is called what it is not.");
    }
    let mistake = |mistake: &super::Mistake| {
        let Some(subject) = report.predictions.subjects.get(mistake.index) else { return String::new() };
        let margin = report.predictions.network.plain.get(mistake.index).copied().unwrap_or_default();
        let Subject { filename, truth, case, subtype, stratum } = subject;
        let called = if *truth == Label::Malignant { Label::Benign } else { Label::Malignant };
        let what = stratum.map_or_else(String::new, |stratum| format!(" at {}X", stratum.magnification));
        let alt = format!("A {} tumour{what}", truth.lower());
        let thumbnail = mistake.thumbnail.as_ref().map(|jpeg| image("jpeg", jpeg, &alt)).unwrap_or_default();
        let heatmap = mistake.heatmap.as_ref();
        let range = heatmap.map(|heatmap| format!("; colours from −{0:.1} to +{0:.1}", heatmap.range));
        let heatmap = heatmap.map(|heatmap| image("png", &heatmap.png, "Where the network looked"));
        let (range, heatmap) = (range.unwrap_or_default(), heatmap.unwrap_or_default());
        format!(
            "<li><div class=\"images\">{thumbnail}{heatmap}</div>\n<p><strong>{truth}</strong> ({subtype}{what}), called \
             {} with a probability of malignancy of {:.4}{range}<br><span class=\"name\">case {}, {}</span></p></li>\n",
            called.lower(),
            Probability::from_margin(margin).get(),
            escaped(case),
            escaped(filename),
            subtype = escaped(subtype),
        )
    };
    let list: String = report.mistakes.iter().map(mistake).collect();
    let heatmaps = match report.mistakes.iter().any(|mistake| mistake.heatmap.is_some()) {
        true => {
            " Beside each stands where the network looked: every place is coloured by what it adds to the margin, as if all \
             places were like it and the network's active units stayed as they are, from blue (benign) over grey (0) to red (malignant). A heatmap shows what \
             moved an answer; it is no proof of a tumour, nor that the answer is right."
        }
        false => " This network cannot say where it looked.",
    };
    paragraph(&format!("The images that the network is surest of and wrong about, the worst first.{heatmaps}"))
        + &format!("<ol class=\"mistakes\">\n{list}</ol>\n")
}
