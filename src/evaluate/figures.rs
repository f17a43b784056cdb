//! The figures of a network and of the controls beside it, over any part of the predictions.

use std::collections::BTreeMap;

use serde::Serialize;

use super::controls::Control;
use super::predictions::{Margins, Predictions};
use super::{Metrics, Scored, Stratum};
use crate::diagnosis::{Label, Probability, Threshold};
use crate::evaluate::metrics::intervals::mean_of_all;
use crate::evaluate::metrics::measure::Measure;
use crate::evaluate::metrics::ranking::{roc_auc, roc_auc_within};
use crate::model::Prediction;

/// An area under the ROC curve over pairs of one stratum only.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct WithinStrata {
    /// The area; none where no stratum holds both classes, or the strata are not known.
    pub roc_auc: Option<f64>,
}

/// Figures over the copies of images that got the colours of others.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Exchanged {
    /// The area under the ROC curve over all copies; none without copies.
    pub roc_auc: Option<f64>,
    /// The same over pairs of one stratum only.
    pub within_strata: Option<f64>,
    /// The share of copies about which the decision differs from that about the image as it is.
    pub changed: Option<f64>,
}

/// The loss on the images that a regression on their mean colour calls wrongly.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Hard {
    /// How many there are; none where nobody asked the mean colour.
    pub n: Option<usize>,
    /// The mean negative log-likelihood on them, in nats.
    pub nll: Option<f64>,
}

/// The figures of a network over some images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figures {
    /// Those of the images as they are.
    #[serde(flatten)]
    pub metrics: Metrics,
    /// The mean over cases of the share of a case's images that are called what they are.
    pub patient_recognition_rate: Option<f64>,
    /// Over pairs of one magnification and source width.
    pub within_strata: WithinStrata,
    /// With the colours of other images.
    pub exchanged: Exchanged,
    /// On images that the mean colour calls wrongly.
    pub hard: Hard,
}

/// The figures of a control over the same images.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ControlFigures {
    /// The area under the ROC curve.
    pub roc_auc: Option<f64>,
    /// The mean negative log-likelihood, in nats.
    pub nll: Option<f64>,
    /// Over pairs of one stratum.
    pub within_strata: WithinStrata,
    /// With the colours of other images.
    pub exchanged: Exchanged,
}

impl Figures {
    /// The network's figures over the images at `indices`, which may come several times.
    pub fn of(predictions: &Predictions, indices: &[usize], threshold: Threshold) -> Self {
        let part = Part { predictions, indices };
        let plain = part.scored(&predictions.network.plain);
        Self {
            patient_recognition_rate: part.recognition(&plain, threshold),
            within_strata: part.within(&plain),
            exchanged: part.exchanged(&predictions.network, threshold),
            hard: part.hard(),
            metrics: Metrics::at(&plain, threshold),
        }
    }

    /// What networks are chosen by: the mean of the areas within strata, as the images are and exchanged.
    pub fn choice(&self) -> Option<f64> {
        choice(&self.within_strata, &self.exchanged)
    }
}

/// The mean of the areas within strata, as the images are and exchanged.
pub(crate) fn choice(as_they_are: &WithinStrata, exchanged: &Exchanged) -> Option<f64> {
    Some((as_they_are.roc_auc? + exchanged.within_strata?) / 2.0)
}

impl ControlFigures {
    /// A control's figures over the images at `indices`; decisions are made at one half. None where the control is not
    /// among the predictions.
    pub fn of(control: Control, predictions: &Predictions, indices: &[usize]) -> Option<Self> {
        let margins = predictions.control(control)?;
        let part = Part { predictions, indices };
        let plain = part.scored(&margins.plain);
        let metrics = Metrics::at(&plain, Threshold::HALF);
        Some(Self {
            roc_auc: metrics.roc_auc,
            nll: metrics.nll,
            within_strata: part.within(&plain),
            exchanged: part.exchanged(margins, Threshold::HALF),
        })
    }
}

impl ControlFigures {
    /// Those of all controls among the predictions, over all images.
    pub fn all(predictions: &Predictions) -> Vec<(Control, Self)> {
        let of = |control| Some((control, Self::of(control, predictions, &predictions.all())?));
        Control::ALL.into_iter().filter_map(of).collect()
    }

    /// The mean of each figure over several runs; none where one of them has none.
    pub fn mean(runs: &[Self]) -> Self {
        let mean = |measure: Measure| mean_of_all(runs.iter().map(|figures| measure.of_control(figures)));
        Self {
            roc_auc: mean(Measure::RocAuc),
            nll: mean(Measure::Nll),
            within_strata: WithinStrata { roc_auc: mean(Measure::WithinStrata) },
            exchanged: Exchanged {
                roc_auc: mean(Measure::Exchanged),
                within_strata: mean(Measure::ExchangedWithinStrata),
                changed: mean(Measure::Changed),
            },
        }
    }
}

/// A network's figures on images that were shifted, or of any other margins of the same images.
pub(crate) fn of_margins(
    predictions: &Predictions,
    (margins, indices): (&[f64], &[usize]),
    threshold: Threshold,
) -> (Metrics, WithinStrata, Option<f64>) {
    let part = Part { predictions, indices };
    let scored = part.scored(margins);
    let changed = part.changed(&predictions.network.plain, [margins].into_iter(), threshold);
    (Metrics::at(&scored, threshold), part.within(&scored), changed)
}

/// Some images of the predictions.
#[derive(Clone, Copy)]
struct Part<'a> {
    predictions: &'a Predictions,
    indices: &'a [usize],
}

/// What a margin says.
pub(crate) fn prediction(margin: f64) -> Prediction {
    Prediction { margin, probability_malignant: Probability::from_margin(margin) }
}

fn decide(margin: f64, threshold: Threshold) -> Label {
    threshold.decide(Probability::from_margin(margin))
}

impl Part<'_> {
    fn scored(&self, margins: &[f64]) -> Vec<Scored> {
        let subjects = &self.predictions.subjects;
        let scored = |index: &usize| Scored { truth: subjects[*index].truth, prediction: prediction(margins[*index]) };
        self.indices.iter().map(scored).collect()
    }

    fn strata(&self) -> Vec<Option<Stratum>> {
        self.indices.iter().map(|index| self.predictions.subjects[*index].stratum).collect()
    }

    fn within(&self, scored: &[Scored]) -> WithinStrata {
        WithinStrata { roc_auc: roc_auc_within(scored, &self.strata()) }
    }

    fn exchanged(&self, margins: &Margins, threshold: Threshold) -> Exchanged {
        let copies: Vec<Scored> = margins.exchanged.iter().flat_map(|draw| self.scored(draw)).collect();
        let strata = self.strata().repeat(margins.exchanged.len());
        Exchanged {
            roc_auc: roc_auc(&copies),
            within_strata: roc_auc_within(&copies, &strata),
            changed: self.changed(&margins.plain, margins.exchanged.iter().map(Vec::as_slice), threshold),
        }
    }

    fn changed<'m>(&self, plain: &[f64], others: impl Iterator<Item = &'m [f64]>, threshold: Threshold) -> Option<f64> {
        let (mut changed, mut all) = (0, 0);
        for margins in others {
            for &index in self.indices {
                changed += usize::from(decide(plain[index], threshold) != decide(margins[index], threshold));
                all += 1;
            }
        }
        (all > 0).then(|| changed as f64 / all as f64)
    }

    fn hard(&self) -> Hard {
        let Some(colour) = self.predictions.control(Control::MeanColour) else { return Hard::default() };
        let subjects = &self.predictions.subjects;
        let wrong = |index: &usize| decide(colour.plain[*index], Threshold::HALF) != subjects[*index].truth;
        let indices: Vec<usize> = self.indices.iter().copied().filter(wrong).collect();
        let scored = Part { indices: &indices, ..*self }.scored(&self.predictions.network.plain);
        Hard { n: Some(indices.len()), nll: Metrics::at(&scored, Threshold::HALF).nll }
    }

    fn recognition(&self, scored: &[Scored], threshold: Threshold) -> Option<f64> {
        let mut cases: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
        for (index, Scored { truth, prediction }) in self.indices.iter().zip(scored) {
            let (right, all) = cases.entry(&self.predictions.subjects[*index].case).or_default();
            *right += usize::from(threshold.decide(prediction.probability_malignant) == *truth);
            *all += 1;
        }
        let shares = cases.values().map(|(right, all)| *right as f64 / *all as f64);
        (!cases.is_empty()).then(|| shares.sum::<f64>() / cases.len() as f64)
    }
}
