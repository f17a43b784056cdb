//! The one preprocessing: what happens to a decoded image before a network sees it.
//!
//! In: an 8-bit RGB image of any size. Out: `size * size * 3` numbers in rows of R, G, B. Its parameters travel in
//! the weights file, because a network is right only with the numbers it was trained on. It has two halves, so that
//! training and evaluation can change an image between them: [`Preprocess::resized`] and [`Preprocess::finish`].

use candle_core::{Device, Tensor};
use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::resize::{antialiased, resize};
use super::{ColourMoments, Crop, DecorrelationStretch, PixelsError, Resampling};
use crate::kernels::Level;

/// Resize to a square, scale to [0, 1], stretch the colours where a network wants that, subtract the mean, divide by
/// the standard deviation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Side of the square input in pixels.
    pub size: u32,
    /// How it is resized.
    pub resampling: Resampling,
    /// What is done to the colours before anything else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decorrelation_stretch: Option<DecorrelationStretch>,
    /// Subtracted from each channel (R, G, B) after scaling to [0, 1].
    pub mean: [f32; 3],
    /// What each channel is divided by after that.
    pub std: [f32; 3],
}

impl Preprocess {
    /// The largest side of the network's input, in pixels.
    pub const MAX_SIZE: u32 = 4096;

    /// The report's: 128x128 by `tf.image.resize`, scaled to [0, 1] and no more.
    pub fn report() -> Self {
        Self { size: 128, resampling: Resampling::Bilinear, decorrelation_stretch: None, mean: [0.0; 3], std: [1.0; 3] }
    }

    /// For networks that start from ImageNet's weights: 128x128, antialiased, ImageNet's mean and standard deviation.
    pub fn imagenet() -> Self {
        let (mean, std) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
        Self { resampling: Resampling::Antialiased, mean, std, ..Self::report() }
    }

    /// Checks the numbers of a preprocessing that comes from a file.
    ///
    /// # Errors
    /// When the size is not from 1 to [`Self::MAX_SIZE`], a mean is not finite, or a standard deviation is not a
    /// finite number above 0.
    pub fn check(&self) -> Result<(), PixelsError> {
        let Self { size, mean, std, .. } = self;
        if !(1..=Self::MAX_SIZE).contains(size) {
            return Err(PixelsError::Preprocess(format!("size is {size}, and must be from 1 to {}", Self::MAX_SIZE)));
        }
        if !mean.iter().all(|value| value.is_finite()) {
            return Err(PixelsError::Preprocess(format!("mean is {mean:?}, and must be three finite numbers")));
        }
        if !std.iter().all(|value| value.is_finite() && *value > 0.0) {
            return Err(PixelsError::Preprocess(format!("std is {std:?}, and must be three finite numbers above 0")));
        }
        self.decorrelation_stretch.as_ref().map_or(Ok(()), DecorrelationStretch::check)
    }

    /// An image as `size * size * 3` numbers: rows from the top, pixels from the left, channels R, G, B.
    ///
    /// # Errors
    /// When [`Self::check`] fails, or the image has no pixels.
    pub fn pixels(&self, image: &RgbImage) -> Result<Vec<f32>, PixelsError> {
        let mut values = self.resized(image)?;
        self.finish(&mut values);
        Ok(values)
    }

    /// The first half: an image as `size * size * 3` numbers from 0 to 1.
    ///
    /// # Errors
    /// As [`Self::pixels`].
    pub fn resized(&self, image: &RgbImage) -> Result<Vec<f32>, PixelsError> {
        self.check()?;
        let mut values = resize(image, self.size, self.resampling)?;
        Level::default().vectorize(
            #[inline(always)]
            || values.iter_mut().for_each(|value| *value /= 255.0),
        );
        Ok(values)
    }

    /// An image at the network's size, still in bytes and antialiased whatever the resampling of whole ones.
    ///
    /// # Errors
    /// As [`Self::pixels`].
    pub fn square(&self, image: &RgbImage) -> Result<RgbImage, PixelsError> {
        self.check()?;
        antialiased(image, self.size, None)
    }

    /// The first half for a square within an image, antialiased whatever the resampling of whole ones.
    ///
    /// # Errors
    /// As [`Self::pixels`], and when the crop is not within the image.
    pub fn cropped(&self, image: &RgbImage, crop: Crop) -> Result<Vec<f32>, PixelsError> {
        self.check()?;
        Ok(antialiased(image, self.size, Some(crop))?.iter().map(|value| f32::from(*value) / 255.0).collect())
    }

    /// The second half: stretches the colours, subtracts the mean and divides by the standard deviation, in place. Where
    /// colours are stretched, says what they were before.
    pub fn finish(&self, values: &mut [f32]) -> Option<ColourMoments> {
        let before = self.decorrelation_stretch.as_ref().map(|stretch| stretch.apply(values));
        /// Numbers that are treated together: whole pixels, and whole vectors.
        const TOGETHER: usize = 48;
        let mean: [f32; TOGETHER] = std::array::from_fn(|i| self.mean[i % 3]);
        let scale: [f32; TOGETHER] = std::array::from_fn(|i| 1.0 / self.std[i % 3]);
        let (all, rest) = values.as_chunks_mut::<TOGETHER>();
        let normalise = |values: &mut [f32]| {
            for ((value, mean), scale) in values.iter_mut().zip(mean).zip(scale) {
                *value = (*value - mean) * scale;
            }
        };
        all.iter_mut().for_each(|values| normalise(values));
        normalise(rest);
        before
    }

    /// An image as an f32 tensor of shape (size, size, 3).
    ///
    /// # Errors
    /// As [`Self::pixels`].
    pub fn tensor(&self, image: &RgbImage) -> Result<Tensor, PixelsError> {
        let size = self.size as usize;
        Ok(Tensor::from_vec(self.pixels(image)?, (size, size, 3), &Device::Cpu)?)
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn a_plain_image_becomes_its_scaled_and_centred_channels() {
        let image = RgbImage::from_pixel(700, 460, Rgb([255, 0, 51]));
        let tensor = Preprocess::report().tensor(&image).unwrap();
        assert_eq!(tensor.dims(), [128, 128, 3]);
        assert_eq!(Preprocess::report().pixels(&image).unwrap()[..3], [1.0, 0.0, 0.2]);
        // [(v / 255 - m) / s for v, m, s in zip((255, 0, 51), (.485, .456, .406), (.229, .224, .225))]
        let want = [2.248_908_3_f32, -2.035_714_3, -0.915_555_6];
        let got = Preprocess::imagenet().pixels(&image).unwrap();
        assert!(got.chunks_exact(3).all(|pixel| pixel.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-6)), "{got:?}");
    }

    #[test]
    fn what_a_file_holds_is_checked_before_it_is_used() {
        let image = RgbImage::new(4, 4);
        let good = Preprocess::report();
        for bad in [
            Preprocess { size: 0, ..good.clone() },
            Preprocess { size: 4097, ..good.clone() },
            Preprocess { mean: [0.0, f32::NAN, 0.0], ..good.clone() },
            Preprocess { std: [1.0, 0.0, 1.0], ..good.clone() },
            Preprocess { std: [1.0, -1.0, 1.0], ..good.clone() },
            Preprocess { std: [f32::INFINITY, 1.0, 1.0], ..good.clone() },
        ] {
            assert!(matches!(bad.pixels(&image), Err(PixelsError::Preprocess(_))), "{bad:?}");
        }
    }

    #[test]
    fn the_names_in_the_weights_file_stay() {
        let json = r#"{"size":128,"resampling":"bilinear","mean":[0.0,0.0,0.0],"std":[1.0,1.0,1.0]}"#;
        assert_eq!(serde_json::to_string(&Preprocess::report()).unwrap(), json);
        assert_eq!(serde_json::from_str::<Preprocess>(json).unwrap(), Preprocess::report());
        assert_eq!(serde_json::to_string(&Preprocess::imagenet().resampling).unwrap(), r#""antialiased""#);
    }
}
