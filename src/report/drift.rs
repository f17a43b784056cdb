//! How the images of an archive differ from those of the training, for people and for programs.

use serde_json::{Value, json};

use crate::diagnosis::RESEARCH_USE;
use crate::drift::{Drift, Expected, Sign, Tally};
use crate::report::sections::{Cell, Records, Section};
use crate::report::{Results, svg};
use crate::system::{printable, thousands};

/// Folders that are shown as text; the others are in the page and in JSON.
const FOLDERS: usize = 20;

/// More often than so many times as expected is worth a sentence, from this share of the images on.
const MANY_TIMES: f64 = 2.0;
const LEAST_SHARE: f64 = 0.05;

const COLUMNS: [&str; 11] = [
    "folder",
    "images",
    "failed",
    "foreign",
    "stain",
    "uncertain",
    "abstain",
    "expected_foreign",
    "expected_stain",
    "expected_uncertain",
    "expected_abstain",
];

/// A drift as results that every format takes.
#[derive(Clone, Debug)]
pub struct DriftResults<'a> {
    pub(crate) drift: &'a Drift,
    pub(crate) total: Tally,
}

impl<'a> DriftResults<'a> {
    /// Those of a drift.
    pub fn of(drift: &'a Drift) -> Self {
        Self { drift, total: drift.folders.total() }
    }

    /// What was asked of how many images.
    pub(crate) fn lead(&self) -> String {
        let Tally { images, failed, .. } = &self.total;
        let folders = self.drift.folders.iter().count();
        format!(
            "{} images in {}{}: {} with an answer and {} without, by {} at the threshold {}.",
            thousands(images.saturating_add(*failed)),
            thousands(folders),
            if folders == 1 { " folder" } else { " folders" },
            thousands(*images),
            thousands(*failed),
            self.drift.network,
            self.drift.threshold,
        )
    }

    /// What to make of it, in a sentence or two.
    pub(crate) fn verdict(&self) -> String {
        let Some(Expected { images, cases, .. }) = &self.drift.expected else {
            return "The weights file does not say what is expected, so nothing can be compared.".to_owned();
        };
        let is_striking = |sign: &Sign| {
            self.drift.times(*sign, &self.total).is_some_and(|times| times > MANY_TIMES)
                && sign.share(&self.total).is_some_and(|share| share >= LEAST_SHARE)
        };
        let striking: Vec<&str> = Sign::ALL.into_iter().filter(is_striking).map(Sign::key).collect();
        let held_out =
            format!("the {} images of {cases} cases that the training's cross-validation held out", thousands(*images));
        match striking.is_empty() {
            true => format!("Nothing holds for more than twice the share that it holds for of {held_out}."),
            false => format!(
                "More than twice as often as for {held_out}: {}. Look at the folders below that are furthest from what is \
                 expected before you use any answer.",
                striking.join(", ")
            ),
        }
    }

    /// Shares of all images beside those that are expected.
    pub(crate) fn shares(&self) -> Section {
        let row = |sign: Sign| {
            let times = self.drift.times(sign, &self.total).map_or_else(String::new, |times| format!("{times:.1}"));
            let expected = self.drift.expected_share(sign);
            vec![sign.key().to_owned(), percent(sign.share(&self.total)), percent(expected), times]
        };
        let title = "Share of the answered images, and that expected of images like the training's";
        Section::table(title, 1, ["", "here", "expected", "times"], Sign::ALL.map(row))
    }

    /// How probabilities are spread here and among the held-out images.
    pub(crate) fn scores(&self) -> Section {
        let here = self.total.scores.shares();
        let expected = self.expected_scores();
        let row = |(tenth, here): (usize, f64)| {
            let from = tenth as f64 / 10.0;
            let expected = expected.map(|expected| expected[tenth]);
            let expected = expected.map(|share| percent(Some(share)));
            [format!("{from:.1} to {:.1}", from + 0.1), percent(Some(here))].into_iter().chain(expected).collect()
        };
        let header = ["probability", "here", "training"].into_iter().take(2 + usize::from(expected.is_some()));
        Section::table("Probabilities of malignancy", 1, header, here.into_iter().enumerate().map(row))
    }

    pub(crate) fn expected_scores(&self) -> Option<[f64; 10]> {
        Some(self.drift.expected.as_ref()?.scores?.shares())
    }

    /// The folders that are furthest from what is expected, at most so many.
    pub(crate) fn by_folder(&self, most: usize) -> Section {
        let all = self.drift.furthest_folders();
        let row = |(folder, tally): &(&str, &Tally)| {
            let name = if folder.is_empty() { ".".into() } else { printable(folder) };
            let counts = [tally.images, tally.failed].map(thousands);
            let shares = Sign::ALL.map(|sign| percent(sign.share(tally)));
            std::iter::once(name.into_owned()).chain(counts).chain(shares).collect()
        };
        let title = match all.len() <= most {
            true => "By folder, those furthest from what is expected first".to_owned(),
            false => format!(
                "The {most} of {} folders that are furthest from what is expected; all are in the JSON",
                thousands(all.len())
            ),
        };
        let header = ["folder", "images", "failed"].into_iter().chain(Sign::ALL.map(Sign::key));
        Section::table(title, 1, header, all.iter().take(most).map(row))
    }

    fn tally_as_json(&self, tally: &Tally) -> Value {
        let share = |sign: Sign| (sign.key().to_owned(), json!(sign.share(tally)));
        json!({
            "images": tally.images,
            "failed": tally.failed,
            "shares": serde_json::Map::from_iter(Sign::ALL.map(share)),
            "scores": tally.scores,
        })
    }
}

impl Results for DriftResults<'_> {
    fn sections(&self) -> Vec<Section> {
        vec![
            Section::Lines(vec![self.lead(), self.verdict()]),
            self.shares(),
            self.scores(),
            self.by_folder(FOLDERS),
            Section::Sentence(RESEARCH_USE.to_owned()),
        ]
    }

    fn records(&self) -> Records {
        let row = |(folder, tally): (&str, &Tally)| {
            let shares = Sign::ALL.map(|sign| Cell::from(sign.share(tally)));
            let expected = Sign::ALL.map(|sign| Cell::from(self.drift.expected_share(sign)));
            let counts = [Cell::from(folder), tally.images.into(), tally.failed.into()];
            COLUMNS.into_iter().zip(counts.into_iter().chain(shares).chain(expected)).collect()
        };
        Records::new(COLUMNS.to_vec(), self.drift.folders.iter().map(row).collect())
    }

    fn json(&self) -> serde_json::Result<String> {
        let folder = |(folder, tally): (&str, &Tally)| {
            let mut value = self.tally_as_json(tally);
            value["folder"] = folder.into();
            value
        };
        let expected = self.drift.expected.as_ref().map(|expected| {
            let share = |sign: Sign| (sign.key().to_owned(), json!(self.drift.expected_share(sign)));
            json!({
                "images": expected.images,
                "cases": expected.cases,
                "shares": serde_json::Map::from_iter(Sign::ALL.map(share)),
                "scores": expected.scores,
            })
        });
        serde_json::to_string(&json!({
            "network": self.drift.network,
            "threshold": self.drift.threshold,
            "research_use": RESEARCH_USE,
            "all": self.tally_as_json(&self.total),
            "expected": expected,
            "folders": self.drift.folders.iter().map(folder).collect::<Vec<_>>(),
        }))
    }

    fn figure(&self) -> String {
        svg::drift::scores(&self.total.scores.shares(), self.expected_scores().as_ref())
    }
}

/// A share in percent, or what stands for one that is not known.
pub(crate) fn percent(share: Option<f64>) -> String {
    share.map_or_else(|| "unknown".to_owned(), |share| format!("{:.1} %", 100.0 * share))
}
