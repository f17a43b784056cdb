//! How much an image varies at each scale, whatever is in it: what sharpness alone gives away.
//!
//! In: square images, rows of pixels of R, G and B from 0 to 1. Out: the logarithm of the mean power of the grey image's
//! Fourier transform in 16 rings of frequency, from the whole image to two pixels.

/// Rings from no frequency to half a cycle a pixel.
pub(crate) const RINGS: usize = 16;

/// Added to each mean power, so that the logarithm of none is finite.
const NONE: f64 = 1e-12;

/// The shares of red, green and blue in grey (ITU-R BT.601).
const GREY: [f64; 3] = [0.299, 0.587, 0.114];

/// A complex number.
type Complex = (f64, f64);

/// The 16 numbers of a square image; a ring without a frequency, as small images have, gets that of no power.
pub(crate) fn spectrum(image: &[f32]) -> Vec<f64> {
    let side = (image.len() / 3).isqrt();
    let grey = |pixel: &[f32; 3]| pixel.iter().zip(GREY).map(|(value, share)| f64::from(*value) * share).sum::<f64>();
    let mut values: Vec<Complex> = image.as_chunks::<3>().0.iter().map(|pixel| (grey(pixel), 0.0)).collect();
    let mean = values.iter().map(|value| value.0).sum::<f64>() / values.len().max(1) as f64;
    values.iter_mut().for_each(|value| value.0 -= mean);
    // Rows, then columns: the transform of the transposed image is the transposed transform.
    for _ in 0..2 {
        let rows: Vec<Vec<Complex>> = values.chunks_exact(side.max(1)).map(|row| transform(row, 1, side)).collect();
        values = (0..side * side).map(|index| rows[index % side][index / side]).collect();
    }
    let (mut power, mut count) = ([0.0; RINGS], [0_usize; RINGS]);
    for (index, (re, im)) in values.into_iter().enumerate() {
        let frequency = |place: usize| place.min(side - place) as f64;
        let radius = frequency(index / side).hypot(frequency(index % side)) / side as f64;
        let ring = (radius * 2.0 * RINGS as f64).ceil() as usize;
        if (1..=RINGS).contains(&ring) {
            power[ring - 1] += re * re + im * im;
            count[ring - 1] += 1;
        }
    }
    power.iter().zip(count).map(|(power, count)| (power / count.max(1) as f64 + NONE).ln()).collect()
}

/// The Fourier transform of every `step`-th of the values, `count` of them: split by the smallest factor of the count
/// (Cooley and Tukey, 1965), and directly where the count is a prime.
fn transform(values: &[Complex], step: usize, count: usize) -> Vec<Complex> {
    if count <= 1 {
        return values.iter().take(count).copied().collect();
    }
    let factor = (2..=count).find(|factor| count.is_multiple_of(*factor)).unwrap_or(count);
    let inner = count / factor;
    let parts: Vec<Vec<Complex>> =
        (0..factor).map(|first| transform(&values[first * step..], step * factor, inner)).collect();
    let turns: Vec<Complex> = (0..count)
        .map(|index| {
            let (sine, cosine) = (-std::f64::consts::TAU * index as f64 / count as f64).sin_cos();
            (cosine, sine)
        })
        .collect();
    let at = |frequency: usize| {
        parts.iter().enumerate().fold((0.0, 0.0), |(re, im), (first, part)| {
            let (cosine, sine) = turns[first * frequency % count];
            let (x, y) = part[frequency % inner];
            (re + x * cosine - y * sine, im + x * sine + y * cosine)
        })
    };
    (0..count).map(at).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ```python
    /// import numpy as np
    /// n = 32; k = np.arange(n * n * 3); image = ((k * 37 + k * k) % 101 / 100).reshape(n, n, 3)
    /// grey = image @ [.299, .587, .114]; power = np.abs(np.fft.fft2(grey - grey.mean())) ** 2
    /// f = np.fft.fftfreq(n); ring = np.ceil(np.hypot(f[:, None], f[None]) * 32) - 1
    /// print([np.log(power[ring == r].mean()) for r in range(16)])
    /// ```
    #[test]
    fn the_spectrum_is_that_of_numpy() {
        let image: Vec<f32> = (0..32 * 32 * 3_u64).map(|k| ((k * 37 + k * k) % 101) as f32 / 100.0).collect();
        let wanted = [
            1.908146, 3.261931, 3.407139, 5.494118, 2.168566, 2.524835, 1.423496, 2.750761, 1.837464, 2.810577,
            3.624908, 3.753901, 3.557900, 2.967550, 4.308471, 3.938353,
        ];
        for (got, want) in spectrum(&image).into_iter().zip(wanted) {
            assert!((got - want).abs() < 1e-4, "{got} instead of {want}");
        }
    }

    /// `np.fft.fft(np.arange(12) ** 2 % 7)`
    #[test]
    fn a_row_of_any_length_is_transformed_as_by_numpy() {
        let values: Vec<Complex> = (0..12).map(|i| (f64::from(i * i % 7), 0.0)).collect();
        for (got, want) in transform(&values, 1, 12).into_iter().zip([
            (23.00000000, 0.00000000),
            (-0.36602540, -2.09807621),
            (-6.00000000, 3.46410162),
            (-4.00000000, -5.00000000),
            (-1.00000000, 5.19615242),
            (1.36602540, 3.09807621),
            (-3.00000000, 0.00000000),
            (1.36602540, -3.09807621),
            (-1.00000000, -5.19615242),
            (-4.00000000, 5.00000000),
            (-6.00000000, -3.46410162),
            (-0.36602540, 2.09807621),
        ]) {
            assert!((got.0 - want.0).abs() < 1e-6 && (got.1 - want.1).abs() < 1e-6, "{got:?} instead of {want:?}");
        }
    }

    #[test]
    fn flat_and_empty_images_give_numbers() {
        for image in [vec![0.5; 8 * 8 * 3], vec![0.5; 3], Vec::new()] {
            assert!(spectrum(&image).iter().all(|value| value.is_finite()), "{image:?}");
        }
    }
}
