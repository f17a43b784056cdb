//! The statistics of a training's images that novelty is measured by, and the tensors that hold them in a weights file.
//!
//! | tensor | shape | what it holds |
//! |---|---|---|
//! | `novelty.block1.mean`, `.scale` | (channels) | of each channel the mean, and one over the standard deviation |
//! | `novelty.block1.space` | (channels, directions), f16 | orthonormal directions in which the scaled channels vary most |
//! | `novelty.block1.residual` | (3) | the mean squared length outside of these; the mean and the standard deviation of its logarithm |
//! | `novelty.colours.mean`, `.whitening` | (9), (9, 9) | of the colours the mean, and a root of the inverse covariance |
//!
//! The same for further blocks.

use crate::kernels::Level;
use crate::model::novelty::{Novelty, NoveltyFeatures};
use crate::model::{Architecture, StoredTensor, StoredTensors};
use crate::pixels::ColourMoments;

/// How the names of the tensors begin.
const PREFIX: &str = "novelty.";

/// What the features of a training's images are like.
#[derive(Clone, Debug, PartialEq)]
pub struct NoveltyStatistics {
    /// Those of what the backbone sees, a dense block each.
    pub blocks: Vec<BlockStatistics>,
    /// Those of the colours.
    pub colours: ColourDistribution,
}

/// The means behind one dense block, over the images of a training.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockStatistics {
    /// The number of the block, from 1.
    pub block: usize,
    /// The mean of each channel.
    pub mean: Vec<f32>,
    /// What a channel's distance from its mean is multiplied by: one over its standard deviation.
    pub scale: Vec<f32>,
    /// Orthonormal directions in which the scaled channels vary most: (channels, directions).
    pub space: Vec<f32>,
    /// The mean over the images of the squared length outside of these directions, above 0.
    pub residual: f32,
    /// The mean of [`Self::distance`] over images that did not give the directions.
    pub distance_mean: f32,
    /// Its standard deviation over them, above 0.
    pub distance_deviation: f32,
}

/// A normal distribution of [`ColourMoments::shape`].
#[derive(Clone, Debug, PartialEq)]
pub struct ColourDistribution {
    /// The mean.
    pub mean: [f32; ColourMoments::SHAPE],
    /// A matrix, a row each, that makes the covariance the identity.
    pub whitening: [[f32; ColourMoments::SHAPE]; ColourMoments::SHAPE],
}

/// The blocks that novelty is measured at, from 1: the first two and the last.
pub(super) fn blocks_of(architecture: &Architecture) -> Vec<usize> {
    let mut blocks = match architecture.channels_of_blocks().len() {
        0 => Vec::new(),
        count => vec![1, 2, count],
    };
    blocks.dedup();
    blocks
}

impl NoveltyStatistics {
    /// The blocks at which networks of an architecture are looked at, from 1; none where they have no blocks.
    pub fn blocks_of(architecture: &Architecture) -> Vec<usize> {
        blocks_of(architecture)
    }

    /// How unlike the training's images one with these features is.
    pub fn novelty(&self, features: &NoveltyFeatures) -> Novelty {
        let scores = self.blocks.iter().zip(&features.blocks).map(|(statistics, means)| statistics.score(means));
        let foreign = scores.sum::<f64>() / self.blocks.len().max(1) as f64;
        Novelty { foreign, stain: self.colours.distance(&features.colours) }
    }

    /// As a weights file holds them.
    pub(in crate::model) fn tensors(&self) -> StoredTensors {
        let mut tensors = StoredTensors::new();
        let mut put = |name: String, shape: &[usize], data: Vec<f32>| {
            tensors.insert(format!("{PREFIX}{name}"), StoredTensor { shape: shape.to_vec(), data });
        };
        for statistics in &self.blocks {
            let BlockStatistics { block, mean, scale, space, residual, distance_mean, distance_deviation } = statistics;
            let channels = mean.len();
            put(format!("block{block}.mean"), &[channels], mean.clone());
            put(format!("block{block}.scale"), &[scale.len()], scale.clone());
            put(format!("block{block}.space"), &[channels, space.len() / channels.max(1)], space.clone());
            let residual = vec![*residual, *distance_mean, *distance_deviation];
            put(format!("block{block}.residual"), &[3], residual);
        }
        put("colours.mean".into(), &[ColourMoments::SHAPE], self.colours.mean.to_vec());
        let whitening = self.colours.whitening.as_flattened().to_vec();
        put("colours.whitening".into(), &[ColourMoments::SHAPE; 2], whitening);
        tensors
    }

    /// Whether a tensor of that name is rounded to f16 in a weights file.
    pub(in crate::model) fn is_half(name: &str) -> bool {
        name.starts_with(PREFIX) && name.ends_with(".space")
    }

    /// Takes the statistics out of the tensors of a file; none where there are none of them.
    ///
    /// # Errors
    /// A sentence that says which tensor is missing, unexpected, of another shape or holds what cannot be measured by.
    pub(in crate::model) fn take_from(
        tensors: &mut StoredTensors,
        architecture: &Architecture,
    ) -> Result<Option<Self>, String> {
        let mut own = StoredTensors::new();
        while let Some(name) = tensors.keys().find(|name| name.starts_with(PREFIX)).cloned() {
            own.extend(tensors.remove_entry(&name));
        }
        if own.is_empty() {
            return Ok(None);
        }
        let mut take = |name: String, shape: &[Option<usize>]| {
            let name = format!("{PREFIX}{name}");
            let StoredTensor { shape: found, data } =
                own.remove(&name).ok_or_else(|| format!("the tensor {name} is missing"))?;
            let fits = found.len() == shape.len() && found.iter().zip(shape).all(|(a, b)| b.is_none_or(|b| b == *a));
            if !fits {
                let wanted: Vec<String> = shape.iter().map(|n| n.map_or("any".into(), |n| n.to_string())).collect();
                return Err(format!("the tensor {name} has the shape {found:?} and not [{}]", wanted.join(", ")));
            }
            match data.iter().all(|value| value.is_finite()) {
                true => Ok(data),
                false => Err(format!("the tensor {name} holds NaN or infinity")),
            }
        };
        let channels = architecture.channels_of_blocks();
        let mut block = |block: usize| {
            let channels = channels[block - 1];
            let mean = take(format!("block{block}.mean"), &[Some(channels)])?;
            let scale = take(format!("block{block}.scale"), &[Some(channels)])?;
            if let Some(scale) = scale.iter().find(|scale| **scale <= 0.0) {
                return Err(format!("the tensor {PREFIX}block{block}.scale holds {scale}, which must be above 0"));
            }
            let space = take(format!("block{block}.space"), &[Some(channels), None])?;
            if !is_orthonormal(&space, channels) {
                return Err(format!(
                    "the tensor {PREFIX}block{block}.space does not hold orthonormal directions, fewer than channels"
                ));
            }
            let residual = take(format!("block{block}.residual"), &[Some(3)])?;
            let (residual, distance_mean, distance_deviation) = (residual[0], residual[1], residual[2]);
            if !(residual > 0.0 && distance_deviation > 0.0) {
                let numbers = format!("{residual} and {distance_deviation}");
                return Err(format!("the tensor {PREFIX}block{block}.residual holds {numbers}, which must be above 0"));
            }
            Ok(BlockStatistics { block, mean, scale, space, residual, distance_mean, distance_deviation })
        };
        let blocks = blocks_of(architecture).into_iter().map(&mut block).collect::<Result<_, String>>()?;
        let mean = take("colours.mean".into(), &[Some(ColourMoments::SHAPE)])?;
        let whitening = take("colours.whitening".into(), &[Some(ColourMoments::SHAPE); 2])?;
        let colours = ColourDistribution {
            mean: std::array::from_fn(|column| mean[column]),
            whitening: std::array::from_fn(|row| {
                std::array::from_fn(|column| whitening[row * ColourMoments::SHAPE + column])
            }),
        };
        match own.keys().next() {
            Some(name) => Err(format!("the tensor {name} is unexpected")),
            None => Ok(Some(Self { blocks, colours })),
        }
    }
}

/// Whether the columns of a matrix with so many rows, of which there are fewer and at least one, are orthonormal, as far
/// as f16 holds them. Every start of the service asks, so a row is read once.
fn is_orthonormal(space: &[f32], rows: usize) -> bool {
    const F16: f32 = 1e-2;
    let columns = space.len() / rows.max(1);
    if !(1..rows).contains(&columns) {
        return false;
    }
    let mut products = vec![0.0_f32; columns * columns];
    for row in space.chunks_exact(columns) {
        for (value, sums) in row.iter().zip(products.chunks_exact_mut(columns)) {
            sums.iter_mut().zip(row).for_each(|(sum, other)| *sum += value * other);
        }
    }
    let expected = |at: usize| f32::from(u8::from(at / columns == at % columns));
    products.iter().enumerate().all(|(at, product)| (product - expected(at)).abs() < F16)
}

impl BlockStatistics {
    /// The logarithm of an image's squared length outside of the directions, divided by that of the training's images; NaN
    /// where the numbers overflow.
    pub fn distance(&self, means: &[f32]) -> f64 {
        let scaled = means.iter().zip(&self.mean).zip(&self.scale);
        let directions = self.space.len() / self.mean.len().max(1);
        let (mut length, mut within) = (0.0, vec![0.0_f32; directions]);
        Level::default().vectorize(
            #[inline(always)]
            || {
                for (((value, mean), scale), row) in scaled.zip(self.space.chunks_exact(directions.max(1))) {
                    let value = (value - mean) * scale;
                    length += f64::from(value).powi(2);
                    for (sum, direction) in within.iter_mut().zip(row) {
                        *sum += value * direction;
                    }
                }
            },
        );
        let within: f64 = within.into_iter().map(|sum| f64::from(sum).powi(2)).sum();
        if !(length.is_finite() && within.is_finite()) {
            return f64::NAN;
        }
        let outside = (length - within).max(0.0); // rounding may leave less than nothing
        (outside / f64::from(self.residual) + SMALLEST).ln()
    }

    /// [`Self::distance`] in standard deviations from its mean.
    pub fn score(&self, means: &[f32]) -> f64 {
        (self.distance(means) - f64::from(self.distance_mean)) / f64::from(self.distance_deviation)
    }
}

/// Added to the share of a residual, so that the logarithm of none at all is finite.
const SMALLEST: f64 = 1e-9;

impl ColourDistribution {
    /// The squared Mahalanobis distance.
    pub fn distance(&self, colours: &[f64; ColourMoments::SHAPE]) -> f64 {
        let from_mean: [f64; ColourMoments::SHAPE] = std::array::from_fn(|i| colours[i] - f64::from(self.mean[i]));
        let along = |row: &[f32; ColourMoments::SHAPE]| {
            row.iter().zip(from_mean).map(|(weight, value)| f64::from(*weight) * value).sum::<f64>()
        };
        self.whitening.iter().map(|row| along(row).powi(2)).sum()
    }
}
