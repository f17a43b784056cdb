//! An evaluation as a figure: the four areas under the ROC curve of the network and of each control, a row each.

use crate::diagnosis::RESEARCH_USE;
use crate::evaluate::Control;
use crate::evaluate::ControlFigures;
use crate::evaluate::Evaluation;
use crate::evaluate::Measure;
use crate::report::svg::{Anchor, Font, Marker, Scale, Stroke, Svg, colour};

// Pixels.
const WIDTH: f64 = 1000.0;
const MARGIN: f64 = 20.0;
/// Where the first area begins; the names stand before it.
const LABELS: f64 = 190.0;
const PANEL: f64 = 200.0;
/// What a panel leaves free at its right end, for the next one's first tick.
const GAP: f64 = 34.0;
const ROWS: f64 = 130.0;
const ROW: f64 = 34.0;

const TITLE: Font = Font { size: 17.0, colour: colour::INK, bold: true };
const HEADING: Font = Font { size: 13.0, colour: colour::INK, bold: true };
const TEXT: Font = Font { size: 12.5, colour: colour::INK, bold: false };
const SMALL: Font = Font { size: 11.0, colour: colour::GREY, bold: false };
const GRID: Stroke = Stroke { colour: colour::GRID, width: 1.0, dashed: false };

/// The areas, a panel each.
const AREAS: [(Measure, &str, &str); 4] = [
    (Measure::RocAuc, "ROC AUC", "images as they are"),
    (Measure::WithinStrata, "within strata", "pairs of one magnification, width"),
    (Measure::Exchanged, "exchanged", "with the colours of other images"),
    (Measure::ExchangedWithinStrata, "exchanged, within strata", "both"),
];

/// A row: its name, its areas and their intervals.
type Row = (String, [Option<f64>; 4], [Option<(f64, f64)>; 4]);

/// The figure as an SVG document; `what` says of which network and images.
#[must_use]
pub fn evaluation_figure(evaluation: &Evaluation, what: &str) -> String {
    let rows = rows(evaluation);
    let bottom = ROWS + rows.len() as f64 * ROW;
    let title = "A network, and controls that know no tissue or go by colour";
    let mut svg = Svg::new(WIDTH, bottom + 70.0, title);
    svg.text((MARGIN, 30.0), Anchor::Start, TITLE, title);
    svg.text((MARGIN, 52.0), Anchor::Start, SMALL, what);
    svg.rectangle((MARGIN / 2.0, ROWS + 1.0), WIDTH - MARGIN, ROW - 2.0, colour::BAND);
    for (index, (name, ..)) in rows.iter().enumerate() {
        let y = ROWS + (index as f64 + 0.5) * ROW + 4.0;
        svg.text((MARGIN, y), Anchor::Start, Font { bold: index == 0, ..TEXT }, name);
    }
    let numbers = || {
        rows.iter().flat_map(|(_, areas, ends)| areas.iter().flatten().chain(ends.iter().flatten().map(|(low, _)| low)))
    };
    let lowest = numbers().copied().fold(0.4, f64::min);
    for (panel, (_, name, detail)) in AREAS.into_iter().enumerate() {
        let left = LABELS + panel as f64 * PANEL;
        let scale = Scale::rounded(lowest, 1.0, (left, left + PANEL - GAP), 4);
        svg.text((left, ROWS - 42.0), Anchor::Start, HEADING, name);
        svg.text((left, ROWS - 27.0), Anchor::Start, SMALL, detail);
        for (x, label) in scale.ticks() {
            svg.line(&[(x, ROWS), (x, bottom)], GRID);
            svg.text((x, ROWS - 8.0), Anchor::Middle, SMALL, &label);
        }
        let half = scale.at(0.5);
        svg.line(&[(half, ROWS), (half, bottom)], Stroke { colour: colour::GREY, width: 1.0, dashed: true });
        for (index, (_, areas, ends)) in rows.iter().enumerate() {
            let y = ROWS + (index as f64 + 0.5) * ROW;
            let (marker, fill) = match index {
                0 => (Marker::Disc, colour::BLUE),
                _ => (Marker::Square, colour::VERMILION),
            };
            let Some(area) = areas[panel] else {
                svg.text((left + (PANEL - GAP) / 2.0, y + 4.0), Anchor::Middle, SMALL, "undefined");
                continue;
            };
            if let Some((low, high)) = ends[panel] {
                svg.line(
                    &[(scale.at(low), y), (scale.at(high), y)],
                    Stroke { colour: fill, width: 2.5, dashed: false },
                );
            }
            let x = scale.at(area);
            svg.marker((x, y), marker, if index == 0 { 5.0 } else { 4.0 }, fill);
            // Above the mark, where no interval runs through the digits.
            let font = Font { colour: colour::INK, bold: index == 0, ..SMALL };
            svg.text((x, y - 7.0), Anchor::Middle, font, &format!("{area:.3}"));
        }
    }
    let setting = &evaluation.setting;
    let fitted = format!(
        "Dashed: a half, which is chance. Bars: 95 % over cases. Controls are fitted to {}. {} exchanges, seed {}.",
        setting.controls_fitted_to, setting.exchanges, setting.exchange_seed
    );
    svg.text((MARGIN, bottom + 28.0), Anchor::Start, SMALL, &fitted);
    let notice = format!("Frozen taps: {}. {RESEARCH_USE}", setting.frozen_taps);
    svg.text((MARGIN, bottom + 46.0), Anchor::Start, SMALL, &notice);
    svg.finish()
}

fn rows(evaluation: &Evaluation) -> Vec<Row> {
    let figures = &evaluation.all.figures;
    let ends = AREAS.map(|(measure, ..)| {
        let place = Measure::ALL.iter().position(|other| *other == measure);
        place.and_then(|place| evaluation.intervals[place])
    });
    let mut rows: Vec<Row> = vec![("network".to_owned(), AREAS.map(|(measure, ..)| measure.of(figures)), ends)];
    for control in Control::ALL {
        let of = |figures: &ControlFigures| {
            let ControlFigures { roc_auc, within_strata, exchanged, .. } = figures;
            [*roc_auc, within_strata.roc_auc, exchanged.roc_auc, exchanged.within_strata]
        };
        let areas = evaluation.all.controls.get(&control).and_then(Option::as_ref).map_or([None; 4], of);
        rows.push((control.to_string(), areas, [None; 4]));
    }
    rows
}
