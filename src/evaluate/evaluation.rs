//! Everything that `lobule evaluate` finds of a network: its figures, those of the controls, mild shifts, and all of it by
//! magnification, by subtype and by case.
//!
//! In: [`Predictions`]. Out: an [`Evaluation`], which is also the JSON object that programs read.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, Serializer};

use crate::diagnosis::{Probability, Threshold};
use crate::evaluate::Paired;
use crate::evaluate::controls::Control;
use crate::evaluate::figures::{ControlFigures, Figures, ShiftFigures};
use crate::evaluate::metrics::intervals::{Interval, over_cases};
use crate::evaluate::metrics::selective::errors_by_coverage;
use crate::evaluate::metrics::{Metric, PerMetric};
use crate::evaluate::predictions::Predictions;

/// How an evaluation was made.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Setting {
    pub(crate) threshold: Threshold,
    pub(crate) exchanges: usize,
    pub(crate) exchange_seed: u64,
    /// Turns and mirror images of each image whose margins are averaged.
    #[serde(default = "one")]
    pub(crate) views: usize,
    pub(crate) controls_fitted_to: String,
    /// Whose taps the frozen ones are, in words; why there are none, where there are none.
    pub frozen_taps: String,
}

fn one() -> usize {
    1
}

/// How many of the measured images the network was trained on, or on others of the same case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct TrainedOnThese {
    /// Measured images of cases that the network was trained on.
    pub images: usize,
    pub(crate) cases: usize,
}

impl TrainedOnThese {
    /// Counts the images of cases in `trained_on`; none where that list is empty, so that nobody knows.
    pub fn of(predictions: &Predictions, trained_on: &[String]) -> Option<Self> {
        let mut cases = predictions.groups(|subject| subject.case.clone());
        cases.retain(|case, _| trained_on.contains(case));
        let images = cases.values().map(Vec::len).sum();
        (!trained_on.is_empty()).then_some(Self { images, cases: cases.len() })
    }
}

/// The network and the controls over some of the images.
#[derive(Clone, Debug, Serialize)]
pub struct Section {
    #[serde(flatten)]
    pub(crate) figures: Figures,
    /// Those of each control; none where it could not be fitted.
    pub controls: BTreeMap<Control, Option<ControlFigures>>,
    /// The network's on shifted images; empty where they were not asked for.
    pub shifts: Vec<ShiftFigures>,
}

/// Images of one subtype or case, which are all of one class.
#[derive(Clone, Debug, Serialize)]
pub struct Group {
    /// What they show: `benign` or `malignant`.
    pub truth: &'static str,
    pub(crate) n: usize,
    pub(crate) mean_probability: f64,
    /// The share that is called what it is.
    pub recall: f64,
    /// The share of decisions that change when colours are exchanged.
    pub changed: Option<f64>,
}

/// The surest images, which are answered, and the errors among them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Coverage {
    /// The share of images that are answered.
    pub(crate) coverage: f64,
    pub(crate) answered: usize,
    /// The share of wrong decisions among these.
    pub(crate) risk: f64,
}

impl Coverage {
    /// From all images to the surest tenth; fewer rows where two would be the same images.
    fn in_tenths(predictions: &Predictions, threshold: Threshold) -> Vec<Self> {
        let errors = errors_by_coverage(&predictions.scored(), threshold);
        let n = errors.len() as f64;
        let answered = (1..=10).rev().map(|tenths| (n * f64::from(tenths) / 10.0).round() as usize);
        let mut answered: Vec<usize> = answered.filter(|answered| *answered > 0).collect();
        answered.dedup();
        let row = |answered: usize| Self {
            coverage: answered as f64 / n,
            answered,
            risk: errors[answered - 1] / answered as f64,
        };
        answered.into_iter().map(row).collect()
    }
}

/// Everything that is found of a network.
#[derive(Clone, Debug, Serialize)]
pub struct Evaluation {
    #[serde(flatten)]
    pub(crate) all: Section,
    /// Measured images that it was trained on; none where the weights file does not say.
    pub trained_on_these: Option<TrainedOnThese>,
    #[serde(serialize_with = "those_with_intervals")]
    pub(crate) intervals: PerMetric<Interval>,
    /// By magnification, where it is known.
    pub magnifications: BTreeMap<u32, Section>,
    /// By subtype, in its abbreviation.
    pub subtypes: BTreeMap<String, Group>,
    pub(crate) cases: BTreeMap<String, Group>,
    /// What is gained by leaving the least sure images to a person, from all images to the surest tenth.
    pub(crate) risk_coverage: Vec<Coverage>,
    /// The difference to another network on the same images, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub against: Option<Paired>,
    pub(crate) setting: Setting,
}

fn those_with_intervals<S: Serializer>(intervals: &PerMetric<Interval>, serializer: S) -> Result<S::Ok, S::Error> {
    let metrics = Metric::ALL.into_iter().filter(|metric| metric.has_interval());
    serializer.collect_map(metrics.map(|metric| (metric.key(), intervals[metric])))
}

impl Evaluation {
    /// Measures a network; `trained_on` are the cases that it was trained on, as far as its weights file says.
    pub fn of(predictions: &Predictions, trained_on: &[String], setting: Setting) -> Self {
        let threshold = setting.threshold;
        let section = |indices: &[usize]| Section::of(predictions, indices, threshold);
        let by_magnification = predictions.groups(|subject| subject.stratum.map(|stratum| stratum.magnification));
        let known = by_magnification.into_iter().filter_map(|(times, indices)| Some((times?, section(&indices))));
        let groups = |groups: BTreeMap<String, Vec<usize>>| {
            groups.into_iter().map(|(name, indices)| (name, Group::of(predictions, &indices, threshold))).collect()
        };
        Self {
            all: section(&predictions.all()),
            trained_on_these: TrainedOnThese::of(predictions, trained_on),
            intervals: over_cases(predictions, threshold),
            magnifications: known.collect(),
            subtypes: groups(predictions.groups(|subject| subject.subtype.clone())),
            cases: groups(predictions.groups(|subject| subject.case.clone())),
            risk_coverage: Coverage::in_tenths(predictions, threshold),
            against: None,
            setting,
        }
    }
}

impl Section {
    fn of(predictions: &Predictions, indices: &[usize], threshold: Threshold) -> Self {
        let control = |control| (control, ControlFigures::of(control, predictions, indices));
        let shift = |(shift, margins): &(crate::pixels::Shift, Vec<f64>)| {
            ShiftFigures::of(*shift, margins, (predictions, indices), threshold)
        };
        Self {
            figures: Figures::of(predictions, indices, threshold),
            controls: Control::ALL.map(control).into_iter().collect(),
            shifts: predictions.shifted.iter().map(shift).collect(),
        }
    }
}

impl Group {
    fn of(predictions: &Predictions, indices: &[usize], threshold: Threshold) -> Self {
        let figures = Figures::of(predictions, indices, threshold);
        let probability = |index: &usize| Probability::from_margin(predictions.network.plain[*index]).get();
        let n = indices.len();
        Self {
            truth: indices.first().map_or("", |index| predictions.subjects[*index].truth.lower()),
            n,
            mean_probability: indices.iter().map(probability).sum::<f64>() / n.max(1) as f64,
            recall: figures.get(Metric::Accuracy).unwrap_or(0.0),
            changed: figures.get(Metric::Changed),
        }
    }
}
