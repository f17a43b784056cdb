//! Images of up to four columns whose chroma is stored for every other one.
//!
//! libjpeg repeats chroma that is one or two samples wide, in both directions, and smooths what is wider; other decoders
//! smooth it all. So the samples are found again in what smoothing made of them, and repeated.

use image::{Rgb, RgbImage};

/// The columns in which smoothing leaves two samples of chroma as they are.
pub(super) const OUTER: [u32; 2] = [0, 3];

/// From smoothed Y, Cb and Cr, in [`OUTER`] columns where there are more than two, to repeated ones of an image of this
/// width. Whether rows share their chroma too is `is_halved`.
pub(super) fn repeat_chroma(smoothed: &RgbImage, width: u32, is_halved: bool) -> RgbImage {
    let mut image = RgbImage::new(width, smoothed.height());
    for x in 0..width {
        let mut chroma = [0.0; 2];
        for y in 0..smoothed.height() {
            let Rgb([_, cb, cr]) = *smoothed.get_pixel(OUTER[x as usize / 2], y);
            let stored = [f32::from(cb), f32::from(cr)];
            if !is_halved || y == 0 {
                chroma = stored;
            } else if y % 2 == 0 {
                // What is stored is `(3 * this + the one before + 2) / 4`, rounded down: off by half a level at most.
                chroma = [0, 1].map(|of: usize| ((4.0 * stored[of] - 0.5 - chroma[of]) / 3.0).clamp(0.0, 255.0));
            }
            let [cb, cr] = chroma.map(|sample: f32| sample.round() as u8);
            image.put_pixel(x, y, Rgb([smoothed.get_pixel(x, y).0[0], cb, cr]));
        }
    }
    image
}

/// From JFIF's Y, Cb and Cr to red, green and blue.
pub(super) fn to_rgb(image: &mut RgbImage) {
    for Rgb(pixel) in image.pixels_mut() {
        let [luma, cb, cr] = pixel.map(f32::from);
        let [cb, cr] = [cb, cr].map(|sample| sample - 128.0);
        let colour = [luma + 1.402 * cr, luma - 0.344_136 * cb - 0.714_136 * cr, luma + 1.772 * cb];
        *pixel = colour.map(|level| level.round().clamp(0.0, 255.0) as u8);
    }
}
