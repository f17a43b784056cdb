//! Drift: how the images of an archive differ from those that a network was trained for. What a laboratory looks at before
//! it looks at any single answer.
//!
//! In: the answers of `lobule predict`, counted by folder, and what the weights file says of the images that its
//! cross-validation held out. Out: a [`Drift`]: which flags hold more often than they should, and in which folders.

mod folders;
mod tally;

pub use folders::Folders;
pub use tally::Tally;

use serde::{Deserialize, Serialize};

use crate::diagnosis::{Flag, Probability};
use crate::model::{Metadata, ScoreHistogram};

/// What is expected of images like those of the training: what held for the images that the cross-validation of a
/// network held out, each fold flagged at thresholds that the other folds gave.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Images that were held out.
    pub images: usize,
    /// Their cases.
    pub cases: usize,
    /// The decision threshold that was used, on which two of the shares hang.
    pub threshold: f64,
    /// The share that each flag holds for, in the order of [`Flag::ALL`].
    pub flagged: [Probability; Flag::ALL.len()],
    /// The share about which no decision is made.
    pub undecided: Probability,
    /// Their probabilities, all repeats together; none where the weights file has none.
    pub scores: Option<ScoreHistogram>,
}

impl Expected {
    /// What a weights file says; none where it has no flags.
    pub fn of(metadata: &Metadata) -> Option<Self> {
        let found = &metadata.flags.as_ref()?.found;
        Some(Self {
            images: found.images,
            cases: found.cases,
            threshold: metadata.threshold.get(),
            flagged: Flag::ALL.map(|flag| found.cross_fitted.of(flag).all),
            undecided: found.cross_fitted.abstain.all,
            scores: found.scores,
        })
    }
}

/// What is compared: a flag, or that no decision is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// That this flag holds.
    Flagged(Flag),
    /// That no decision is made.
    Undecided,
}

impl Sign {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 4] =
        [Self::Flagged(Flag::Foreign), Self::Flagged(Flag::Stain), Self::Flagged(Flag::Uncertain), Self::Undecided];

    /// Its name in answers and reports.
    pub fn key(self) -> &'static str {
        match self {
            Self::Flagged(flag) => flag.key(),
            Self::Undecided => "abstain",
        }
    }

    /// The share of the answered images that it holds for; none without statistics for flags, or without images.
    pub fn share(self, tally: &Tally) -> Option<f64> {
        let count = match self {
            Self::Flagged(flag) => tally.flagged[flag as usize],
            Self::Undecided => tally.undecided,
        };
        (tally.images > 0 && tally.unknown == 0).then(|| count as f64 / tally.images as f64)
    }
}

/// The images of an archive beside those of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct Drift {
    /// Name and version of the network.
    pub network: String,
    /// The threshold that decisions were made at.
    pub threshold: f64,
    /// None where the weights file has no statistics for flags.
    pub expected: Option<Expected>,
    /// What came of the images.
    pub folders: Folders,
}

impl Drift {
    /// The share that is expected; none where nothing is known, or where it hangs on a threshold that was another one.
    pub fn expected_share(&self, sign: Sign) -> Option<f64> {
        let expected = self.expected.as_ref()?;
        let hangs_on_threshold = !matches!(sign, Sign::Flagged(Flag::Foreign | Flag::Stain));
        let is_comparable = !hangs_on_threshold || expected.threshold == self.threshold;
        is_comparable.then(|| match sign {
            Sign::Flagged(flag) => expected.flagged[flag as usize].get(),
            Sign::Undecided => expected.undecided.get(),
        })
    }

    /// How many times as often as expected.
    pub fn times(&self, sign: Sign, tally: &Tally) -> Option<f64> {
        let (share, expected) = (sign.share(tally)?, self.expected_share(sign)?);
        (expected > 0.0).then(|| share / expected)
    }

    /// How far a folder is from what is expected, for an order of folders: the largest difference of a share, in standard
    /// errors of as many independent images. 0 where nothing can be compared. Images of one slide are not independent, so
    /// it is no test.
    pub fn distance(&self, tally: &Tally) -> f64 {
        let distance = |sign: Sign| {
            let (share, expected) = (sign.share(tally)?, self.expected_share(sign)?);
            let error = (expected * (1.0 - expected) / tally.images as f64).sqrt();
            (error > 0.0).then(|| (share - expected) / error)
        };
        Sign::ALL.into_iter().filter_map(distance).fold(0.0, f64::max)
    }

    /// The folders, those furthest from what is expected first, and of equal ones in the order of their paths.
    pub fn furthest_folders(&self) -> Vec<(&str, &Tally)> {
        let mut folders: Vec<(&str, &Tally)> = self.folders.iter().collect();
        folders.sort_by(|(_, one), (_, other)| self.distance(other).total_cmp(&self.distance(one)));
        folders
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::{Decision, Flags, Label};

    pub(crate) fn drift(threshold: f64) -> Drift {
        let mut folders = Folders::default();
        for (folder, images, foreign) in [("a", 100, 5), ("b", 100, 50), ("c", 4, 2)] {
            for number in 0..images {
                let flags: Flags = [Flag::Foreign].into_iter().filter(|_| number < foreign).collect();
                let decision = Decision::of(Label::Malignant, Some(flags));
                let tally = folders.of_image(format!("{folder}/{number}.png").as_ref());
                tally.add(Some(flags), decision, Probability::new(0.95).unwrap());
            }
        }
        folders.of_image("a/broken.png".as_ref()).add_failure();
        let expected = Expected {
            images: 1285,
            cases: 50,
            threshold: 0.5,
            flagged: [0.05, 0.06, 0.2].map(|share| Probability::new(share).unwrap()),
            undecided: Probability::new(0.25).unwrap(),
            scores: None,
        };
        Drift { network: "best 1".into(), threshold, expected: Some(expected), folders }
    }

    #[test]
    fn the_folder_that_is_furthest_comes_first_and_a_small_one_is_not_taken_for_it() {
        let drift = drift(0.5);
        assert_eq!(drift.furthest_folders().iter().map(|(folder, _)| *folder).collect::<Vec<_>>(), ["b", "c", "a"]);
        let total = drift.folders.total();
        assert_eq!((total.images, total.failed, total.undecided), (204, 1, 57));
        let foreign = Sign::Flagged(Flag::Foreign);
        let times = drift.times(foreign, &total).unwrap();
        assert!((times - 57.0 / 204.0 / 0.05).abs() < 1e-12, "{times}");
        assert_eq!(drift.times(Sign::Flagged(Flag::Stain), &total), Some(0.0));
        assert_eq!(drift.distance(&Tally::default()), 0.0);
    }

    #[test]
    fn what_hangs_on_the_threshold_is_not_compared_at_another_one() {
        let drift = drift(0.3);
        let comparable = Sign::ALL.map(|sign| drift.expected_share(sign).is_some());
        assert_eq!(comparable, [true, true, false, false]);
        let without = Drift { expected: None, ..drift };
        assert_eq!(Sign::ALL.map(|sign| without.expected_share(sign)), [None; 4]);
        assert_eq!(without.furthest_folders()[0].0, "a");
    }
}
