//! The eight symmetries of the square: tissue has no upright, so each turn and mirror image is as good an image.
//!
//! In and out: square images as [`super::Preprocess::pixels`] gives them, rows of pixels of three channels.

use std::borrow::Cow;

use image::{RgbImage, imageops};

/// A symmetry of the square. Turns are counter-clockwise, as Keras's and numpy's `rot90` turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dihedral {
    /// As it is.
    Identity,
    /// `rot90(k=1)`: the top right corner comes to the top left.
    Rotate90,
    /// `rot90(k=2)`.
    Rotate180,
    /// `rot90(k=3)`: a quarter turn clockwise.
    Rotate270,
    /// `fliplr`: left and right change places.
    FlipLeftRight,
    /// `flipud`: top and bottom change places.
    FlipUpDown,
    /// Rows become columns: mirrored at the diagonal from the top left.
    Transpose,
    /// Mirrored at the diagonal from the top right: `fliplr(rot90(image))`.
    AntiTranspose,
}

impl Dihedral {
    /// All eight, the unchanged image first.
    pub const ALL: [Self; 8] = [
        Self::Identity,
        Self::Rotate90,
        Self::Rotate180,
        Self::Rotate270,
        Self::FlipLeftRight,
        Self::FlipUpDown,
        Self::Transpose,
        Self::AntiTranspose,
    ];

    /// Writes the turned or mirrored `source` to `target`. Both hold `size` rows of `size` pixels of three channels.
    ///
    /// # Panics
    /// When a slice does not hold `size * size * 3` numbers.
    pub fn apply(self, source: &[f32], size: usize, target: &mut [f32]) {
        assert_eq!(source.len(), size * size * 3, "an image of side {size}");
        assert_eq!(target.len(), source.len(), "source and target hold images of one size");
        if size == 0 || self == Self::Identity {
            target.copy_from_slice(source);
            return;
        }
        let (source, _) = source.as_chunks::<3>();
        let (target, _) = target.as_chunks_mut::<3>();
        let last = size - 1;
        for (y, row) in target.chunks_exact_mut(size).enumerate() {
            for (x, pixel) in row.iter_mut().enumerate() {
                let (from_y, from_x) = self.source((y, x), last);
                *pixel = source[from_y * size + from_x];
            }
        }
    }

    /// The row and the column of a square whose content comes to this row and column; the last of each is `last`.
    pub(crate) fn source(self, (y, x): (usize, usize), last: usize) -> (usize, usize) {
        match self {
            Self::Identity => (y, x),
            Self::Rotate90 => (x, last - y),
            Self::Rotate180 => (last - y, last - x),
            Self::Rotate270 => (last - x, y),
            Self::FlipLeftRight => (y, last - x),
            Self::FlipUpDown => (last - y, x),
            Self::Transpose => (x, y),
            Self::AntiTranspose => (last - x, last - y),
        }
    }

    /// An image of any shape, turned or mirrored so.
    pub fn of_image(self, image: &RgbImage) -> Cow<'_, RgbImage> {
        Cow::Owned(match self {
            Self::Identity => return Cow::Borrowed(image),
            Self::Rotate90 => imageops::rotate270(image),
            Self::Rotate180 => imageops::rotate180(image),
            Self::Rotate270 => imageops::rotate90(image),
            Self::FlipLeftRight => imageops::flip_horizontal(image),
            Self::FlipUpDown => imageops::flip_vertical(image),
            Self::Transpose => imageops::flip_horizontal(&imageops::rotate90(image)),
            Self::AntiTranspose => imageops::flip_horizontal(&imageops::rotate270(image)),
        })
    }
}

/// The report's three samples of each image: the original, `rot90` then flipped left to right, and `rot180` then
/// flipped left to right. A turn followed by a flip is again one of the eight.
pub fn report_views() -> [Dihedral; 3] {
    [Dihedral::Identity, Dihedral::AntiTranspose, Dihedral::FlipUpDown]
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// The numbers 0, 1, 2, ... as an image: no two pixels are alike.
    fn counting(size: usize) -> Vec<f32> {
        (0..size * size * 3).map(|i| i as f32).collect()
    }

    fn applied(symmetries: &[Dihedral], size: usize) -> Vec<f32> {
        let mut image = counting(size);
        for symmetry in symmetries {
            let mut turned = vec![0.0; image.len()];
            symmetry.apply(&image, size, &mut turned);
            image = turned;
        }
        image
    }

    #[test]
    fn an_image_is_turned_as_its_numbers_are() {
        let image = RgbImage::from_fn(5, 5, |x, y| image::Rgb([x as u8, y as u8, 7]));
        let numbers: Vec<f32> = image.iter().map(|channel| f32::from(*channel)).collect();
        for symmetry in Dihedral::ALL {
            let mut turned = vec![0.0; numbers.len()];
            symmetry.apply(&numbers, 5, &mut turned);
            let of_image: Vec<f32> = symmetry.of_image(&image).iter().map(|channel| f32::from(*channel)).collect();
            assert_eq!(of_image, turned, "{symmetry:?}");
        }
        assert_eq!(Dihedral::Rotate90.of_image(&RgbImage::new(3, 2)).dimensions(), (2, 3));
    }

    #[test]
    fn each_symmetry_gives_what_numpy_gives() {
        // p = np.arange(27).reshape(3, 3, 3)
        // for f in [p, np.rot90(p), np.rot90(p, 2), np.rot90(p, 3), np.fliplr(p), np.flipud(p),
        //           p.transpose(1, 0, 2), np.fliplr(np.rot90(p))]: print((f[..., 0] // 3).ravel().tolist())
        let numpy = [
            [0, 1, 2, 3, 4, 5, 6, 7, 8],
            [2, 5, 8, 1, 4, 7, 0, 3, 6],
            [8, 7, 6, 5, 4, 3, 2, 1, 0],
            [6, 3, 0, 7, 4, 1, 8, 5, 2],
            [2, 1, 0, 5, 4, 3, 8, 7, 6],
            [6, 7, 8, 3, 4, 5, 0, 1, 2],
            [0, 3, 6, 1, 4, 7, 2, 5, 8],
            [8, 5, 2, 7, 4, 1, 6, 3, 0],
        ];
        for (symmetry, order) in Dihedral::ALL.into_iter().zip(numpy) {
            let want: Vec<f32> = order.iter().flat_map(|&p| [3 * p, 3 * p + 1, 3 * p + 2]).map(|v| v as f32).collect();
            assert_eq!(applied(&[symmetry], 3), want, "{symmetry:?}");
        }
    }

    #[test]
    fn the_eight_are_a_group() {
        let key = |image: Vec<f32>| image.into_iter().map(f32::to_bits).collect::<Vec<_>>();
        let images: HashSet<_> = Dihedral::ALL.iter().map(|&s| key(applied(&[s], 4))).collect();
        assert_eq!(images.len(), 8, "no two do the same");
        for first in Dihedral::ALL {
            let products: HashSet<_> = Dihedral::ALL.iter().map(|&second| key(applied(&[first, second], 4))).collect();
            assert_eq!(products, images, "{first:?} then any other is one of the eight, and one undoes it");
        }
        assert_eq!(applied(&[Dihedral::Rotate90; 4], 5), counting(5));
        assert_eq!(applied(&[Dihedral::Rotate90, Dihedral::Rotate270], 5), counting(5));
    }

    #[test]
    fn the_reports_views_are_turns_followed_by_a_flip() {
        let [original, quarter, half] = report_views();
        assert_eq!(original, Dihedral::Identity);
        assert_eq!(applied(&[quarter], 4), applied(&[Dihedral::Rotate90, Dihedral::FlipLeftRight], 4));
        assert_eq!(applied(&[half], 4), applied(&[Dihedral::Rotate180, Dihedral::FlipLeftRight], 4));
    }

    #[test]
    fn the_smallest_images_are_no_exception() {
        for symmetry in Dihedral::ALL {
            symmetry.apply(&[], 0, &mut []);
            assert_eq!(applied(&[symmetry], 1), counting(1));
        }
    }
}
