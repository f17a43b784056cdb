//! The figures that runs are compared by, each with its names and its place among the figures.

use crate::evaluate::figures::choice;
use crate::evaluate::{ControlFigures, Figures};

/// The figures that runs are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Right decisions among all.
    Accuracy,
    /// The mean negative log-likelihood in nats.
    Nll,
    /// Malignant images among those called malignant.
    Precision,
    /// Images called malignant among the malignant.
    Recall,
    /// The harmonic mean of the two.
    F1,
    /// The area under the ROC curve.
    RocAuc,
    /// The same over pairs of one magnification and source width.
    WithinStrata,
    /// The area under the ROC curve with the colours of other images.
    Exchanged,
    /// The same over pairs of one magnification and source width.
    ExchangedWithinStrata,
    /// The share of decisions that change with the colours.
    Changed,
    /// The loss on images that the mean colour calls wrongly.
    HardNll,
    /// The mean of the two areas within strata.
    Choice,
}

/// How many measures there are.
pub const MEASURES: usize = Measure::ALL.len();

impl Measure {
    /// All of them: those of the report's table in its order, then those that show what is not tissue.
    pub const ALL: [Self; 12] = [
        Self::Accuracy,
        Self::Nll,
        Self::Precision,
        Self::Recall,
        Self::F1,
        Self::RocAuc,
        Self::WithinStrata,
        Self::Exchanged,
        Self::ExchangedWithinStrata,
        Self::Changed,
        Self::HardNll,
        Self::Choice,
    ];

    /// Those of the report's table.
    pub const OF_REPORT: [Self; 6] = [Self::Accuracy, Self::Nll, Self::Precision, Self::Recall, Self::F1, Self::RocAuc];

    /// Those that show what is not tissue.
    pub const OF_TISSUE: [Self; 6] =
        [Self::WithinStrata, Self::Exchanged, Self::ExchangedWithinStrata, Self::Choice, Self::Changed, Self::HardNll];

    /// The areas, which can be pooled over runs and averaged over them.
    pub const AREAS: [Self; 5] =
        [Self::RocAuc, Self::WithinStrata, Self::Exchanged, Self::ExchangedWithinStrata, Self::Choice];

    /// Those that the two kinds of split are compared by.
    pub const OF_SPLITS: [Self; 4] = [Self::Accuracy, Self::F1, Self::RocAuc, Self::Nll];

    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Nll => "loss (NLL)",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::F1 => "F1",
            Self::RocAuc => "ROC AUC",
            Self::WithinStrata => "within strata",
            Self::Exchanged => "exchanged",
            Self::ExchangedWithinStrata => "exch. in strata",
            Self::Changed => "changed",
            Self::HardNll => "hard NLL",
            Self::Choice => "choice",
        }
    }

    /// Its name for programs.
    pub fn key(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Nll => "nll",
            Self::Precision => "precision",
            Self::Recall => "recall",
            Self::F1 => "f1",
            Self::RocAuc => "roc_auc",
            Self::WithinStrata => "within_strata",
            Self::Exchanged => "exchanged",
            Self::ExchangedWithinStrata => "exchanged_within_strata",
            Self::Changed => "changed",
            Self::HardNll => "hard_nll",
            Self::Choice => "choice",
        }
    }

    /// Whether less of it is better.
    pub fn is_a_cost(self) -> bool {
        matches!(self, Self::Nll | Self::HardNll | Self::Changed)
    }

    /// Its value among all figures of a run.
    pub fn of(self, figures: &Figures) -> Option<f64> {
        let Figures { metrics, within_strata, exchanged, hard, .. } = figures;
        match self {
            Self::Accuracy => metrics.accuracy,
            Self::Nll => metrics.nll,
            Self::Precision => metrics.precision,
            Self::Recall => metrics.recall,
            Self::F1 => metrics.f1,
            Self::RocAuc => metrics.roc_auc,
            Self::WithinStrata => within_strata.roc_auc,
            Self::Exchanged => exchanged.roc_auc,
            Self::ExchangedWithinStrata => exchanged.within_strata,
            Self::Changed => exchanged.changed,
            Self::HardNll => hard.nll,
            Self::Choice => figures.choice(),
        }
    }

    /// Its value among the figures of a control; none where it is not one of those.
    pub fn of_control(self, figures: &ControlFigures) -> Option<f64> {
        let ControlFigures { roc_auc, nll, within_strata, exchanged } = figures;
        match self {
            Self::Nll => *nll,
            Self::RocAuc => *roc_auc,
            Self::WithinStrata => within_strata.roc_auc,
            Self::Exchanged => exchanged.roc_auc,
            Self::ExchangedWithinStrata => exchanged.within_strata,
            Self::Changed => exchanged.changed,
            Self::Choice => choice(within_strata, exchanged),
            Self::Accuracy | Self::Precision | Self::Recall | Self::F1 | Self::HardNll => None,
        }
    }
}
