//! The channels of a dense block, kept in panels: row-major matrices of a few channels each, one row a pixel. A layer
//! appends a panel, so nothing is concatenated, and a tile of rows lies in one piece.

use std::ops::Range;

use crate::kernels::densenet::training::norm_loops::correct;
use crate::kernels::densenet::training::{BatchShape, Workspace};
use crate::kernels::{Level, Moments, norm::Correction};

pub(crate) const WIDEST: usize = 128;

/// Some channels of all pixels.
pub(crate) struct Panel {
    /// Its channels among those of the block.
    pub(crate) channels: Range<usize>,
    /// A row of these channels for each pixel.
    pub(crate) data: Vec<f32>,
}

impl Panel {
    pub(crate) fn width(&self) -> usize {
        self.channels.len()
    }

    /// Its rows in a range.
    pub(crate) fn rows(&self, rows: &Range<usize>) -> &[f32] {
        &self.data[rows.start * self.width()..rows.end * self.width()]
    }
}

/// What a block has made of the images so far, and each channel's moments over all pixels.
pub(crate) struct FeatureMaps {
    pub(crate) images: BatchShape,
    pub(crate) panels: Vec<Panel>,
    pub(crate) moments: Moments,
}

impl FeatureMaps {
    /// Panels for `channels` channels, their contents still to be written.
    pub(crate) fn empty(workspace: &mut Workspace, images: BatchShape, channels: usize) -> Self {
        let starts = (0..channels).step_by(WIDEST);
        let panel = |start: usize| {
            let channels = start..(start + WIDEST).min(channels);
            Panel { data: workspace.take(images.rows() * channels.len()), channels }
        };
        let moments = Moments { mean: Vec::new(), variance: Vec::new() };
        Self { images, panels: starts.map(panel).collect(), moments }
    }

    pub(crate) fn channels(&self) -> usize {
        self.panels.last().map_or(0, |panel| panel.channels.end)
    }

    pub(crate) fn push(&mut self, data: Vec<f32>, moments: &Moments) {
        let first = self.channels();
        self.panels.push(Panel { channels: first..first + moments.mean.len(), data });
        self.moments.mean.extend(&moments.mean);
        self.moments.variance.extend(&moments.variance);
    }

    pub(crate) fn release(self, workspace: &mut Workspace) {
        self.panels.into_iter().for_each(|panel| workspace.give(panel.data));
    }

    /// The panels of the first `channels` channels.
    pub(crate) fn up_to(&self, channels: usize) -> &[Panel] {
        &self.panels[..self.panels.partition_point(|panel| panel.channels.end <= channels)]
    }

    /// Runs of neighbouring panels of the first `channels` channels, each run at most `widest` channels wide.
    pub(crate) fn runs(&self, channels: usize, widest: usize) -> Vec<Range<usize>> {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (index, panel) in self.up_to(channels).iter().enumerate() {
            match runs.last_mut() {
                Some(run) if panel.channels.end - self.panels[run.start].channels.start <= widest => run.end += 1,
                _ => runs.push(index..index + 1),
            }
        }
        runs
    }

    pub(crate) fn run_channels(&self, run: &Range<usize>) -> Range<usize> {
        self.panels[run.start].channels.start..self.panels[run.end - 1].channels.end
    }
}

/// The gradient of [`FeatureMaps`], panel by panel, as the layers behind add to it. What they all take away is kept as
/// coefficients until a panel is needed.
pub(crate) struct FeatureGradient {
    pub(crate) panels: Vec<Vec<f32>>,
    pub(crate) correction: Correction,
}

impl FeatureGradient {
    /// One for these features, its contents still to be written.
    pub(crate) fn empty(workspace: &mut Workspace, features: &FeatureMaps) -> Self {
        let panels = features.panels.iter().map(|panel| workspace.take(panel.data.len())).collect();
        Self { panels, correction: Correction::none(features.channels()) }
    }

    pub(crate) fn release(self, workspace: &mut Workspace) {
        self.panels.into_iter().for_each(|panel| workspace.give(panel));
    }

    /// Settles some rows of a panel: takes away what was put off.
    pub(crate) fn settle(
        &self,
        level: Level,
        features: &FeatureMaps,
        panel: usize,
        rows: &Range<usize>,
        out: &mut [f32],
    ) {
        let Panel { channels, .. } = &features.panels[panel];
        let correction = (&self.correction.slope[channels.clone()], &self.correction.offset[channels.clone()]);
        let width = channels.len();
        out.copy_from_slice(&self.panels[panel][rows.start * width..rows.end * width]);
        let mean = &features.moments.mean[channels.clone()];
        correct(level, features.panels[panel].rows(rows), mean, None, correction, out);
    }
}
