//! PNG, JPEG, WebP and BMP by the image crate's decoders.

use std::io::{self, Cursor};

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};

use super::colour_profile::ColourSource;
use super::png::{self, Chunks};
use super::raster::{Raster, image_of};
use super::webp::Feature;
use super::{DecodeLimits, Note, bmp, webp};
use crate::pixels::PixelsError;

/// Reads an image of one of these formats, of which `name` is the name. Of a JPEG it is not turned upright.
pub(super) fn read(
    bytes: &[u8],
    format: ImageFormat,
    name: &'static str,
    limits: &DecodeLimits,
) -> Result<Raster, PixelsError> {
    let undecodable = |reason: &str| PixelsError::Undecodable(name, reason.into());
    let failed = |error| refusal(error, name, limits);

    let chunks = if format == ImageFormat::Png { Chunks::read(bytes) } else { Chunks::default() };
    chunks.check()?;
    let bytes = &*chunks.decodable(bytes);

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
        let (width, height) = webp::largest_frame(bytes);
        limits.check_pixels(width, height)?;
    }
    if decoder.total_bytes() > limits.max_memory() {
        return Err(PixelsError::TooMuchMemory(limits.max_memory()));
    }

    match format {
        ImageFormat::WebP => webp::check(bytes).map_err(undecodable)?,
        ImageFormat::Bmp if !bmp::has_all_pixels(bytes) => {
            return Err(undecodable("its run lengths leave some of its pixels out"));
        }
        _ => {}
    }

    let orientation = match format {
        ImageFormat::Png => chunks.orientation(),
        ImageFormat::WebP => webp::orientation(bytes, &mut decoder),
        _ => Orientation::NoTransforms,
    };
    let profile = decoder.icc_profile().unwrap_or_default();
    let color = decoder.color_type();
    let samples = match (format == ImageFormat::Png).then(|| png::pixels(bytes)).flatten() {
        Some(samples) => samples,
        None => {
            let mut samples = vec![0; decoder.total_bytes() as usize];
            decoder.read_image(&mut samples).map_err(failed)?;
            samples
        }
    };
    let image =
        eight_bits(samples, color, width, height).ok_or_else(|| undecodable("it uses a variant that is not read"))?;

    let mut notes = Vec::new();
    let colours = match format {
        ImageFormat::Png => {
            notes.extend(chunks.is_animated.then_some(Note::FirstFrame));
            chunks.colour_source(profile)
        }
        ImageFormat::Bmp => bmp::profile(bytes).map(|profile| ColourSource::Profile(profile.to_vec())),
        _ => {
            notes.extend(webp::announces(bytes, Feature::Animation).then_some(Note::FirstFrame));
            profile.map(ColourSource::Profile)
        }
    };
    Ok(Raster { image, is_grey: !color.has_color(), is_deep: is_deep(color), colours, orientation, notes })
}

pub(super) fn is_deep(color: ColorType) -> bool {
    matches!(color, ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16)
}

/// Samples of 8 or 16 bits as 8-bit RGB or RGBA, in the memory that they have already: a copy of a large image would
/// take as much again.
pub(super) fn eight_bits(mut samples: Vec<u8>, color: ColorType, width: u32, height: u32) -> Option<DynamicImage> {
    if is_deep(color) {
        for at in 0..samples.len() / 2 {
            let level = u32::from(u16::from_ne_bytes([samples[2 * at], samples[2 * at + 1]]));
            samples[at] = ((level * 255 + 32_767) / 65_535) as u8; // rounded to the nearest level
        }
        samples.truncate(samples.len() / 2);
        samples.shrink_to_fit();
    }
    let samples = match color {
        ColorType::L8 | ColorType::L16 => samples.iter().flat_map(|&grey| [grey; 3]).collect(),
        ColorType::La8 | ColorType::La16 => {
            samples.chunks_exact(2).flat_map(|pixel| [pixel[0], pixel[0], pixel[0], pixel[1]]).collect()
        }
        ColorType::Rgb8 | ColorType::Rgb16 | ColorType::Rgba8 | ColorType::Rgba16 => samples,
        _ => return None,
    };
    image_of(samples, width, height, color.has_alpha())
}

/// What an error of the image crate's decoders is.
pub(super) fn refusal(error: ImageError, name: &'static str, limits: &DecodeLimits) -> PixelsError {
    match &error {
        ImageError::Limits(_) => PixelsError::TooMuchMemory(limits.max_memory()),
        ImageError::Unsupported(_) => {
            PixelsError::Unsupported(name, format!("{}; save it as PNG with 8 bits a channel", reason(&error)))
        }
        other => PixelsError::Undecodable(name, reason(other).into()),
    }
}

/// Why an image is not decoded, in words of ours, for whoever sent it: those of the libraries are for programmers.
fn reason(error: &ImageError) -> &'static str {
    match error {
        ImageError::IoError(error) if error.kind() == io::ErrorKind::UnexpectedEof => "the file ends too early",
        ImageError::IoError(_) => "its content cannot be read",
        ImageError::Unsupported(_) => "it uses an unknown variant of its format",
        ImageError::Decoding(error) => match std::error::Error::source(error) {
            Some(source) if source.to_string().contains("CRC") => "a checksum in it does not fit the data",
            _ => "its content is damaged",
        },
        _ => "its content contradicts its header",
    }
}
