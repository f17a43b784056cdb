//! What `lobule predict` says at its end: about how many images no decision was made, and what their flags mean.

use crate::diagnosis::{Decision, Flag, Flags};

/// The flags of the images that were answered, counted.
pub(super) struct FlagCounts {
    /// What they are called, one of them.
    name: &'static str,
    images: usize,
    /// Images whose network has no statistics for flags: all of them, or none.
    unknown: usize,
    undecided: usize,
    /// In the order of [`Flag::ALL`].
    flagged: [usize; Flag::ALL.len()],
}

impl FlagCounts {
    /// None yet, of images or of what else one is called.
    pub(super) fn of(name: &'static str) -> Self {
        Self { name, images: 0, unknown: 0, undecided: 0, flagged: [0; Flag::ALL.len()] }
    }

    /// Counts an image.
    pub(super) fn add(&mut self, flags: Option<Flags>, decision: Decision) {
        self.images += 1;
        self.unknown += usize::from(flags.is_none());
        self.undecided += usize::from(decision == Decision::Abstain);
        flags.unwrap_or_default().iter().for_each(|flag| self.flagged[flag as usize] += 1);
    }

    /// Sentences, a line each.
    pub(super) fn lines(&self) -> Vec<String> {
        let Self { name, images, unknown, undecided, flagged } = self;
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
        let mut counts = FlagCounts::of("image");
        for flags in [&[][..], &[Flag::Stain], &[Flag::Foreign, Flag::Stain, Flag::Uncertain]] {
            let flags = flags.iter().copied().collect::<Flags>();
            counts.add(Some(flags), Decision::of(crate::diagnosis::Label::Benign, Some(flags)));
        }
        let lines = counts.lines();
        let begins =
            ["No decision about 1 of 3 images.", "foreign (1 image): To", "stain (2 images): The", "uncertain (1"];
        assert!(lines.len() == 4 && lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{lines:?}");
    }

    #[test]
    fn without_statistics_it_says_so() {
        let mut counts = FlagCounts::of("image");
        counts.add(None, Decision::Benign);
        assert!(matches!(&counts.lines()[..], [line] if line.contains("no statistics for flags")));
    }
}
