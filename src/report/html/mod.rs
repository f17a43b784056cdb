//! An evaluation as one page that needs nothing else: no scripts, no other hosts. Its sections follow TRIPOD+AI and
//! CLAIM 2024, and at its end each of their items is answered or said to be open.
//!
//! In: an [`EvaluationReport`]. Out: HTML.

mod items;
mod markup;
mod methods;
mod results;

use crate::diagnosis::RESEARCH_USE;
use crate::evaluate::{Curves, Predictions};
use crate::report::EvaluationResults;
use crate::report::html::items::{ITEMS, items};
use crate::report::html::markup::{paragraph, section};
use crate::report::svg::{colour, escaped};

const STYLE: &str = include_str!("style.css");

/// Mistakes that are shown.
pub(crate) const MISTAKES: usize = 10;

/// What the page is made from.
#[derive(Clone, Copy, Debug)]
pub struct EvaluationReport<'a> {
    /// The figures, and the names of the network and the images.
    pub results: EvaluationResults<'a>,
    /// What the figures were made from.
    pub predictions: &'a Predictions,
    /// What the weights file says of the network: names with what they stand for.
    pub network: &'a [(&'static str, String)],
    /// The images that the network is most wrong about, the worst first.
    pub mistakes: &'a [Mistake],
}

/// An image that the network is wrong about.
#[derive(Clone, Debug)]
pub struct Mistake {
    /// Its index among the predictions.
    pub index: usize,
    /// A small copy of it as JPEG, where it could be made.
    pub thumbnail: Option<Vec<u8>>,
    /// Where the network looked, drawn over it; none where a network cannot tell.
    pub heatmap: Option<DrawnHeatmap>,
}

/// An image under the colours of its heatmap.
#[derive(Clone, Debug)]
pub struct DrawnHeatmap {
    /// The drawing.
    pub png: Vec<u8>,
    /// What the ends of its colour scale are, either way.
    pub range: f64,
}

impl EvaluationReport<'_> {
    /// The page.
    pub fn html(&self) -> String {
        let evaluation = self.results.evaluation;
        let curves = Curves::of(self.predictions, evaluation.setting.threshold);
        let sections = [
            ("summary", "Summary", results::summary(self)),
            ("use", "Intended use", methods::intended_use()),
            ("data", "Data and cases", methods::data(self)),
            ("network", "The network", methods::network(self)),
            ("measuring", "How it was measured", methods::measuring(self)),
            ("figures", "Figures", results::figures(evaluation)),
            ("curves", "Telling malignant from benign", results::ranking(evaluation, &curves)),
            ("calibration", "Whether probabilities mean what they say", results::calibration(evaluation, &curves)),
            ("coverage", "Leaving the least sure images to a person", results::coverage(evaluation, &curves)),
            ("colour", "What colour explains", results::colour(evaluation)),
            ("shifts", "Mild shifts of the images", results::shifts(evaluation)),
            ("groups", "By magnification, subtype and case", results::groups(evaluation)),
            ("mistakes", "The worst mistakes", results::mistakes(self)),
            ("limits", "Limits", methods::limits(self)),
            ("sharing", "Files, code and protocol", methods::sharing()),
            ("items", ITEMS, items()),
        ];
        let links = sections.iter().map(|(id, name, _)| format!("<li><a href=\"#{id}\">{}</a></li>\n", escaped(name)));
        let title = format!("Evaluation of {}", self.results.network);
        format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta name=\"color-scheme\" content=\"light dark\">\n<title>{title}</title>\n\
             <style>{STYLE}{}</style>\n</head>\n<body>\n<aside class=\"notice\" aria-label=\"Notice\">{RESEARCH_USE}</aside>\n\
             <header>\n<h1>{title}</h1>\n{}<nav aria-label=\"Sections\"><ol>\n{}</ol></nav>\n</header>\n<main>\n{}</main>\n\
             </body>\n</html>\n",
            dark_drawings(),
            paragraph(self.results.images),
            links.collect::<String>(),
            sections.iter().map(|(id, heading, content)| section(id, heading, content)).collect::<String>(),
            title = escaped(&title),
        )
    }
}

/// Rules that give drawings the colours of a dark page: they are drawn on white.
fn dark_drawings() -> String {
    let colours = [
        (colour::WHITE, "var(--card)"),
        (colour::INK, "var(--ink)"),
        (colour::GREY, "var(--soft)"),
        (colour::GRID, "var(--line)"),
        (colour::BAND, "var(--band)"),
        (colour::BLUE, "#56b4e9"),
        (colour::VERMILION, "#f0883e"),
    ];
    let rule = |(drawn, dark): (&str, &str)| {
        format!("svg [fill=\"{drawn}\"] {{ fill: {dark}; }}\nsvg [stroke=\"{drawn}\"] {{ stroke: {dark}; }}\n")
    };
    format!("@media screen and (prefers-color-scheme: dark) {{\n{}}}\n", colours.map(rule).concat())
}

#[cfg(test)]
mod tests;
