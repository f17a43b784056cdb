//! The figures that runs are compared by, each with its name and its place among the metrics.

use super::Metrics;

/// The figures that runs are compared by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Measure {
    /// Right decisions among all.
    Accuracy,
    /// The mean negative log-likelihood in nats.
    Nll,
    /// Malignant pictures among those called malignant.
    Precision,
    /// Pictures called malignant among the malignant.
    Recall,
    /// The harmonic mean of the two.
    F1,
    /// The area under the ROC curve.
    RocAuc,
}

impl Measure {
    /// All of them, in the order of the report's table.
    pub const ALL: [Self; 6] = [Self::Accuracy, Self::Nll, Self::Precision, Self::Recall, Self::F1, Self::RocAuc];

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
        }
    }

    /// Its value among all figures of a run.
    pub fn of(self, metrics: &Metrics) -> Option<f64> {
        match self {
            Self::Accuracy => metrics.accuracy,
            Self::Nll => metrics.nll,
            Self::Precision => metrics.precision,
            Self::Recall => metrics.recall,
            Self::F1 => metrics.f1,
            Self::RocAuc => metrics.roc_auc,
        }
    }
}
