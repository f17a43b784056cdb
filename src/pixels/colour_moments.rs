//! The mean and the covariance of an image's colours in l-alpha-beta: what the decorrelation stretch takes out, and what
//! tells whether the colours are like those of other images.
//!
//! In: pixels of R, G and B from 0 to 1. Out: [`ColourMoments`].

use super::l_alpha_beta::ConeLogarithms;

/// The moments of an image's colours in l, alpha and beta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColourMoments {
    /// The means.
    pub mean: [f64; 3],
    /// The covariance of the population of pixels.
    pub covariance: [[f64; 3]; 3],
}

impl ColourMoments {
    /// How many numbers [`Self::shape`] has.
    pub const SHAPE: usize = 9;

    /// Those of an image as rows of pixels; of one without pixels they are 0.
    pub fn of(image: &[f32]) -> Self {
        ConeLogarithms::of(image).moments()
    }

    /// The moments as numbers that are compared as they are: the three means, the logarithms of the three standard
    /// deviations, and the inverse hyperbolic tangents of the correlations l-alpha, l-beta and alpha-beta. All are finite.
    pub fn shape(&self) -> [f64; Self::SHAPE] {
        /// Added to the variances: that of rounding to 8 bits must not count as colour.
        const NOISE: f64 = 1e-4;
        /// Where correlations end, so that those of an image of two colours are finite.
        const STRONGEST: f64 = 0.999;
        let deviation: [f64; 3] = std::array::from_fn(|i| (self.covariance[i][i].max(0.0) + NOISE).sqrt());
        let correlation = |(row, column): (usize, usize)| {
            let plain = self.covariance[row][column] / (deviation[row] * deviation[column]);
            plain.clamp(-STRONGEST, STRONGEST).atanh()
        };
        let [l_alpha, l_beta, alpha_beta] = [(0, 1), (0, 2), (1, 2)].map(correlation);
        let [l, alpha, beta] = self.mean;
        let [dl, dalpha, dbeta] = deviation.map(f64::ln);
        [l, alpha, beta, dl, dalpha, dbeta, l_alpha, l_beta, alpha_beta]
    }
}

#[cfg(test)]
mod tests {
    use super::super::colour_transfer::tests::images;
    use super::*;

    /// ```python
    /// # after the snippet of colour_transfer.rs
    /// m = la.mean(0); c = np.cov(la.T, bias=True) + 1e-4 * np.eye(3); s = np.sqrt(np.diag(c)); r = c / np.outer(s, s)
    /// print(np.concatenate([m, np.log(s), np.arctanh(np.clip(r[np.triu_indices(3, 1)], -.999, .999))]))
    /// ```
    #[test]
    fn a_shape_is_numpys() {
        let [image, _] = images();
        let numpy = [
            -0.829_030_6,
            0.044_876_7,
            0.005_487_6,
            -1.820_313_3,
            -1.557_041_3,
            -3.138_775_4,
            -3.182_629_1,
            1.359_820_0,
            -1.412_514_0,
        ];
        for (got, want) in ColourMoments::of(&image).shape().into_iter().zip(numpy) {
            assert!((got - want).abs() < 2e-5, "{got} instead of {want}");
        }
    }

    #[test]
    fn flat_two_coloured_and_empty_images_have_finite_shapes() {
        let two = [[0.9_f32, 0.5, 0.7], [0.2, 0.1, 0.4]].concat().repeat(8);
        for image in [vec![0.5; 12], vec![0.0; 12], vec![1.0; 12], two, Vec::new()] {
            let shape = ColourMoments::of(&image).shape();
            assert!(shape.iter().all(|value| value.is_finite()), "{shape:?}");
        }
    }
}
