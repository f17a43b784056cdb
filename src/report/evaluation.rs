//! What an evaluation shows.

use std::collections::BTreeMap;

use crate::diagnosis::RESEARCH_USE;
use crate::evaluate::{
    ClassFigures, Control, ControlFigures, Coverage, Evaluation, Figures, Group, Metric, Paired, Section as Figured,
    TrainedOnThese,
};
use crate::report::sections::{Cell, Records, Section, interval, number, row};
use crate::report::{Results, paired, svg, text};
use crate::system::{digits, thousands};

/// An evaluation, with the names of the network and the images.
#[derive(Clone, Copy, Debug)]
pub struct EvaluationResults<'a> {
    pub(crate) evaluation: &'a Evaluation,
    /// The network's name and version.
    pub network: &'a str,
    pub(crate) images: &'a str,
}

impl Results for EvaluationResults<'_> {
    fn sections(&self) -> Vec<Section> {
        let Self { evaluation, network, images } = self;
        let Evaluation { all, setting, cases, magnifications, subtypes, .. } = evaluation;
        let mut sections = vec![
            Section::Lines(vec![
                trained_on_these(evaluation),
                (*images).to_owned(),
                format!("network: {network}"),
                format!(
                    "images: {} of {} cases, threshold: {}",
                    thousands(all.figures.n),
                    cases.len(),
                    digits(setting.threshold.get())
                ),
            ]),
            figures(evaluation),
            matrix(&all.figures),
            classification_report(&all.figures),
            risk_coverage(evaluation),
        ];
        sections.extend(evaluation.against.as_ref().map(paired::table));
        sections.extend([
            tissue_table(evaluation),
            shifts(all, "Mild shifts of the images, as another laboratory, scanner or file makes them"),
        ]);
        for (times, section) in magnifications {
            sections.push(at_magnification(*times, section));
        }
        if magnifications.len() > 1 {
            sections.extend([by_magnification(magnifications), shifts_by_magnification(magnifications)]);
        }
        sections.extend([groups("subtype", subtypes), groups("case", cases)]);
        sections.push(Section::Sentence(RESEARCH_USE.to_owned()));
        sections
    }

    fn records(&self) -> Records {
        let evaluation = self.evaluation;
        let mut rows = records_of("all", &evaluation.all, Some(evaluation));
        for (times, section) in &evaluation.magnifications {
            rows.extend(records_of(&format!("magnification:{times}"), section, None));
        }
        for (what, groups) in [("subtype", &evaluation.subtypes), ("case", &evaluation.cases)] {
            for (name, group) in groups {
                let figures = [
                    ("n", Some(group.n as f64)),
                    ("mean_probability", Some(group.mean_probability)),
                    (Metric::Recall.key(), Some(group.recall)),
                    (Metric::Changed.key(), group.changed),
                ];
                let images = format!("{what}:{name}");
                rows.extend(figures.map(|(figure, value)| record(&images, "network", figure, value)));
            }
        }
        if let Some(trained) = evaluation.trained_on_these {
            rows.push(record("all", "network", "trained_on_images", Some(trained.images as f64)));
            rows.push(record("all", "network", "trained_on_cases", Some(trained.cases as f64)));
        }
        if let Some(paired) = &evaluation.against {
            let cells = |metric: Metric| {
                let mut cells = record("all", "difference", metric.key(), paired.differences[metric]);
                let ends = paired.intervals[metric];
                cells.extend(
                    ends.into_iter()
                        .flat_map(|(low, high)| [("low", low), ("high", high)])
                        .map(|(key, end)| (key, Cell::Number(end))),
                );
                cells
            };
            rows.extend(Paired::metrics().map(cells));
        }
        Records::new(vec!["images", "of", "figure", "value", "low", "high"], rows)
    }

    fn json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self.evaluation)
    }

    fn figure(&self) -> String {
        svg::evaluation::figure(self.evaluation, &format!("{}, {}", self.network, self.images))
    }
}

/// Whether the network was trained on what it is measured on: the first line of every evaluation.
pub(crate) fn trained_on_these(evaluation: &Evaluation) -> String {
    let (n, all) = (evaluation.all.figures.n, evaluation.cases.len());
    match evaluation.trained_on_these {
        None => "the weights file does not say which cases it was trained on".to_owned(),
        Some(TrainedOnThese { images: 0, .. }) => "the network was trained on none of these cases".to_owned(),
        Some(TrainedOnThese { images, cases }) => format!(
            "WARNING: the network was trained on {} of these {} images ({cases} of {all} cases); figures on them say \
             nothing about other persons",
            thousands(images),
            thousands(n)
        ),
    }
}

/// The network's areas and those of the controls alone, for the end of a training.
pub(crate) fn tissue(evaluation: &Evaluation) -> String {
    text::text(&[tissue_table(evaluation)]).trim_end().to_owned()
}

/// The figures of the images as they are, each with its interval where it has one.
pub(super) fn figures(evaluation: &Evaluation) -> Section {
    let figures = &evaluation.all.figures;
    let rows = Metric::ALL.into_iter().map(|metric| {
        let ends = evaluation.intervals[metric].filter(|_| metric.has_interval());
        row([metric.title()], [value(figures, metric), interval(ends)])
    });
    Section::table("Figures; malignant is positive", 1, ["", "value", "95 % over cases"], rows)
}

fn value(figures: &Figures, metric: Metric) -> String {
    match figures.get(metric) {
        Some(count) if metric.is_a_count() => thousands(count as usize),
        value => number(value),
    }
}

pub(super) fn matrix(figures: &Figures) -> Section {
    let c = &figures.confusion;
    let rows = [("benign", [c.tn, c.fp]), ("malignant", [c.fn_, c.tp])];
    let rows = rows.map(|(name, counts)| row([name], counts.map(|count| count.to_string())));
    Section::table("Confusion matrix, in images", 1, ["", "called benign", "called malignant"], rows)
}

/// scikit-learn's classification report.
pub(super) fn classification_report(figures: &Figures) -> Section {
    let report = figures.classification_report();
    let class = |(name, class): (&'static str, &ClassFigures)| {
        let shares = [class.precision, class.recall, class.f1].map(number);
        row([name], shares.into_iter().chain([class.support.to_string()]))
    };
    let mut rows: Vec<Vec<String>> = report.rows().map(class).into();
    rows.insert(2, row(["accuracy", "", ""], [number(report.accuracy), figures.n.to_string()]));
    Section::table("By class, each positive in its turn", 1, ["", "precision", "recall", "F1", "n"], rows)
}

/// What is gained by leaving the least sure images to a person.
pub(super) fn risk_coverage(evaluation: &Evaluation) -> Section {
    let row = |at: &Coverage| {
        row([], [format!("{:.0} %", 100.0 * at.coverage), at.answered.to_string(), number(Some(at.risk))])
    };
    let title = "Errors when only the surest images are answered";
    Section::table(title, 0, ["answered", "n", "wrong"], evaluation.risk_coverage.iter().map(row))
}

pub(super) fn tissue_table(evaluation: &Evaluation) -> Section {
    let setting = &evaluation.setting;
    let title = format!(
        "What is not tissue: areas under the ROC curve of the network and of controls that know no tissue or go by colour\n\
         (within strata: pairs of one magnification and source width; exchanged: {} copies of each image with the colours \
         of others, seed {};\ncontrols are fitted to {};\nfrozen taps are {})",
        setting.exchanges, setting.exchange_seed, setting.controls_fitted_to, setting.frozen_taps
    );
    areas(&evaluation.all, Some(evaluation), title)
}

/// The network and each control over the images of one magnification.
pub(super) fn at_magnification(times: u32, section: &Figured) -> Section {
    areas(section, None, format!("At {times}X, {} images", section.figures.n))
}

/// The network and each control by the metrics that controls have.
fn areas(section: &Figured, intervals: Option<&Evaluation>, title: String) -> Section {
    let Figured { figures, controls, .. } = section;
    let mut rows = vec![row(["network"], Metric::OF_CONTROLS.map(|metric| number(figures.get(metric))))];
    if let Some(Evaluation { intervals, .. }) = intervals {
        let ends = |metric| intervals[metric].map_or_else(String::new, |(low, high)| format!("{low:.3}-{high:.3}"));
        rows.push(row(["  95 % over cases"], Metric::OF_CONTROLS.map(ends)));
    }
    rows.extend(Control::ALL.iter().map(|control| {
        let figures = controls.get(control).and_then(Option::as_ref);
        row([&*control.to_string()], cells_of_control(figures))
    }));
    Section::table(title, 1, header_of_controls([""]), rows)
}

/// The names of the columns of controls, behind those of the words before them.
pub(crate) fn header_of_controls<const N: usize>(words: [&'static str; N]) -> impl Iterator<Item = &'static str> {
    words.into_iter().chain(Metric::OF_CONTROLS.map(Metric::name))
}

/// The figures of a control in the order of these columns.
pub(crate) fn cells_of_control(figures: Option<&ControlFigures>) -> [String; Metric::OF_CONTROLS.len()] {
    Metric::OF_CONTROLS.map(|metric| number(figures.and_then(|figures| figures.get(metric))))
}

pub(super) fn shifts(section: &Figured, title: &str) -> Section {
    let rows = section.shifts.iter().map(|shift| {
        let words = [&*shift.name.replace('_', " "), &shift.severity.to_string()];
        row(words, Metric::OF_SHIFTS.map(|metric| number(shift.get(metric))))
    });
    Section::table(title, 1, ["shift", "by"].into_iter().chain(Metric::OF_SHIFTS.map(Metric::name)), rows)
}

/// The other figures by magnification.
pub(super) fn by_magnification(sections: &BTreeMap<u32, Figured>) -> Section {
    let metrics = [
        Metric::Accuracy,
        Metric::Recall,
        Metric::Specificity,
        Metric::F1,
        Metric::Ece,
        Metric::HardNll,
        Metric::HardImages,
    ];
    let rows = sections.iter().map(|(times, Figured { figures, .. })| {
        let words = [&*format!("{times}X"), &figures.n.to_string()];
        row(words, metrics.map(|metric| value(figures, metric)))
    });
    Section::table("By magnification", 1, ["magnification", "n"].into_iter().chain(metrics.map(Metric::name)), rows)
}

/// The areas of shifted images, a column a magnification.
fn shifts_by_magnification(sections: &BTreeMap<u32, Figured>) -> Section {
    let metrics = [Metric::RocAuc, Metric::Nll, Metric::Changed];
    let names = sections.keys().flat_map(|times| metrics.map(|metric| format!("{times}X {}", metric.name())));
    let header = ["shift", "by"].map(str::to_owned).into_iter().chain(names);
    let shifts = sections.values().next().map_or(&[][..], |section| &section.shifts);
    let rows = shifts.iter().enumerate().map(|(index, shift)| {
        let of_section = |section: &Figured| metrics.map(|metric| number(section.shifts[index].get(metric)));
        row([&*shift.name.replace('_', " "), &shift.severity.to_string()], sections.values().flat_map(of_section))
    });
    Section::table("Shifts by magnification", 1, header, rows)
}

pub(super) fn groups(what: &str, groups: &BTreeMap<String, Group>) -> Section {
    let rows = groups.iter().map(|(name, group)| {
        let Group { truth, n, mean_probability, recall, changed } = group;
        let numbers = [Some(*mean_probability), Some(*recall), *changed].map(number);
        row([&**name, truth, &n.to_string()], numbers)
    });
    let header = [what, "truth", "n", "mean P(malignant)", "called what it is", "changed"];
    Section::table(format!("By {what}"), 2, header, rows)
}

/// A figure: of which images; of what, `network`, a control, or a shift with its severity behind a colon.
fn record(images: &str, of: &str, figure: &'static str, value: Option<f64>) -> Vec<(&'static str, Cell)> {
    vec![("images", images.into()), ("of", of.into()), ("figure", figure.into()), ("value", value.into())]
}

fn records_of(images: &str, section: &Figured, intervals: Option<&Evaluation>) -> Vec<Vec<(&'static str, Cell)>> {
    let Figured { figures, controls, shifts } = section;
    let network = |figure, value| record(images, "network", figure, value);
    let mut rows = Vec::new();
    let of_metric = |metric: Metric| {
        let mut row = network(metric.key(), figures.get(metric));
        let ends = intervals.and_then(|evaluation| evaluation.intervals[metric].filter(|_| metric.has_interval()));
        if let Some((low, high)) = ends {
            row.extend([("low", Cell::Number(low)), ("high", Cell::Number(high))]);
        }
        row
    };
    rows.extend(Metric::compared().map(of_metric));
    rows.push(network("n", Some(figures.n as f64)));
    rows.extend(Metric::ALL.into_iter().filter(|metric| !metric.is_compared()).map(of_metric));
    let c = figures.confusion;
    rows.extend([("tp", c.tp), ("fn", c.fn_), ("fp", c.fp), ("tn", c.tn)].map(|(key, n)| network(key, Some(n as f64))));
    for control in Control::ALL {
        let figures = controls.get(&control).and_then(Option::as_ref);
        let value = |metric| figures.and_then(|figures| figures.get(metric));
        rows.extend(Metric::OF_CONTROLS.map(|metric| record(images, control.key(), metric.key(), value(metric))));
    }
    for shift in shifts {
        let of = format!("{}:{}", shift.name, shift.severity);
        rows.extend(Metric::OF_SHIFTS.map(|metric| record(images, &of, metric.key(), shift.get(metric))));
    }
    rows
}
