//! An image of any size to a square of the network's size, by one of two rules that give different numbers.

use fast_image_resize::images::{TypedImage, TypedImageRef};
use fast_image_resize::pixels::U8x3;
use fast_image_resize::{FilterType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;
use serde::{Deserialize, Serialize};

use super::PixelsError;

/// How an image is brought to the network's size. The sides are scaled each by their own factor, as the report does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Resampling {
    /// Keras's `tf.image.resize`: bilinear, half-pixel centres, no antialiasing, in f32. Reading 128x128 from 700x460
    /// it looks at four of every twenty pixels, so that fine texture turns into noise.
    Bilinear,
    /// A triangle filter as wide as the reduction, rounded to 8 bits. Its arithmetic is fixed-point, so that every
    /// processor gives the same numbers whichever vector instructions it has.
    Antialiased,
}

/// A square within an image, in shares of its sides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Crop {
    /// Its left end.
    pub left: f64,
    /// Its upper end.
    pub top: f64,
    /// Its width and height, above 0.
    pub side: f64,
}

/// Resizes to `size` by `size` pixels: f32 from 0 to 255 in rows of R, G, B.
pub(super) fn resize(image: &RgbImage, size: u32, resampling: Resampling) -> Result<Vec<f32>, PixelsError> {
    if image.is_empty() {
        return Err(PixelsError::Resize(image.dimensions(), "it has no pixels".into()));
    }
    match resampling {
        Resampling::Bilinear => Ok(bilinear(image, size)),
        Resampling::Antialiased => Ok(antialiased(image, size, None)?.iter().copied().map(f32::from).collect()),
    }
}

/// Resizes an image, or a square within it, to `size` by `size` pixels, antialiased.
pub(super) fn antialiased(image: &RgbImage, size: u32, crop: Option<Crop>) -> Result<RgbImage, PixelsError> {
    convolved(image, (size, size), crop)
}

/// An image with its longer side at so many pixels, antialiased, for people to look at.
///
/// # Errors
/// When the image has no pixels.
pub fn with_longer_side(image: &RgbImage, side: u32) -> Result<RgbImage, PixelsError> {
    convolved(image, size_with_longer_side(image.dimensions(), side), None)
}

/// Width and height in the same proportions, none of them 0 that was not before.
pub(super) fn size_with_longer_side((width, height): (u32, u32), side: u32) -> (u32, u32) {
    let longer = u64::from(width.max(height).max(1));
    let to = |own: u32| (u64::from(own) * u64::from(side)).div_ceil(longer) as u32;
    (to(width), to(height))
}

fn convolved(image: &RgbImage, (to_width, to_height): (u32, u32), crop: Option<Crop>) -> Result<RgbImage, PixelsError> {
    let (width, height) = image.dimensions();
    let failed = |reason: String| PixelsError::Resize((width, height), reason);
    // Typed, so that the program holds the code for this kind of pixel alone.
    let source = TypedImageRef::<U8x3>::from_buffer(width, height, image).map_err(|e| failed(e.to_string()))?;
    let mut resized = RgbImage::new(to_width, to_height);
    let mut target = TypedImage::from_buffer(to_width, to_height, &mut resized).map_err(|e| failed(e.to_string()))?;
    let mut options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
    if let Some(Crop { left, top, side }) = crop {
        let (w, h) = (f64::from(width), f64::from(height));
        options = options.crop(left * w, top * h, side * w, side * h);
    }
    Resizer::new().resize_typed(&source, &mut target, &options).map_err(|e| failed(e.to_string()))?;
    Ok(resized)
}

/// Where one target row or column reads: between two source rows or columns.
struct Between {
    lower: usize,
    upper: usize,
    /// 0 is all lower, 1 all upper.
    weight: f32,
}

/// The half-pixel centres of `tf.image.resize`, in its own order of f32 operations.
fn between(source: u32, target: u32) -> Vec<Between> {
    let scale = source as f32 / target as f32;
    let last = source as usize - 1;
    (0..target)
        .map(|i| {
            let at = (i as f32 + 0.5) * scale - 0.5;
            let floor = at.floor();
            // Left of the first centre `at` is negative; the cast saturates at 0 there.
            Between { lower: floor as usize, upper: (at.ceil() as usize).min(last), weight: at - floor }
        })
        .collect()
}

fn bilinear(image: &RgbImage, size: u32) -> Vec<f32> {
    let stride = 3 * image.width() as usize;
    let pixels = image.as_raw();
    let columns = between(image.width(), size);
    let mut target = Vec::with_capacity(3 * columns.len() * columns.len());
    for row in between(image.height(), size) {
        let top = &pixels[row.lower * stride..][..stride];
        let bottom = &pixels[row.upper * stride..][..stride];
        for column in &columns {
            for channel in 0..3 {
                let across = |line: &[u8]| {
                    let left = f32::from(line[3 * column.lower + channel]);
                    let right = f32::from(line[3 * column.upper + channel]);
                    left + (right - left) * column.weight
                };
                let (top, bottom) = (across(top), across(bottom));
                target.push(top + (bottom - top) * row.weight);
            }
        }
    }
    target
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    /// An image in which every pixel and channel differs from its neighbours.
    fn mosaic(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| {
            let v = (x * 37 + y * 91 + x * y * 5) as u8;
            Rgb([v, v.wrapping_mul(3), 255 - v])
        })
    }

    /// The triangle filter in f64, straight from its definition.
    fn triangle(image: &RgbImage, size: u32) -> Vec<f64> {
        let weights = |source: u32, i: u32| -> Vec<f64> {
            let scale = f64::from(source) / f64::from(size);
            let (centre, support) = ((f64::from(i) + 0.5) * scale, scale.max(1.0));
            let raw: Vec<f64> =
                (0..source).map(|j| (1.0 - ((f64::from(j) + 0.5 - centre) / support).abs()).max(0.0)).collect();
            let sum: f64 = raw.iter().sum();
            raw.into_iter().map(|w| w / sum).collect()
        };
        let columns: Vec<Vec<f64>> = (0..size).map(|x| weights(image.width(), x)).collect();
        let mut target = Vec::new();
        for y in 0..size {
            let row = weights(image.height(), y);
            for column in &columns {
                for channel in 0..3 {
                    let mut sum = 0.0;
                    for (x, y, pixel) in image.enumerate_pixels() {
                        sum += f64::from(pixel.0[channel]) * row[y as usize] * column[x as usize];
                    }
                    target.push(sum);
                }
            }
        }
        target
    }

    #[test]
    fn antialiased_is_the_triangle_filter_to_one_level_up_and_down() {
        for (width, height, size) in [(70, 46, 13), (9, 31, 16), (16, 16, 16), (1, 1, 5)] {
            let image = mosaic(width, height);
            let ours = resize(&image, size, Resampling::Antialiased).unwrap();
            let want = triangle(&image, size);
            let worst = want.iter().zip(ours).map(|(want, got)| (want - f64::from(got)).abs()).fold(0.0, f64::max);
            assert!(worst <= 1.01, "{width}x{height} to {size}: off by {worst}");
        }
    }

    #[test]
    fn both_leave_an_image_of_the_right_size_and_a_plain_image_as_they_are() {
        let square = mosaic(24, 24);
        let same: Vec<f32> = square.as_raw().iter().copied().map(f32::from).collect();
        let plain = RgbImage::from_pixel(31, 7, Rgb([201, 99, 150]));
        for resampling in [Resampling::Bilinear, Resampling::Antialiased] {
            assert_eq!(resize(&square, 24, resampling).unwrap(), same);
            let shrunk = resize(&plain, 5, resampling).unwrap();
            assert!(shrunk.chunks_exact(3).all(|pixel| pixel == [201.0, 99.0, 150.0]), "{shrunk:?}");
        }
    }

    #[test]
    fn an_image_without_pixels_is_refused() {
        for resampling in [Resampling::Bilinear, Resampling::Antialiased] {
            assert!(matches!(resize(&RgbImage::new(0, 4), 8, resampling), Err(PixelsError::Resize { .. })));
        }
    }
}
