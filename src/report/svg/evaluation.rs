//! An evaluation as a figure: the four areas under the ROC curve of the network and of each control, a row each.

use crate::diagnosis::RESEARCH_USE;
use crate::evaluate::{Control, Evaluation, Interval, Metric, Section};
use crate::report::svg::{Anchor, Font, HEADING, Marker, REFERENCE, SMALL, Scale, Stroke, Svg, TEXT, TITLE, colour};

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

/// The areas, a panel each, with what they are.
const AREAS: [(Metric, &str); 4] = [
    (Metric::RocAuc, "images as they are"),
    (Metric::WithinStrata, "pairs of one magnification, width"),
    (Metric::Exchanged, "with the colours of other images"),
    (Metric::ExchangedWithinStrata, "both"),
];

/// A row: its name, its areas and their intervals.
type Row = (String, [Option<f64>; 4], [Interval; 4]);

/// The figure as an SVG document; `what` says of which network and images.
pub(crate) fn figure(evaluation: &Evaluation, what: &str) -> String {
    let rows = rows(evaluation);
    let bottom = ROWS + rows.len() as f64 * ROW;
    let title = "A network, and controls that know no tissue or go by colour";
    let mut svg = Svg::new(WIDTH, bottom + 70.0, title);
    svg.text((MARGIN, 30.0), Anchor::Start, TITLE, title);
    svg.text((MARGIN, 52.0), Anchor::Start, SMALL, what);
    names(&mut svg, &rows, (MARGIN, WIDTH - MARGIN), ROWS);
    for panel in 0..AREAS.len() {
        let left = LABELS + panel as f64 * PANEL;
        heading(&mut svg, panel, (left, ROWS));
        areas(&mut svg, &rows, panel, (left, ROWS));
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

/// Each panel by itself, as wide as a telephone.
pub(crate) fn panels(evaluation: &Evaluation) -> [String; 4] {
    const TOP: f64 = 68.0;
    const LEFT: f64 = 152.0;
    const RIGHT: f64 = LEFT + PANEL - GAP + 16.0;
    let rows = rows(evaluation);
    std::array::from_fn(|panel| {
        let (metric, detail) = AREAS[panel];
        let height = TOP + rows.len() as f64 * ROW + 4.0;
        let mut svg = Svg::new(RIGHT, height, &format!("{}: {detail}", metric.title()));
        names(&mut svg, &rows, (8.0, RIGHT - 4.0), TOP);
        heading(&mut svg, panel, (8.0, TOP));
        areas(&mut svg, &rows, panel, (LEFT, TOP));
        svg.finish()
    })
}

/// The names of the rows from `left` on, below `top`; a band up to `right` marks the network's.
fn names(svg: &mut Svg, rows: &[Row], (left, right): (f64, f64), top: f64) {
    svg.rectangle((left - 8.0, top + 1.0), right - left + 8.0, ROW - 2.0, colour::BAND);
    for (index, (name, ..)) in rows.iter().enumerate() {
        let y = top + (index as f64 + 0.5) * ROW + 4.0;
        svg.text((left, y), Anchor::Start, Font { bold: index == 0, ..TEXT }, name);
    }
}

/// What a panel is of, above it.
fn heading(svg: &mut Svg, panel: usize, (left, top): (f64, f64)) {
    let (metric, detail) = AREAS[panel];
    svg.text((left, top - 42.0), Anchor::Start, HEADING, metric.name());
    svg.text((left, top - 27.0), Anchor::Start, SMALL, detail);
}

/// A panel of areas with its scale.
fn areas(svg: &mut Svg, rows: &[Row], panel: usize, (left, top): (f64, f64)) {
    let numbers = rows
        .iter()
        .flat_map(|(_, areas, ends)| areas.iter().flatten().chain(ends.iter().flatten().map(|(low, _)| low)));
    let scale = Scale::rounded(numbers.copied().fold(0.4, f64::min), 1.0, (left, left + PANEL - GAP), 4);
    let bottom = top + rows.len() as f64 * ROW;
    svg.ticks_across(scale, (top, bottom), top - 8.0);
    let half = scale.at(0.5);
    svg.line(&[(half, top), (half, bottom)], REFERENCE);
    for (index, (_, areas, ends)) in rows.iter().enumerate() {
        let y = top + (index as f64 + 0.5) * ROW;
        let (marker, fill, radius) = match index {
            0 => (Marker::Disc, colour::BLUE, 5.0),
            _ => (Marker::Square, colour::VERMILION, 4.0),
        };
        let Some(area) = areas[panel] else {
            svg.text((left + (PANEL - GAP) / 2.0, y + 4.0), Anchor::Middle, SMALL, "undefined");
            continue;
        };
        if let Some((low, high)) = ends[panel] {
            let ends = [(scale.at(low), y), (scale.at(high), y)];
            svg.line(&ends, Stroke { colour: fill, width: 2.5, dashed: false });
        }
        let x = scale.at(area);
        svg.marker((x, y), marker, radius, fill);
        // Above the mark, where no interval runs through the digits.
        let font = Font { colour: colour::INK, bold: index == 0, ..SMALL };
        svg.text((x, y - 7.0), Anchor::Middle, font, &format!("{area:.3}"));
    }
}

fn rows(evaluation: &Evaluation) -> Vec<Row> {
    let (Section { figures, controls, .. }, metrics) = (&evaluation.all, AREAS.map(|(metric, _)| metric));
    let network = metrics.map(|metric| figures.get(metric));
    let control = |control: Control| {
        let figures = controls.get(&control).and_then(Option::as_ref);
        (control.to_string(), metrics.map(|metric| figures.and_then(|figures| figures.get(metric))), [None; 4])
    };
    let network = ("network".to_owned(), network, metrics.map(|metric| evaluation.intervals[metric]));
    std::iter::once(network).chain(Control::ALL.map(control)).collect()
}
