//! A small copy of an image, which a page or a report shows beside what was found.

use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, imageops};

use super::resize::size_with_longer_side;

/// The longer side, in pixels: as wide as a page shows it.
const SIDE: u32 = 320;

/// The most bytes of one, so that a page of many stays small whatever was sent.
const MOST_BYTES: usize = 20_000;

/// The qualities that are tried, one after the other, until it is small enough; noise needs the last.
const QUALITIES: [u8; 4] = [80, 60, 35, 10];

/// A JPEG of the whole image; `None` for one that does not fit into [`MOST_BYTES`] at any quality.
pub(crate) fn thumbnail(image: &RgbImage) -> Option<Vec<u8>> {
    let (width, height) = image.dimensions();
    let small = (width.max(height) > SIDE).then(|| {
        let (width, height) = size_with_longer_side((width, height), SIDE);
        imageops::thumbnail(image, width, height)
    });
    let small = small.as_ref().unwrap_or(image);
    QUALITIES.iter().find_map(|&quality| {
        let mut jpeg = Vec::new();
        JpegEncoder::new_with_quality(&mut jpeg, quality).encode_image(small).ok()?;
        (jpeg.len() <= MOST_BYTES).then_some(jpeg)
    })
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn a_thumbnail_shows_the_whole_image_in_few_bytes_even_of_noise() {
        let noise = |x: u32, y: u32| {
            let mixed = (x.wrapping_mul(0x9E37_79B9) ^ y.wrapping_mul(0x85EB_CA6B)).wrapping_mul(0xC2B2_AE35);
            Rgb((mixed ^ (mixed >> 15)).to_le_bytes()[..3].try_into().unwrap())
        };
        for (width, height, expected) in
            [(320, 320, (320, 320)), (7, 5, (7, 5)), (1500, 3, (320, 1)), (40_000, 1, (320, 1))]
        {
            let jpeg = thumbnail(&RgbImage::from_fn(width, height, noise)).unwrap();
            assert!(jpeg.len() <= MOST_BYTES, "{width}x{height}: {} bytes", jpeg.len());
            let small = image::load_from_memory(&jpeg).unwrap();
            assert_eq!((small.width(), small.height()), expected);
        }
        let halves = RgbImage::from_fn(1000, 500, |x, _| if x < 500 { Rgb([200, 0, 0]) } else { Rgb([0, 0, 200]) });
        let small = image::load_from_memory(&thumbnail(&halves).unwrap()).unwrap().into_rgb8();
        let (left, right) = (small.get_pixel(10, 80), small.get_pixel(310, 80));
        assert!(left[0] > 190 && left[2] < 10 && right[2] > 190 && right[0] < 10, "{left:?} {right:?}");
    }
}
