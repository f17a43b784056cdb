//! Figures as SVG text: the few marks that charts are made of, and scales with round ticks.
//!
//! In: marks at places in pixels, from the upper left corner. Out: one SVG document on white, so that it reads the same
//! in light and dark viewers. Text stays text; its width is left to the viewer, so layouts keep room for it. A plotting
//! library would bring axes, but these figures need dashes, markers by series and matrices of cells too, and writing to
//! a string cannot fail.

#[cfg(feature = "cli")]
pub(crate) mod comparison;
#[cfg(feature = "cli")]
pub(crate) mod curves;
pub(crate) mod drift;
#[cfg(feature = "cli")]
pub(crate) mod evaluation;
#[cfg(feature = "cli")]
pub(crate) mod plots;
#[cfg(feature = "cli")]
pub(crate) mod reliability;

use std::fmt::Write as _;

use crate::report::{ExportError, Exporter, Results};

/// Colours that stay apart for the colour-blind (Okabe and Ito's), and greys.
pub(crate) mod colour {
    pub(crate) const BLUE: &str = "#0072B2";
    pub(crate) const VERMILION: &str = "#D55E00";
    pub(crate) const INK: &str = "#222222";
    pub(crate) const GREY: &str = "#5A5A5A";
    pub(crate) const GRID: &str = "#DDDDDD";
    pub(crate) const BAND: &str = "#F1F1F1";
    pub(crate) const WHITE: &str = "#FFFFFF";
}

/// A place in pixels: to the right and down from the upper left corner.
pub(crate) type Place = (f64, f64);

/// A figure that is being drawn; later marks lie on earlier ones.
#[derive(Debug)]
pub(crate) struct Svg {
    text: String,
}

/// How a line is drawn; the width is in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stroke {
    pub(crate) colour: &'static str,
    pub(crate) width: f64,
    pub(crate) dashed: bool,
}

/// The mark of a point, so that series stay apart without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Marker {
    Disc,
    Square,
}

/// Which end of a text lies at its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text is set; the size is its height in pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Font {
    pub(crate) size: f64,
    pub(crate) colour: &'static str,
    pub(crate) bold: bool,
}

const TITLE: Font = Font { size: 17.0, colour: colour::INK, bold: true };
const HEADING: Font = Font { size: 13.0, colour: colour::INK, bold: true };
const TEXT: Font = Font { size: 12.5, colour: colour::INK, bold: false };
const SMALL: Font = Font { size: 11.0, colour: colour::GREY, bold: false };
const GRID: Stroke = Stroke { colour: colour::GRID, width: 1.0, dashed: false };
const AXIS: Stroke = Stroke { colour: colour::GREY, width: 1.0, dashed: false };
/// What figures are held against: chance, or probabilities that are right.
const REFERENCE: Stroke = Stroke { dashed: true, ..AXIS };

/// Results as a drawing.
#[derive(Debug)]
pub struct SvgFigure;

impl Exporter for SvgFigure {
    fn export(&self, results: &dyn Results) -> Result<String, ExportError> {
        Ok(results.figure())
    }
}

impl Svg {
    /// White paper of a size in pixels; the title is what a screen reader reads and a mouse shows.
    pub(crate) fn new(width: f64, height: f64, title: &str) -> Self {
        let mut text = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
             viewBox=\"0 0 {width} {height}\" role=\"img\" font-family=\"Helvetica, Arial, sans-serif\">\n\
             <title>{}</title>\n",
            escaped(title)
        );
        let _ = writeln!(text, "<rect width=\"100%\" height=\"100%\" fill=\"{}\"/>", colour::WHITE);
        Self { text }
    }

    /// A line through all places.
    pub(crate) fn line(&mut self, places: &[Place], stroke: Stroke) {
        let places: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let Stroke { colour, width, dashed } = stroke;
        let dashes = if dashed { " stroke-dasharray=\"5 4\"" } else { "" };
        self.element(format_args!(
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"{width}\" \
             stroke-linejoin=\"round\"{dashes}/>",
            places.join(" ")
        ));
    }

    /// A filled rectangle by its upper left corner, width and height.
    pub(crate) fn rectangle(&mut self, (x, y): Place, width: f64, height: f64, fill: &str) {
        self.element(format_args!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{fill}\"/>"
        ));
    }

    /// The mark of a point; `radius` is half its width.
    pub(crate) fn marker(&mut self, (x, y): Place, marker: Marker, radius: f64, fill: &str) {
        match marker {
            Marker::Disc => {
                self.element(format_args!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius}\" fill=\"{fill}\"/>"));
            }
            Marker::Square => self.rectangle((x - radius, y - radius), 2.0 * radius, 2.0 * radius, fill),
        }
    }

    /// A text on a line; the place is on its base line.
    pub(crate) fn text(&mut self, (x, y): Place, anchor: Anchor, font: Font, text: &str) {
        let anchor = match anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let Font { size, colour, bold } = font;
        let weight = if bold { " font-weight=\"bold\"" } else { "" };
        self.element(format_args!(
            "<text x=\"{x:.1}\" y=\"{y:.1}\" font-size=\"{size}\" text-anchor=\"{anchor}\" fill=\"{colour}\"{weight}>\
             {}</text>",
            escaped(text)
        ));
    }

    /// A text in the middle of its place that is read from below.
    pub(crate) fn upright(&mut self, (x, y): Place, font: Font, text: &str) {
        let Font { size, colour, .. } = font;
        self.element(format_args!(
            "<text transform=\"translate({x:.1} {y:.1}) rotate(-90)\" font-size=\"{size}\" text-anchor=\"middle\" \
             dominant-baseline=\"middle\" fill=\"{colour}\">{}</text>",
            escaped(text)
        ));
    }

    /// The ticks of an axis from left to right: a line each between two heights, and its number at a third.
    pub(crate) fn ticks_across(&mut self, scale: Scale, (top, bottom): (f64, f64), numbers: f64) {
        for (x, label) in scale.ticks() {
            self.line(&[(x, top), (x, bottom)], GRID);
            self.text((x, numbers), Anchor::Middle, SMALL, &label);
        }
    }

    /// The ticks of an upright axis: a line each between two places from the left, and its number before it.
    pub(crate) fn ticks_up(&mut self, scale: Scale, (left, right): (f64, f64)) {
        for (y, label) in scale.ticks() {
            self.line(&[(left, y), (right, y)], GRID);
            self.text((left - 7.0, y + 4.0), Anchor::End, SMALL, &label);
        }
    }

    /// A figure within this one, by its upper left corner.
    pub(crate) fn inset(&mut self, (x, y): Place, inner: Svg) {
        self.element(format_args!("<g transform=\"translate({x:.1} {y:.1})\">\n{}</g>", inner.finish()));
    }

    pub(crate) fn finish(self) -> String {
        self.text + "</svg>\n"
    }

    fn element(&mut self, element: std::fmt::Arguments<'_>) {
        // Writing to a string cannot fail.
        let _ = self.text.write_fmt(element);
        self.text.push('\n');
    }
}

/// A text in which no character is markup, in an element or in an attribute, and which XML allows.
pub(crate) fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&apos;").replace(char::is_control, " ")
}

/// The way from numbers to pixels along an axis.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    domain: (f64, f64),
    pixels: (f64, f64),
    step: f64,
}

impl Scale {
    /// From the first number to the second, which must be finite; a range without width is widened. `ticks` is about
    /// how many ticks are wanted.
    pub(crate) fn new(from: f64, to: f64, pixels: (f64, f64), ticks: usize) -> Self {
        let domain = if to > from { (from, to) } else { (from, from + from.abs().max(1.0)) };
        let step = round_up_to_125((domain.1 - domain.0) / ticks.max(1) as f64);
        Self { domain, pixels, step }
    }

    /// As [`Scale::new`], with both ends moved outwards to the next tick.
    pub(crate) fn rounded(from: f64, to: f64, pixels: (f64, f64), ticks: usize) -> Self {
        let Self { domain, step, .. } = Self::new(from, to, pixels, ticks);
        // A hair of tolerance, or an end that is a tick already would move on by rounding errors.
        let down = (domain.0 / step + 1e-9).floor() * step;
        let up = (domain.1 / step - 1e-9).ceil() * step;
        Self { domain: (down, up), pixels, step }
    }

    /// Where a number lies.
    pub(crate) fn at(&self, number: f64) -> f64 {
        let share = (number - self.domain.0) / (self.domain.1 - self.domain.0);
        self.pixels.0 + share * (self.pixels.1 - self.pixels.0)
    }

    /// The same ticks, but never between whole numbers.
    pub(crate) fn whole(self) -> Self {
        Self { step: self.step.max(1.0), ..self }
    }

    /// The ticks: where they lie and what they say.
    pub(crate) fn ticks(&self) -> Vec<(f64, String)> {
        let first = (self.domain.0 / self.step - 1e-9).ceil();
        let last = (self.domain.1 / self.step + 1e-9).floor();
        let count = (last - first).max(0.0) as usize + 1;
        let numbers = (0..count).map(|index| (first + index as f64) * self.step);
        numbers.map(|number| (self.at(number), self.label(number))).collect()
    }

    /// A tick's number in as many decimals as the step has.
    fn label(&self, number: f64) -> String {
        let decimals = (-self.step.log10().floor()).max(0.0) as usize;
        if decimals <= 3 || number == 0.0 {
            return format!("{number:.*}", if number == 0.0 { 0 } else { decimals });
        }
        format!("{number:.1e}").replace(".0e", "e")
    }
}

/// The smallest of 1, 2 and 5 times a power of ten that is no less.
fn round_up_to_125(number: f64) -> f64 {
    let power = 10f64.powf(number.log10().floor());
    let digit = [1.0, 2.0, 5.0].into_iter().find(|digit| digit * power >= number * (1.0 - 1e-9));
    digit.unwrap_or(10.0) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale) -> Vec<String> {
        scale.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn ticks_are_round_and_cover_the_axis() {
        assert_eq!(labels(Scale::rounded(0.0, 0.83, (0.0, 100.0), 5)), ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]);
        assert_eq!(labels(Scale::rounded(0.0, 3e-4, (0.0, 100.0), 3)), ["0", "1e-4", "2e-4", "3e-4"]);
        assert_eq!(labels(Scale::new(1.0, 3.0, (0.0, 100.0), 8).whole()), ["1", "2", "3"]);
        assert_eq!(labels(Scale::new(1.0, 40.0, (0.0, 100.0), 10)), ["5", "10", "15", "20", "25", "30", "35", "40"]);
        assert_eq!(labels(Scale::rounded(0.7, 1.0, (0.0, 100.0), 3)), ["0.7", "0.8", "0.9", "1.0"]);
    }

    #[test]
    fn a_range_without_width_still_has_a_place_for_its_number() {
        for number in [0.0, 1.0, -3.5, 1e-12, 1e12] {
            let scale = Scale::rounded(number, number, (0.0, 100.0), 4);
            assert!((0.0..=100.0).contains(&scale.at(number)), "{number}: {scale:?}");
            assert!((2..10).contains(&scale.ticks().len()), "{number}: {:?}", scale.ticks());
        }
    }

    #[test]
    fn text_is_never_markup() {
        let mut svg = Svg::new(10.0, 10.0, "a < b & c");
        svg.text((1.0, 2.0), Anchor::Start, SMALL, "<script>\u{1}\"");
        let text = svg.finish();
        assert!(text.contains("<title>a &lt; b &amp; c</title>"), "{text}");
        assert!(text.contains(">&lt;script&gt; &quot;</text>"), "{text}");
    }
}
