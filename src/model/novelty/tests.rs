use super::*;
use crate::diagnosis::{Flag, Flags, Probability, Threshold};
use crate::model::{
    Architecture, BeforeAfter, Classifier, Fused, Metadata, Parameters, Prediction, Provenance, StoredTensor,
    WeightsFile,
};
use crate::pixels::{ColourMoments, Preprocess, RgbImage};

/// A small network with statistics that are made up.
fn file() -> WeightsFile {
    let sizes = Fused { stem: 8, growth: 4, bottleneck: 8, blocks: vec![1, 2, 1, 1], tap: 8, hidden: 8, dropout: 0.2 };
    let architecture = Architecture::Fused(sizes);
    let tensors = Parameters::initial(&architecture, 5).unwrap().stored().unwrap();
    let channels = architecture.channels_of_blocks();
    let statistics = |block: usize| BlockStatistics {
        block,
        mean: (0..channels[block - 1]).map(|channel| channel as f32 / 64.0).collect(),
        scale: vec![2.0; channels[block - 1]],
        space: (0..2 * channels[block - 1]).map(|place| if place == 0 || place == 3 { 1.0 } else { 0.0 }).collect(),
        residual: 0.5,
        distance_mean: 0.25,
        distance_deviation: 0.125,
    };
    let novelty = NoveltyStatistics {
        blocks: [1, 2, 4].map(statistics).to_vec(),
        colours: ColourDistribution {
            mean: [0.5; ColourMoments::SHAPE],
            whitening: std::array::from_fn(|row| std::array::from_fn(|column| if row == column { 2.0 } else { 0.0 })),
        },
    };
    let metadata = Metadata {
        format: crate::model::FORMAT,
        name: "made up".into(),
        version: "0".into(),
        architecture,
        classes: crate::diagnosis::Label::ALL,
        preprocess: Preprocess { size: 64, ..Preprocess::imagenet() },
        temperature: 1.0,
        threshold: Threshold::HALF,
        operating_points: Vec::new(),
        calibration: None,
        flags: Some(thresholds()),
        quantisation: None,
        provenance: Provenance::default(),
        origin: None,
        trained_on: Vec::new(),
        figures: std::collections::BTreeMap::new(),
    };
    WeightsFile { metadata, tensors, novelty: Some(novelty), quantised: None }
}

fn thresholds() -> FlagThresholds {
    let share = |share| Probability::new(share).unwrap();
    let of = |all| ClassShares { all: share(all), benign: share(0.5), malignant: share(0.0) };
    let shares = FlagShares { foreign: of(0.125), stain: of(0.25), uncertain: of(0.375), abstain: of(0.5) };
    let found = FlagFigures {
        method: "by hand".into(),
        images: 8,
        cases: 4,
        folds: 2,
        seeds: vec![1, 2],
        shares,
        cross_fitted: shares,
        scores: None,
        foreign_and_stain: share(0.0),
        error: BeforeAfter { before: 0.5, after: 0.25 },
    };
    FlagThresholds { foreign: 1.5, stain: 20.0, uncertain: 0.5, found }
}

fn image() -> RgbImage {
    RgbImage::from_fn(80, 60, |x, y| image::Rgb([(x * 3) as u8, (y * 4) as u8, 150]))
}

#[test]
fn a_flag_holds_beyond_its_limit_and_none_is_known_without_a_measurement() {
    let metadata = file().metadata;
    let of = |margin: f64, novelty: Option<Novelty>, threshold: f64| {
        let prediction = Prediction { novelty, ..Prediction::from_margin(margin) };
        metadata.flags_of(&prediction, Threshold::new(threshold).unwrap())
    };
    let novelty = |foreign, stain| Some(Novelty { foreign, stain });
    let flags = |flags: &[Flag]| Some(flags.iter().copied().collect::<Flags>());
    assert_eq!(of(2.0, None, 0.5), None);
    assert_eq!(of(2.0, novelty(1.5, 20.0), 0.5), flags(&[]), "the limit itself is not beyond it");
    assert_eq!(of(2.0, novelty(1.6, 0.0), 0.5), flags(&[Flag::Foreign]));
    assert_eq!(of(2.0, novelty(-9.0, 20.1), 0.5), flags(&[Flag::Stain]));
    assert_eq!(of(-0.4, novelty(0.0, 0.0), 0.5), flags(&[Flag::Uncertain]));
    // The distance is from the margin of the threshold that decides, and there is none from those that decide nothing.
    assert_eq!(of(-0.4, novelty(0.0, 0.0), 0.9), flags(&[]));
    assert_eq!(of(2.0, novelty(0.0, 0.0), 0.9), flags(&[Flag::Uncertain]));
    assert_eq!(of(0.0, novelty(0.0, 0.0), 0.0), flags(&[]));
    assert_eq!(of(0.0, novelty(0.0, 0.0), 1.0), flags(&[]));
    let without = Metadata { flags: None, ..metadata.clone() };
    let prediction = Prediction { novelty: novelty(9.0, 90.0), ..Prediction::from_margin(0.0) };
    assert_eq!(without.flags_of(&prediction, Threshold::HALF), None, "never an empty set");
}

#[test]
fn a_distance_is_the_length_outside_of_the_directions() {
    let statistics = &file().novelty.unwrap().blocks[0];
    let at = |channel: usize, by: f32| {
        let mut means = statistics.mean.clone();
        means[channel] += by;
        statistics.distance(&means)
    };
    // Two of the twelve channels are directions; the scale is 2, and the residual a half.
    assert!((at(5, 1.5) - (9.0_f64 / 0.5).ln()).abs() < 1e-6);
    assert!((at(5, -1.5) - at(5, 1.5)).abs() < 1e-6);
    for within in [at(0, 3.0), at(1, -2.0), at(7, 0.0)] {
        assert!((within - 1e-9_f64.ln()).abs() < 1e-3, "{within}");
    }
    let mut means = statistics.mean.clone();
    means[5] += 1.5;
    assert!((statistics.score(&means) - ((9.0_f64 / 0.5).ln() - 0.25) / 0.125).abs() < 1e-5);
    let colours = file().novelty.unwrap().colours;
    assert_eq!(colours.distance(&[0.5; 9]), 0.0);
    assert_eq!(colours.distance(&[1.0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.0]), 2.0);
}

#[test]
fn every_way_to_classify_measures_the_same_and_a_file_without_statistics_measures_nothing() {
    let with = Classifier::from_bytes(&file().bytes().unwrap(), "a test", 2).unwrap();
    let mut plain = file();
    (plain.metadata.flags, plain.novelty) = (None, None);
    let without = Classifier::from_bytes(&plain.bytes().unwrap(), "a test", 2).unwrap();

    let prediction = with.classify(&image()).unwrap();
    let novelty = prediction.novelty.unwrap();
    assert!(novelty.foreign.is_finite() && novelty.stain > 0.0, "{novelty:?}");
    assert_eq!(with.explain(&image()).unwrap().prediction.novelty, prediction.novelty);
    let resized = with.preprocess().resized(&image()).unwrap();
    let (again, taps) = with.classify_with_taps(&resized).unwrap();
    assert_eq!(again.novelty, prediction.novelty);
    // As the file holds it, in f16.
    let plain = WeightsFile::parse(&plain.bytes().unwrap(), "a test").unwrap();
    let observer = NoveltyObserver::new(&plain, "a test").unwrap().unwrap();
    let features = observer.features(&resized).unwrap();
    assert_eq!(features.blocks.iter().map(Vec::len).collect::<Vec<_>>(), [12, 14, 9]);
    assert_eq!(file().novelty.unwrap().novelty(&features), novelty);

    // The head sees what it saw before.
    let (bare, bare_taps) = without.classify_with_taps(&resized).unwrap();
    assert_eq!((bare.novelty, bare.margin, bare_taps), (None, again.margin, taps));
    assert!(without.explain(&image()).unwrap().prediction.novelty.is_none());
}

#[test]
fn statistics_come_back_from_the_file_and_broken_ones_are_refused_with_a_reason() {
    let sound = file();
    let read = WeightsFile::parse(&sound.bytes().unwrap(), "a test").unwrap();
    assert_eq!((read.novelty, read.metadata), (sound.novelty.clone(), sound.metadata.clone()));
    assert_eq!(read.tensors.keys().filter(|name| name.starts_with("novelty.")).count(), 0);

    let refused = |change: &dyn Fn(&mut WeightsFile)| {
        let mut file = file();
        change(&mut file);
        WeightsFile::parse(&file.bytes().unwrap(), "a test").unwrap_err().to_string()
    };
    let block = |change: fn(&mut BlockStatistics)| {
        refused(&|file: &mut WeightsFile| change(&mut file.novelty.as_mut().unwrap().blocks[1]))
    };
    for (message, reason) in [
        (block(|block| block.mean[3] = f32::NAN), "novelty.block2.mean holds NaN or infinity"),
        (block(|block| block.space[0] = 1e6), "novelty.block2.space holds NaN or infinity"),
        (block(|block| block.scale[3] = 0.0), "novelty.block2.scale holds 0, which must be above 0"),
        (block(|block| block.space[0] = 2.0), "novelty.block2.space does not hold orthonormal directions"),
        (block(|block| block.space.clear()), "novelty.block2.space does not hold orthonormal directions"),
        (block(|block| block.scale.truncate(13)), "novelty.block2.scale has the shape [13] and not [14]"),
        (block(|block| block.block = 3), "novelty.block2.mean is missing"),
        (block(|block| block.residual = 0.0), "novelty.block2.residual holds 0 and 0.125, which must be above 0"),
        (block(|block| block.distance_deviation = -1.0), "which must be above 0"),
        (refused(&|file| file.novelty = None), "thresholds of flags, but not their statistics"),
        (refused(&|file| file.metadata.flags = None), "statistics of flags, but not their thresholds"),
        (
            refused(&|file| {
                let one = StoredTensor { shape: vec![1], data: vec![0.0] };
                file.tensors.insert("novelty.block7.mean".into(), one);
            }),
            "novelty.block7.mean is unexpected",
        ),
        (
            refused(&|file| file.metadata.flags.as_mut().unwrap().uncertain = -1.0),
            "thresholds and figures of its flags",
        ),
        (refused(&|file| file.metadata.flags.as_mut().unwrap().foreign = f64::NAN), "null"),
    ] {
        assert!(message.contains(reason), "{message}\nwithout: {reason}");
    }
    let text = serde_json::to_string(&Metadata { flags: None, ..file().metadata }).unwrap();
    assert!(!text.contains("flags"), "{text}");
}
