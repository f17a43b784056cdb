//! Where the network looked: that what the places of an image add is its margin, and that it follows the weights.

use image::{Rgb, RgbImage};
use lobule::Classifier;
use lobule::explain::{Heatmap, overlay};
use lobule::model::WeightsFile;
use lobule::pixels::{self, DecodeLimits};
use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use super::fixture;

/// Images that are drawn here, blank ones among them, in several shapes.
fn drawn() -> Vec<RgbImage> {
    let noise = |x: u32, y: u32| {
        let mixed = (x.wrapping_mul(0x9E37_79B9) ^ y.wrapping_mul(0x85EB_CA6B)).wrapping_mul(0xC2B2_AE35);
        Rgb((mixed ^ (mixed >> 15)).to_le_bytes()[..3].try_into().unwrap())
    };
    let cells = |x: u32, y: u32| {
        let is_nucleus = (x % 23).abs_diff(11).pow(2) + (y % 19).abs_diff(9).pow(2) < 20 + (x * y) % 17;
        Rgb(if is_nucleus { [96, 60, 140] } else { [232, 190 - (x % 40) as u8, 214] })
    };
    vec![
        tissue(),
        RgbImage::from_fn(350, 230, cells),
        RgbImage::from_fn(128, 128, noise),
        RgbImage::from_fn(40, 300, |x, y| Rgb([(6 * x) as u8, (y / 2) as u8, 128])),
        RgbImage::from_pixel(700, 460, Rgb([255; 3])),
        RgbImage::from_pixel(1, 1, Rgb([0; 3])),
        RgbImage::from_pixel(9, 2, Rgb([200, 120, 170])),
    ]
}

fn tissue() -> RgbImage {
    pixels::read(&fixture("tissue.png"), &DecodeLimits::default()).unwrap().image
}

/// Holds an image's heatmap to its margin; gives how far the sum of its maps is from that.
fn check(classifier: &Classifier, image: &RgbImage) -> f64 {
    let explanation = classifier.explain(image).unwrap();
    let prediction = classifier.classify(image).unwrap();
    let margin = prediction.margin * classifier.metadata().temperature;
    assert_eq!(explanation.prediction.margin, prediction.margin, "the prediction is the same one");
    assert_eq!(explanation.maps.iter().map(|map| map.side).collect::<Vec<_>>(), [16, 8, 4]);
    let error = (explanation.margin() - margin).abs();
    assert!(error < 1e-4, "{} instead of {margin}", explanation.margin());

    let heatmap = Heatmap::of(&explanation);
    assert!(heatmap.values().iter().all(|value| value.is_finite()) && heatmap.values().len() == 256);
    let mean = heatmap.values().iter().map(|value| f64::from(*value)).sum::<f64>() / 256.0;
    assert!((mean - margin).abs() < 1e-4, "the heatmap's mean is {mean} instead of {margin}");
    assert!(heatmap.range().is_finite() && heatmap.range() + 1e-4 >= margin.abs());

    let png = overlay(image, &heatmap).unwrap();
    assert!(png.len() <= 400_000, "{} bytes", png.len());
    let shown = image::load_from_memory(&png).unwrap();
    assert!(shown.width() <= 448 && shown.height() <= 448 + 34, "{}x{}", shown.width(), shown.height());
    error
}

#[test]
fn the_maps_of_drawn_and_blank_images_add_up_to_their_margins() {
    let classifier = Classifier::built_in().unwrap();
    let errors = drawn().iter().map(|image| check(&classifier, image)).fold(0.0, f64::max);
    println!("at most {errors:.1e} from the margin");
}

#[test]
#[ignore = "needs real images"]
fn the_maps_of_the_forty_originals_add_up_to_their_margins() {
    let classifier = Classifier::built_in().unwrap();
    let paths = super::originals();
    let read = |path: &std::path::PathBuf| pixels::read(path, &DecodeLimits::default()).unwrap().image;
    let errors = paths.iter().map(|path| check(&classifier, &read(path))).fold(0.0, f64::max);
    println!("at most {errors:.1e} from the margin of {} originals", paths.len());
    assert_eq!(paths.len(), 40);
}

/// The groups of layers that are randomised, one after the other, from the head down to the stem.
const CASCADE: [&[&str]; 11] = [
    &["classifier.output."],
    &["classifier.dense.", "classifier.norm."],
    &["fusion."],
    &["features.denseblock4."],
    &["features.transition3."],
    &["features.denseblock3."],
    &["features.transition2."],
    &["features.denseblock2."],
    &["features.transition1."],
    &["features.denseblock1."],
    &["features.conv0.", "features.norm0."],
];

/// The most that maps of randomised layers may agree with the originals, as the mean of the absolute rank correlations.
/// Measured are .49 where the output layer alone is random, .40 with the layer before it, and .21 to .31 from the taps'
/// layers down; a map that did not look at the weights would have 1.
const MOST_AGREEMENT: f64 = 0.6;

/// Adebayo et al., "Sanity checks for saliency maps", NeurIPS 2018: a map that explains the network changes with its
/// weights. Each tensor's values are exchanged among themselves, so that what is random keeps the size of what was
/// learned.
#[test]
fn heatmaps_change_when_the_layers_are_randomised_from_the_head_down() {
    const SEEDS: u64 = 3;
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/weights/lobule.safetensors")).unwrap();
    let learned = WeightsFile::parse(&bytes, "the default weights").unwrap();
    let images = &drawn()[..4];
    let maps = |classifier: &Classifier| -> Vec<Heatmap> {
        images.iter().map(|image| Heatmap::of(&classifier.explain(image).unwrap())).collect()
    };
    let originals = maps(&Classifier::from_bytes(&bytes, "the default weights", 1).unwrap());
    let mut agreement = [0.0; CASCADE.len()];
    for seed in 0..SEEDS {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut file = learned.clone();
        for (prefixes, agreement) in CASCADE.iter().zip(&mut agreement) {
            let mut changed = 0;
            for (_, tensor) in file.tensors.iter_mut().filter(|(name, _)| prefixes.iter().any(|p| name.starts_with(p)))
            {
                tensor.data.shuffle(&mut random);
                changed += 1;
            }
            assert!(changed > 0, "no tensor begins with one of {prefixes:?}");
            let classifier = Classifier::from_bytes(&file.bytes().unwrap(), "a test", 1).unwrap();
            for (map, original) in maps(&classifier).iter().zip(&originals) {
                *agreement +=
                    rank_correlation(map.values(), original.values()).abs() / (SEEDS as f64 * images.len() as f64);
            }
        }
    }
    for (prefixes, agreement) in CASCADE.iter().zip(agreement) {
        println!("down to {}: {agreement:.3}", prefixes[0]);
    }
    assert!(agreement.iter().all(|agreement| *agreement < MOST_AGREEMENT), "{agreement:?}");
}

/// Spearman's; equal values are ranked as they come, of which maps have hardly any.
fn rank_correlation(a: &[f32], b: &[f32]) -> f64 {
    let ranks = |values: &[f32]| {
        let mut order: Vec<usize> = (0..values.len()).collect();
        order.sort_by(|i, j| values[*i].total_cmp(&values[*j]));
        let mut ranks = vec![0.0; values.len()];
        order.iter().enumerate().for_each(|(rank, index)| ranks[*index] = rank as f64);
        ranks
    };
    let middle = (a.len() as f64 - 1.0) / 2.0;
    let (a, b) = (ranks(a), ranks(b));
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - middle) * (y - middle)).sum::<f64>();
    product(&a, &b) / product(&a, &a)
}
