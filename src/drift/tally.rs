//! What came of a number of images, counted.

use serde::{Deserialize, Serialize};

use crate::diagnosis::{Decision, Flag, Flags, Probability};
use crate::model::ScoreHistogram;

/// What came of a number of images.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Images with an answer.
    pub images: usize,
    /// Images without one.
    pub failed: usize,
    /// Images whose network has no statistics for flags: all of them, or none.
    pub unknown: usize,
    /// Images about which no decision is made.
    pub undecided: usize,
    /// Images that each flag holds for, in the order of [`Flag::ALL`].
    pub flagged: [usize; Flag::ALL.len()],
    /// Their probabilities.
    pub scores: ScoreHistogram,
}

impl Tally {
    /// Counts an image with an answer.
    pub fn add(&mut self, flags: Option<Flags>, decision: Decision, malignant: Probability) {
        self.images += 1;
        self.unknown += usize::from(flags.is_none());
        self.undecided += usize::from(decision == Decision::Abstain);
        flags.unwrap_or_default().iter().for_each(|flag| self.flagged[flag as usize] += 1);
        self.scores.add(malignant);
    }

    /// Counts an image without one.
    pub fn add_failure(&mut self) {
        self.failed += 1;
    }

    /// Adds what was counted elsewhere.
    pub fn join(&mut self, other: &Self) {
        let add = |count: &mut usize, more: usize| *count = count.saturating_add(more);
        add(&mut self.images, other.images);
        add(&mut self.failed, other.failed);
        add(&mut self.unknown, other.unknown);
        add(&mut self.undecided, other.undecided);
        self.flagged.iter_mut().zip(other.flagged).for_each(|(count, more)| add(count, more));
        self.scores.join(&other.scores);
    }

    /// Sentences, a line each; one of what was counted is a `name`.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let Self { images, unknown, undecided, flagged, .. } = self;
        if *unknown > 0 {
            return vec![
                "The weights file has no statistics for flags, so nothing checked that the images show tissue.".into(),
            ];
        }
        let counted = |count: &usize| if *count == 1 { format!("1 {name}") } else { format!("{count} {name}s") };
        let flags = Flag::ALL.iter().zip(flagged).filter(|(_, count)| **count > 0);
        let flags = flags.map(|(flag, count)| format!("{flag} ({}): {}", counted(count), flag.meaning()));
        std::iter::once(format!("No decision about {undecided} of {}.", counted(images))).chain(flags).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Label;

    #[test]
    fn abstentions_are_counted_by_flag_and_an_image_may_have_several() {
        let mut tally = Tally::default();
        let half = Probability::new(0.5).unwrap();
        for flags in [&[][..], &[Flag::Stain], &[Flag::Foreign, Flag::Stain, Flag::Uncertain]] {
            let flags = flags.iter().copied().collect::<Flags>();
            tally.add(Some(flags), Decision::of(Label::Benign, Some(flags)), half);
        }
        let lines = tally.lines("image");
        let begins =
            ["No decision about 1 of 3 images.", "foreign (1 image): To", "stain (2 images): The", "uncertain (1"];
        assert!(lines.len() == 4 && lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{lines:?}");
        let mut both = tally.clone();
        both.add_failure();
        both.join(&tally);
        assert_eq!((both.images, both.failed, both.undecided, both.flagged), (6, 1, 2, [2, 4, 2]));
        assert_eq!(both.scores.0[5], 6);
    }

    #[test]
    fn without_statistics_it_says_so() {
        let mut tally = Tally::default();
        tally.add(None, Decision::Benign, Probability::new(0.1).unwrap());
        assert!(matches!(&tally.lines("image")[..], [line] if line.contains("no statistics for flags")));
    }
}
