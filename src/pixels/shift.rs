//! Mild shifts of an image, as another laboratory, scanner or file format makes them.
//!
//! In and out: square images at the network's size, rows of pixels of R, G and B from 0 to 1, before
//! [`super::Preprocess::finish`]. A network that knows tissue changes its mind over none of these.

use image::codecs::jpeg::JpegEncoder;
use image::{ImageFormat, RgbImage, load_from_memory_with_format};

use super::{PixelsError, StainChange};

/// One shift with its severity.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Shift {
    /// The amount of haematoxylin is multiplied by this.
    Haematoxylin(f64),
    /// The amount of eosin is multiplied by this.
    Eosin(f64),
    /// The red channel is multiplied by this: a white balance that is off.
    Red(f64),
    /// The blue channel is multiplied by this.
    Blue(f64),
    /// All channels are multiplied by this.
    Brightness(f64),
    /// The image is compressed as JPEG of this quality, from 1 to 100.
    JpegQuality(u8),
    /// The image is blurred by a Gaussian of this standard deviation in pixels.
    Blur(f64),
}

impl Shift {
    /// Those that a network is tried by, the mildest of a kind first.
    pub const ALL: [Self; 15] = [
        Self::Haematoxylin(0.75),
        Self::Haematoxylin(1.25),
        Self::Eosin(0.75),
        Self::Eosin(1.25),
        Self::Red(0.9),
        Self::Red(0.8),
        Self::Blue(0.9),
        Self::Blue(0.8),
        Self::Brightness(0.88),
        Self::Brightness(0.76),
        Self::JpegQuality(50),
        Self::JpegQuality(30),
        Self::Blur(0.5),
        Self::Blur(1.0),
        Self::Blur(2.0),
    ];

    /// What is shifted, in one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Haematoxylin(_) => "haematoxylin",
            Self::Eosin(_) => "eosin",
            Self::Red(_) => "red",
            Self::Blue(_) => "blue",
            Self::Brightness(_) => "brightness",
            Self::JpegQuality(_) => "jpeg_quality",
            Self::Blur(_) => "blur",
        }
    }

    /// How far: a factor, a quality or a standard deviation in pixels.
    pub fn severity(self) -> f64 {
        match self {
            Self::Haematoxylin(factor) | Self::Eosin(factor) => factor,
            Self::Red(factor) | Self::Blue(factor) | Self::Brightness(factor) => factor,
            Self::JpegQuality(quality) => f64::from(quality),
            Self::Blur(deviation) => deviation,
        }
    }

    /// Shifts a square image of `size` pixels a side in place.
    ///
    /// # Errors
    /// When the image has another size.
    pub fn apply(self, image: &mut [f32], size: u32) -> Result<(), PixelsError> {
        let side = size as usize;
        if image.len() != side * side * 3 {
            return Err(unfit(size));
        }
        match self {
            Self::Haematoxylin(factor) => StainChange::new([factor, 1.0, 1.0], [0.0; 3]).apply(image),
            Self::Eosin(factor) => StainChange::new([1.0, factor, 1.0], [0.0; 3]).apply(image),
            Self::Red(factor) => scale(image, [factor, 1.0, 1.0]),
            Self::Blue(factor) => scale(image, [1.0, 1.0, factor]),
            Self::Brightness(factor) => scale(image, [factor; 3]),
            Self::JpegQuality(quality) => compress(image, size, quality)?,
            Self::Blur(deviation) => blur(image, side, deviation),
        }
        Ok(())
    }
}

fn unfit(size: u32) -> PixelsError {
    PixelsError::Resize((size, size), "it holds another number of pixels".into())
}

fn scale(image: &mut [f32], factors: [f64; 3]) {
    let factors = factors.map(|factor| factor as f32);
    for pixel in image.as_chunks_mut::<3>().0 {
        pixel.iter_mut().zip(factors).for_each(|(value, factor)| *value = (*value * factor).min(1.0));
    }
}

/// To 8 bits, to JPEG and back.
fn compress(image: &mut [f32], size: u32, quality: u8) -> Result<(), PixelsError> {
    let bytes = image.iter().map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
    let bitmap = RgbImage::from_raw(size, size, bytes).ok_or_else(|| unfit(size))?;
    let mut file = Vec::new();
    let failed = |error: image::ImageError| PixelsError::Undecodable("JPEG", error.to_string());
    JpegEncoder::new_with_quality(&mut file, quality).encode_image(&bitmap).map_err(failed)?;
    let decoded = load_from_memory_with_format(&file, ImageFormat::Jpeg).map_err(failed)?.into_rgb8();
    image.iter_mut().zip(decoded.into_raw()).for_each(|(value, byte)| *value = f32::from(byte) / 255.0);
    Ok(())
}

/// Along rows and then along columns; the border's pixels go on for ever.
fn blur(image: &mut [f32], side: usize, deviation: f64) {
    let reach = (3.0 * deviation).ceil() as isize;
    let weight = |offset: isize| (-0.5 * (offset as f64 / deviation).powi(2)).exp();
    let total: f64 = (-reach..=reach).map(weight).sum();
    let kernel: Vec<(isize, f32)> = (-reach..=reach).map(|offset| (offset, (weight(offset) / total) as f32)).collect();
    let mut across = vec![0.0; image.len()];
    convolve(image, &mut across, side, &kernel, |row, column, offset| (row, within(column, offset, side)));
    convolve(&across, image, side, &kernel, |row, column, offset| (within(row, offset, side), column));
}

fn within(place: usize, offset: isize, side: usize) -> usize {
    place.saturating_add_signed(offset).min(side - 1)
}

fn convolve(
    from: &[f32],
    to: &mut [f32],
    side: usize,
    kernel: &[(isize, f32)],
    at: impl Fn(usize, usize, isize) -> (usize, usize),
) {
    for (index, pixel) in to.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        let mut sums = [0.0; 3];
        for &(offset, weight) in kernel {
            let (row, column) = at(index / side, index % side, offset);
            let start = (row * side + column) * 3;
            for (sum, value) in sums.iter_mut().zip(&from[start..start + 3]) {
                *sum += weight * value;
            }
        }
        *pixel = sums;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: u32 = 16;

    fn image() -> Vec<f32> {
        (0..SIZE * SIZE * 3).map(|i| 0.2 + 0.6 * ((i * 37 % 101) as f32 / 100.0)).collect()
    }

    fn shifted(shift: Shift) -> Vec<f32> {
        let mut image = image();
        shift.apply(&mut image, SIZE).unwrap();
        image
    }

    /// The mean distance of two images.
    fn distance(a: &[f32], b: &[f32]) -> f32 {
        a.iter().zip(b).map(|(a, b)| (a - b).abs()).sum::<f32>() / a.len() as f32
    }

    #[test]
    fn each_shift_changes_an_image_and_stays_on_the_scale() {
        for shift in Shift::ALL {
            let after = shifted(shift);
            assert!(distance(&after, &image()) > 1e-3, "{shift:?}");
            assert!(after.iter().all(|value| (0.0..=1.0).contains(value)), "{shift:?}");
        }
    }

    #[test]
    fn a_channel_and_the_brightness_are_scaled_alone() {
        let (before, after) = (image(), shifted(Shift::Red(0.8)));
        assert!((after[0] - 0.8 * before[0]).abs() < 1e-6 && after[1] == before[1] && after[2] == before[2]);
        assert!((shifted(Shift::Brightness(0.76))[7] - 0.76 * before[7]).abs() < 1e-6);
    }

    /// ```python
    /// import numpy as np; from scipy.ndimage import gaussian_filter
    /// i = np.arange(16 * 16 * 3); x = (.2 + .6 * (i * 37 % 101) / 100).reshape(16, 16, 3)
    /// y = gaussian_filter(x, (1, 1, 0), mode='nearest', truncate=3); print(y[0, 0], y[8, 5])
    /// ```
    #[test]
    fn an_image_is_blurred_as_by_scipy() {
        let after = shifted(Shift::Blur(1.0));
        let at = (8 * 16 + 5) * 3;
        let wanted = [0.314_999_8, 0.490_253_4, 0.597_938_3, 0.473_868_6, 0.488_354_5, 0.501_095_7];
        for (got, want) in after[..3].iter().chain(&after[at..at + 3]).zip(wanted) {
            assert!((got - want).abs() < 1e-5, "{got} instead of {want}");
        }
    }

    #[test]
    fn an_image_of_another_size_is_refused() {
        assert!(Shift::Blur(1.0).apply(&mut [0.0; 12], 3).is_err());
    }
}
