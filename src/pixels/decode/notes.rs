//! What was done to an image beyond reading it, for whoever reads its prediction.

use serde::{Serialize, Serializer};

/// Something that was done to an image, or left undone, that can change its prediction. It displays as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Note {
    /// Its colours were not sRGB's: its file defines them by a profile, by code points or by a gamma.
    #[error("Its colours were converted to sRGB.")]
    ColoursConverted,
    /// Its colour profile is broken, or is not for such an image.
    #[error("Its colour profile cannot be used, so its colours were taken as sRGB.")]
    ProfileNotApplied,
    /// It is an animation.
    #[error("It is an animation, of which the first frame was taken.")]
    FirstFrame,
    /// The first of so many pages of full size was taken.
    #[error("Its file has {0} pages, of which the first was taken.")]
    FirstOfPages(usize),
    /// A thumbnail or a mask stands before the image in its file.
    #[error("A thumbnail that stands before the image in its file was passed over.")]
    ThumbnailSkipped,
    /// It is dark for samples of more than 8 bits, whose range may be larger than what was measured.
    #[error(
        "Its samples have more than 8 bits, and hardly a pixel is above a quarter of their range: it may be darker than it \
         was meant to be."
    )]
    Dark,
    /// Its alpha channel is zero everywhere.
    #[error("Its alpha channel is zero everywhere and was ignored.")]
    AlphaIgnored,
    /// Some of it is transparent.
    #[error("Its transparent pixels were blended onto white.")]
    TransparentOnWhite,
}

/// As its sentence.
impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
