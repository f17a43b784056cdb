//! Where in an image a network's margin comes from: a heatmap, and the image with its colours on it.
//!
//! In: an [`Explanation`](crate::model::Explanation) and the image. Out: a [`Heatmap`], and from both a PNG.
//!
//! What is exact is the explanation's maps of the taps, 16, 8 and 4 positions a side at the sizes of DenseNet121: they
//! and its constant add up to the margin. The heatmap brings them to one size, so that colours lie
//! between positions, and none is what a single pixel has added. A heatmap is no proof: it says which places moved this network's answer,
//! and neither that they show a tumour nor that the network was right.

mod heatmap;
mod overlay;
mod views;

pub use heatmap::Heatmap;
pub use overlay::{BENIGN_COLOUR, MALIGNANT_COLOUR, overlay, small_overlay};
pub use views::{classify_views, explain_views};

/// What goes wrong with a heatmap.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The image could not be brought to the overlay's size.
    #[error(transparent)]
    Pixels(#[from] crate::pixels::PixelsError),
    /// The encoder refused the overlay: a fault of this program, not of the user.
    #[error("the overlay could not be encoded as PNG: {0}")]
    Png(#[from] image::ImageError),
}
