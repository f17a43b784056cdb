//! A comparison as one figure: the metrics side by side, a row a run, and the confusion matrices.

use crate::diagnosis::{Label, RESEARCH_USE};
use crate::evaluate::comparison::{ComparedRun, Comparison, SplitKind, Spread};
use crate::evaluate::{Confusion, ControlFigures, Metric, PerMetric};
use crate::report::svg::{Anchor, Font, GRID, HEADING, Marker, Place, SMALL, Scale, Stroke, Svg, TEXT, TITLE, colour};

// Pixels.
const WIDTH: f64 = 1060.0;
const MARGIN: f64 = 20.0;
/// Where the first metric begins; the names of the runs stand before it.
const LABELS: f64 = 270.0;
const PANEL: f64 = 128.0;
/// What a panel leaves free at its right end, for the next one's first tick.
const GAP: f64 = 26.0;
const ROWS: f64 = 124.0;
const ROW: f64 = 36.0;
const PANELS_IN_A_BAND: usize = 6;
const CELL: (f64, f64) = (72.0, 40.0);
/// The place of one confusion matrix with its title and the names of its rows.
const MATRIX: (f64, f64) = (254.0, 160.0);
const MATRICES_IN_A_ROW: usize = 4;

/// A control's place.
const TICK: Stroke = Stroke { colour: colour::GREY, width: 1.5, dashed: false };

/// The figure as an SVG document.
pub(crate) fn figure(comparison: &Comparison) -> String {
    let rows = rows(comparison);
    let runs: Vec<&ComparedRun> = comparison.runs().collect();
    let band = rows.len() as f64 * ROW + ROWS - 40.0;
    let beside_the_report = Metric::beside_the_report_areas_first();
    let bands = std::iter::once(&Metric::OF_REPORT[..]).chain(beside_the_report.chunks(PANELS_IN_A_BAND));
    let matrices = ROWS + band * bands.clone().count() as f64 - 22.0;
    let height = matrices + runs.len().div_ceil(MATRICES_IN_A_ROW) as f64 * MATRIX.1 + 34.0;

    let mut svg = Svg::new(WIDTH, height, "Runs side by side");
    svg.text((MARGIN, 30.0), Anchor::Start, TITLE, "Runs side by side");
    legend(&mut svg, 54.0);
    for (index, metrics) in bands.enumerate() {
        draw_rows(&mut svg, &rows, ROWS + index as f64 * band, metrics);
    }
    let heading = "Confusion matrices: what images show (rows) and what they were called (columns)";
    svg.text((MARGIN, matrices - 14.0), Anchor::Start, HEADING, heading);
    for (index, run) in runs.into_iter().enumerate() {
        let (column, row) = (index % MATRICES_IN_A_ROW, index / MATRICES_IN_A_ROW);
        draw_matrix(&mut svg, (MARGIN + column as f64 * MATRIX.0, matrices + row as f64 * MATRIX.1), run);
    }
    let note = format!("Decisions at a probability of one half; malignant is positive. {RESEARCH_USE}");
    svg.text((MARGIN, height - 16.0), Anchor::Start, SMALL, &note);
    svg.finish()
}

/// A row of the upper part: a run, or the mean of several.
struct Row {
    name: String,
    detail: String,
    split: SplitKind,
    /// Its metrics; a single run has no spread.
    numbers: PerMetric<Option<(f64, Option<f64>)>>,
    /// The controls on the same images; none for a mean.
    controls: Vec<ControlFigures>,
    /// Whether it is the first of its group.
    first: bool,
}

fn rows(comparison: &Comparison) -> Vec<Row> {
    let mut rows = Vec::new();
    for group in &comparison.groups {
        for (index, run) in group.runs.iter().enumerate() {
            let numbers = PerMetric::of(|metric| run.figures.get(metric).map(|number| (number, None)));
            let detail = format!("{}: {}, n = {}", end_of(&run.name, 26), run.part, run.figures.n);
            let controls = run.controls.iter().map(|(_, figures)| figures.clone()).collect();
            rows.push(Row { name: name(run), detail, split: run.split(), numbers, controls, first: index == 0 });
        }
        if let (Some(spreads), Some(run)) = (group.spreads, group.runs.first()) {
            let number = |Spread { mean, standard_deviation }| (mean, Some(standard_deviation));
            rows.push(Row {
                name: format!("{}, {}: mean", end_of(&run.recipe, 16), run.split()),
                detail: format!("{} seeds, ± one standard deviation", group.runs.len()),
                split: run.split(),
                numbers: PerMetric::of(|metric| spreads[metric].map(number)),
                controls: Vec::new(),
                first: false,
            });
        }
    }
    rows
}

fn name(run: &ComparedRun) -> String {
    format!("{}, {}, seed {}", end_of(&run.recipe, 16), run.split(), run.seed)
}

/// The last characters of a text that is too long: folders of runs differ at their ends.
fn end_of(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let end: String = text.chars().skip(count + 1 - most).collect();
    format!("…{end}")
}

fn look(split: SplitKind) -> (Marker, &'static str) {
    match split {
        SplitKind::ByCase => (Marker::Disc, colour::BLUE),
        SplitKind::ByImage => (Marker::Square, colour::VERMILION),
    }
}

fn legend(svg: &mut Svg, y: f64) {
    let mut x = MARGIN;
    for (split, text) in [
        (SplitKind::ByCase, "split by case: no person is in two parts"),
        (SplitKind::ByImage, "split by image: images of one person are in several parts, which flatters"),
    ] {
        let (marker, fill) = look(split);
        svg.marker((x + 5.0, y - 4.0), marker, 4.5, fill);
        svg.text((x + 16.0, y), Anchor::Start, TEXT, text);
        x += 280.0;
    }
    svg.line(&[(x + 230.0, y - 8.0), (x + 230.0, y)], TICK);
    svg.text((x + 238.0, y), Anchor::Start, TEXT, "controls on the same images");
}

/// A band of panels whose rows begin at `top`, a panel a metric.
fn draw_rows(svg: &mut Svg, rows: &[Row], top: f64, metrics: &[Metric]) {
    let bottom = top + rows.len() as f64 * ROW;
    for (index, row) in rows.iter().enumerate() {
        let y = top + index as f64 * ROW;
        let mean = Metric::ALL.into_iter().filter_map(|metric| row.numbers[metric]).any(|(_, spread)| spread.is_some());
        if row.first && index > 0 {
            svg.line(&[(MARGIN, y), (WIDTH - MARGIN, y)], Stroke { colour: colour::GREY, ..GRID });
        }
        svg.text((MARGIN, y + 16.0), Anchor::Start, Font { bold: mean, ..TEXT }, &row.name);
        svg.text((MARGIN, y + 30.0), Anchor::Start, SMALL, &row.detail);
    }
    // The axes of what should be large begin at one place in all of a band.
    let shares = metrics.iter().filter(|metric| !metric.is_a_cost()).flat_map(|metric| numbers(rows, *metric));
    let lowest = shares.map(|(number, spread)| number - spread).fold(0.8, f64::min).max(0.0);
    for (panel, &metric) in metrics.iter().enumerate() {
        let left = LABELS + panel as f64 * PANEL;
        let pixels = (left, left + PANEL - GAP);
        let highest = numbers(rows, metric).map(|(number, spread)| number + spread).fold(0.1, f64::max);
        let (from, to, better) =
            if metric.is_a_cost() { (0.0, highest, "less is better") } else { (lowest, 1.0, "more is better") };
        let scale = Scale::rounded(from, to, pixels, 2);
        svg.text((left, top - 40.0), Anchor::Start, HEADING, metric.name());
        svg.text((left, top - 26.0), Anchor::Start, SMALL, better);
        svg.ticks_across(scale, (top, bottom), top - 8.0);
        for (row, y) in rows.iter().zip((0..).map(|index| top + f64::from(index) * ROW + ROW / 2.0)) {
            for x in row.controls.iter().filter_map(|control| control.get(metric)).map(|number| scale.at(number)) {
                svg.line(&[(x, y + 8.0), (x, y + 15.0)], TICK);
            }
            draw_number(svg, row.numbers[metric], look(row.split), scale, (pixels, y));
        }
    }
}

/// The numbers of a metric with their spreads; those of controls and single runs have none.
fn numbers(rows: &[Row], metric: Metric) -> impl Iterator<Item = (f64, f64)> {
    let controls = rows.iter().flat_map(|row| &row.controls).filter_map(move |control| control.get(metric));
    let runs = rows.iter().filter_map(move |row| row.numbers[metric]);
    runs.map(|(number, spread)| (number, spread.unwrap_or(0.0))).chain(controls.map(|number| (number, 0.0)))
}

/// A number of a run: its mark and, on the side with more room, its digits.
fn draw_number(
    svg: &mut Svg,
    number: Option<(f64, Option<f64>)>,
    (marker, fill): (Marker, &'static str),
    scale: Scale,
    ((left, right), y): ((f64, f64), f64),
) {
    let Some((number, spread)) = number else {
        svg.text(((left + right) / 2.0, y + 4.0), Anchor::Middle, SMALL, "undefined");
        return;
    };
    let x = scale.at(number);
    let mut reach = 8.0;
    if let Some(spread) = spread {
        // A bar that leaves its axis is cut before it reaches the next one.
        let ends = [number - spread, number + spread].map(|end| scale.at(end).clamp(left - 10.0, right + 10.0));
        svg.line(&ends.map(|x| (x, y)), Stroke { colour: fill, width: 3.0, dashed: false });
        reach += (ends[1] - ends[0]) / 2.0;
    }
    svg.marker((x, y), marker, if spread.is_some() { 5.5 } else { 4.0 }, fill);
    let (x, anchor) = if x > (left + right) / 2.0 { (x - reach, Anchor::End) } else { (x + reach, Anchor::Start) };
    let font = Font { colour: colour::INK, bold: spread.is_some(), ..SMALL };
    svg.text((x, y + 4.0), anchor, font, &format!("{number:.3}"));
}

/// The confusion matrix of a run: a row a class, a column a decision.
fn draw_matrix(svg: &mut Svg, (x, y): Place, run: &ComparedRun) {
    svg.text((x, y + 10.0), Anchor::Start, TEXT, &name(run));
    svg.text((x, y + 25.0), Anchor::Start, SMALL, &format!("{}: {}", end_of(&run.name, 26), run.part));
    let (left, top) = (x + 68.0, y + 50.0);
    let Confusion { tp, fn_, fp, tn } = run.figures.confusion;
    for (column, label) in Label::ALL.into_iter().enumerate() {
        let middle = left + (column as f64 + 0.5) * CELL.0;
        svg.text((middle, top - 6.0), Anchor::Middle, SMALL, label.lower());
    }
    for (row, (label, counts)) in Label::ALL.into_iter().zip([[tn, fp], [fn_, tp]]).enumerate() {
        let y = top + row as f64 * CELL.1;
        svg.text((left - 6.0, y + CELL.1 / 2.0 + 4.0), Anchor::End, SMALL, label.lower());
        for (column, count) in counts.into_iter().enumerate() {
            let class = counts[0] + counts[1];
            let share = (class > 0).then(|| count as f64 / class as f64);
            draw_cell(svg, (left + column as f64 * CELL.0, y), count, share);
        }
    }
}

/// A cell: images, and their share of the class, where there is one.
fn draw_cell(svg: &mut Svg, (x, y): Place, count: usize, share: Option<f64>) {
    let known = share.unwrap_or(0.0);
    svg.rectangle((x, y), CELL.0 - 2.0, CELL.1 - 2.0, &shade(known));
    let ink = if known > 0.55 { colour::WHITE } else { colour::INK };
    let middle = x + CELL.0 / 2.0 - 1.0;
    svg.text((middle, y + 17.0), Anchor::Middle, Font { colour: ink, bold: true, ..TEXT }, &count.to_string());
    let share = share.map_or_else(|| "none".to_owned(), |share| format!("{:.1} %", share * 100.0));
    svg.text((middle, y + 32.0), Anchor::Middle, Font { colour: ink, ..SMALL }, &share);
}

/// From nearly white to blue.
fn shade(share: f64) -> String {
    let channel = |light: f64, dark: f64| (light + (dark - light) * share).round() as u8;
    format!("#{:02X}{:02X}{:02X}", channel(240.0, 0.0), channel(244.0, 94.0), channel(248.0, 150.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Threshold;
    use crate::evaluate::comparison::tests::run as compared;
    use crate::evaluate::{Control, Figures, Margins, Predictions, Stratum, Subject};

    /// Predictions for benign and malignant images of one stratum; without one where it is none.
    fn predictions(plain: Vec<f64>, benign: usize, stratum: Option<Stratum>) -> Predictions {
        let subject = |index: usize| Subject::drawn(Label::ALL[usize::from(index >= benign)], "1", stratum);
        let subjects = (0..plain.len()).map(subject).collect();
        Predictions { subjects, network: Margins { plain, exchanged: Vec::new() }, ..Predictions::default() }
    }

    /// Three of five benign images and all five malignant ones are called what they are.
    fn run(name: &str, seed: u64, shared_cases: usize) -> ComparedRun {
        let margins = [-1.0, -1.0, -1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 2.0];
        let predictions = predictions(margins.to_vec(), 5, None);
        let figures = Figures::of(&predictions, &predictions.all(), Threshold::HALF);
        ComparedRun { figures, ..compared(name, seed, shared_cases, 0.0) }
    }

    #[test]
    fn a_figure_holds_every_run_its_matrix_and_the_notice() {
        let runs = vec![run("runs/a", 1, 0), run("runs/b", 2, 0), run("<c>", 1, 3)];
        let svg = figure(&Comparison::of(runs, None));
        for text in
            ["runs/a: test, n = 10", "runs/b: test", "&lt;c&gt;: test", ">undefined<", RESEARCH_USE, ">100.0 %<"]
        {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        // The legend's tick only: these runs have no controls.
        assert_eq!(ticks(&svg), 1);
        // In both bands of metrics.
        assert_eq!(svg.matches(">best, by case: mean<").count(), 2);
        assert_eq!(svg.matches(">60.0 %<").count(), 3);
        assert!(!svg.contains("NaN"));
    }

    fn ticks(svg: &str) -> usize {
        svg.matches(&format!(r#"stroke="{}" stroke-width="1.5""#, colour::GREY)).count()
    }

    #[test]
    fn controls_are_ticks_in_the_panels_of_the_figures_that_they_have() {
        let mut run = run("runs/a", 1, 0);
        let mut predictions = predictions(vec![0.5, 1.0], 1, Some(Stratum { magnification: 40, width: 700 }));
        let margins = predictions.network.clone();
        predictions.controls = vec![(Control::MeanColour, margins.clone()), (Control::Strata, margins)];
        run.controls = ControlFigures::all(&predictions);
        // Each has an area, an area within strata and a loss, beside the tick of the legend.
        assert_eq!(ticks(&figure(&Comparison::of(vec![run], None))), 7);
    }

    #[test]
    fn long_names_keep_their_ends() {
        assert_eq!(end_of("runs/by-image-seed-1", 8), "…-seed-1");
        assert_eq!(end_of("é", 1), "é");
    }
}
