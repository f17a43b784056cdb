//! Weights and images by formula, so that a network of 7 million weights is compared with Keras's without storing one
//! of them. tests/fixtures/keras_golden.py computes the same.

use candle_core::{Device, Tensor};
use image::RgbImage;
use lobule::model::{Architecture, ModelError, Network, Parameters, StoredTensor};

/// A tensor by its name and its shape, both as PyTorch has them: convolutions (out, in, height, width), dense layers
/// (out, in), and what a batch normalisation calls weight, bias, running_mean and running_var. `input` is from 0 to 1.
pub(crate) fn fill(name: &str, shape: &[usize]) -> Vec<f32> {
    // 24 bits fit into an f32 exactly, so both sides start from the same numbers.
    let high = bits(name, shape.iter().product()).map(|bits| (bits >> 8) as f32);
    let signed = |high: f32| high / 8_388_608.0 - 1.0;
    match name.rsplit('.').next() {
        Some("input") => high.map(|h| h / 16_777_216.0).collect(),
        Some("weight") if shape.len() > 1 => {
            // He's uniform bound: ReLU networks keep the size of their activations with it.
            let fan_in: usize = shape[1..].iter().product();
            let bound = (6.0 / fan_in as f64).sqrt() as f32;
            high.map(|h| signed(h) * bound).collect()
        }
        Some("weight") => high.map(|h| 1.0 + 0.2 * signed(h)).collect(),
        Some("running_var") => high.map(|h| 1.0 + 0.5 * signed(h)).collect(),
        Some("bias" | "running_mean") => high.map(|h| 0.1 * signed(h)).collect(),
        _ => unreachable!("the formula has no rule for {name}"),
    }
}

/// A network whose every tensor is [`fill`]ed.
pub(crate) fn filled(architecture: Architecture) -> Result<Network, ModelError> {
    let tensor = |shape: Vec<usize>, name: &str| StoredTensor { data: fill(name, &shape), shape };
    let tensors = architecture.tensors().into_iter().map(|spec| (spec.name.clone(), tensor(spec.shape, &spec.name)));
    let parameters = Parameters::from_stored(&architecture, &tensors.collect(), "the formula")?;
    Ok(Network::new(architecture, parameters))
}

/// Images as a network takes them: (count, size, size, 3).
pub(crate) fn images(count: usize, size: usize) -> candle_core::Result<Tensor> {
    let shape = [count, size, size, 3];
    Tensor::from_vec(fill("input", &shape), &shape, &Device::Cpu)
}

/// An 8-bit image in which no pixel says anything of its neighbours.
pub(crate) fn image(width: u32, height: u32) -> RgbImage {
    let count = 3 * width as usize * height as usize;
    // The word is a seed: the golden values were made with it.
    let bytes = bits(&format!("picture {width}x{height}"), count).map(|bits| (bits >> 24) as u8).collect();
    RgbImage::from_raw(width, height, bytes).unwrap()
}

/// 32 random-looking bits for each index: the name's FNV-1a hash plus the index, mixed by lowbias32.
fn bits(name: &str, count: usize) -> impl Iterator<Item = u32> {
    let seed = name.bytes().fold(0x811C_9DC5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    (0..count as u32).map(move |index| {
        let mut x = seed.wrapping_add(index);
        x = (x ^ (x >> 16)).wrapping_mul(0x7FEB_352D);
        x = (x ^ (x >> 15)).wrapping_mul(0x846C_A68B);
        x ^ (x >> 16)
    })
}

#[test]
fn the_formula_gives_what_it_gives_in_numpy() {
    // print(formula_golden()) of tests/fixtures/keras_golden.py
    let golden: [(&str, &[usize], [f32; 4]); 8] = [
        ("input", &[2, 3], [0.643_023_6, 0.822_075_5, 0.119_525_075, 0.842_850_3]),
        ("conv1.weight", &[32, 3, 3, 3], [-0.239_028_95, -0.092_644_62, 0.112_626_22, 0.193_683_09]),
        ("output.weight", &[2, 128], [-0.197_247_55, -0.103_584_714, 0.206_914_28, 0.111_838_534]),
        ("conv1.bias", &[32], [0.054_072_38, -0.037_855_066, 0.089_087_21, -0.027_488_722]),
        ("features.norm0.weight", &[64], [1.139_787_4, 0.897_595_94, 0.826_219_74, 1.151_646_9]),
        ("features.norm0.bias", &[64], [0.002_464_234_8, 0.022_781_992, 0.017_796_112, -0.032_574_333]),
        ("features.norm0.running_mean", &[64], [0.082_612_71, -0.069_830_81, -0.025_019_908, 0.087_102_175]),
        ("features.norm0.running_var", &[64], [1.021_137, 0.691_200_4, 0.889_509_56, 1.103_958_1]),
    ];
    for (name, shape, first) in golden {
        let values = fill(name, shape);
        assert_eq!(values.len(), shape.iter().product::<usize>());
        for (value, want) in values.iter().zip(first) {
            assert!((value - want).abs() < 1e-7, "{name}: {value} instead of {want}");
        }
    }
}
