//! The page of a drift: what a laboratory looks at before it looks at any answer.

use crate::drift::Sign;
use crate::report::drift::{DriftResults, percent};
use crate::report::html::markup::{cards, paragraph, plots, shown};
use crate::report::html::page;
use crate::report::{Results, Section};

/// Folders that a page shows.
const FOLDERS: usize = 500;

impl DriftResults<'_> {
    /// The drift as one page that needs nothing else.
    pub fn html(&self) -> String {
        let title = format!("Drift of an archive, seen by {}", self.drift.network);
        let sections = [
            ("summary", "Summary", self.summary()),
            ("shares", "Flags and abstentions", shown(&self.shares())),
            ("scores", "How probabilities are spread", self.drawn_scores()),
            ("folders", "By folder", self.listed_folders()),
            ("reading", "How to read this", reading()),
        ];
        page(&title, &paragraph(&self.lead()), &sections)
    }

    fn summary(&self) -> String {
        let card = |sign: Sign| {
            let expected = self.drift.expected_share(sign).map_or_else(
                || "nothing is known to compare it with".to_owned(),
                |share| format!("expected: {}", percent(Some(share))),
            );
            (sign.key(), percent(sign.share(&self.total)), [expected, what(sign).to_owned()])
        };
        paragraph(&self.verdict()) + &cards(Sign::ALL.map(card))
    }

    fn drawn_scores(&self) -> String {
        let caption = match self.expected_scores() {
            Some(_) => "Bars: this archive. Lines: the images that the training's cross-validation held out.",
            None => "The weights file does not say how the probabilities of its training were spread.",
        };
        plots([(self.figure(), caption.to_owned())]) + &shown(&self.scores())
    }

    fn listed_folders(&self) -> String {
        shown(&self.by_folder(FOLDERS))
    }
}

fn what(sign: Sign) -> &'static str {
    use crate::diagnosis::Flag;
    match sign {
        Sign::Flagged(Flag::Foreign) => "unlike any image of the training",
        Sign::Flagged(Flag::Stain) => "of other colours than the training's",
        Sign::Flagged(Flag::Uncertain) => "too close to the threshold",
        Sign::Undecided => "no decision is made: foreign or uncertain",
    }
}

fn reading() -> String {
    let lines = [
        "What is expected comes from the cross-validation of the network's training: each image was flagged by a network that had \
         not seen its case, at thresholds that the other folds gave.",
        "More foreign images: other tissue, another magnification, slides out of focus, or files that show no tissue.",
        "More images of other stain: another laboratory, scanner or year of reagents. Answers may be worse than the figures say; \
         nobody has measured them there.",
        "More abstentions: the network is of less use here, and what it does answer deserves less trust.",
        "Another spread of probabilities may only mean that more or fewer patients are ill here; by itself it proves no drift.",
        "Folders are in the order of how far they are from what is expected, in standard errors of as many independent images. \
         Images of one slide are not independent, so this is an order and no test.",
    ];
    shown(&Section::Lines(lines.map(str::to_owned).to_vec()))
}
