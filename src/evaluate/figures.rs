//! The figures of a network and of the controls beside it, over some of the predictions.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

use crate::diagnosis::{Label, Probability, Threshold};
use crate::evaluate::Stratum;
use crate::evaluate::controls::Control;
use crate::evaluate::metrics::classification::ClassificationReport;
use crate::evaluate::metrics::decisions::{Confusion, Scored, nll};
use crate::evaluate::metrics::intervals::mean_of_all;
use crate::evaluate::metrics::ranking::{roc_auc, roc_auc_within};
use crate::evaluate::metrics::selective::{augrc, aurc, error_left};
use crate::evaluate::metrics::{Metric, PerMetric, Source};
use crate::evaluate::predictions::{Margins, Predictions};
use crate::model::Prediction;

/// The figures of a network over some images at one threshold.
#[derive(Clone, Debug, PartialEq)]
pub struct Figures {
    pub(crate) n: usize,
    pub(crate) confusion: Confusion,
    pub(crate) metrics: PerMetric<Option<f64>>,
}

/// The figures of a control over the same images: [`Metric::OF_CONTROLS`] and their [`Metric::Choice`].
#[derive(Clone, Debug, PartialEq)]
pub struct ControlFigures(PerMetric<Option<f64>>);

/// A network on images that were shifted: [`Metric::OF_SHIFTS`].
#[derive(Clone, Debug, PartialEq)]
pub struct ShiftFigures {
    pub(crate) name: &'static str,
    /// How far, see [`crate::pixels::Shift::severity`].
    pub severity: f64,
    metrics: PerMetric<Option<f64>>,
}

impl Figures {
    /// The network's figures over the images at `indices`, which may come several times.
    pub fn of(predictions: &Predictions, indices: &[usize], threshold: Threshold) -> Self {
        let subset = Subset::new(predictions, indices, &predictions.network, threshold);
        Self { n: indices.len(), confusion: subset.confusion, metrics: subset.metrics(&Metric::ALL) }
    }

    /// Those that come from decisions alone; the others are not defined.
    pub fn of_decisions(scored: &[Scored], threshold: Threshold) -> Self {
        let confusion = Confusion::at(scored, threshold);
        let metric = |metric: Metric| match metric.source() {
            Source::Decisions(of) => of(scored, confusion),
            Source::Images(_) | Source::Metrics(_) => None,
        };
        Self { n: scored.len(), confusion, metrics: PerMetric::of(metric) }
    }

    /// A metric; none where it is not defined (without a malignant image, say).
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.metrics[metric]
    }

    /// scikit-learn's classification report.
    pub fn classification_report(&self) -> ClassificationReport {
        ClassificationReport::of(self.confusion)
    }

    /// Those that weights files carry, by their names there.
    pub fn in_weights_files(&self) -> impl Iterator<Item = (&'static str, f64)> {
        Metric::ALL.into_iter().filter_map(|metric| Some((metric.in_weights_files()?, self.get(metric)?)))
    }
}

impl ControlFigures {
    /// A control's figures over the images at `indices`; decisions are made at one half. None where the control is not
    /// among the predictions.
    pub fn of(control: Control, predictions: &Predictions, indices: &[usize]) -> Option<Self> {
        let margins = predictions.control(control)?;
        let subset = Subset::new(predictions, indices, margins, Threshold::HALF);
        Some(Self(subset.metrics(&Metric::OF_CONTROLS)))
    }

    /// Those of all controls among the predictions, over all images.
    pub fn all(predictions: &Predictions) -> Vec<(Control, Self)> {
        let of = |control| Some((control, Self::of(control, predictions, &predictions.all())?));
        Control::ALL.into_iter().filter_map(of).collect()
    }

    /// The mean of each figure over several runs; none where one of them has none.
    pub fn mean<'a>(runs: impl Iterator<Item = &'a Self> + Clone) -> Self {
        Self(PerMetric::of(|metric| mean_of_all(runs.clone().map(|run| run.get(metric)))).derived())
    }

    /// A metric; none where it is not defined, or controls have none.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.0[metric]
    }
}

impl ShiftFigures {
    /// Those of a shift with these margins of all images, over the images at `indices`.
    pub(crate) fn of(
        shift: crate::pixels::Shift,
        margins: &[f64],
        (predictions, indices): (&Predictions, &[usize]),
        threshold: Threshold,
    ) -> Self {
        // The images as they are stand for the copies, so that the share of decisions that change comes out.
        let margins = Margins { plain: margins.to_vec(), exchanged: vec![predictions.network.plain.clone()] };
        let subset = Subset::new(predictions, indices, &margins, threshold);
        Self { name: shift.name(), severity: shift.severity(), metrics: subset.metrics(&Metric::OF_SHIFTS) }
    }

    /// A metric; none where it is not defined, or shifts have none.
    pub fn get(&self, metric: Metric) -> Option<f64> {
        self.metrics[metric]
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("n", &self.n)?;
        let of_decisions = |metric: &Metric| matches!(metric.source(), Source::Decisions(_));
        let (first, others): (Vec<Metric>, Vec<Metric>) = Metric::ALL.into_iter().partition(of_decisions);
        write_metrics(&mut map, &first, &self.metrics)?;
        map.serialize_entry("confusion", &self.confusion)?;
        map.serialize_entry("classification_report", &self.classification_report())?;
        write_metrics(&mut map, &others, &self.metrics)?;
        map.end()
    }
}

impl Serialize for ControlFigures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let [area, others @ .., loss] = Metric::OF_CONTROLS;
        write_metrics(&mut map, &[area, loss], &self.0)?;
        write_metrics(&mut map, &others, &self.0)?;
        map.end()
    }
}

impl Serialize for ShiftFigures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("name", self.name)?;
        map.serialize_entry("severity", &self.severity)?;
        let [others @ .., changed] = Metric::OF_SHIFTS;
        write_metrics(&mut map, &others, &self.metrics)?;
        // Nothing was exchanged, so it does not stand in an object of that name.
        map.serialize_entry(changed.key(), &self.get(changed))?;
        map.end()
    }
}

/// Writes metrics at their places in a JSON object; neighbours of one inner object stand in it together.
fn write_metrics<M: SerializeMap>(
    map: &mut M,
    metrics: &[Metric],
    values: &PerMetric<Option<f64>>,
) -> Result<(), M::Error> {
    let value = |metric: Metric| match values[metric] {
        Some(count) if metric.is_a_count() => Value::from(count as usize),
        value => Value::from(value),
    };
    let places: Vec<_> = metrics.iter().filter_map(|metric| Some((metric.json()?, value(*metric)))).collect();
    for inner in places.chunk_by(|((a, _), _), ((b, _), _)| a == b) {
        match inner {
            [((object, _), _), ..] if !object.is_empty() => map.serialize_entry(object, &Inner(inner))?,
            _ => inner.iter().try_for_each(|((_, name), value)| map.serialize_entry(name, value))?,
        }
    }
    Ok(())
}

/// The metrics of an inner object, with their places.
struct Inner<'a>(&'a [((&'static str, &'static str), Value)]);

impl Serialize for Inner<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|((_, name), value)| (name, value)))
    }
}

fn decide(margin: f64, threshold: Threshold) -> Label {
    threshold.decide(Probability::from_margin(margin))
}

/// Some images of the predictions with the margins of a network or a control: what metrics are computed from.
pub(crate) struct Subset<'a> {
    predictions: &'a Predictions,
    indices: &'a [usize],
    margins: &'a Margins,
    threshold: Threshold,
    scored: Vec<Scored>,
    confusion: Confusion,
    /// The copies with the colours of others, a draw after the other.
    copies: Vec<Scored>,
    strata: Vec<Option<Stratum>>,
}

impl<'a> Subset<'a> {
    fn new(predictions: &'a Predictions, indices: &'a [usize], margins: &'a Margins, threshold: Threshold) -> Self {
        let of = |margins: &Vec<f64>| scored(predictions, indices, margins);
        let scored = of(&margins.plain);
        let confusion = Confusion::at(&scored, threshold);
        let copies = margins.exchanged.iter().flat_map(of).collect();
        let strata = indices.iter().map(|index| predictions.subjects[*index].stratum).collect();
        Self { predictions, indices, margins, threshold, scored, confusion, copies, strata }
    }

    /// These metrics, and those that are computed from them; the others are none.
    fn metrics(&self, wanted: &[Metric]) -> PerMetric<Option<f64>> {
        let metric = |metric: Metric| match metric.source() {
            _ if !wanted.contains(&metric) => None,
            Source::Decisions(of) => of(&self.scored, self.confusion),
            Source::Images(of) => of(self),
            Source::Metrics(_) => None,
        };
        PerMetric::of(metric).derived()
    }

    pub(crate) fn aurc(&self) -> Option<f64> {
        aurc(&self.scored, self.threshold)
    }

    pub(crate) fn augrc(&self) -> Option<f64> {
        augrc(&self.scored, self.threshold)
    }

    pub(crate) fn error_left(&self) -> Option<f64> {
        error_left(&self.scored, self.threshold, 0.2)
    }

    pub(crate) fn within_strata(&self) -> Option<f64> {
        roc_auc_within(&self.scored, &self.strata)
    }

    pub(crate) fn exchanged(&self) -> Option<f64> {
        roc_auc(&self.copies)
    }

    pub(crate) fn exchanged_within_strata(&self) -> Option<f64> {
        roc_auc_within(&self.copies, &self.strata.repeat(self.margins.exchanged.len()))
    }

    pub(crate) fn changed(&self) -> Option<f64> {
        let (mut changed, mut all) = (0, 0);
        for draw in &self.margins.exchanged {
            for &index in self.indices {
                let [plain, copy] = [&self.margins.plain, draw].map(|margins| decide(margins[index], self.threshold));
                changed += usize::from(plain != copy);
                all += 1;
            }
        }
        (all > 0).then(|| changed as f64 / all as f64)
    }

    /// The images that the mean colour calls wrongly.
    fn hard(&self) -> Option<Vec<usize>> {
        let colour = self.predictions.control(Control::MeanColour)?;
        let subjects = &self.predictions.subjects;
        let wrong = |index: &usize| decide(colour.plain[*index], Threshold::HALF) != subjects[*index].truth;
        Some(self.indices.iter().copied().filter(wrong).collect())
    }

    pub(crate) fn hard_images(&self) -> Option<f64> {
        self.hard().map(|indices| indices.len() as f64)
    }

    pub(crate) fn hard_nll(&self) -> Option<f64> {
        nll(&scored(self.predictions, &self.hard()?, &self.margins.plain))
    }

    pub(crate) fn recognition(&self) -> Option<f64> {
        let mut cases: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (index, Scored { truth, prediction }) in self.indices.iter().zip(&self.scored) {
            let (right, all) = cases.entry(&self.predictions.subjects[*index].case).or_default();
            *right += usize::from(self.threshold.decide(prediction.probability_malignant) == *truth);
            *all += 1;
        }
        let shares = cases.values().map(|(right, all)| *right as f64 / *all as f64);
        (!cases.is_empty()).then(|| shares.sum::<f64>() / cases.len() as f64)
    }
}

impl Predictions {
    /// What each image shows, and what the network says of it.
    pub(crate) fn scored(&self) -> Vec<Scored> {
        scored(self, &self.all(), &self.network.plain)
    }
}

fn scored(predictions: &Predictions, indices: &[usize], margins: &[f64]) -> Vec<Scored> {
    let subjects = &predictions.subjects;
    let scored =
        |index: &usize| Scored { truth: subjects[*index].truth, prediction: Prediction::from_margin(margins[*index]) };
    indices.iter().map(scored).collect()
}
