//! Batch norm, ReLU and 1x1 convolution, forward and backward. The normalised input is never kept: it is made a tile
//! at a time, in the cache, where the product needs it, and again in the backward pass.

use std::ops::Range;

use rayon::prelude::*;

use crate::kernels::densenet::training::norm_loops::{normalise_relu, relu_backward};
use crate::kernels::densenet::training::{FeatureGradient, FeatureMaps};
use crate::kernels::matmul::{Matrix, Sizes, matmul, transpose};
use crate::kernels::moments::{Moments, Partial, combined};
use crate::kernels::norm::{BatchNorm, NormGradient, Sums, TileSums};
use crate::kernels::scratch::with_scratch;
use crate::kernels::simd::Level;
use crate::kernels::slices::add_all;

const TILE: usize = 256;
/// Channels that are normalised at once, so that a tile of them leaves room in a level-2 cache.
const DEPTH: usize = 256;
/// Channels whose gradients are made at once.
const BREADTH: usize = 128;
/// Groups of rows of a kernel's gradient; fixed, so that the order of additions does not depend on the threads.
const GROUPS: usize = 8;
/// The fewest rows of a group.
const GROUP: usize = 1024;

/// `out` (rows, filters) of all channels of `input`, and its moments. `weight` is (channels, filters).
pub(crate) fn forward(level: Level, input: &FeatureMaps, norm: &BatchNorm, weight: &[f32], out: &mut [f32]) -> Moments {
    let filters = weight.len() / input.channels();
    let runs = input.runs(input.channels(), DEPTH);
    let tile = |(index, out): (usize, &mut [f32])| {
        let count = out.len() / filters;
        let rows = index * TILE..index * TILE + count;
        for run in &runs {
            let channels = input.run_channels(run);
            let depth = channels.len();
            with_scratch([count * depth], |[act]| {
                for panel in &input.panels[run.clone()] {
                    let slice = norm.slice(panel.channels.start, panel.width());
                    let act = &mut act[panel.channels.start - channels.start..];
                    normalise_relu(level, panel.rows(&rows), slice, act, depth);
                }
                let weight = Matrix::of(&weight[channels.start * filters..channels.end * filters], filters);
                let sizes = Sizes { rows: count, depth, columns: filters };
                matmul(level, Matrix::of(act, depth), weight, out, sizes, channels.start > 0);
            });
        }
        Partial::of(level, out, filters)
    };
    combined(&out.par_chunks_mut(TILE * filters).enumerate().map(tile).collect::<Vec<_>>())
}

/// Backward from `upstream`, the gradient (rows, filters) of what [`forward`] made of the first channels. Adds to the
/// input's `gradient` and returns the kernel's and the norm's.
pub(crate) fn backward(
    level: Level,
    input: &FeatureMaps,
    norm: &BatchNorm,
    weight: &[f32],
    upstream: &[f32],
    gradient: &mut FeatureGradient,
) -> (Vec<f32>, NormGradient) {
    let rows = input.images.rows();
    let filters = upstream.len() / rows;
    let channels = weight.len() / filters;
    let runs = input.runs(channels, BREADTH);
    let group = rows.div_ceil(GROUPS).max(GROUP);
    let mut tasks: Vec<PanelTask<'_>> = Vec::new();
    for start in (0..rows).step_by(group) {
        let rows = start..(start + group).min(rows);
        tasks.extend(runs.iter().map(|run| PanelTask { rows: rows.clone(), run: run.clone(), gradient: Vec::new() }));
    }
    let mut panels = input.panels.iter().zip(&mut gradient.panels);
    for (index, run) in runs.iter().enumerate() {
        for (panel, gradient) in panels.by_ref().take(run.len()) {
            let shares = gradient.chunks_mut(group * panel.width());
            let mine = tasks.iter_mut().skip(index).step_by(runs.len());
            mine.zip(shares).for_each(|(task, share)| task.gradient.push(share));
        }
    }
    // The kernel's gradient of a task's channels, and tile after tile each panel's sums.
    let run = |mut task: PanelTask<'_>| {
        let channels = input.run_channels(&task.run);
        let breadth = channels.len();
        let weight = transpose(&weight[channels.start * filters..channels.end * filters], filters);
        let mut kernel = vec![0.0; breadth * filters];
        let mut sums = Vec::new();
        for start in task.rows.clone().step_by(TILE) {
            let rows = start..(start + TILE).min(task.rows.end);
            let upstream = &upstream[rows.start * filters..rows.end * filters];
            with_scratch([rows.len() * breadth], |[act]| {
                let sizes = Sizes { rows: rows.len(), depth: filters, columns: breadth };
                matmul(level, Matrix::of(upstream, filters), Matrix::of(&weight, breadth), act, sizes, false);
                for (panel, gradient) in input.panels[task.run.clone()].iter().zip(&mut task.gradient) {
                    let width = panel.width();
                    let mut tile = TileSums::none(width);
                    let local = rows.start - task.rows.start..rows.end - task.rows.start;
                    let gradient = &mut gradient[local.start * width..local.end * width];
                    let act = &mut act[panel.channels.start - channels.start..];
                    let slice = norm.slice(panel.channels.start, width);
                    relu_backward(level, panel.rows(&rows), slice, (act, breadth), gradient, &mut tile);
                    sums.push(tile);
                }
                let sizes = Sizes { rows: breadth, depth: rows.len(), columns: filters };
                matmul(
                    level,
                    Matrix::transposed(act, breadth),
                    Matrix::of(upstream, filters),
                    &mut kernel,
                    sizes,
                    true,
                );
            });
        }
        (kernel, sums)
    };
    let done: Vec<(Vec<f32>, Vec<TileSums>)> = tasks.into_par_iter().map(run).collect();

    let mut kernel = vec![0.0; weight.len()];
    let mut sums = Sums::<f64>::none(channels);
    for (index, run) in runs.iter().enumerate() {
        let mine: Vec<&(Vec<f32>, Vec<TileSums>)> = done.iter().skip(index).step_by(runs.len()).collect();
        let channels = input.run_channels(run);
        let kernel = &mut kernel[channels.start * filters..channels.end * filters];
        add_all(kernel, &mine.iter().map(|(kernel, _)| kernel.as_slice()).collect::<Vec<_>>());
        let firsts = run.clone().map(|panel| input.panels[panel].channels.start).cycle();
        for (_, tiles) in mine {
            firsts.clone().zip(tiles).for_each(|(first, tile)| sums.add(first, tile));
        }
    }
    let norm = norm.gradient(&sums, rows);
    gradient.correction.add(&norm.correction);
    (kernel, norm)
}

/// Some rows of a run of panels.
struct PanelTask<'a> {
    rows: Range<usize>,
    run: Range<usize>,
    /// These rows of each panel's gradient.
    gradient: Vec<&'a mut [f32]>,
}
