//! A reliability diagram: what probabilities say against what is so, before and after calibration, with the number of
//! images beside each bin.

use crate::diagnosis::RESEARCH_USE;
use crate::evaluate::Bin;
use crate::report::svg::{Anchor, Font, GRID, HEADING, Marker, Place, SMALL, Scale, Stroke, Svg, TEXT, TITLE, colour};

// Pixels.
const MARGIN: f64 = 20.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 112.0;
const SIDE: f64 = 330.0;
const BETWEEN: f64 = 76.0;
/// Below a panel's axis: the bars of its counts.
const COUNTS: f64 = 54.0;
const BARS: f64 = 46.0;

const DIAGONAL: Stroke = Stroke { colour: colour::GREY, width: 1.0, dashed: true };
const AXIS: Stroke = Stroke { colour: colour::GREY, width: 1.0, dashed: false };

/// The figure as an SVG document: a panel for the bins as predicted, and one for those that were calibrated where there
/// are any; `what` says of which network and images.
pub(crate) fn reliability(what: &str, before: &[Bin], after: Option<&[Bin]>) -> String {
    let title = "Do probabilities mean what they say?";
    let panels = [Some(("as predicted", before, colour::VERMILION, Marker::Square)), after.map(calibrated)];
    let count = panels.iter().flatten().count() as f64;
    // A single panel leaves the words below it no room.
    let width = (LEFT + count * SIDE + (count - 1.0) * BETWEEN + MARGIN).max(700.0);
    let height = TOP + SIDE + COUNTS + BARS + 86.0;
    let mut svg = Svg::new(width, height, title);
    svg.text((MARGIN, 30.0), Anchor::Start, TITLE, title);
    svg.text((MARGIN, 52.0), Anchor::Start, SMALL, what);
    for (index, (name, bins, fill, marker)) in panels.into_iter().flatten().enumerate() {
        let left = LEFT + index as f64 * (SIDE + BETWEEN);
        let error = mean_gap(bins).map_or_else(|| "no images".to_owned(), |error| format!("ECE {error:.3}"));
        svg.text((left, TOP - 14.0), Anchor::Start, HEADING, &format!("{name}: {error}"));
        Panel { left, bins, fill, marker }.draw(&mut svg);
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

fn calibrated(bins: &[Bin]) -> (&'static str, &[Bin], &'static str, Marker) {
    ("calibrated", bins, colour::BLUE, Marker::Disc)
}

/// The expected calibration error that the bins show.
fn mean_gap(bins: &[Bin]) -> Option<f64> {
    let images: usize = bins.iter().map(|bin| bin.n).sum();
    let gaps = bins.iter().map(|bin| bin.n as f64 * (bin.malignant - bin.probability).abs());
    (images > 0).then(|| gaps.sum::<f64>() / images as f64)
}

struct Panel<'a> {
    left: f64,
    bins: &'a [Bin],
    fill: &'static str,
    marker: Marker,
}

impl Panel<'_> {
    fn draw(&self, svg: &mut Svg) {
        let (left, right, bottom) = (self.left, self.left + SIDE, TOP + SIDE);
        let across = Scale::new(0.0, 1.0, (left, right), 5);
        let up = Scale::new(0.0, 1.0, (bottom, TOP), 5);
        for ((x, label), (y, _)) in across.ticks().into_iter().zip(up.ticks()) {
            svg.line(&[(x, TOP), (x, bottom)], GRID);
            svg.line(&[(left, y), (right, y)], GRID);
            svg.text((x, bottom + 16.0), Anchor::Middle, SMALL, &label);
            svg.text((left - 8.0, y + 4.0), Anchor::End, SMALL, &label);
        }
        svg.line(&[(left, bottom), (right, TOP)], DIAGONAL);
        svg.line(&[(left, TOP), (left, bottom), (right, bottom)], AXIS);
        svg.text((left - 8.0, TOP - 14.0), Anchor::End, SMALL, "malignant");
        svg.text((f64::midpoint(left, right), bottom + 34.0), Anchor::Middle, TEXT, "probability of malignancy");
        let place = |bin: &Bin| -> Place { (across.at(bin.probability), up.at(bin.malignant)) };
        for bin in self.bins {
            let (x, y) = place(bin);
            svg.line(&[(x, up.at(bin.probability)), (x, y)], Stroke { colour: self.fill, width: 1.5, dashed: false });
        }
        let places: Vec<Place> = self.bins.iter().map(place).collect();
        svg.line(&places, Stroke { colour: self.fill, width: 2.0, dashed: false });
        places.iter().for_each(|place| svg.marker(*place, self.marker, 4.0, self.fill));
        self.counts(svg, across);
    }

    /// How many images lie in each bin, as bars below the axis; the largest and the smallest are written out.
    fn counts(&self, svg: &mut Svg, across: Scale) {
        let base = TOP + SIDE + COUNTS + BARS;
        let (most, fewest) =
            self.bins.iter().fold((0, usize::MAX), |(most, fewest), bin| (bin.n.max(most), bin.n.min(fewest)));
        for bin in self.bins {
            let height = (BARS - 12.0) * bin.n as f64 / most.max(1) as f64;
            svg.rectangle((across.at(bin.probability) - 2.0, base - height), 4.0, height, self.fill);
        }
        svg.line(&[(self.left, base), (self.left + SIDE, base)], AXIS);
        let words = match (most, fewest == most) {
            (0, _) => "no images".to_owned(),
            (_, true) => format!("{most} images a bin"),
            _ => format!("{fewest} to {most} images a bin"),
        };
        let font = Font { colour: colour::GREY, ..SMALL };
        svg.text((self.left, base + 14.0), Anchor::Start, font, &words);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bins(scale: f64) -> Vec<Bin> {
        let bin = |index: usize| {
            let probability = (index as f64 + 0.5) / 15.0;
            Bin { n: 85 + index % 2, probability, malignant: 0.5 + (probability - 0.5) * scale }
        };
        (0..15).map(bin).collect()
    }

    #[test]
    fn each_bin_has_its_mark_its_count_and_its_gap() {
        let (before, after) = (bins(0.5), bins(1.0));
        let svg = reliability("a <network>, images", &before, Some(&after));
        assert_eq!(svg.matches("<circle").count(), 15, "calibrated bins");
        // The paper, a square and a bar for each bin as predicted, and a bar for each that was calibrated.
        assert_eq!(svg.matches("<rect").count(), 1 + 15 * 3);
        for text in [
            "a &lt;network&gt;, images",
            ">as predicted: ECE 0.1",
            ">calibrated: ECE 0.000<",
            "85 to 86 images a bin",
            RESEARCH_USE,
        ] {
            assert!(svg.contains(text), "{text} is not in {svg}");
        }
        assert!(!svg.contains("NaN"));
    }

    #[test]
    fn one_panel_or_none_of_the_bins_is_a_figure_too() {
        let alone = reliability("images", &bins(1.0), None);
        assert!(!alone.contains("calibrated") && alone.contains("as predicted"));
        let empty = reliability("images", &[], None);
        assert!(empty.contains("as predicted: no images") && !empty.contains("NaN"), "{empty}");
    }
}
