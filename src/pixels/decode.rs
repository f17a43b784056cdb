//! From the bytes of a file to 8-bit RGB, however the file stores its pixels, within limits that are checked first.
//!
//! The format is recognised by the bytes, never by a name. Grey becomes three equal channels, palettes are looked up, 16
//! bits and floats (0 to 1) are rounded to 8, CMYK is converted, and transparent pixels are blended onto white, the
//! colour of an empty slide. EXIF's orientation is applied. Colour profiles are not, as they are not where networks of
//! this field are trained. Of an animation or a multi-page file the first image is taken.

use std::io::{self, Cursor, Read};
use std::path::Path;
use std::sync::LazyLock;

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage};

use super::PixelsError;
use super::container::{jpeg_is_whole, webp_largest_frame};
use crate::system::{available_memory, cores, open_file};

/// The formats that are read, for messages.
pub const FORMATS: &str = "PNG, JPEG, TIFF, WebP and BMP";

/// What a decoder may allocate for each pixel of the limit: 16 bits each of red, green, blue and alpha.
/// The JPEG decoder counts no memory; the limit on pixels is what holds it.
const BYTES_PER_PIXEL: u64 = 8;

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
    /// The same pixels, and what memory allows of bytes: a file of one's own is no upload. Each core may hold one file in
    /// half of the memory that was free when this was first asked, 32 MiB at least and 1 GiB at most.
    pub fn local() -> Self {
        static BYTES: LazyLock<usize> =
            LazyLock::new(|| available_memory().map_or(1 << 30, |free| (free / 2 / cores()).clamp(32 << 20, 1 << 30)));
        Self { max_bytes: *BYTES, ..Self::default() }
    }

    fn check_pixels(&self, width: u32, height: u32) -> Result<(), PixelsError> {
        if u64::from(width) * u64::from(height) > self.max_pixels {
            return Err(PixelsError::TooManyPixels { width, height, limit: self.max_pixels });
        }
        Ok(())
    }

    fn max_memory(&self) -> u64 {
        self.max_pixels.saturating_mul(BYTES_PER_PIXEL).max(BYTES_AT_LEAST)
    }
}

/// Reads and decodes a file; the error names it.
///
/// # Errors
/// [`PixelsError::Read`] when the file cannot be read, and [`PixelsError::File`] around what [`decode`] says.
pub fn read(path: &Path, limits: &DecodeLimits) -> Result<RgbImage, PixelsError> {
    let bytes = read_bytes(path, limits)?;
    decode(&bytes, limits).map_err(|source| PixelsError::File(path.into(), Box::new(source)))
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
/// let image = decode(bitmap, &DecodeLimits::default())?;
/// assert_eq!(image.get_pixel(0, 0).0, [0xe8, 0xbe, 0xd6]);
/// assert!(matches!(decode(b"GIF89a", &DecodeLimits::default()), Err(PixelsError::UnknownFormat { .. })));
/// # Ok::<(), PixelsError>(())
/// ```
///
/// # Errors
/// - [`PixelsError::TooManyBytes`], [`PixelsError::TooManyPixels`] and [`PixelsError::TooMuchMemory`] when it goes
///   beyond `limits`; nothing of its size has been allocated then.
/// - [`PixelsError::UnknownFormat`] when the bytes do not begin as one of [`FORMATS`] does.
/// - [`PixelsError::Undecodable`] when they do and still are no image.
pub fn decode(bytes: &[u8], limits: &DecodeLimits) -> Result<RgbImage, PixelsError> {
    if bytes.len() > limits.max_bytes {
        return Err(PixelsError::TooManyBytes { bytes: bytes.len() as u64, limit: limits.max_bytes });
    }
    let (format, name) = detect(bytes)?;
    let undecodable = |reason: &str| PixelsError::Undecodable(name, reason.into());
    let failed = |error: ImageError| match error {
        ImageError::Limits(_) => PixelsError::TooMuchMemory(limits.max_memory()),
        other => undecodable(&reason(&other)),
    };

    let mut allowed = Limits::default();
    allowed.max_alloc = Some(limits.max_memory());
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(allowed);
    let mut decoder = reader.into_decoder().map_err(failed)?;

    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(undecodable(&format!("it is {width}x{height} pixels")));
    }
    limits.check_pixels(width, height)?;
    if format == ImageFormat::WebP {
        let (width, height) = webp_largest_frame(bytes);
        limits.check_pixels(width, height)?;
    }
    if format == ImageFormat::Jpeg && !jpeg_is_whole(bytes) {
        return Err(undecodable("the file ends too early"));
    }
    if decoder.total_bytes() > limits.max_memory() {
        return Err(PixelsError::TooMuchMemory(limits.max_memory()));
    }

    // An image whose metadata is broken is still an image.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut image = DynamicImage::from_decoder(decoder).map_err(failed)?;
    image.apply_orientation(orientation);
    Ok(if image.color().has_alpha() { on_white(&image.into_rgba8()) } else { image.into_rgb8() })
}

/// The format by the first bytes, and its name.
fn detect(bytes: &[u8]) -> Result<(ImageFormat, &'static str), PixelsError> {
    let found = match image::guess_format(bytes) {
        Ok(format @ ImageFormat::Png) => return Ok((format, "PNG")),
        Ok(format @ ImageFormat::Jpeg) => return Ok((format, "JPEG")),
        Ok(format @ ImageFormat::Tiff) => return Ok((format, "TIFF")),
        Ok(format @ ImageFormat::WebP) => return Ok((format, "WebP")),
        Ok(format @ ImageFormat::Bmp) => return Ok((format, "BMP")),
        Ok(other) => {
            format!("{} images are not read", other.extensions_str().first().unwrap_or(&"such").to_uppercase())
        }
        Err(_) if bytes.is_empty() => "the file is empty".into(),
        Err(_) => "the file is not an image of a known format".into(),
    };
    Err(PixelsError::UnknownFormat { found })
}

/// The decoder's reason in a few words of one line: it may go to whoever sent the image.
fn reason(error: &ImageError) -> String {
    const LONGEST: usize = 120;
    let text = match error {
        ImageError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => "the file ends too early".into(),
        ImageError::IoError(_) => "its content cannot be read".into(),
        ImageError::Unsupported(error) => format!("it uses a variant that is not read ({error})"),
        ImageError::Decoding(error) => match std::error::Error::source(error) {
            Some(source) => source.to_string(),
            None => "its content is damaged".into(),
        },
        _ => "its content contradicts its header".into(),
    };
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
    line.trim_end_matches(['.', ' ']).to_owned()
}

/// Blends onto white: `colour * alpha + white * (1 - alpha)`, rounded to the nearest level.
fn on_white(image: &RgbaImage) -> RgbImage {
    let mut opaque = RgbImage::new(image.width(), image.height());
    for (target, source) in opaque.pixels_mut().zip(image.pixels()) {
        let [red, green, blue, alpha] = source.0.map(u32::from);
        target.0 = [red, green, blue].map(|colour| ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8);
    }
    opaque
}

#[cfg(test)]
mod tests;
