//! What `lobule predict` says at its end: about how many images no decision was made, and what their flags mean.

use serde::{Deserialize, Serialize};

use crate::diagnosis::{Decision, Flag, Flags};

/// The flags of the images that were answered, counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::cli) struct FlagCounts {
    images: usize,
    /// Images whose network has no statistics for flags: all of them, or none.
    unknown: usize,
    undecided: usize,
    /// In the order of [`Flag::ALL`].
    flagged: [usize; Flag::ALL.len()],
}

impl FlagCounts {
    /// Counts an image.
    pub(super) fn add(&mut self, flags: Option<Flags>, decision: Decision) {
        self.images += 1;
        self.unknown += usize::from(flags.is_none());
        self.undecided += usize::from(decision == Decision::Abstain);
        flags.unwrap_or_default().iter().for_each(|flag| self.flagged[flag as usize] += 1);
    }

    /// Adds what was counted elsewhere.
    pub(super) fn join(&mut self, other: &Self) {
        self.images += other.images;
        self.unknown += other.unknown;
        self.undecided += other.undecided;
        self.flagged.iter_mut().zip(other.flagged).for_each(|(count, more)| *count += more);
    }

    /// Sentences, a line each; one of what was counted is a `name`.
    pub(super) fn lines(&self, name: &str) -> Vec<String> {
        let Self { images, unknown, undecided, flagged } = self;
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

    #[test]
    fn abstentions_are_counted_by_flag_and_an_image_may_have_several() {
        let mut counts = FlagCounts::default();
        for flags in [&[][..], &[Flag::Stain], &[Flag::Foreign, Flag::Stain, Flag::Uncertain]] {
            let flags = flags.iter().copied().collect::<Flags>();
            counts.add(Some(flags), Decision::of(crate::diagnosis::Label::Benign, Some(flags)));
        }
        let lines = counts.lines("image");
        let begins =
            ["No decision about 1 of 3 images.", "foreign (1 image): To", "stain (2 images): The", "uncertain (1"];
        assert!(lines.len() == 4 && lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{lines:?}");
    }

    #[test]
    fn without_statistics_it_says_so() {
        let mut counts = FlagCounts::default();
        counts.add(None, Decision::Benign);
        assert!(matches!(&counts.lines("image")[..], [line] if line.contains("no statistics for flags")));
    }
}
