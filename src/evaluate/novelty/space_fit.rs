//! What the means behind a dense block are like over the images of a training.
//!
//! In: the means of images and of their altered copies, and a group of cases for each image. Out: [`BlockStatistics`].

use half::f16;
use rayon::prelude::*;

use crate::evaluate::novelty::TrainedImage;
use crate::evaluate::novelty::principal_space::principal_space;
use crate::model::BlockStatistics;

/// Directions of the space, where there are twice as many channels or more.
const DIRECTIONS: usize = 64;

/// What an altered copy weighs beside its image.
const WEIGHT_OF_COPY: f64 = 0.3;

/// The smallest standard deviation of a channel, beside the median of all: one that hardly varies must not count most.
const SMALLEST_DEVIATION: f64 = 0.05;

/// The statistics at each block. The directions are those of all images; how far images are from them is taken from fits
/// without their group of cases, since those that gave the directions are nearer to them than any others.
pub(super) fn fit(
    blocks: &[usize],
    images: &[TrainedImage],
    groups: &[usize],
) -> candle_core::Result<Vec<BlockStatistics>> {
    let several = groups.iter().copied().max().unwrap_or(0) + 1;
    // None of the groups is left out in the first fit.
    let tasks: Vec<(usize, Option<usize>)> = (0..blocks.len())
        .flat_map(|index| std::iter::once(None).chain((0..several).map(Some)).map(move |g| (index, g)))
        .collect();
    let fits: Vec<(BlockStatistics, Vec<f64>)> = tasks
        .par_iter()
        .map(|&(index, left_out)| {
            let of = |is_left_out: bool| {
                let pairs = images.iter().zip(groups);
                pairs.filter(move |(_, group)| (Some(**group) == left_out) == is_left_out).map(|(image, _)| image)
            };
            let fitted: Vec<&TrainedImage> = of(false).collect();
            let plain: Vec<&[f32]> = fitted.iter().map(|image| &*image.plain.blocks[index]).collect();
            let altered: Vec<&[f32]> = fitted.iter().map(|image| &*image.altered.blocks[index]).collect();
            let statistics = space(blocks[index], &plain, &altered)?;
            let distances = of(true).map(|image| statistics.distance(&image.plain.blocks[index])).collect();
            Ok((statistics, distances))
        })
        .collect::<candle_core::Result<_>>()?;
    let of_blocks = fits.chunks_exact(several + 1).map(|of_block| {
        let distances: Vec<f64> = of_block.iter().flat_map(|(_, distances)| distances).copied().collect();
        let count = distances.len().max(1) as f64;
        let mean = distances.iter().sum::<f64>() / count;
        let variance = distances.iter().map(|distance| (distance - mean).powi(2)).sum::<f64>() / count;
        let deviation = variance.sqrt().max(1e-6);
        BlockStatistics { distance_mean: mean as f32, distance_deviation: deviation as f32, ..of_block[0].0.clone() }
    });
    Ok(of_blocks.collect())
}

/// The mean and the standard deviation of each channel, and the directions of the standardised channels. The numbers that
/// standardise distances are left at 0 and 1.
fn space(block: usize, plain: &[&[f32]], altered: &[&[f32]]) -> candle_core::Result<BlockStatistics> {
    let channels = plain.first().map_or(0, |row| row.len());
    let all = plain.len() as f64 + WEIGHT_OF_COPY * altered.len() as f64;
    let rows: Vec<(&[f32], f64)> = plain
        .iter()
        .map(|row| (*row, 1.0 / all))
        .chain(altered.iter().map(|row| (*row, WEIGHT_OF_COPY / all)))
        .collect();
    let (mut mean, mut variance) = (vec![0.0; channels], vec![0.0; channels]);
    for (row, weight) in &rows {
        mean.iter_mut().zip(*row).for_each(|(sum, value)| *sum += weight * f64::from(*value));
    }
    for (row, weight) in &rows {
        let from_mean = row.iter().zip(&mean).map(|(value, mean)| (f64::from(*value) - mean).powi(2));
        variance.iter_mut().zip(from_mean).for_each(|(sum, square)| *sum += weight * square);
    }
    let mut sorted: Vec<f64> = variance.iter().map(|variance| variance.sqrt()).collect();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let median = if sorted.is_empty() { 0.0 } else { (sorted[middle] + sorted[(sorted.len() - 1) / 2]) / 2.0 };
    // Where no channel varies at all, the least that does is far away.
    let least = (SMALLEST_DEVIATION * median).max(1e-6);
    // As the file holds them, so that the directions are those of the numbers that they will be put to.
    let mean: Vec<f32> = mean.iter().map(|mean| *mean as f32).collect();
    let scale: Vec<f32> = variance.iter().map(|variance| (1.0 / variance.sqrt().max(least)) as f32).collect();
    let standardised = |(row, weight): &(&[f32], f64)| -> Vec<f64> {
        let root = weight.sqrt();
        let channel = |((value, mean), scale): ((&f32, &f32), &f32)| root * f64::from((value - mean) * scale);
        row.iter().zip(&mean).zip(&scale).map(channel).collect()
    };
    let points: Vec<f64> = rows.iter().flat_map(standardised).collect();
    let directions = DIRECTIONS.min(channels / 2).max(1);
    let found = principal_space(points, channels, directions)?;
    let at = |channel: usize, direction: usize| found.directions[direction * channels + channel];
    let rounded = |value: f64| f16::from_f64(value).to_f32();
    let space = (0..channels).flat_map(|channel| (0..directions).map(move |direction| (channel, direction)));
    Ok(BlockStatistics {
        block,
        mean,
        scale,
        space: space.map(|(channel, direction)| rounded(at(channel, direction))).collect(),
        residual: found.outside.max(1e-6 * found.total).max(1e-12) as f32,
        distance_mean: 0.0,
        distance_deviation: 1.0,
    })
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::evaluate::fit_novelty;
    use crate::model::{NoveltyFeatures, NoveltyStatistics};

    const CHANNELS: usize = 24;

    /// Images of `cases` cases whose 24 channels move together in 3 ways, and a little by themselves.
    fn drawn(cases: usize, seed: u64) -> Vec<TrainedImage> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut features = || {
            let ways: [f32; 3] = std::array::from_fn(|_| rng.random_range(-1.0..1.0));
            let channel = |channel: usize| {
                let together: f32 = (0..3).map(|way| ways[way] * ((channel * (way + 2)) as f32).sin()).sum();
                1.0 + together + rng.random_range(-0.2..0.2)
            };
            let block = (0..CHANNELS).map(channel).collect();
            NoveltyFeatures { blocks: vec![block], colours: std::array::from_fn(|_| rng.random_range(-1.0..1.0)) }
        };
        let image =
            |index: usize| TrainedImage { case: (index % cases).to_string(), plain: features(), altered: features() };
        (0..10 * cases).map(image).collect()
    }

    fn fitted(images: &[TrainedImage]) -> NoveltyStatistics {
        fit_novelty(&[1], images, 1).unwrap().unwrap()
    }

    #[test]
    fn a_fit_is_repeated_by_its_seed_and_scores_other_such_images_around_0_and_others_far_away() {
        let (images, others) = (drawn(8, 1), drawn(5, 2));
        let statistics = fitted(&images);
        assert_eq!(statistics, fitted(&images));
        assert_ne!(statistics, fit_novelty(&[1], &images, 2).unwrap().unwrap(), "other groups, other scores");
        let scores = |images: &[TrainedImage]| -> Vec<f64> {
            images.iter().map(|image| statistics.novelty(&image.plain).foreign).collect()
        };
        let unseen = scores(&others);
        let mean = unseen.iter().sum::<f64>() / unseen.len() as f64;
        assert!(mean.abs() < 0.7 && unseen.iter().all(|score| score.abs() < 6.0), "{mean} {unseen:?}");
        // One channel that leaves the others.
        let mut alone = others[0].plain.clone();
        alone.blocks[0][5] += 3.0;
        let alone = statistics.novelty(&alone).foreign;
        assert!(alone > 6.0, "{alone}");
    }

    #[test]
    fn directions_are_orthonormal_and_an_image_along_them_has_no_residual() {
        let statistics = &fitted(&drawn(8, 1)).blocks[0];
        let directions = CHANNELS / 2;
        let column =
            |direction: usize| (0..CHANNELS).map(move |channel| statistics.space[channel * directions + direction]);
        for (a, b) in (0..directions).flat_map(|a| (0..=a).map(move |b| (a, b))) {
            let product: f32 = column(a).zip(column(b)).map(|(a, b)| a * b).sum();
            let wanted = if a == b { 1.0 } else { 0.0 };
            assert!((product - wanted).abs() < 5e-3, "{a} {b}: {product}");
        }
        let moved = |by: f32| -> Vec<f32> {
            let along = column(0).zip(&statistics.mean).zip(&statistics.scale);
            along.map(|((direction, mean), scale)| mean + by * direction / scale).collect()
        };
        // In f16 the directions are not quite orthonormal, so a little of what lies along them is left.
        let along = statistics.distance(&moved(0.5));
        assert!(along < f64::from(statistics.distance_mean) - 5.0, "{along}");
        assert!(statistics.distance(&statistics.mean) < -20.0);
    }

    #[test]
    fn images_that_are_all_alike_and_one_case_alone_give_no_nan() {
        let alike = vec![drawn(1, 1)[0].clone(); 4];
        assert!(fit_novelty(&[1], &alike, 1).unwrap().is_none(), "one case leaves no group");
        let mut two = alike.clone();
        two[3].case = "another".to_owned();
        let novelty = fitted(&two).novelty(&drawn(1, 2)[0].plain);
        assert!(novelty.foreign.is_finite() && novelty.stain.is_finite(), "{novelty:?}");
    }
}
