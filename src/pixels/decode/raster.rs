//! An image between its file and its final pixels: 8 bits a channel, not yet upright, in the file's own colours.

use image::metadata::Orientation;
use image::{DynamicImage, RgbImage, RgbaImage};

use super::colour_profile::{ColourSource, to_srgb};
use super::{Decoded, Note};

/// What the reader of a format gives.
pub(super) struct Raster<Pixels = DynamicImage> {
    /// `ImageRgb8`, or `ImageRgba8` with straight (unassociated) alpha; or what gives such images of some rows each.
    pub(super) image: Pixels,
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

impl<Pixels> Raster<Pixels> {
    /// For a file of inks: a profile for these is not applied, and one for other colours is not this image's.
    pub(super) fn pass_over_profile(&mut self) {
        self.notes.extend(self.colours.take().map(|_| Note::ProfileNotApplied));
    }

    /// The same with other pixels, which are made of these.
    pub(super) fn map<Others>(self, others: impl FnOnce(Pixels) -> Others) -> Raster<Others> {
        let Self { image, is_grey, is_deep, colours, orientation, notes } = self;
        Raster { image: others(image), is_grey, is_deep, colours, orientation, notes }
    }
}

impl Raster {
    /// The image in sRGB, without transparency and upright.
    pub(super) fn finish(self) -> Decoded {
        let Self { mut image, is_grey, is_deep, colours, orientation, mut notes } = self;
        notes.extend(colours.and_then(|colours| to_srgb(&mut image, is_grey, &colours)));
        let mut census = Census::default();
        census.count(&image, is_deep);
        notes.extend(census.notes());
        let mut upright = DynamicImage::ImageRgb8(opaque(image, &census));
        upright.apply_orientation(orientation);
        Decoded { image: upright.into_rgb8(), notes }
    }
}

/// What only all pixels of an image together say.
#[derive(Clone, Debug, Default)]
pub(super) struct Census {
    has_alpha: bool,
    /// There is a pixel that is not wholly transparent.
    is_visible: bool,
    /// There is a sample that is not zero, of whatever channel.
    has_samples: bool,
    /// There is a pixel that is not opaque.
    is_transparent: bool,
    /// Pixels of samples of more than 8 bits, up to a quarter of the range and above it: of the wholly transparent ones,
    /// and of the others.
    up_to_a_quarter: [usize; 2],
    above_a_quarter: [usize; 2],
}

impl Census {
    /// Counts an image, or some rows of it.
    pub(super) fn count(&mut self, image: &DynamicImage, is_deep: bool) {
        const QUARTER: u8 = 64; // to which the white of 14 bits in 16 is rounded up
        if let DynamicImage::ImageRgba8(image) = image {
            self.has_alpha = true;
            let alphas = image.pixels().map(|pixel| pixel.0[3]);
            let (least, greatest) =
                alphas.fold((255, 0), |(least, greatest), alpha| (alpha.min(least), alpha.max(greatest)));
            self.is_transparent |= least < 255;
            self.is_visible |= greatest > 0;
            self.has_samples |= self.is_visible || image.iter().any(|&sample| sample != 0);
        }
        if is_deep {
            for pixel in image.as_bytes().chunks_exact(image.color().channel_count().into()) {
                let is_visible = usize::from(pixel.get(3) != Some(&0));
                match pixel[..3].iter().any(|&level| level > QUARTER) {
                    true => self.above_a_quarter[is_visible] += 1,
                    false => self.up_to_a_quarter[is_visible] += 1,
                }
            }
        }
    }

    /// Programs that write four samples a pixel often leave the last one alone: an alpha channel that is zero everywhere
    /// means none, where there are colours that it would hide.
    fn ignores_alpha(&self) -> bool {
        self.has_alpha && !self.is_visible && self.has_samples
    }

    /// Whether fewer than one in a hundred pixels, of those that are not transparent, are above a quarter of the range in
    /// any colour. Stained tissue in bright light is far from that (of BreakHis's images at least 99 in a hundred are
    /// above), and 12 or 14 bits of a camera that were stored in 16 as they are, with some hot pixels or none, are not.
    fn is_dark(&self) -> bool {
        let count = |[transparent, visible]: [usize; 2]| {
            if self.ignores_alpha() { transparent + visible } else { visible }
        };
        count(self.above_a_quarter) * 99 < count(self.up_to_a_quarter)
    }

    /// What is to be said of all of the image that was counted.
    pub(super) fn notes(&self) -> impl Iterator<Item = Note> {
        [
            self.ignores_alpha().then_some(Note::AlphaIgnored),
            self.is_dark().then_some(Note::Dark),
            (self.is_transparent && !self.ignores_alpha()).then_some(Note::TransparentOnWhite),
        ]
        .into_iter()
        .flatten()
    }
}

/// An image, or some rows of it, without transparency: blended onto white, in the memory that it has, by `colour * alpha +
/// white * (1 - alpha)`, rounded to the nearest level.
pub(super) fn opaque(image: DynamicImage, census: &Census) -> RgbImage {
    let DynamicImage::ImageRgba8(image) = image else { return image.into_rgb8() };
    let (width, height) = image.dimensions();
    let mut samples = image.into_raw();
    for pixel in 0..samples.len() / 4 {
        let alpha = if census.ignores_alpha() { 255 } else { u32::from(samples[4 * pixel + 3]) };
        for channel in 0..3 {
            let colour = u32::from(samples[4 * pixel + channel]);
            samples[3 * pixel + channel] = ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8;
        }
    }
    samples.truncate(samples.len() / 4 * 3);
    samples.shrink_to_fit();
    RgbImage::from_raw(width, height, samples).unwrap_or_default() // there are three samples for each pixel
}
