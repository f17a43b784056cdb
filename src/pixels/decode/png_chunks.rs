//! What the chunks of a PNG say beside its pixels, where the decoder does not hand it on.

use std::io::{self, Read};

use flate2::{Crc, read::ZlibDecoder};

use super::colour_profile::{ColourSource, MOST_PROFILE_BYTES};

/// Whether a profile inflates to more than is read: the decoder would inflate and copy it as far as memory goes.
fn is_too_large(chunk: &[u8]) -> bool {
    // Its name ends with a zero, after which comes the number of the compression, which is always the same.
    let Some(end) = chunk.iter().position(|&byte| byte == 0) else { return false };
    let inflated = ZlibDecoder::new(chunk.get(end + 2..).unwrap_or_default());
    let most = MOST_PROFILE_BYTES as u64;
    io::copy(&mut inflated.take(most + 1), &mut io::sink()).is_ok_and(|bytes| bytes > most)
}

/// What is said of the pixels.
#[derive(Default)]
pub(super) struct Chunks<'a> {
    code_points: Option<[u8; 4]>,
    is_srgb: bool,
    gamma: Option<u32>,
    chromaticities: Option<[f64; 8]>,
    /// It holds more than one frame.
    pub(super) is_animated: bool,
    /// A profile in it is larger than any that is read.
    pub(super) profile_is_too_large: bool,
    /// EXIF's data, which may stand after the pixels.
    pub(super) exif: Option<&'a [u8]>,
}

impl<'a> Chunks<'a> {
    /// Reads them as far as they are whole; the decoder has the last word on the file.
    pub(super) fn read(png: &'a [u8]) -> Self {
        let mut chunks = Self::default();
        let mut rest = png.get(8..).unwrap_or_default();
        let mut before_pixels = true;
        while let Some((&length, after)) = rest.split_first_chunk::<4>() {
            let length = u32::from_be_bytes(length) as usize;
            let (Some(kind), Some(data)) = (after.get(..4), after.get(4..).and_then(|data| data.get(..length))) else {
                break;
            };
            let is_whole = || {
                let mut sum = Crc::new();
                sum.update(&after[..4 + length]);
                after.get(4 + length..).and_then(<[u8]>::first_chunk) == Some(&sum.sum().to_be_bytes())
            };
            match kind {
                b"IDAT" => before_pixels = false,
                // The decoder passes over a chunk that is damaged and not needed.
                _ if !is_whole() => {}
                b"cICP" if before_pixels => chunks.code_points = data.try_into().ok(),
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
                b"iCCP" => chunks.profile_is_too_large |= is_too_large(data),
                b"eXIf" => chunks.exif = Some(data),
                _ => {}
            }
            rest = after.get(4 + length + 4..).unwrap_or_default();
        }
        chunks
    }

    /// Where the colours are defined, by the precedence of PNG's specification; none where they are sRGB.
    pub(super) fn colour_source(&self, profile: Option<Vec<u8>>) -> Option<ColourSource> {
        if let Some(points) = self.code_points {
            return Some(ColourSource::CodePoints(points));
        }
        if let Some(profile) = profile {
            return Some(ColourSource::Profile(profile));
        }
        let exponent = self.gamma.filter(|&gamma| gamma > 0).map(|gamma| 100_000.0 / f64::from(gamma));
        let is_defined = !self.is_srgb && (exponent.is_some() || self.chromaticities.is_some());
        is_defined.then_some(ColourSource::Gamma { exponent, chromaticities: self.chromaticities })
    }
}
