//! The small plots of a report, each as wide as a telephone: ROC, precision over recall, risk over coverage, and how
//! probabilities are spread.
//!
//! In: curves of shares from 0 to 1. Out: an SVG document each, which says so where there is nothing to draw.

use crate::evaluate::{Confusion, Curves};
use crate::report::svg::{AXIS, Anchor, Marker, Place, REFERENCE, SMALL, Scale, Stroke, Svg, TEXT, colour};

// Pixels.
pub(super) const WIDTH: f64 = 360.0;
pub(super) const HEIGHT: f64 = 330.0;
const LEFT: f64 = 58.0;
const RIGHT: f64 = WIDTH - 14.0;
const TOP: f64 = 14.0;
const BOTTOM: f64 = HEIGHT - 46.0;

const CURVE: Stroke = Stroke { colour: colour::BLUE, width: 2.0, dashed: false };

/// Bars of a histogram.
const BARS: usize = 20;

/// A plot with its axes.
pub(super) struct Plot {
    pub(super) svg: Svg,
    x: Scale,
    y: Scale,
}

impl Plot {
    /// Axes from 0 to 1, and from 0 to `most`.
    pub(super) fn new(title: &str, [x_name, y_name]: [&str; 2], most: f64) -> Self {
        let svg = Svg::new(WIDTH, HEIGHT, title);
        let x = Scale::new(0.0, 1.0, (LEFT, RIGHT), 5);
        let y = Scale::rounded(0.0, most, (BOTTOM, TOP), 5);
        let mut plot = Self { svg, x, y };
        plot.svg.ticks_across(x, (TOP, BOTTOM), BOTTOM + 16.0);
        plot.svg.ticks_up(y, (LEFT, RIGHT));
        plot.svg.line(&[(LEFT, TOP), (LEFT, BOTTOM), (RIGHT, BOTTOM)], AXIS);
        plot.svg.text(((LEFT + RIGHT) / 2.0, HEIGHT - 10.0), Anchor::Middle, TEXT, x_name);
        plot.svg.upright((13.0, (TOP + BOTTOM) / 2.0), TEXT, y_name);
        plot
    }

    pub(super) fn place(&self, (x, y): (f64, f64)) -> Place {
        (self.x.at(x), self.y.at(y))
    }

    /// A line through points; those that would lie within half a pixel of the one before are left out.
    pub(super) fn curve(&mut self, points: impl IntoIterator<Item = (f64, f64)>, stroke: Stroke) {
        let mut places: Vec<Place> = Vec::new();
        let mut last = None;
        for place in points.into_iter().map(|point| self.place(point)) {
            let far = |kept: &Place| (kept.0 - place.0).abs().max((kept.1 - place.1).abs()) >= 0.5;
            last = if places.last().is_none_or(far) {
                places.push(place);
                None
            } else {
                Some(place)
            };
        }
        places.extend(last);
        if places.is_empty() {
            return self.undefined();
        }
        self.svg.line(&places, stroke);
    }

    /// Says that there is nothing to draw.
    pub(super) fn undefined(&mut self) {
        let middle = ((LEFT + RIGHT) / 2.0, (TOP + BOTTOM) / 2.0);
        self.svg.text(middle, Anchor::Middle, TEXT, "not defined for these images");
    }

    fn square(&mut self, point: (f64, f64)) {
        let place = self.place(point);
        self.svg.marker(place, Marker::Square, 5.0, colour::VERMILION);
    }
}

fn share(part: usize, others: usize) -> Option<f64> {
    (part + others > 0).then(|| part as f64 / (part + others) as f64)
}

/// Recall over what is called malignant of the benign; the square is the operating point.
pub(crate) fn roc(curves: &Curves, Confusion { tp, fn_, fp, tn }: Confusion) -> String {
    let mut plot = Plot::new("ROC curve", ["1 - specificity", "recall (sensitivity)"], 1.0);
    plot.curve([(0.0, 0.0), (1.0, 1.0)], REFERENCE);
    plot.curve(curves.roc.iter().copied(), CURVE);
    if let Some(point) = share(fp, tn).zip(share(tp, fn_)) {
        plot.square(point);
    }
    plot.svg.finish()
}

/// Precision over recall in steps, as the area under it is counted; the dashed line is the share of malignant images.
pub(crate) fn precision_recall(curves: &Curves, Confusion { tp, fn_, fp, tn }: Confusion) -> String {
    let mut plot = Plot::new("Precision over recall", ["recall (sensitivity)", "precision"], 1.0);
    if let Some(malignant) = share(tp + fn_, fp + tn) {
        plot.curve([(0.0, malignant), (1.0, malignant)], REFERENCE);
    }
    let mut recall_before = 0.0;
    let steps = curves.precision_recall.iter().flat_map(|&(recall, precision)| {
        [(std::mem::replace(&mut recall_before, recall), precision), (recall, precision)]
    });
    plot.curve(steps.collect::<Vec<_>>(), CURVE);
    if let Some(point) = share(tp, fn_).zip(share(tp, fp)) {
        plot.square(point);
    }
    plot.svg.finish()
}

/// The share of wrong decisions among the images that are answered, over the share of these.
pub(crate) fn risk_coverage(curves: &Curves) -> String {
    let most = curves.risk_coverage.iter().map(|(_, risk)| *risk).fold(0.05, f64::max);
    let mut plot = Plot::new("Risk over coverage", ["images answered, the surest first", "wrong among them"], most);
    plot.curve(curves.risk_coverage.iter().copied(), CURVE);
    plot.svg.finish()
}

/// How many images got which probability: benign ones above, malignant ones below; the dashed line is the threshold.
pub(crate) fn histogram([benign, malignant]: &[Vec<f64>; 2], threshold: f64) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT, "Probabilities of malignancy by class");
    let x = Scale::new(0.0, 1.0, (LEFT, RIGHT), 5);
    let middle = (TOP + BOTTOM) / 2.0;
    let panels = [
        ("benign", benign, colour::BLUE, (TOP + 14.0, middle - 10.0)),
        ("malignant", malignant, colour::VERMILION, (middle + 22.0, BOTTOM)),
    ];
    for (name, probabilities, fill, (top, bottom)) in panels {
        let mut bars = [0_usize; BARS];
        probabilities.iter().for_each(|p| bars[((p * BARS as f64) as usize).min(BARS - 1)] += 1);
        let most = bars.iter().copied().max().unwrap_or(0).max(1) as f64;
        let y = Scale::rounded(0.0, most, (bottom, top), 3).whole();
        svg.ticks_up(y, (LEFT, RIGHT));
        for (bar, count) in bars.into_iter().enumerate().filter(|(_, count)| *count > 0) {
            let [from, to] = [bar, bar + 1].map(|edge| x.at(edge as f64 / BARS as f64));
            svg.rectangle((from + 1.0, y.at(count as f64)), to - from - 2.0, bottom - y.at(count as f64), fill);
        }
        svg.line(&[(LEFT, bottom), (RIGHT, bottom)], AXIS);
        let line = x.at(threshold);
        svg.line(&[(line, top), (line, bottom)], REFERENCE);
        svg.text((LEFT, top - 6.0), Anchor::Start, TEXT, &format!("{name}, {} images", probabilities.len()));
    }
    for (at, label) in x.ticks() {
        svg.text((at, BOTTOM + 16.0), Anchor::Middle, SMALL, &label);
    }
    svg.text(((LEFT + RIGHT) / 2.0, HEIGHT - 10.0), Anchor::Middle, TEXT, "probability of malignancy");
    svg.upright((13.0, (TOP + BOTTOM) / 2.0), TEXT, "images");
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn curves_are_drawn_thinned_and_what_is_not_defined_says_so() {
        let fine: Vec<(f64, f64)> = (0..=10_000).map(|step| f64::from(step) / 1e4).map(|x| (x, x * x)).collect();
        let confusion = Confusion { tp: 3, fn_: 1, fp: 1, tn: 3 };
        let curves = Curves {
            roc: fine.clone(),
            precision_recall: vec![(0.5, 1.0), (1.0, 0.75)],
            reliability: vec![],
            risk_coverage: fine,
            probabilities: [vec![0.0, 0.04, 0.5], vec![1.0]],
        };
        let drawn = [
            roc(&curves, confusion),
            precision_recall(&curves, confusion),
            risk_coverage(&curves),
            histogram(&curves.probabilities, 0.5),
        ];
        for svg in &drawn {
            assert!(svg.len() < 20_000 && !svg.contains("NaN") && !svg.contains("not defined"), "{svg}");
        }
        let [.., histogram] = &drawn;
        assert_eq!(histogram.matches("fill=\"#0072B2\"").count(), 2, "two bars: {histogram}");
        let none = Curves {
            roc: vec![],
            precision_recall: vec![],
            reliability: vec![],
            risk_coverage: vec![],
            probabilities: [vec![], vec![]],
        };
        for svg in [roc(&none, Confusion::default()), risk_coverage(&none)] {
            assert!(svg.contains("not defined for these images") && !svg.contains("NaN"), "{svg}");
        }
    }
}
