//! An image between its file and its final pixels: 8 bits a channel, not yet upright, in the file's own colours.

use std::io::{self, Cursor};

use image::metadata::Orientation;
use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits, RgbImage, RgbaImage};

use super::{DecodeLimits, Decoded, Note};
use crate::pixels::PixelsError;
use crate::pixels::container::{jpeg_is_whole, webp_largest_frame};

/// What the reader of a format gives.
pub(super) struct Raster {
    /// 8-bit RGB, or RGBA with straight alpha.
    pub(super) image: DynamicImage,
    /// How the image is to be turned.
    pub(super) orientation: Orientation,
    pub(super) notes: Vec<Note>,
}

impl Raster {
    /// The image upright and without transparency.
    pub(super) fn finish(self) -> Decoded {
        let Self { image, orientation, mut notes } = self;
        let image = match image {
            DynamicImage::ImageRgba8(image) => on_white(image, &mut notes),
            image => image.into_rgb8(),
        };
        let mut upright = DynamicImage::ImageRgb8(image);
        upright.apply_orientation(orientation);
        Decoded { image: upright.into_rgb8(), notes }
    }
}

/// Reads an image of these formats by the image crate's decoders.
pub(super) fn read(
    bytes: &[u8],
    format: ImageFormat,
    name: &'static str,
    limits: &DecodeLimits,
) -> Result<Raster, PixelsError> {
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
    let color = decoder.color_type();
    let mut samples = vec![0; decoder.total_bytes() as usize];
    decoder.read_image(&mut samples).map_err(failed)?;
    let image =
        eight_bits(samples, color, width, height).ok_or_else(|| undecodable("it uses a variant that is not read"))?;
    Ok(Raster { image, orientation, notes: Vec::new() })
}

/// Samples of 8 or 16 bits as 8-bit RGB or RGBA, in the memory that they have already: a copy of a large image would
/// take as much again.
fn eight_bits(mut samples: Vec<u8>, color: ColorType, width: u32, height: u32) -> Option<DynamicImage> {
    let deep = matches!(color, ColorType::L16 | ColorType::La16 | ColorType::Rgb16 | ColorType::Rgba16);
    if deep {
        for at in 0..samples.len() / 2 {
            let level = u32::from(u16::from_ne_bytes([samples[2 * at], samples[2 * at + 1]]));
            samples[at] = ((level * 255 + 32_767) / 65_535) as u8; // rounded to the nearest level
        }
        samples.truncate(samples.len() / 2);
        samples.shrink_to_fit();
    }
    match color {
        ColorType::L8 | ColorType::L16 => {
            let rgb = samples.iter().flat_map(|&grey| [grey; 3]).collect();
            RgbImage::from_raw(width, height, rgb).map(DynamicImage::ImageRgb8)
        }
        ColorType::La8 | ColorType::La16 => {
            let rgba = samples.chunks_exact(2).flat_map(|pixel| [pixel[0], pixel[0], pixel[0], pixel[1]]).collect();
            RgbaImage::from_raw(width, height, rgba).map(DynamicImage::ImageRgba8)
        }
        ColorType::Rgb8 | ColorType::Rgb16 => RgbImage::from_raw(width, height, samples).map(DynamicImage::ImageRgb8),
        ColorType::Rgba8 | ColorType::Rgba16 => {
            RgbaImage::from_raw(width, height, samples).map(DynamicImage::ImageRgba8)
        }
        _ => None,
    }
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

/// Blends onto white, in the memory that the image has: `colour * alpha + white * (1 - alpha)`, rounded to the nearest
/// level.
fn on_white(image: RgbaImage, notes: &mut Vec<Note>) -> RgbImage {
    let (width, height) = image.dimensions();
    let mut samples = image.into_raw();
    let mut is_opaque = true;
    for pixel in 0..samples.len() / 4 {
        let alpha = u32::from(samples[4 * pixel + 3]);
        is_opaque &= alpha == 255;
        for channel in 0..3 {
            let colour = u32::from(samples[4 * pixel + channel]);
            samples[3 * pixel + channel] = ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        }
    }
    samples.truncate(samples.len() / 4 * 3);
    samples.shrink_to_fit();
    if !is_opaque {
        notes.push(Note::TransparentOnWhite);
    }
    RgbImage::from_raw(width, height, samples).unwrap_or_default() // there are three samples for each pixel
}
