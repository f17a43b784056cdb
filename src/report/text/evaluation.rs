//! An evaluation as text.

use std::collections::BTreeMap;

use crate::diagnosis::RESEARCH_USE;
use crate::evaluate::{Control, ControlFigures, Evaluation, Figures, Group, Measure, Section, TrainedOnThese};
use crate::report::text::{Table, interval, number, thousands};

/// Whether the network was trained on what it is measured on: the first line of every evaluation.
pub(crate) fn trained_on_these(evaluation: &Evaluation) -> String {
    let (n, all) = (evaluation.all.figures.metrics.n, evaluation.cases.len());
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

/// All tables, with what they are of.
pub(crate) fn text(evaluation: &Evaluation) -> String {
    let Evaluation { all, setting, cases, .. } = evaluation;
    let n = all.figures.metrics.n;
    let mut text = format!(
        "images: {} of {} cases, threshold: {}\n\n",
        thousands(n),
        cases.len(),
        crate::evaluate::predictions::digits(setting.threshold.get())
    );
    let tables = [
        figures(evaluation),
        matrix(&all.figures),
        areas(all, Some(evaluation), tissue_title(evaluation)),
        shifts(all, "Mild shifts of the images, as another laboratory, scanner or file makes them".into()),
    ];
    let mut sections: Vec<String> = tables.iter().map(titled).collect();
    for (times, section) in &evaluation.magnifications {
        let title = format!("At {times}X, {} images", section.figures.metrics.n);
        sections.push(titled(&areas(section, None, title)));
    }
    if evaluation.magnifications.len() > 1 {
        sections.push(titled(&magnifications(&evaluation.magnifications)));
        sections.push(titled(&shifts_by_magnification(&evaluation.magnifications)));
    }
    sections.push(titled(&groups("subtype", &evaluation.subtypes)));
    sections.push(titled(&groups("case", &evaluation.cases)));
    text += &sections.join("\n");
    text + &format!("\n{RESEARCH_USE}\n")
}

/// The network's areas and those of the controls alone, for the end of a training.
pub(crate) fn tissue(evaluation: &Evaluation) -> String {
    titled(&areas(&evaluation.all, Some(evaluation), tissue_title(evaluation))).trim_end().to_owned()
}

fn titled(table: &Table) -> String {
    format!("{}\n{}", table.title, table.aligned())
}

/// The figures of the images as they are, each with its interval where it has one.
fn figures(evaluation: &Evaluation) -> Table {
    let Figures { metrics, patient_recognition_rate, .. } = &evaluation.all.figures;
    let with_interval = |name: &str, measure: Measure| {
        let place = Measure::ALL.iter().position(|other| *other == measure);
        let ends = place.and_then(|place| evaluation.intervals[place]);
        vec![name.to_owned(), number(measure.of(&evaluation.all.figures)), interval(ends)]
    };
    let alone = |name: &str, figure: Option<f64>| vec![name.to_owned(), number(figure), String::new()];
    let rows = vec![
        with_interval("accuracy", Measure::Accuracy),
        with_interval("precision", Measure::Precision),
        with_interval("recall (sensitivity)", Measure::Recall),
        alone("specificity", metrics.specificity),
        with_interval("F1", Measure::F1),
        with_interval("log loss (NLL)", Measure::Nll),
        alone("Brier score", metrics.brier),
        alone("calibration error (ECE)", metrics.ece),
        alone("PR AUC", metrics.pr_auc),
        alone("patient recognition rate", *patient_recognition_rate),
        with_interval("ROC AUC", Measure::RocAuc),
        with_interval("  within strata", Measure::WithinStrata),
        with_interval("  exchanged", Measure::Exchanged),
        with_interval("  exchanged, within strata", Measure::ExchangedWithinStrata),
        with_interval("choice: mean of both within strata", Measure::Choice),
        with_interval("decisions that change, exchanged", Measure::Changed),
        with_interval(
            &format!(
                "NLL where mean colour errs ({} images)",
                evaluation.all.figures.hard.n.map_or_else(|| "no".to_owned(), thousands)
            ),
            Measure::HardNll,
        ),
    ];
    Table::new("Figures; malignant is positive", 1, &["", "value", "95 % over cases"], rows)
}

fn matrix(figures: &Figures) -> Table {
    let c = &figures.metrics.confusion;
    let row = |name: &str, counts: [usize; 2]| {
        std::iter::once(name.to_owned()).chain(counts.map(|count| count.to_string())).collect()
    };
    let rows = vec![row("benign", [c.tn, c.fp]), row("malignant", [c.fn_, c.tp])];
    Table::new("Confusion matrix, in images", 1, &["", "called benign", "called malignant"], rows)
}

fn tissue_title(evaluation: &Evaluation) -> String {
    let setting = &evaluation.setting;
    format!(
        "What is not tissue: areas under the ROC curve of the network and of controls that know no tissue or go by colour\n\
         (within strata: pairs of one magnification and source width; exchanged: {} copies of each image with the colours \
         of others, seed {};\ncontrols are fitted to {};\nfrozen taps are {})",
        setting.exchanges, setting.exchange_seed, setting.controls_fitted_to, setting.frozen_taps
    )
}

/// The network and each control: as is, within strata, exchanged, exchanged within strata, changed, loss.
fn areas(section: &Section, intervals: Option<&Evaluation>, title: String) -> Table {
    let Section { figures, controls, .. } = section;
    let network = ControlFigures {
        roc_auc: figures.metrics.roc_auc,
        nll: figures.metrics.nll,
        within_strata: figures.within_strata.clone(),
        exchanged: figures.exchanged.clone(),
    };
    let mut rows = vec![row_of("network", Some(&network))];
    if let Some(evaluation) = intervals {
        let of = |wanted: Measure| {
            let place = Measure::ALL.iter().position(|measure| *measure == wanted);
            place.and_then(|place| evaluation.intervals[place])
        };
        let measures = [
            Measure::RocAuc,
            Measure::WithinStrata,
            Measure::Exchanged,
            Measure::ExchangedWithinStrata,
            Measure::Changed,
            Measure::Nll,
        ];
        let ends = measures.map(|measure| of(measure).map_or_else(String::new, |(a, b)| format!("{a:.3}-{b:.3}")));
        rows.push(std::iter::once("  95 % over cases".to_owned()).chain(ends).collect());
    }
    rows.extend(
        Control::ALL.iter().map(|control| row_of(&control.to_string(), controls.get(control).and_then(Option::as_ref))),
    );
    let header = ["", "ROC AUC", "within strata", "exchanged", "exch. in strata", "changed", "NLL"];
    Table::new(title, 1, &header, rows)
}

/// A row of areas; also of the controls' table of `lobule compare`.
pub(crate) fn row_of(name: &str, figures: Option<&ControlFigures>) -> Vec<String> {
    let Some(ControlFigures { roc_auc, nll, within_strata, exchanged }) = figures else {
        return std::iter::once(name.to_owned()).chain(std::iter::repeat_n("undefined".to_owned(), 6)).collect();
    };
    let numbers =
        [*roc_auc, within_strata.roc_auc, exchanged.roc_auc, exchanged.within_strata, exchanged.changed, *nll];
    std::iter::once(name.to_owned()).chain(numbers.map(number)).collect()
}

fn shifts(section: &Section, title: String) -> Table {
    let rows = section.shifts.iter().map(|shift| {
        let numbers = [shift.roc_auc, shift.within_strata.roc_auc, shift.nll, shift.changed];
        [shift.name.replace('_', " "), shift.severity.to_string()].into_iter().chain(numbers.map(number)).collect()
    });
    Table::new(title, 1, &["shift", "by", "ROC AUC", "within strata", "NLL", "changed"], rows.collect())
}

/// The other figures by magnification.
fn magnifications(sections: &BTreeMap<u32, Section>) -> Table {
    let row = |(times, section): (&u32, &Section)| {
        let Figures { metrics, hard, .. } = &section.figures;
        let mut row = vec![format!("{times}X"), metrics.n.to_string()];
        row.extend(
            [metrics.accuracy, metrics.recall, metrics.specificity, metrics.f1, metrics.ece, hard.nll].map(number),
        );
        row.push(hard.n.map_or_else(String::new, |n| n.to_string()));
        row
    };
    let header = ["magnification", "n", "accuracy", "recall", "specificity", "F1", "ECE", "hard NLL", "hard n"];
    Table::new("By magnification", 1, &header, sections.iter().map(row).collect())
}

/// The areas of shifted images, a column a magnification.
fn shifts_by_magnification(sections: &BTreeMap<u32, Section>) -> Table {
    let mut header = vec!["shift".to_owned(), "by".to_owned()];
    for times in sections.keys() {
        header.extend([format!("{times}X AUC"), "NLL".to_owned(), "changed".to_owned()]);
    }
    let shifts = sections.values().next().map_or(&[][..], |section| &section.shifts);
    let rows = shifts.iter().enumerate().map(|(index, shift)| {
        let mut row = vec![shift.name.replace('_', " "), shift.severity.to_string()];
        for section in sections.values() {
            let shift = &section.shifts[index];
            row.extend([shift.roc_auc, shift.nll, shift.changed].map(number));
        }
        row
    });
    Table { title: "Shifts by magnification".to_owned(), words: 1, header, rows: rows.collect() }
}

fn groups(what: &str, groups: &BTreeMap<String, Group>) -> Table {
    let row = |(name, group): (&String, &Group)| {
        let Group { truth, n, mean_probability, recall, changed } = group;
        vec![
            name.clone(),
            (*truth).to_owned(),
            n.to_string(),
            number(Some(*mean_probability)),
            number(Some(*recall)),
            number(*changed),
        ]
    };
    let header = [what, "truth", "n", "mean P(malignant)", "called what it is", "changed"];
    Table::new(format!("By {what}"), 2, &header, groups.iter().map(row).collect())
}
