//! From bytes to a tensor: decoding with limits, resizing, preprocessing, augmentation. Knows no model.
//!
//! In: the bytes of a PNG, JPEG, TIFF, WebP or BMP file. Out: an [`RgbImage`], and from it the network's input as
//! numbers in rows of pixels of three channels (height, width, channel). Training, evaluation, prediction and the
//! service all come through [`decode`] and [`Preprocess`], so that a network sees the same numbers everywhere.

mod augment;
mod container;
mod decode;
mod error;
mod jitter;
mod preprocess;
mod resize;

pub use augment::{Dihedral, report_views};
pub use decode::{DecodeLimits, FORMATS, decode, read};
pub use error::PixelsError;
pub use image::RgbImage;
pub use jitter::{StainJitter, zoom};
pub use preprocess::Preprocess;
pub use resize::Resampling;
