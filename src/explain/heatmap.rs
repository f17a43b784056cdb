//! The maps of all taps as one.

use crate::model::{ContributionMap, Explanation};
use crate::pixels::Dihedral;

/// What the places of an image say, in units of the margin before it is divided by the temperature: above 0 they speak for
/// malignant, below 0 for benign.
///
/// Each value is the margin if all places were as this one is and the units of the head that are active on this image
/// stayed active; so their mean is the image's margin. The constant belongs to no place and is added to every value.
#[derive(Clone, Debug)]
pub struct Heatmap {
    side: usize,
    values: Vec<f32>,
}

impl Heatmap {
    /// Brings the maps of an explanation to the side of the finest, bilinearly. Where the sides divide each other, as
    /// those of DenseNet121 do at 128 pixels, that keeps each map's sum; elsewhere it does so nearly.
    pub fn of(explanation: &Explanation) -> Self {
        let side = explanation.maps.iter().map(|map| map.side).max().unwrap_or(0);
        let mut values = vec![explanation.constant; side * side];
        for ContributionMap { side: own, values: added } in &explanation.maps {
            let axis: Vec<_> = (0..side).map(|index| between(index, side, *own)).collect();
            let share = (own * own) as f64;
            for (row, line) in axis.iter().zip(values.chunks_exact_mut(side)) {
                for (column, value) in axis.iter().zip(line) {
                    *value += share * bilinear(*row, *column, |y, x| added[y * own + x]);
                }
            }
        }
        Self { side, values: values.into_iter().map(|value| value as f32).collect() }
    }

    /// The mean of the heatmaps of an image's views, which all have one side, each turned back.
    pub(super) fn mean_of_views(views: &[(Dihedral, Self)]) -> Self {
        let side = views.first().map_or(0, |(_, heatmap)| heatmap.side);
        let mut values = vec![0.0; side * side];
        for (view, heatmap) in views {
            for (index, value) in heatmap.values.iter().enumerate() {
                let (y, x) = view.source((index / side, index % side), side - 1);
                values[y * side + x] += value / views.len() as f32;
            }
        }
        Self { side, values }
    }

    /// Rows, and values of a row.
    pub fn side(&self) -> usize {
        self.side
    }

    /// (side, side): rows from the top, values from the left.
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The largest value either way: the colours reach from minus this to this.
    pub fn range(&self) -> f64 {
        self.values.iter().fold(0.0_f64, |most, value| most.max(f64::from(value.abs())))
    }

    /// The heatmap at so many pixels, bilinearly.
    pub(super) fn at_size(&self, width: u32, height: u32) -> Vec<f32> {
        let column = |x| between(x, width as usize, self.side);
        let columns: Vec<_> = (0..width as usize).map(column).map(|(a, b, share)| (a, b, share as f32)).collect();
        let mut line = vec![0.0; self.side];
        let mut pixels = Vec::with_capacity(width as usize * height as usize);
        for y in 0..height as usize {
            // A row of the heatmap between two of its own; then along it.
            let (above, below, share) = between(y, height as usize, self.side);
            let rows = self.values[above * self.side..].iter().zip(&self.values[below * self.side..]);
            line.iter_mut().zip(rows).for_each(|(value, (a, b))| *value = a + share as f32 * (b - a));
            pixels.extend(columns.iter().map(|&(left, right, share)| {
                let (a, b): (f32, f32) = (line[left], line[right]);
                a + share * (b - a)
            }));
        }
        pixels
    }
}

/// The two of `own` positions that one of `all` lies between, and the share of the second; half-pixel centres, and the
/// outermost position beyond it.
fn between(index: usize, all: usize, own: usize) -> (usize, usize, f64) {
    let at = ((index as f64 + 0.5) * own as f64 / all as f64 - 0.5).clamp(0.0, own.saturating_sub(1) as f64);
    let first = at as usize;
    (first, (first + 1).min(own.saturating_sub(1)), at - first as f64)
}

fn bilinear(rows: (usize, usize, f64), columns: (usize, usize, f64), at: impl Fn(usize, usize) -> f64) -> f64 {
    let (left, right, share) = columns;
    let along = |y| at(y, left) * (1.0 - share) + at(y, right) * share;
    along(rows.0) * (1.0 - rows.2) + along(rows.1) * rows.2
}
