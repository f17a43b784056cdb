//! Weights files whose flags are known: made here, so that tests hold whatever the built-in file has.

use lobule::diagnosis::Probability;
use lobule::model::{
    Architecture, BeforeAfter, BlockStatistics, ClassShares, ColourDistribution, FlagFigures, FlagShares,
    FlagThresholds, Fused, NoveltyObserver, NoveltyStatistics, Parameters, WeightsFile,
};
use lobule::pixels::{ColourMoments, RgbImage};

/// The built-in weights file without the statistics of its flags, if it has any: its `flags` are null. Nor has
/// it whole numbers.
pub(crate) fn without_flags() -> WeightsFile {
    let built_in = include_bytes!("../../weights/lobule.safetensors");
    let mut file = WeightsFile::parse(built_in, "the built-in weights").unwrap();
    (file.metadata.flags, file.novelty) = (None, None);
    (file.metadata.quantisation, file.quantised) = (None, None);
    file
}

/// A small network of start values to which this image alone is not foreign, and its colours alone those of the training.
/// Margins that are nearer than .01 to the threshold's are uncertain.
pub(crate) fn knows_only(image: &RgbImage) -> WeightsFile {
    let mut file = without_flags();
    let blocks = vec![1, 2, 1, 1];
    let small = Fused { stem: 8, growth: 4, bottleneck: 8, blocks, tap: 8, hidden: 8, dropout: 0.2 };
    file.metadata.architecture = Architecture::Fused(small);
    file.metadata.name = "small".into();
    file.tensors = Parameters::initial(&file.metadata.architecture, 5).unwrap().stored().unwrap();
    // Some tensors are rounded when they are written.
    let mut file = WeightsFile::parse(&file.bytes().unwrap(), "a test").unwrap();

    let resized = file.metadata.preprocess.resized(image).unwrap();
    let observer = NoveltyObserver::new(&file, "a test").unwrap().unwrap();
    let known = observer.features(&resized).unwrap();
    let numbers = NoveltyStatistics::blocks_of(&file.metadata.architecture);
    let blocks = numbers.into_iter().zip(&known.blocks).map(|(block, means)| BlockStatistics {
        block,
        mean: means.clone(),
        scale: vec![1.0; means.len()],
        // The first channel says nothing.
        space: (0..means.len()).map(|channel| f32::from(u8::from(channel == 0))).collect(),
        residual: 1.0,
        distance_mean: 0.0,
        distance_deviation: 1.0,
    });
    let unit = |row: usize| std::array::from_fn(|column| f32::from(u8::from(row == column)));
    let colours = ColourDistribution {
        mean: known.colours.map(|number| number as f32),
        whitening: std::array::from_fn::<_, { ColourMoments::SHAPE }, _>(unit),
    };
    let statistics = NoveltyStatistics { blocks: blocks.collect(), colours };
    // The logarithm of nothing at all, from which rounding leads up and any other image much further.
    let nearest = statistics.novelty(&known);
    file.metadata.flags = Some(FlagThresholds {
        foreign: nearest.foreign + 10.0,
        stain: nearest.stain + 1.0,
        uncertain: 0.01,
        found: figures(),
    });
    file.novelty = Some(statistics);
    file
}

fn figures() -> FlagFigures {
    let share = |share| Probability::new(share).unwrap();
    let class_shares = |all| ClassShares { all: share(all), benign: share(all), malignant: share(all) };
    let [foreign, stain, uncertain, abstain] = [0.0625, 0.03125, 0.125, 0.1875].map(class_shares);
    let shares = FlagShares { foreign, stain, uncertain, abstain };
    FlagFigures {
        method: "By hand.".to_owned(),
        images: 10,
        cases: 5,
        folds: 2,
        seeds: vec![1],
        shares,
        cross_fitted: shares,
        scores: None,
        foreign_and_stain: share(0.0),
        error: BeforeAfter { before: 0.25, after: 0.125 },
    }
}
