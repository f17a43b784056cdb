//! What was done to an image before it was classified, for the `notes` of an answer.

/// One thing that was done to an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Note {
    /// The first of this many full-size images of the file was taken.
    FirstOfPages(usize),
    /// A thumbnail or a mask stood before the image in the file, and was passed over.
    ThumbnailSkipped,
}
