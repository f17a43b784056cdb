//! What curves are drawn from, and the images that a network is most wrong about.
//!
//! In: [`Predictions`] and a threshold. Out: [`Curves`], all over all images.

use crate::diagnosis::{Label, Probability, Threshold};
use crate::evaluate::Predictions;
use crate::evaluate::metrics::calibration::{Bin, bins};
use crate::evaluate::metrics::ranking::{precision_recall_curve, roc_curve};
use crate::evaluate::metrics::selective::errors_by_coverage;

/// The curves of an evaluation; one that is not defined is empty.
#[derive(Clone, Debug)]
pub struct Curves {
    /// 1 - specificity and recall, from the highest threshold on.
    pub roc: Vec<(f64, f64)>,
    /// Recall and precision, from the highest threshold on.
    pub precision_recall: Vec<(f64, f64)>,
    /// Of calibration, by rising probability.
    pub reliability: Vec<Bin>,
    /// The share of images that are answered, and that of wrong decisions among them.
    pub risk_coverage: Vec<(f64, f64)>,
    /// Probabilities of malignancy, of the benign and of the malignant images.
    pub probabilities: [Vec<f64>; 2],
}

impl Curves {
    /// Those of a network with decisions at a threshold.
    pub fn of(predictions: &Predictions, threshold: Threshold) -> Self {
        let scored = predictions.scored();
        let errors = errors_by_coverage(&scored, threshold);
        let n = errors.len() as f64;
        let share = |(errors, answered): (&f64, u32)| (f64::from(answered) / n, errors / f64::from(answered));
        let of_label = |label: Label| {
            let images = scored.iter().filter(|image| image.truth == label);
            images.map(|image| image.prediction.probability_malignant.get()).collect()
        };
        Self {
            roc: roc_curve(&scored),
            precision_recall: precision_recall_curve(&scored),
            reliability: bins(&scored).unwrap_or_default(),
            risk_coverage: errors.iter().zip(1..).map(share).collect(),
            probabilities: Label::ALL.map(of_label),
        }
    }
}

impl Predictions {
    /// The indices of the images about which the network is wrong, the surest first; at most `most`.
    pub fn worst_mistakes(&self, threshold: Threshold, most: usize) -> Vec<usize> {
        let margins = &self.network.plain;
        let wrong =
            |index: &usize| threshold.decide(Probability::from_margin(margins[*index])) != self.subjects[*index].truth;
        let mut wrong: Vec<usize> = self.all().into_iter().filter(wrong).collect();
        let sure = |index: usize| {
            let against = if self.subjects[index].truth == Label::Malignant { -1.0 } else { 1.0 };
            against * margins[index]
        };
        wrong.sort_by(|a, b| sure(*b).total_cmp(&sure(*a)));
        wrong.truncate(most);
        wrong
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{Margins, Subject};

    #[test]
    fn the_worst_mistakes_are_those_that_the_network_is_surest_of() {
        use Label::{Benign as B, Malignant as M};
        let images = [(B, -2.0), (B, 3.0), (M, -4.0), (M, 1.0), (B, 0.5), (M, 0.0)];
        let predictions = Predictions {
            subjects: images.iter().map(|(truth, _)| Subject::drawn(*truth, "1", None)).collect(),
            network: Margins { plain: images.iter().map(|(_, margin)| *margin).collect(), exchanged: Vec::new() },
            ..Predictions::default()
        };
        assert_eq!(predictions.worst_mistakes(Threshold::HALF, 10), [2, 1, 4]);
        assert_eq!(predictions.worst_mistakes(Threshold::HALF, 2), [2, 1]);
        let curves = Curves::of(&predictions, Threshold::HALF);
        assert_eq!(curves.risk_coverage.last(), Some(&(1.0, 0.5)));
        assert_eq!(curves.probabilities.each_ref().map(Vec::len), [3, 3]);
        let none = Curves::of(&Predictions::default(), Threshold::HALF);
        assert!(none.roc.is_empty() && none.precision_recall.is_empty() && none.risk_coverage.is_empty());
    }
}
