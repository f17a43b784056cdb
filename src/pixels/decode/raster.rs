//! An image between its file and its final pixels: 8 bits a channel, not yet upright, in the file's own colours.

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage, RgbaImage};

use super::colour_profile::{ColourSource, to_srgb};
use super::{Decoded, Note};

/// What the reader of a format gives.
pub(super) struct Raster {
    /// `ImageRgb8`, or `ImageRgba8` with straight (unassociated) alpha.
    pub(super) image: DynamicImage,
    /// Whether the file has greys and no colours.
    pub(super) is_grey: bool,
    /// Whether its file has more than 8 bits a sample, which a camera may have used in part.
    pub(super) is_deep: bool,
    /// Whose colours these are; none for sRGB's.
    pub(super) colours: Option<ColourSource>,
    /// How the image must be turned to be upright.
    pub(super) orientation: Orientation,
    pub(super) notes: Vec<Note>,
}

/// 8-bit samples as the image of a [`Raster`]: three a pixel, or four with alpha. None where there are fewer.
pub(super) fn image_of(samples: Vec<u8>, width: u32, height: u32, has_alpha: bool) -> Option<DynamicImage> {
    if has_alpha {
        RgbaImage::from_raw(width, height, samples).map(DynamicImage::ImageRgba8)
    } else {
        RgbImage::from_raw(width, height, samples).map(DynamicImage::ImageRgb8)
    }
}

impl Raster {
    /// For a file of inks: a profile for these is not applied, and one for other colours is not this image's.
    pub(super) fn pass_over_profile(&mut self) {
        self.notes.extend(self.colours.take().map(|_| Note::ProfileNotApplied));
    }

    /// The image in sRGB, without transparency and upright.
    pub(super) fn finish(self) -> Decoded {
        let Self { mut image, is_grey, is_deep, colours, orientation, mut notes } = self;
        notes.extend(colours.and_then(|colours| to_srgb(&mut image, is_grey, &colours)));
        if let DynamicImage::ImageRgba8(image) = &mut image {
            notes.extend(opaque_without_alpha(image));
        }
        notes.extend((is_deep && is_dark(&image)).then_some(Note::Dark));
        let image = match image {
            DynamicImage::ImageRgba8(image) => {
                let (image, note) = on_white(image);
                notes.extend(note);
                image
            }
            image => image.into_rgb8(),
        };
        let mut upright = DynamicImage::ImageRgb8(image);
        upright.apply_orientation(orientation);
        Decoded { image: upright.into_rgb8(), notes }
    }
}

/// Whether fewer than one in a hundred pixels, of those that are not transparent, are above a quarter of the range in any
/// colour. Stained tissue in bright light is far from that (of BreakHis's images at least 99 in a hundred are above), and
/// 12 or 14 bits of a camera that were stored in 16 as they are, with some hot pixels or none, are not.
fn is_dark(image: &DynamicImage) -> bool {
    const QUARTER: u8 = 64; // to which the white of 14 bits in 16 is rounded up
    let mut pixels = [0_usize; 2];
    for pixel in image.as_bytes().chunks_exact(image.color().channel_count().into()) {
        if pixel.get(3) != Some(&0) {
            pixels[usize::from(pixel[..3].iter().any(|&level| level > QUARTER))] += 1;
        }
    }
    let [below, above] = pixels;
    above * 99 < below
}

/// Programs that write four samples a pixel often leave the last one alone: an alpha channel that is zero everywhere
/// means none, where there are colours that it would hide.
fn opaque_without_alpha(image: &mut RgbaImage) -> Option<Note> {
    let is_without = image.pixels().all(|pixel| pixel.0[3] == 0) && image.pixels().any(|pixel| pixel.0 != [0; 4]);
    if is_without {
        image.pixels_mut().for_each(|pixel| pixel.0[3] = 255);
    }
    is_without.then_some(Note::AlphaIgnored)
}

/// Blends onto white, in the memory that the image has: `colour * alpha + white * (1 - alpha)`, rounded to the nearest
/// level.
fn on_white(image: RgbaImage) -> (RgbImage, Option<Note>) {
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
    let note = (!is_opaque).then_some(Note::TransparentOnWhite);
    (RgbImage::from_raw(width, height, samples).unwrap_or_default(), note) // there are three samples for each pixel
}
