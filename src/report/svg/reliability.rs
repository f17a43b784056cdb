//! Reliability diagrams: what probabilities say against what is so; alone, and before and after calibration.

use crate::diagnosis::RESEARCH_USE;
use crate::evaluate::{Bin, CrossFitted, Figures, Metric};
use crate::report::svg::plots::{HEIGHT as PLOT_HEIGHT, Plot, WIDTH as PLOT_WIDTH};
use crate::report::svg::{Anchor, HEADING, Marker, REFERENCE, SMALL, Stroke, Svg, TITLE, colour};

// Pixels.
const MARGIN: f64 = 20.0;
const TOP: f64 = 88.0;

/// How bins are marked: their mark and its colour.
pub(crate) type Look = (Marker, &'static str);

/// As predicted, before a calibration.
const UNCALIBRATED: Look = (Marker::Square, colour::VERMILION);
/// As they are answered.
pub(crate) const CALIBRATED: Look = (Marker::Disc, colour::BLUE);

/// The share of malignant images over the mean probability, bin by bin.
pub(crate) fn diagram(bins: &[Bin], (marker, fill): Look) -> Svg {
    let mut plot = Plot::new("Reliability diagram", ["mean probability of malignancy", "share that is malignant"], 1.0);
    plot.curve([(0.0, 0.0), (1.0, 1.0)], REFERENCE);
    let points: Vec<(f64, f64)> = bins.iter().map(|bin| (bin.probability, bin.malignant)).collect();
    for &(probability, malignant) in &points {
        plot.curve(
            [(probability, probability), (probability, malignant)],
            Stroke { colour: fill, width: 1.5, dashed: false },
        );
    }
    if points.is_empty() {
        plot.undefined();
    }
    for point in points {
        let place = plot.place(point);
        plot.svg.marker(place, marker, 4.0, fill);
    }
    plot.svg
}

/// The figure of a calibration in which each run's images are calibrated by the others, as an SVG document.
pub(crate) fn before_and_after(crossed: &CrossFitted) -> String {
    let title = "Do probabilities mean what they say?";
    let height = TOP + PLOT_HEIGHT + 56.0;
    let mut svg = Svg::new(2.0 * PLOT_WIDTH + 3.0 * MARGIN, height, title);
    svg.text((MARGIN, 30.0), Anchor::Start, TITLE, title);
    let runs = format!("{} runs, each calibrated by the others", crossed.fits.len());
    svg.text((MARGIN, 52.0), Anchor::Start, SMALL, &runs);
    let [before, after] = &crossed.reliability;
    let panels: [(&str, &[Bin], &Figures, Look); 2] =
        [("as predicted", before, &crossed.before, UNCALIBRATED), ("calibrated", after, &crossed.after, CALIBRATED)];
    for (index, (name, bins, figures, look)) in panels.into_iter().enumerate() {
        let left = MARGIN + index as f64 * (PLOT_WIDTH + MARGIN);
        let error = figures.get(Metric::Ece).map_or_else(|| "no images".to_owned(), |error| format!("ECE {error:.3}"));
        svg.text((left, TOP - 10.0), Anchor::Start, HEADING, &format!("{name}: {error}"));
        svg.inset((left, TOP), diagram(bins, look));
    }
    let notes = [
        "Bins of as many images each, by probability; on the dashed line as many are malignant as the probability says. \
         Upright lines are the gaps.",
        RESEARCH_USE,
    ];
    for (note, y) in notes.into_iter().zip([height - 32.0, height - 14.0]) {
        svg.text((MARGIN, y), Anchor::Start, SMALL, note);
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Label;
    use crate::evaluate::{Margins, Predictions, Subject};

    fn bins(count: usize) -> Vec<Bin> {
        let bin = |index: usize| {
            let probability = (index as f64 + 0.5) / count as f64;
            Bin { n: 85 + index % 2, probability, malignant: 0.5 + (probability - 0.5) / 2.0 }
        };
        (0..count).map(bin).collect()
    }

    #[test]
    fn each_bin_has_its_mark_and_its_gap() {
        let svg = diagram(&bins(14), CALIBRATED).finish();
        assert_eq!(svg.matches("<circle").count(), 14);
        // The axes, a tick each, the diagonal and a gap for each bin.
        assert_eq!(svg.matches("<polyline").count(), 1 + 6 + 6 + 1 + 14);
        assert!(!svg.contains("NaN"));
        assert!(diagram(&[], CALIBRATED).finish().contains("not defined for these images"));
    }

    #[test]
    fn both_sides_of_a_calibration_are_drawn_with_their_errors() {
        let fold = |first: usize| {
            let margins: Vec<f64> = (first..first + 20).map(|index| (index * 7 % 11) as f64 - 5.0).collect();
            let label = |(index, margin): (usize, &f64)| Label::ALL[usize::from((*margin > 0.0) == (index % 3 > 0))];
            let subjects = margins.iter().enumerate().map(label).map(|label| Subject::drawn(label, "1", None));
            let subjects = subjects.collect();
            Predictions { subjects, network: Margins { plain: margins, exchanged: vec![] }, ..Predictions::default() }
        };
        let crossed = CrossFitted::of(&[fold(0), fold(5)]).unwrap();
        let svg = before_and_after(&crossed);
        let ece = |name: &str, figures: &Figures| format!(">{name}: ECE {:.3}<", figures.get(Metric::Ece).unwrap());
        for text in [
            "2 runs, each calibrated by the others",
            &ece("as predicted", &crossed.before),
            &ece("calibrated", &crossed.after),
            RESEARCH_USE,
        ] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        assert_eq!(svg.matches("<circle").count(), crossed.reliability[1].len());
        assert_eq!((svg.matches("<svg").count(), svg.matches("</svg>").count()), (3, 3));
    }
}
