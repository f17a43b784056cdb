//! An evaluation as one page that needs nothing else: no scripts, no other hosts. Its sections follow TRIPOD+AI and
//! CLAIM 2024, and at its end each of their items is answered or said to be open.
//!
//! In: an [`EvaluationReport`]. Out: HTML.

use crate::evaluate::{Curves, Predictions};
use crate::report::EvaluationResults;
use crate::report::html::items::{ITEMS, items};
use crate::report::html::markup::paragraph;
use crate::report::html::{methods, page, results};

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
        let title = format!("Evaluation of {}", self.results.network);
        page(&title, &paragraph(self.results.images), &sections)
    }
}
