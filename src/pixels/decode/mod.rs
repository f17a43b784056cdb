//! From the bytes of a file to 8-bit RGB, however the file stores its pixels, within limits that are checked first.
//!
//! The format is recognised by the bytes, never by a name. Grey becomes three equal channels, palettes are looked up, 16
//! bits are rounded to 8, CMYK is converted, and transparent pixels are blended onto white, the colour of an empty
//! slide. EXIF's orientation is applied. What was done to an image beyond reading it stands in its [`Note`]s. A file that
//! is damaged, or whose numbers can be meant in more than one way, is refused.
//!
//! | file | what it is for |
//! |---|---|
//! | `format` | what a file is by its first bytes, and the names of what is not read |
//! | `raster` | what the reader of a format gives, and how it becomes the image: colours, alpha, orientation |
//! | `decoders` | PNG, JPEG, WebP and BMP by the image crate's decoders; `webp` and `bmp` read what these pass over |
//! | `png` | what else the chunks of a PNG say, and the pixels of most of them in three fifths of the decoder's time |
//! | `jpeg` | whether a JPEG has all its data, which colours it means, and the JPEGs that `decoders` gets wrong |
//! | `orientation` | which way up an image is |
//! | `tiff` | TIFF |
//! | `by_rows` | images that are too large to be held as a whole |
//! | `source` | the bytes of a file, in memory or on a disk |
//! | `colour_profile` | from the colours of a profile to sRGB |
//! | `notes` | what an answer says of what was done |
//! | `panics` | upstream's panics, caught once for all formats |

use std::io::Read;
use std::path::Path;
use std::sync::LazyLock;

use image::{ImageFormat, RgbImage};

use super::PixelsError;
use crate::system::{available_memory, cores, open_file};
use raster::Raster;

mod bmp;
pub(super) mod by_rows;
mod colour_profile;
mod decoders;
mod format;
mod jpeg;
mod notes;
mod orientation;
mod panics;
mod png;
mod raster;
pub(super) mod source;
mod tiff;
mod webp;

pub use notes::Note;
pub use panics::is_caught as panic_is_caught;

/// The formats that are read, for messages.
pub const FORMATS: &str = "PNG, JPEG, TIFF, WebP and BMP";

/// What a decoder may always allocate, for tables and profiles that do not grow with the image.
const BYTES_AT_LEAST: u64 = 16 << 20;

/// How large an image may be before anything is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Bytes of the encoded file.
    pub max_bytes: usize,
    /// Width times height.
    pub max_pixels: u64,
}

impl Default for DecodeLimits {
    /// 32 MiB and 64 million pixels (8000x8000). A microscope camera's image has up to some 20 million pixels and
    /// BreakHis's has 0.3; what is larger is a whole slide, which these networks do not classify. 32 MiB is also
    /// the most that Cloud Run passes on in one HTTP/1 request.
    fn default() -> Self {
        Self { max_bytes: 32 << 20, max_pixels: 64_000_000 }
    }
}

impl DecodeLimits {
    /// Bytes that decoding takes for each pixel, at most: 16 bits of four channels, or a progressive JPEG's coefficients
    /// beside its pixels, and some for what the allocator rounds up.
    pub const BYTES_PER_PIXEL: u64 = 12;

    /// The same pixels, and what memory allows of bytes: a file of one's own is no upload. Each core may hold one file in
    /// half of the memory that was free when this was first asked, 32 MiB at least and 1 GiB at most.
    pub fn local() -> Self {
        static BYTES: LazyLock<usize> =
            LazyLock::new(|| available_memory().map_or(1 << 30, |free| (free / 2 / cores()).clamp(32 << 20, 1 << 30)));
        Self { max_bytes: *BYTES, ..Self::default() }
    }

    /// What keeps to both.
    #[cfg(feature = "serve")]
    pub(crate) fn and(&self, other: &Self) -> Self {
        Self { max_bytes: self.max_bytes.min(other.max_bytes), max_pixels: self.max_pixels.min(other.max_pixels) }
    }

    fn check_pixels(&self, width: u32, height: u32) -> Result<(), PixelsError> {
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(PixelsError::TooManyPixels { width, height, limit: self.max_pixels });
        }
        Ok(())
    }

    fn max_memory(&self) -> u64 {
        self.max_pixels.saturating_mul(Self::BYTES_PER_PIXEL).max(BYTES_AT_LEAST)
    }
}

/// An image as it was decoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// Its pixels: upright, in sRGB, without transparency.
    pub image: RgbImage,
    /// What was done to it beyond reading it, in that order.
    pub notes: Vec<Note>,
}

/// Reads and decodes a file; the error names it.
///
/// # Errors
/// [`PixelsError::Read`] when the file cannot be read, and [`PixelsError::File`] around what [`decode`] says.
pub fn read(path: &Path, limits: &DecodeLimits) -> Result<Decoded, PixelsError> {
    decode_file(path, &read_bytes(path, limits)?, limits)
}

/// Decodes the bytes of a file that were read before, with the errors of [`read`].
pub(crate) fn decode_file(path: &Path, bytes: &[u8], limits: &DecodeLimits) -> Result<Decoded, PixelsError> {
    decode(bytes, limits).map_err(|source| PixelsError::File(path.into(), Box::new(source)))
}

/// The bytes of a file that are to be decoded, with the errors of [`read`]: a file beyond the limit is not read at all.
pub(crate) fn read_bytes(path: &Path, limits: &DecodeLimits) -> Result<Vec<u8>, PixelsError> {
    let failed = |source| PixelsError::Read(path.into(), source);
    let file = open_file(path).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    if length > limits.max_bytes as u64 {
        let source = PixelsError::TooManyBytes { bytes: length, limit: limits.max_bytes };
        return Err(PixelsError::File(path.into(), Box::new(source)));
    }
    // A pipe has no length; one byte more than the limit is enough for `decode` to refuse it.
    let mut bytes = Vec::with_capacity(length as usize);
    file.take(limits.max_bytes.saturating_add(1) as u64).read_to_end(&mut bytes).map_err(failed)?;
    Ok(bytes)
}

/// Decodes an image to 8-bit RGB.
///
/// ```
/// use lobule::pixels::{DecodeLimits, PixelsError, decode};
///
/// let bitmap = b"BM\x3a\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0\x01\0\0\0\x01\0\0\0\x01\0\x18\0\
///     \0\0\0\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xd6\xbe\xe8\0";
/// let decoded = decode(bitmap, &DecodeLimits::default())?;
/// assert_eq!(decoded.image.get_pixel(0, 0).0, [0xe8, 0xbe, 0xd6]);
/// assert!(decoded.notes.is_empty());
/// assert!(matches!(decode(b"GIF89a", &DecodeLimits::default()), Err(PixelsError::UnknownFormat { .. })));
/// # Ok::<(), PixelsError>(())
/// ```
///
/// # Errors
/// - [`PixelsError::TooManyBytes`], [`PixelsError::TooManyPixels`] and [`PixelsError::TooMuchMemory`] when it goes
///   beyond `limits`; nothing of its size has been allocated then.
/// - [`PixelsError::UnknownFormat`] when the bytes do not begin as one of [`FORMATS`] does.
/// - [`PixelsError::Undecodable`] when they do and still are no image, and [`PixelsError::Unsupported`] when they are one
///   of a kind that is not read.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<Decoded, PixelsError> {
    if bytes.len() > limits.max_bytes {
        return Err(PixelsError::TooManyBytes { bytes: bytes.len() as u64, limit: limits.max_bytes });
    }
    let (format, name) = format::detect(bytes)?;
    panics::caught(|| Ok(read_raster(bytes, format, name, limits)?.finish()))
        .unwrap_or_else(|_| Err(contradiction(name)))
}

/// What a decoder's panic says of an image.
fn contradiction(name: &'static str) -> PixelsError {
    PixelsError::Undecodable(name, "its content contradicts its header".into())
}

/// Whether bytes begin as a file of one of [`FORMATS`] does.
pub fn begins_as_image(bytes: &[u8]) -> bool {
    format::detect(bytes).is_ok()
}

fn read_raster(
    bytes: &[u8],
    format: ImageFormat,
    name: &'static str,
    limits: &DecodeLimits,
) -> Result<Raster, PixelsError> {
    match format {
        ImageFormat::Tiff => tiff::read(bytes, limits),
        ImageFormat::Jpeg => jpeg::read(bytes, limits),
        _ => decoders::read(bytes, format, name, limits),
    }
}

#[cfg(test)]
mod tests;
