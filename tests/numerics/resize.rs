//! `Resampling::Bilinear` against `tf.image.resize`.

use lobule::pixels::Preprocess;
use serde::Deserialize;

use crate::{formula, golden};

/// One image of `formula::image` resized by TensorFlow and divided by 255.
#[derive(Deserialize)]
struct Golden {
    width: u32,
    height: u32,
    size: u32,
    /// Flat indices into (size, size, 3).
    at: Vec<usize>,
    /// The values there.
    values: Vec<f32>,
    /// Over all values.
    mean: f64,
    mean_square: f64,
}

#[test]
fn bilinear_resizing_equals_tensorflows_up_and_down() {
    let golden: Vec<Golden> = golden("keras_resize.json");
    assert_eq!(golden.len(), 8);
    for Golden { width, height, size, at, values, mean, mean_square } in golden {
        let preprocess = Preprocess { size, ..Preprocess::report() };
        let ours = preprocess.pixels(&formula::image(width, height)).unwrap();
        let case = format!("{width}x{height} to {size}");
        for (index, want) in at.into_iter().zip(values) {
            assert!((ours[index] - want).abs() <= 1e-5, "{case}, {index}: {} instead of {want}", ours[index]);
        }
        let over_all = |f: fn(f64) -> f64| ours.iter().map(|v| f(f64::from(*v))).sum::<f64>() / ours.len() as f64;
        assert!((over_all(|v| v) - mean).abs() <= 1e-6, "{case}: mean");
        assert!((over_all(|v| v * v) - mean_square).abs() <= 1e-6, "{case}: mean square");
    }
}
