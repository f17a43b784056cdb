//! The temperature and the operating points of a weights file, from predictions of which none is of an image that its
//! network was trained on: those of a cross-validation by the same settings, or its own. No test part is touched.

use std::collections::HashSet;

use crate::diagnosis::{Probability, Threshold};
use crate::evaluate::{Confusion, Fit, Metric, Predictions, SENSITIVITY_PERCENT, mean_of_all};
use crate::model::{BeforeAfter, Calibration, Metadata, OperatingPoint, PointName, SensitivitySpecificity};
use crate::train::run::calibration::{FoldNetwork, Repeat, network_of};

/// What a weights file is to say of its calibration.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FileCalibration {
    temperature: f64,
    points: Vec<OperatingPoint>,
    calibration: Calibration,
}

impl FileCalibration {
    /// None where a class is missing, in all images or in those of all folds but one.
    pub(super) fn of(repeats: &[Repeat]) -> Option<Self> {
        let together: Vec<Predictions> =
            repeats.iter().map(|repeat| Predictions::joined(&repeat.predictions())).collect();
        let fit = Fit::of(&together)?;
        let point = |(name, threshold)| {
            let SensitivitySpecificity { sensitivity, specificity } = shares(fit.decisions(&together, threshold))?;
            Some(OperatingPoint { name, threshold, sensitivity, specificity })
        };
        let points = [(PointName::Balanced, Threshold::HALF), (PointName::Sensitive, fit.sensitive)].map(point);
        let points = points.into_iter().collect::<Option<Vec<_>>>()?;

        let crossed = repeats.iter().map(|repeat| repeat.pooled.cross_fitted.as_ref()).collect::<Option<Vec<_>>>()?;
        let both = |metric: Metric| {
            let before = mean_of_all(crossed.iter().map(|crossed| crossed.before.get(metric)))?;
            Some(BeforeAfter { before, after: mean_of_all(crossed.iter().map(|crossed| crossed.after.get(metric)))? })
        };
        let sensitive = crossed.iter().fold(Confusion::default(), |sum, crossed| sum.plus(crossed.sensitive));
        let names: HashSet<&str> =
            together.iter().flat_map(|repeat| &repeat.subjects).map(|subject| &*subject.filename).collect();
        let unseen = match network_of(repeats) {
            FoldNetwork::OfCrossValidation => {
                "the predictions out of fold of a cross-validation by the same settings, all repeats together"
            }
            FoldNetwork::TheFileItself => "the network's own predictions for images that it was not trained on",
        };
        let calibration = Calibration {
            method: format!(
                "The temperature and the point sensitive are fitted to {unseen}. For the temperature each case weighs the same; sensitive is the \
                 largest threshold that {SENSITIVITY_PERCENT} % of the malignant images reach. Sensitivity and specificity \
                 of the points are those of these images. ece, nll and sensitive_cross_fitted are means of the repeats in \
                 which each fold is calibrated by the other folds."
            ),
            images: names.len(),
            cases: together.first()?.cases().len(),
            folds: repeats.first()?.folds.len(),
            seeds: repeats.iter().map(|repeat| repeat.seed).collect(),
            ece: both(Metric::Ece)?,
            nll: both(Metric::Nll)?,
            sensitive_cross_fitted: shares(sensitive),
        };
        Some(Self { temperature: fit.temperature, points, calibration })
    }

    /// Has the file divide its margins by the temperature, and say how it was found.
    pub(super) fn put_into(&self, metadata: &mut Metadata) {
        let Self { temperature, points, calibration } = self.clone();
        metadata.temperature = temperature;
        metadata.operating_points = points;
        metadata.calibration = Some(calibration);
    }
}

fn shares(decisions: Confusion) -> Option<SensitivitySpecificity> {
    let share = |share: Option<f64>| Probability::new(share?).ok();
    Some(SensitivitySpecificity {
        sensitivity: share(decisions.sensitivity())?,
        specificity: share(decisions.specificity())?,
    })
}
