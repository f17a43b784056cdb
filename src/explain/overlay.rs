//! An image with its heatmap's colours on it, and their scale below.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder, Rgb, RgbImage};

use crate::explain::{ExplainError, Heatmap};
use crate::pixels::with_longer_side;

/// How large an overlay may be.
struct Size {
    /// The longer sides, in pixels, that are tried until the PNG is small enough; only noise needs the later ones.
    sides: [u32; 3],
    /// The most bytes of a PNG; at the last of the sides none has as many.
    most_bytes: usize,
    compression: CompressionType,
}

/// For one answer, which should not wait for it.
const LARGE: Size = Size { sides: [448, 352, 256], most_bytes: 400_000, compression: CompressionType::Fast };

/// For a page of many.
const SMALL: Size = Size { sides: [256, 192, 160], most_bytes: 120_000, compression: CompressionType::Best };

/// What speaks for benign, as red, green and blue. Both are the ends of ColorBrewer's scale RdBu, which those who are
/// colour-blind can tell apart.
pub const BENIGN_COLOUR: [i32; 3] = [33, 102, 172];
/// What speaks for malignant.
pub const MALIGNANT_COLOUR: [i32; 3] = [178, 24, 43];

/// How much of a pixel is colour at the ends of the scale, in parts of 256; the tissue stays visible below it.
const OPACITY: f32 = 184.0;

/// The grey that black becomes.
const DARKEST: i32 = 70;

/// Rows of the scale below the image: white, the bar, the ticks, and white.
const GAP: u32 = 8;
const BAR: u32 = 12;
const TICKS: u32 = 6;

/// The grey that the scale's colours lie on.
const SCALE_GREY: i32 = 215;

/// The image, in grey and with its longer side at 448 pixels (fewer where the PNG would be too large), under the colours of its heatmap: blue where it speaks for
/// benign, red where it speaks for malignant, grey where for neither. Below it the scale, with ticks at both ends, which
/// are minus and plus [`Heatmap::range`], at 0 and halfway. A PNG of at most 400 kB.
///
/// # Errors
/// When the image has no pixels, or the encoder fails.
pub fn overlay(image: &RgbImage, heatmap: &Heatmap) -> Result<Vec<u8>, ExplainError> {
    encoded_at(&LARGE, image, heatmap)
}

/// The same with a longer side of 256 pixels and at most 120 kB, for a page of many.
///
/// # Errors
/// As [`overlay`].
pub fn small_overlay(image: &RgbImage, heatmap: &Heatmap) -> Result<Vec<u8>, ExplainError> {
    encoded_at(&SMALL, image, heatmap)
}

fn encoded_at(size: &Size, image: &RgbImage, heatmap: &Heatmap) -> Result<Vec<u8>, ExplainError> {
    let mut png = Vec::new();
    for side in size.sides {
        png = encoded(&drawn(&with_longer_side(image, side)?, heatmap), size.compression)?;
        if png.len() <= size.most_bytes {
            break;
        }
    }
    Ok(png)
}

fn drawn(image: &RgbImage, heatmap: &Heatmap) -> RgbImage {
    let (width, height) = image.dimensions();
    let mut drawn = RgbImage::from_pixel(width, height + GAP + BAR + TICKS + GAP, Rgb([255; 3]));
    // A heatmap of zeros has no colour anywhere.
    let unit = 1.0 / (heatmap.range() as f32).max(f32::MIN_POSITIVE);
    let values = heatmap.at_size(width, height);
    for ((pixel, below), value) in drawn.pixels_mut().zip(image.pixels()).zip(&values) {
        *pixel = coloured(lightened(luminance(below)), value * unit);
    }
    // Inset, so that a frame with round corners cuts no end off.
    let first = width / 32;
    let last = width.saturating_sub(1) - first;
    for x in first..=last {
        let colour = coloured(SCALE_GREY, 2.0 * (x - first) as f32 / (last - first).max(1) as f32 - 1.0);
        (height + GAP..height + GAP + BAR).for_each(|y| drawn.put_pixel(x, y, colour));
    }
    for quarter in 0..=4 {
        let x = first + (last - first) * quarter / 4;
        let length = if quarter % 2 == 0 { TICKS } else { TICKS / 2 };
        (0..length).for_each(|y| drawn.put_pixel(x, height + GAP + BAR + y, Rgb([60; 3])));
    }
    drawn
}

/// A grey with the colour of a value from -1 to 1 on it. In whole numbers, since an overlay has up to 200,000 of them and must
/// cost little beside the classification.
fn coloured(grey: i32, value: f32) -> Rgb<u8> {
    let colour = if value < 0.0 { BENIGN_COLOUR } else { MALIGNANT_COLOUR };
    let opacity = (OPACITY * value.abs().min(1.0)) as i32;
    Rgb(colour.map(|channel| (grey + ((opacity * (channel - grey)) >> 8)) as u8))
}

/// Dark tissue would swallow the colours.
fn lightened(grey: i32) -> i32 {
    DARKEST + ((grey * (256 - DARKEST)) >> 8)
}

/// Rec. 709's, of sRGB's own numbers.
fn luminance(Rgb([red, green, blue]): &Rgb<u8>) -> i32 {
    (54 * i32::from(*red) + 183 * i32::from(*green) + 19 * i32::from(*blue)) >> 8
}

fn encoded(image: &RgbImage, compression: CompressionType) -> Result<Vec<u8>, ExplainError> {
    let mut png = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut png, compression, FilterType::Paeth);
    encoder.write_image(image, image.width(), image.height(), ExtendedColorType::Rgb8)?;
    Ok(png)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Classifier;

    #[test]
    fn an_overlay_for_a_page_of_many_is_small_even_of_noise() {
        let classifier = Classifier::built_in().unwrap();
        let noise = |x: u32, y: u32| {
            let mixed = (x.wrapping_mul(0x9E37_79B9) ^ y.wrapping_mul(0x85EB_CA6B)).wrapping_mul(0xC2B2_AE35);
            Rgb((mixed ^ (mixed >> 15)).to_le_bytes()[..3].try_into().unwrap())
        };
        let image = RgbImage::from_fn(700, 460, noise);
        let heatmap = Heatmap::of(&classifier.explain(&image).unwrap());
        let [large, small] = [overlay, small_overlay].map(|draw| draw(&image, &heatmap).unwrap());
        assert!(small.len() <= SMALL.most_bytes && large.len() <= LARGE.most_bytes, "{} {}", small.len(), large.len());
        let size = |png: &[u8]| image::load_from_memory(png).unwrap().width();
        assert!(size(&small) < size(&large), "{} {}", size(&small), size(&large));
    }
}
