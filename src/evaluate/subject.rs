//! What is known of an image beside its pixels.

use crate::diagnosis::Label;

/// Images of one stratum were taken at one magnification and had one width before they were resized: neither
/// separates them. The height does not count: BreakHis has images of 700x460 and of 700x456, which are of one scale, and of
/// 1,285 images that were looked at all 19 of the second kind are malignant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Stratum {
    /// How many times larger than life.
    pub magnification: u32,
    /// Pixels from left to right.
    pub width: u32,
}

/// What is known of an image beside its pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// The bare name of its file.
    pub filename: String,
    /// What it shows.
    pub truth: Label,
    /// The person it comes from.
    pub case: String,
    /// The histological subtype.
    pub subtype: String,
    /// Its magnification and width; none where nobody wrote them down.
    pub stratum: Option<Stratum>,
}

#[cfg(test)]
impl Subject {
    /// An image of no file.
    pub(crate) fn drawn(truth: Label, case: &str, stratum: Option<Stratum>) -> Self {
        Self { filename: "drawn.png".to_owned(), truth, case: case.to_owned(), subtype: "F".to_owned(), stratum }
    }
}
