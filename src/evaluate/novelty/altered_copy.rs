//! Copies of a training's images as another camera, scanner or file format would make them. Without them, statistics of
//! novelty are as much of how these files were resampled as of what they show, and call every other image foreign.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::pixels::{Crop, Dihedral, PixelsError, Preprocess, RgbImage, Shift, StainChange};

/// A copy of an image at the network's size: turned or mirrored, a part of it, blurred or compressed, in other colours. The
/// seed and the number of the image decide how.
///
/// # Errors
/// As [`Preprocess::cropped`].
pub fn altered_copy(
    image: &RgbImage,
    preprocess: &Preprocess,
    seed: u64,
    number: u64,
) -> Result<RgbImage, PixelsError> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(number);
    let side = rng.random_range(0.5..=1.0);
    let mut place = || rng.random_range(0.0..=1.0 - side);
    let cut = preprocess.cropped(image, Crop { left: place(), top: place(), side })?;
    let mut copy = vec![0.0; cut.len()];
    Dihedral::ALL[rng.random_range(0..8)].apply(&cut, preprocess.size as usize, &mut copy);
    let shift = match rng.random_range(0..4) {
        0 => Some(Shift::Blur(rng.random_range(0.2..=0.8))),
        1 => Some(Shift::JpegQuality(rng.random_range(40..95))),
        _ => None,
    };
    shift.map_or(Ok(()), |shift| shift.apply(&mut copy, preprocess.size))?;
    if rng.random_bool(0.5) {
        // A factor whose logarithm is uniform: halving is as likely as doubling.
        let mut factor = |from: f64, to: f64| rng.random_range(from.ln()..=to.ln()).exp();
        StainChange::new([factor(0.6, 1.6), factor(0.6, 1.6), 1.0], [0.0; 3]).apply(&mut copy);
        let brightness = factor(0.75, 1.1);
        let factors: [f32; 3] = std::array::from_fn(|_| (brightness * factor(0.82, 1.1)) as f32);
        for pixel in copy.as_chunks_mut::<3>().0 {
            pixel.iter_mut().zip(factors).for_each(|(value, factor)| *value *= factor);
        }
    }
    let bytes = copy.iter().map(|value| (value.clamp(0.0, 1.0) * 255.0).round() as u8).collect();
    let unfit = || PixelsError::Resize((preprocess.size, preprocess.size), "it holds another number of pixels".into());
    RgbImage::from_raw(preprocess.size, preprocess.size, bytes).ok_or_else(unfit)
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    #[test]
    fn copies_differ_by_number_and_seed_and_are_repeated_by_both() {
        let image = RgbImage::from_fn(40, 30, |x, y| Rgb([(x * 6) as u8, (y * 8) as u8, 120]));
        let preprocess = Preprocess { size: 16, ..Preprocess::imagenet() };
        let copies = |seed| -> Vec<RgbImage> {
            (0..40).map(|number| altered_copy(&image, &preprocess, seed, number).unwrap()).collect()
        };
        let (first, other) = (copies(1), copies(2));
        assert!(first == copies(1) && first != other);
        assert!(first.iter().all(|copy| copy.dimensions() == (16, 16)));
        for (index, copy) in first.iter().enumerate() {
            assert!(first[..index].iter().all(|before| before != copy), "{index}");
        }
    }
}
