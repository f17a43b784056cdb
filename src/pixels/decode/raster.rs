//! What a reader of one format gives to `decode`, before anything is done to the image.

use image::DynamicImage;
use image::metadata::Orientation;

use super::notes::Note;

/// The pixels of a file and what it says of them.
pub(super) struct Raster {
    /// `ImageRgb8`, or `ImageRgba8` with straight (unassociated) alpha; upright only after `orientation`.
    pub image: DynamicImage,
    /// The ICC profile whose colours these are.
    #[allow(dead_code, reason = "colours are converted by a change of its own")]
    pub profile: Option<Vec<u8>>,
    /// How the image must be turned to be upright.
    pub orientation: Orientation,
    /// What was done.
    #[allow(dead_code, reason = "answers have notes by a change of its own")]
    pub notes: Vec<Note>,
}
