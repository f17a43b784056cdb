//! What goes wrong between bytes and a tensor, sorted by whose fault it is: the service answers each kind differently.

use std::io;
use std::path::PathBuf;

use super::decode::FORMATS;
use crate::system::printable_path;

/// What goes wrong between bytes and a tensor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PixelsError {
    /// The bytes are not an image in a format that is read (HTTP 415).
    #[error("{found}; the formats that are read are {FORMATS}")]
    UnknownFormat {
        /// What the bytes are, as a clause: "the file is empty", "GIF images are not read".
        found: String,
    },

    /// The image is broken (HTTP 422).
    ///
    /// The format is the one that its first bytes announce.
    #[error("this {0} image cannot be decoded: {1}; check that the file is whole, or save it again as PNG")]
    Undecodable(&'static str, String),

    /// The image may well be whole, and is of a kind that is not read (HTTP 422).
    ///
    /// The format is the one that its first bytes announce; the text says which kind, and what to do.
    #[error("this {0} image is not read: {1}")]
    Unsupported(&'static str, String),

    /// The encoded file is too large (HTTP 413).
    #[error("the file has {bytes} bytes, and at most {limit} are read; send a smaller or better compressed image")]
    TooManyBytes {
        /// Its length; of a pipe, which has none, one more than the limit.
        bytes: u64,
        /// The most that is read.
        limit: usize,
    },

    /// The image has too many pixels (HTTP 413).
    #[error(
        "the image is {width}x{height} pixels, and at most {limit} pixels are read; send a smaller image or a crop"
    )]
    TooManyPixels {
        /// Its width as its header gives it.
        width: u32,
        /// Its height as its header gives it.
        height: u32,
        /// The most that is read.
        limit: u64,
    },

    /// The image has few enough pixels, but decoding it takes too much memory (HTTP 413).
    #[error("decoding the image would take more than {0} bytes of memory; send it with 8 bits a channel, or smaller")]
    TooMuchMemory(u64),

    /// The image has to be decoded as a whole, and takes too much memory.
    #[error(
        "this {name} image has {width}x{height} pixels and is decoded as a whole, because {reason}; that takes about \
         {needed} bytes of memory, and {most} can be had; save it as a TIFF in strips or tiles"
    )]
    WholeTooLarge {
        /// Its format.
        name: &'static str,
        /// Its width as its header gives it.
        width: u32,
        /// Its height as its header gives it.
        height: u32,
        /// Why it is not read by rows, as a clause.
        reason: &'static str,
        /// What it takes, in bytes.
        needed: u64,
        /// What can be had.
        most: u64,
    },

    /// The image is smaller than a field of it would be.
    #[error(
        "the image is {width}x{height} pixels, and no field of {size}x{size} fits into it; cut smaller fields, which are \
         neither padded nor stretched"
    )]
    SmallerThanField {
        /// The width of the image.
        width: u32,
        /// Its height.
        height: u32,
        /// The side of a field.
        size: u32,
    },

    /// The image is read by rows, and those that come at a time take too much memory.
    #[error(
        "reading the image takes about {needed} bytes of memory at a time, and {most} can be had; cut smaller fields, or \
         save it in smaller strips or tiles"
    )]
    RowsTooLarge {
        /// What it takes, in bytes.
        needed: u64,
        /// What can be had.
        most: u64,
    },

    /// A file that cannot be opened or read.
    #[error("cannot read {}", printable_path(.0))]
    Read(PathBuf, #[source] io::Error),

    /// A file that was read and is not an image that can be used.
    #[error("cannot use the image {}", printable_path(.0))]
    File(PathBuf, #[source] Box<PixelsError>),

    /// A preprocessing that no image can go through, for instance from a weights file that was edited.
    #[error("the preprocessing cannot be used: {0}")]
    Preprocess(String),

    /// An image of this width and height that cannot be resized.
    #[error("an image of {}x{} pixels cannot be resized: {}", .0.0, .0.1, .1)]
    Resize((u32, u32), String),

    /// The numbers do not fit into a tensor.
    #[error("the image cannot be made a tensor: {0}")]
    Tensor(#[from] candle_core::Error),
}

/// What an error means for whoever sent the image.
#[cfg(feature = "serve")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The file cannot be opened or read.
    Unreadable,
    /// It is no image of a kind that is read.
    NotAnImage,
    /// The image is broken, or of a kind that is not read.
    UndecodableImage,
    TooLarge,
    /// The image is not to blame.
    Internal,
}

#[cfg(feature = "predict")]
impl Fault {
    /// Its name for programs, which never changes.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::NotAnImage => "not_an_image",
            Self::UndecodableImage => "undecodable_image",
            Self::TooLarge => "too_large",
            Self::Internal => "internal",
        }
    }
}

#[cfg(feature = "serve")]
impl PixelsError {
    pub(crate) fn fault(&self) -> Fault {
        match self {
            Self::Read(..) => Fault::Unreadable,
            Self::File(_, source) => source.fault(),
            Self::UnknownFormat { .. } => Fault::NotAnImage,
            Self::Undecodable(..) | Self::Unsupported(..) => Fault::UndecodableImage,
            Self::TooManyBytes { .. } | Self::TooManyPixels { .. } | Self::TooMuchMemory(_) => Fault::TooLarge,
            _ => Fault::Internal,
        }
    }

    /// Whether a larger limit would let the image pass, as far as is known.
    pub(crate) fn is_of_size(&self) -> bool {
        self.fault() == Fault::TooLarge
    }
}
