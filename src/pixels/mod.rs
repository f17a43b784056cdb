//! From bytes to a tensor: decoding with limits, resizing, preprocessing, augmentation. Knows no model.
//!
//! In: the bytes of a PNG, JPEG, TIFF, WebP or BMP file. Out: an [`RgbImage`], and from it the network's input as
//! numbers in rows of pixels of three channels (height, width, channel). Training, evaluation, prediction and the
//! service all come through [`decode`] and [`Preprocess`], so that a network sees the same numbers everywhere. Of images
//! that are larger than that, fields are cut with the same pixels ([`LargeImage`]).

mod augment;
mod colour_moments;
mod colour_transfer;
mod decode;
mod error;
mod fields;
mod l_alpha_beta;
mod planes;
mod preprocess;
mod resize;
mod shift;
mod stains;
mod stretch;
#[cfg(feature = "serve")]
mod thumbnail;

pub use augment::{Dihedral, report_views};
pub use colour_moments::ColourMoments;
pub use colour_transfer::ColourStatistics;
#[cfg(feature = "predict")]
pub(crate) use decode::decode_file;
#[cfg(any(feature = "train", feature = "predict"))]
pub(crate) use decode::read_bytes;
pub use decode::{DecodeLimits, Decoded, FORMATS, Note, begins_as_image, decode, panic_is_caught, read};
#[cfg(feature = "serve")]
pub(crate) use error::Fault;
pub use error::PixelsError;
pub use fields::{Field, FieldReader, FieldStarts, Fields, FieldsError, LargeImage};
pub use image::RgbImage;
#[cfg(feature = "train")]
pub(crate) use l_alpha_beta::{DARKEST, LAlphaBeta};
pub use preprocess::Preprocess;
pub use resize::{Crop, Resampling, with_longer_side};
pub use shift::Shift;
pub use stains::{StainChange, stain_amounts};
pub use stretch::DecorrelationStretch;
#[cfg(feature = "train")]
pub(crate) use stretch::ROOT_STEPS;
#[cfg(feature = "serve")]
pub(crate) use thumbnail::thumbnail;
