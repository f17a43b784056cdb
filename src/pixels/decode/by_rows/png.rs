//! The rows of a PNG, by the decoder that reads whole ones, and those chunks beside them that are looked at.

use image::codecs::png::PngDecoder;
use image::{ColorType, DynamicImage, ImageDecoder, Limits};

use crate::pixels::PixelsError;
use crate::pixels::decode::DecodeLimits;
use crate::pixels::decode::decoders::{eight_bits, is_deep, refusal};
use crate::pixels::decode::png::Chunks;
use crate::pixels::decode::raster::Raster;
use crate::pixels::decode::source::{Source, SourceReader};

const NAME: &str = "PNG";

/// The most bytes of chunks that hold no pixels.
const MOST_OTHER_BYTES: usize = 64 << 20;

/// Bytes of rows that come at a time.
const AT_ONCE: usize = 1 << 20;

/// An image, and how far it has been read.
pub(super) struct Rows<'a> {
    source: Source<'a>,
    limits: DecodeLimits,
    size: (u32, u32),
    color: ColorType,
    reader: Option<Box<png::Reader<SourceReader<'a>>>>,
    /// The next row.
    y: u32,
}

/// Opens a file; without rows of it, the reason why it has to be decoded as a whole.
pub(super) fn open<'a>(
    source: Source<'a>,
    limits: &DecodeLimits,
) -> Result<Result<Raster<Rows<'a>>, &'static str>, PixelsError> {
    let Some(other) = without_pixels(source) else { return Ok(Err("it holds too much beside its pixels")) };
    let chunks = Chunks::read(&other);
    chunks.check()?;
    if chunks.is_changed_for_the_decoder() {
        return Ok(Err("its colours are defined in an unusual way"));
    }
    if is_interlaced(&other) {
        return Ok(Err("it is interlaced"));
    }
    let mut allowed = Limits::default();
    allowed.max_alloc = Some(limits.max_memory());
    let failed = |error| refusal(error, NAME, limits);
    let mut decoder = PngDecoder::with_limits(source.reader(0, u64::MAX), allowed).map_err(failed)?;
    if decoder.is_apng().map_err(failed)? {
        return Ok(Err("it is an animation"));
    }
    let (width, height) = decoder.dimensions();
    let color = decoder.color_type();
    let needed = u64::from(width) * u64::from(color.bytes_per_pixel()) * 2;
    if needed > limits.max_memory() {
        return Err(PixelsError::RowsTooLarge { needed, most: limits.max_memory() });
    }
    let profile = decoder.icc_profile().unwrap_or_default();
    Ok(Ok(Raster {
        is_grey: !color.has_color(),
        is_deep: is_deep(color),
        colours: chunks.colour_source(profile),
        orientation: chunks.orientation(),
        notes: Vec::new(),
        image: Rows { source, limits: *limits, size: (width, height), color, reader: None, y: 0 },
    }))
}

/// The file with one empty chunk in place of those that hold the pixels; none where that is too large.
fn without_pixels(source: Source<'_>) -> Option<Vec<u8>> {
    let mut other = source.slice(0, 8)?.into_owned();
    let mut at = 8;
    let mut has_pixels = false;
    while let Some(head) = source.slice(at, 8) {
        let (length, kind) = head.split_first_chunk::<4>()?;
        let length = u64::from(u32::from_be_bytes(*length)) + 12;
        if kind != b"IDAT" {
            if length > (MOST_OTHER_BYTES - other.len().min(MOST_OTHER_BYTES)) as u64 {
                return None;
            }
            other.extend_from_slice(&source.slice(at, length.min(source.len() - at))?);
        } else if !has_pixels {
            has_pixels = true;
            other.extend_from_slice(b"\0\0\0\0IDAT\0\0\0\0");
        }
        at += length;
    }
    Some(other)
}

/// By the header, which comes first and ends with it.
fn is_interlaced(png: &[u8]) -> bool {
    png.get(12..16) == Some(b"IHDR") && png.get(28).is_some_and(|&method| method != 0)
}

impl Rows<'_> {
    pub(super) fn size(&self) -> (u32, u32) {
        self.size
    }

    fn row_bytes(&self) -> usize {
        self.size.0 as usize * usize::from(self.color.bytes_per_pixel())
    }

    pub(super) fn at_once(&self) -> u32 {
        ((AT_ONCE / self.row_bytes().max(1)) as u32).clamp(1, self.size.1.max(1))
    }

    pub(super) fn restart(&mut self) -> Result<(), PixelsError> {
        (self.reader, self.y) = (None, 0);
        Ok(())
    }

    /// The next rows, [`Self::at_once`] or fewer; none after the last.
    pub(super) fn next(&mut self) -> Result<Option<DynamicImage>, PixelsError> {
        let (width, height) = self.size;
        let (count, row_bytes) = (self.at_once().min(height - self.y), self.row_bytes());
        let failed = |error: png::DecodingError| reason(&error, &self.limits);
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            None => {
                let bytes = usize::try_from(self.limits.max_memory()).unwrap_or(usize::MAX);
                let file = self.source.reader(0, u64::MAX);
                let mut decoder = png::Decoder::new_with_limits(file, png::Limits { bytes });
                decoder.set_transformations(png::Transformations::EXPAND);
                Box::new(decoder.read_info().map_err(failed)?)
            }
        };
        let mut samples = vec![0; count as usize * row_bytes];
        if count == 0 {
            // What stands behind the last row is checked as the decoder of whole images does it.
            let mut none = vec![0; row_bytes];
            reader.read_row(&mut none).map_err(failed)?;
            return Ok(None);
        }
        for row in samples.chunks_exact_mut(row_bytes) {
            if reader.read_row(row).map_err(failed)?.is_none() {
                return Err(PixelsError::Undecodable(NAME, "it has fewer rows than its header says".into()));
            }
        }
        if is_deep(self.color) {
            let (levels, _) = samples.as_chunks_mut::<2>();
            levels.iter_mut().for_each(|level| *level = u16::from_be_bytes(*level).to_ne_bytes());
        }
        (self.reader, self.y) = (Some(reader), self.y + count);
        let image = eight_bits(samples, self.color, width, count);
        image.map(Some).ok_or_else(|| PixelsError::Undecodable(NAME, "it uses a variant that is not read".into()))
    }
}

/// Why rows are not decoded, as it is said of whole images.
fn reason(error: &png::DecodingError, limits: &DecodeLimits) -> PixelsError {
    let reason = match error {
        png::DecodingError::LimitsExceeded => return PixelsError::TooMuchMemory(limits.max_memory()),
        png::DecodingError::IoError(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            "the file ends too early"
        }
        png::DecodingError::IoError(_) => "its content cannot be read",
        png::DecodingError::Format(error) if error.to_string().contains("CRC") => {
            "a checksum in it does not fit the data"
        }
        png::DecodingError::Format(_) => "its content is damaged",
        png::DecodingError::Parameter(_) => "its content contradicts its header",
    };
    PixelsError::Undecodable(NAME, reason.into())
}
