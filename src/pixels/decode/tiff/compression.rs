//! The compressions of TIFF, and those that are read.

use super::{PixelsError, not_read};

/// A compression that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Lzw,
    Deflate,
    PackBits,
    /// Each chunk is a JPEG stream, whose tables may stand apart.
    Jpeg,
    /// The JPEG of TIFF 6.0: read where one whole stream holds the image.
    OldJpeg,
    WebP,
}

impl Compression {
    /// Reads the value of the tag.
    pub(super) fn read(code: u32) -> Result<Self, PixelsError> {
        let name = match code {
            1 => return Ok(Self::None),
            5 => return Ok(Self::Lzw),
            6 => return Ok(Self::OldJpeg),
            7 => return Ok(Self::Jpeg),
            8 | 32946 => return Ok(Self::Deflate),
            32773 => return Ok(Self::PackBits),
            50001 => return Ok(Self::WebP),
            2 | 32771 => "CCITT run lengths",
            3 => "CCITT group 3 (fax)",
            4 => "CCITT group 4 (fax)",
            9 | 10 | 34661 => "JBIG",
            22610 | 34934 => "JPEG XR",
            33003..=33005 | 34712 => "JPEG 2000",
            34887 => "LERC",
            34892 => "lossy DNG JPEG",
            34925 => "LZMA",
            50000 => "ZSTD",
            50002 | 52546 => "JPEG XL",
            _ => return Err(not_read(format!("its compression has the number {code}"))),
        };
        Err(not_read(format!("its compression is {name}")))
    }

    /// Whether the predictor's tag means anything; libtiff ignores it elsewhere too.
    pub(super) fn has_predictor(self) -> bool {
        matches!(self, Self::Lzw | Self::Deflate)
    }

    /// Whether a chunk is decompressed to rows of samples as the tags describe them, and not to an image of its own.
    pub(super) fn is_of_bytes(self) -> bool {
        !matches!(self, Self::Jpeg | Self::OldJpeg | Self::WebP)
    }

    /// Whether the chunks are JPEG streams, which bring their chroma to the full resolution by themselves.
    pub(super) fn is_jpeg(self) -> bool {
        matches!(self, Self::Jpeg | Self::OldJpeg)
    }
}
