//! The inference walk against the plain one.

use candle_core::{IndexOp, Tensor};
use lobule::kernels::Level;
use lobule::model::{Architecture, Fused, InferenceNetwork, Mode, ModelError, Network, Parameters, WeightsFile};
use lobule::pixels::{self, DecodeLimits};

use crate::formula::{filled, images};
use crate::{assert_close, oracle};

/// How far a probability may be from that of the plain walk.
const TOLERANCE: f32 = 1e-4;

#[test]
fn a_densenet121_answers_alike_at_every_level_on_any_number_of_threads() -> Result<(), ModelError> {
    compare(Architecture::fused_densenet121(), 128, &[2, 3])
}

#[test]
fn networks_of_odd_sizes_answer_alike() -> Result<(), ModelError> {
    let Architecture::Fused(fused) = Architecture::fused_densenet121() else { unreachable!() };
    // Channels that fill no vector and no panel, pieces that are not full, planes that no tile fits.
    let odd = Fused { stem: 10, growth: 6, bottleneck: 20, blocks: vec![3, 2, 2], tap: 5, hidden: 3, dropout: 0.0 };
    let wide = Fused { stem: 40, growth: 33, bottleneck: 150, blocks: vec![2, 5], tap: 8, hidden: 4, dropout: 0.0 };
    let tiny = Fused { stem: 1, growth: 1, bottleneck: 1, blocks: vec![1, 1], tap: 1, hidden: 1, dropout: 0.0 };
    compare(Architecture::Fused(odd.clone()), 75, &[2, 5])?;
    compare(Architecture::Fused(odd), 16, &[4])?;
    compare(Architecture::Fused(wide), 66, &[3])?;
    compare(Architecture::Fused(tiny), 9, &[2])?;
    compare(Architecture::Fused(fused), 40, &[2])
}

#[test]
fn a_batch_answers_as_its_single_images() -> Result<(), ModelError> {
    let network = InferenceNetwork::new(&filled(Architecture::fused_densenet121())?, 128, Level::default(), 2)?;
    let images = images(3, 128)?;
    let batch = network.forward(&images)?;
    for index in 0..3 {
        let single = network.forward(&images.narrow(0, index, 1)?)?;
        // The head's matrix products add up in another order for another number of rows.
        assert!(distance(&single, &batch.narrow(0, index, 1)?)? < 1e-5);
    }
    Ok(())
}

#[test]
fn images_side_by_side_answer_as_one_after_the_other() -> Result<(), ModelError> {
    let network = InferenceNetwork::new(&filled(Architecture::fused_densenet121())?, 128, Level::default(), 2)?;
    let images = images(8, 128)?;
    let alone: Vec<Tensor> = (0..8).map(|i| network.forward(&images.narrow(0, i, 1)?)).collect::<Result<_, _>>()?;
    std::thread::scope(|scope| {
        for (index, want) in alone.iter().enumerate() {
            let (network, images) = (&network, &images);
            scope.spawn(move || {
                for _ in 0..3 {
                    let single = network.forward(&images.narrow(0, index, 1).unwrap()).unwrap();
                    assert_eq!(distance(&single, want).unwrap(), 0.0);
                }
            });
        }
    });
    Ok(())
}

#[test]
fn images_of_another_size_are_refused() -> Result<(), ModelError> {
    let network = InferenceNetwork::new(&filled(Architecture::fused_densenet121())?, 64, Level::default(), 1)?;
    let error = network.forward(&images(1, 128)?).unwrap_err().to_string();
    assert!(error.contains("128x128x3 instead of 64x64x3"), "{error}");
    Ok(())
}

#[test]
#[ignore = "needs real images"]
fn the_forty_originals_are_answered_alike_at_every_level() -> Result<(), ModelError> {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/weights/lobule.safetensors")).unwrap();
    let file = WeightsFile::parse(&bytes, "the default weights")?;
    let architecture = file.metadata.architecture;
    let parameters = Parameters::from_stored(&architecture, &file.tensors, "the default weights")?;
    let network = Network::new(architecture, parameters);
    let preprocess = file.metadata.preprocess;
    let mut images = Vec::new();
    for path in super::originals() {
        let image = pixels::read(&path, &DecodeLimits::default())?.image;
        images.push(preprocess.tensor(&image)?);
    }
    assert_eq!(images.len(), 40);
    let images = Tensor::stack(&images, 0)?;
    let plain = probabilities(&oracle::forward(&network, &images, Mode::Inference)?)?;
    for level in Level::available() {
        let ours = InferenceNetwork::new(&network, preprocess.size as usize, level, 2)?;
        assert_close(&probabilities(&ours.forward(&images)?)?, &plain, TOLERANCE, &level.to_string());
    }
    Ok(())
}

fn compare(architecture: Architecture, size: usize, teams: &[usize]) -> Result<(), ModelError> {
    let images = images(2, size)?;
    let network = filled(architecture)?;
    let plain = probabilities(&oracle::forward(&network, &images, Mode::Inference)?)?;
    let image = images.narrow(0, 0, 1)?;
    for level in Level::available() {
        let alone = InferenceNetwork::new(&network, size, level, 1)?.forward(&image)?;
        for &threads in teams {
            let ours = InferenceNetwork::new(&network, size, level, threads)?;
            let what = format!("{level}, {threads} threads, {size} pixels");
            // Twice: the second image finds the buffers as the first has left them.
            for _ in 0..2 {
                assert_eq!(distance(&ours.forward(&image)?, &alone)?, 0.0, "{what}: not to the bit as on one");
                assert_close(&probabilities(&ours.forward(&images)?)?, &plain, TOLERANCE, &what);
            }
        }
    }
    Ok(())
}

/// The largest difference of two tensors' numbers.
fn distance(a: &Tensor, b: &Tensor) -> Result<f32, ModelError> {
    Ok((a - b)?.abs()?.flatten_all()?.max(0)?.to_scalar()?)
}

/// Of malignant.
fn probabilities(logits: &Tensor) -> Result<Vec<f32>, ModelError> {
    Ok(candle_nn::ops::softmax(logits, 1)?.i((.., 1))?.to_vec1()?)
}
