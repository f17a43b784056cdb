//! JPEGs whose components are sampled, sent or mixed into colours in an unusual way.
//!
//! The decoder of the `image` crate gives other pixels for some of them, or panics, and reads some not at all; its
//! predecessor reads them all.

use image::metadata::Orientation;
use jpeg_decoder::{ColorTransform, Decoder, PixelFormat};

use crate::pixels::PixelsError;
use crate::pixels::decode::DecodeLimits;
use crate::pixels::decode::colour_profile::ColourSource;
use crate::pixels::decode::raster::{Raster, image_of};

/// Decodes a JPEG whose size and data were checked, with components that mean these colours.
///
/// # Errors
/// [`PixelsError::Undecodable`].
pub(super) fn read(bytes: &[u8], colours: ColorTransform, limits: &DecodeLimits) -> Result<Raster, PixelsError> {
    let damaged = || PixelsError::Undecodable("JPEG", "its content is damaged".into());
    let mut decoder = Decoder::new(bytes);
    decoder.set_max_decoding_buffer_size(usize::try_from(limits.max_memory()).unwrap_or(usize::MAX));
    decoder.set_color_transform(colours);
    let pixels = decoder.decode().map_err(|_| damaged())?;
    let info = decoder.info().ok_or_else(damaged)?;
    let (width, height) = (u32::from(info.width), u32::from(info.height));
    let samples = match info.pixel_format {
        PixelFormat::L8 => pixels.iter().flat_map(|&grey| [grey; 3]).collect(),
        PixelFormat::RGB24 => pixels,
        PixelFormat::CMYK32 => from_cmyk(&pixels),
        PixelFormat::L16 => return Err(damaged()),
    };
    Ok(Raster {
        image: image_of(samples, width, height, false).ok_or_else(damaged)?,
        is_grey: info.pixel_format == PixelFormat::L8,
        is_deep: false,
        colours: decoder.icc_profile().map(ColourSource::Profile),
        orientation: Orientation::NoTransforms,
        notes: Vec::new(),
    })
}

/// Each ink takes away from white, and black from what the others leave.
fn from_cmyk(pixels: &[u8]) -> Vec<u8> {
    let (pixels, _) = pixels.as_chunks::<4>();
    let light = |ink: u8, black: u8| ((255 - u32::from(ink)) * (255 - u32::from(black)) + 127) / 255;
    pixels.iter().flat_map(|&[c, m, y, k]| [c, m, y].map(|ink| light(ink, k) as u8)).collect()
}
