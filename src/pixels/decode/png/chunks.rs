//! What the chunks of a PNG say beside its pixels, where the decoder does not hand it on.

use std::borrow::Cow;
use std::io::{self, Read};

use flate2::{Crc, read::ZlibDecoder};
use image::metadata::Orientation;

use crate::pixels::PixelsError;
use crate::pixels::decode::colour_profile::{ColourSource, MOST_PROFILE_BYTES};
use crate::pixels::decode::orientation::{self, MOST_TEXT_BYTES};

/// Whether a profile inflates to more than is read: the decoder would inflate and copy it as far as memory goes.
fn is_too_large(chunk: &[u8]) -> bool {
    // Its name ends with a zero, after which comes the number of the compression, which is always the same.
    let Some((_, data)) = split_at_zero(chunk) else { return false };
    let inflated = ZlibDecoder::new(data.get(1..).unwrap_or_default());
    let most = MOST_PROFILE_BYTES as u64;
    io::copy(&mut inflated.take(most + 1), &mut io::sink()).is_ok_and(|bytes| bytes > most)
}

/// What stands before the first zero, and after it.
fn split_at_zero(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|&byte| byte == 0)?;
    Some((&bytes[..end], &bytes[end + 1..]))
}

struct Chunk<'a> {
    /// Where its name stands in the file.
    at: usize,
    kind: &'a [u8],
    data: &'a [u8],
    /// Whether its checksum is right.
    is_whole: bool,
}

/// The chunks that are there to their last byte, without the checksums of the pixels', which the decoder sees to.
fn chunks(png: &[u8]) -> impl Iterator<Item = Chunk<'_>> {
    let mut at = 8;
    std::iter::from_fn(move || {
        let rest = png.get(at..)?;
        let (&length, rest) = rest.split_first_chunk::<4>()?;
        let (body, rest) = rest.split_at_checked(u32::from_be_bytes(length) as usize + 4)?;
        let (kind, data) = body.split_at(4);
        let is_whole = kind == b"IDAT" || {
            let mut sum = Crc::new();
            sum.update(body);
            rest.starts_with(&sum.sum().to_be_bytes())
        };
        let chunk = Chunk { at: at + 4, kind, data, is_whole };
        at += 4 + body.len() + 4;
        Some(chunk)
    })
}

/// What is said of the pixels.
#[derive(Default)]
pub(in crate::pixels::decode) struct Chunks<'a> {
    code_points: Option<[u8; 4]>,
    /// Where code points stand that no PNG has, and for which the decoder refuses the whole file.
    odd_code_points: Vec<usize>,
    is_srgb: bool,
    gamma: Option<u32>,
    chromaticities: Option<[f64; 8]>,
    has_profile: bool,
    profile_is_too_large: bool,
    /// It holds more than one frame.
    pub(in crate::pixels::decode) is_animated: bool,
    /// Of the first chunk that is needed to show the image and is none of PNG's specification, whether it is whole.
    unknown_is_whole: Option<bool>,
    /// What may stand after the pixels too: EXIF's data, and the chunks of texts that hold EXIF's data or XMP.
    exif: Option<&'a [u8]>,
    exif_text: Option<Chunk<'a>>,
    xmp_text: Option<Chunk<'a>>,
}

impl<'a> Chunks<'a> {
    /// Reads them as far as they are whole; the decoder has the last word on the file.
    pub(in crate::pixels::decode) fn read(png: &'a [u8]) -> Self {
        let mut chunks = Self::default();
        let mut before_pixels = true;
        for chunk in self::chunks(png) {
            let Chunk { at, kind, data, is_whole } = chunk;
            match kind {
                b"IDAT" => before_pixels = false,
                b"iCCP" if before_pixels => {
                    // The decoder looks at the first one only.
                    chunks.profile_is_too_large |= !chunks.has_profile && is_whole && is_too_large(data);
                    chunks.has_profile |= is_whole;
                }
                b"IHDR" | b"PLTE" | b"IEND" => {}
                [first, ..] if first & 0x20 == 0 && before_pixels => {
                    chunks.unknown_is_whole.get_or_insert(is_whole);
                }
                // The decoder passes over a chunk that is damaged and not needed.
                _ if !is_whole => {}
                b"cICP" if before_pixels => {
                    chunks.code_points = data.try_into().ok();
                    if !matches!(data, [_, _, 0, 0 | 1]) {
                        chunks.odd_code_points.push(at);
                    }
                }
                b"sRGB" if before_pixels => chunks.is_srgb = true,
                b"gAMA" if before_pixels => chunks.gamma = data.try_into().ok().map(u32::from_be_bytes),
                b"cHRM" if before_pixels && data.len() == 32 => {
                    let (numbers, _) = data.as_chunks::<4>();
                    let mut numbers = numbers.iter().map(|&number| f64::from(u32::from_be_bytes(number)) / 100_000.0);
                    chunks.chromaticities = Some(std::array::from_fn(|_| numbers.next().unwrap_or_default()));
                }
                b"acTL" if before_pixels => {
                    chunks.is_animated = data.first_chunk().is_some_and(|&frames| u32::from_be_bytes(frames) > 1);
                }
                b"eXIf" => chunks.exif = Some(data),
                b"tEXt" | b"zTXt" | b"iTXt" => match split_at_zero(data) {
                    Some((b"Raw profile type exif", _)) => chunks.exif_text = Some(chunk),
                    Some((b"XML:com.adobe.xmp", _)) => chunks.xmp_text = Some(chunk),
                    _ => {}
                },
                _ => {}
            }
        }
        chunks
    }

    /// Whether nothing in them is against decoding the file.
    pub(in crate::pixels::decode) fn check(&self) -> Result<(), PixelsError> {
        let damaged = |reason: &str| Err(PixelsError::Undecodable("PNG", reason.into()));
        match self.unknown_is_whole {
            Some(true) => {
                let kind = "it needs a chunk that PNG's specification does not have; save it as an ordinary PNG";
                Err(PixelsError::Unsupported("PNG", kind.into()))
            }
            Some(false) => damaged("a chunk in it is damaged"),
            None if self.profile_is_too_large => damaged("its colour profile is larger than any that is read"),
            None => Ok(()),
        }
    }

    /// Whether the decoder is to see another file than this one, see [`Self::decodable`].
    pub(in crate::pixels::decode) fn is_changed_for_the_decoder(&self) -> bool {
        !self.odd_code_points.is_empty()
    }

    /// The file as the decoder is to see it.
    pub(in crate::pixels::decode) fn decodable<'b>(&self, png: &'b [u8]) -> Cow<'b, [u8]> {
        let mut png = Cow::Borrowed(png);
        for &at in &self.odd_code_points {
            png.to_mut()[at + 1] = b'i'; // a chunk of someone's own, which is passed over
        }
        png
    }

    pub(in crate::pixels::decode) fn orientation(&self) -> Orientation {
        let exif = match (self.exif, &self.exif_text) {
            (Some(exif), _) => exif.to_vec(),
            (None, Some(chunk)) => text(chunk).and_then(|text| from_hex_lines(&text)).unwrap_or_default(),
            (None, None) => Vec::new(),
        };
        let xmp = self.xmp_text.as_ref().and_then(text).unwrap_or_default();
        orientation::find(&exif, &xmp)
    }

    /// Where the colours are defined, by the precedence of PNG's specification; none where they are sRGB.
    pub(in crate::pixels::decode) fn colour_source(&self, profile: Option<Vec<u8>>) -> Option<ColourSource> {
        if let Some(points) = self.code_points {
            return Some(ColourSource::CodePoints(points));
        }
        // What the decoder does not hand on is no profile, and as such not applied.
        if let Some(profile) = profile.or_else(|| self.has_profile.then(Vec::new)) {
            return Some(ColourSource::Profile(profile));
        }
        let exponent = self.gamma.filter(|&gamma| gamma > 0).map(|gamma| 100_000.0 / f64::from(gamma));
        let is_defined = !self.is_srgb && (exponent.is_some() || self.chromaticities.is_some());
        is_defined.then_some(ColourSource::Gamma { exponent, chromaticities: self.chromaticities })
    }
}

/// The text of a chunk with a keyword, as far as it is looked at.
fn text(chunk: &Chunk<'_>) -> Option<Vec<u8>> {
    let (_, rest) = split_at_zero(chunk.data)?;
    let (is_compressed, text) = match (chunk.kind, rest) {
        (b"tEXt", text) => (false, text),
        (b"zTXt", [0, text @ ..]) => (true, text),
        (b"iTXt", [is_compressed @ (0 | 1), 0, rest @ ..]) => {
            let (_language, rest) = split_at_zero(rest)?;
            let (_translated_keyword, text) = split_at_zero(rest)?;
            (*is_compressed == 1, text)
        }
        _ => return None,
    };
    let mut read = Vec::new();
    let most = MOST_TEXT_BYTES as u64;
    // What is whole before a damage counts.
    let _ = if is_compressed {
        ZlibDecoder::new(text).take(most).read_to_end(&mut read)
    } else {
        text.take(most).read_to_end(&mut read)
    };
    Some(read)
}

/// The bytes of a profile as ImageMagick writes it: a blank line, its name, its length, and lines of digits.
fn from_hex_lines(text: &[u8]) -> Option<Vec<u8>> {
    let digits = text.splitn(4, |&byte| byte == b'\n').nth(3)?;
    let digits = digits.iter().filter(|byte| !byte.is_ascii_whitespace());
    let digits = digits.map(|&digit| Some(char::from(digit).to_digit(16)? as u8)).collect::<Option<Vec<_>>>()?;
    Some(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests;
