//! What was done to an image before it was classified.

use std::fmt;

/// What was done to an image while it was decoded, as a short sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Note {
    /// Its colours were not sRGB.
    ColoursConverted,
    /// Its colour profile is broken, or is none for such an image.
    ProfileNotApplied,
    /// It is an animation.
    FirstFrame,
    /// Its alpha channel is zero everywhere.
    AlphaIgnored,
    /// Some of it is transparent.
    TransparentOnWhite,
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ColoursConverted => "The colours were converted to sRGB.",
            Self::ProfileNotApplied => "The colour profile cannot be used, and the colours were taken as sRGB.",
            Self::FirstFrame => "The first frame of the animation was taken.",
            Self::AlphaIgnored => "The alpha channel is zero everywhere, and was ignored.",
            Self::TransparentOnWhite => "Transparent parts were put on white.",
        })
    }
}
