//! From bytes to a tensor: decoding with limits, resizing, preprocessing, augmentation. Knows no model.

use std::path::Path;

use candle_core::Tensor;
pub use image::RgbImage;
use serde::{Deserialize, Serialize};

/// What goes wrong between bytes and a tensor.
#[derive(Debug, thiserror::Error)]
pub enum PixelsError {
    /// stub
    #[error("stub: {0}")]
    Stub(String),
}

/// How large a picture may be before anything is decoded.
#[derive(Clone, Copy, Debug)]
pub struct DecodeLimits {
    /// Bytes of the encoded file.
    pub max_bytes: usize,
    /// Width times height.
    pub max_pixels: u64,
}

impl Default for DecodeLimits {
    fn default() -> Self {
        Self { max_bytes: 32 << 20, max_pixels: 64_000_000 }
    }
}

/// Decodes a picture to 8-bit RGB.
///
/// # Errors
/// stub
pub fn decode(bytes: &[u8], _limits: &DecodeLimits) -> Result<RgbImage, PixelsError> {
    Ok(image::load_from_memory(bytes).map_err(|e| PixelsError::Stub(e.to_string()))?.to_rgb8())
}

/// Reads and decodes a file; the error names it.
///
/// # Errors
/// stub
pub fn read(path: &Path, limits: &DecodeLimits) -> Result<RgbImage, PixelsError> {
    decode(&std::fs::read(path).map_err(|e| PixelsError::Stub(e.to_string()))?, limits)
}

/// How a picture is brought to the network's size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resampling {
    /// Keras's `tf.image.resize`: bilinear, half-pixel centres, no antialiasing.
    Bilinear,
    /// A triangle filter as wide as the reduction.
    Antialiased,
}

/// The one preprocessing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Preprocess {
    /// Side of the square input in pixels.
    pub size: u32,
    /// How it is resized.
    pub resampling: Resampling,
    /// Subtracted from each channel (R, G, B) after scaling to [0, 1].
    pub mean: [f32; 3],
    /// What each channel is divided by after that.
    pub std: [f32; 3],
}

impl Preprocess {
    /// A picture as an f32 tensor of shape (size, size, 3).
    ///
    /// # Errors
    /// stub
    pub fn tensor(&self, image: &RgbImage) -> Result<Tensor, PixelsError> {
        let small = image::imageops::resize(image, self.size, self.size, image::imageops::FilterType::Triangle);
        let data: Vec<f32> = small.into_raw().into_iter().map(|v| f32::from(v) / 255.0).collect();
        let size = self.size as usize;
        Tensor::from_vec(data, (size, size, 3), &candle_core::Device::Cpu).map_err(|e| PixelsError::Stub(e.to_string()))
    }
}
