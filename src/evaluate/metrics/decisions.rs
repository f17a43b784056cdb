//! What decisions at a threshold and probabilities come to.
//!
//! In: labels and predictions. Out: counts of decisions and losses, malignant being positive. Losses go by the margin in
//! f64, because probabilities saturate.

use serde::Serialize;

use crate::diagnosis::{Label, Threshold};
use crate::model::Prediction;

/// What an image shows, and the prediction for it.
#[derive(Clone, Copy, Debug)]
pub struct Scored {
    pub(crate) truth: Label,
    pub(crate) prediction: Prediction,
}

/// How decisions met the truth, malignant being positive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Confusion {
    /// Malignant and called so.
    pub tp: usize,
    /// Malignant and called benign.
    #[serde(rename = "fn")]
    pub fn_: usize,
    /// Benign and called malignant.
    pub fp: usize,
    /// Benign and called so.
    pub tn: usize,
}

impl Confusion {
    /// Counts the decisions at an operating point.
    pub fn at(scored: &[Scored], threshold: Threshold) -> Self {
        let mut counts = Self::default();
        for Scored { truth, prediction } in scored {
            let count = match (truth, threshold.decide(prediction.probability_malignant)) {
                (Label::Malignant, Label::Malignant) => &mut counts.tp,
                (Label::Malignant, Label::Benign) => &mut counts.fn_,
                (Label::Benign, Label::Malignant) => &mut counts.fp,
                (Label::Benign, Label::Benign) => &mut counts.tn,
            };
            *count += 1;
        }
        counts
    }

    /// The counts of both.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let Self { tp, fn_, fp, tn } = other;
        Self { tp: self.tp + tp, fn_: self.fn_ + fn_, fp: self.fp + fp, tn: self.tn + tn }
    }

    /// Malignant images that are called so; none without any.
    pub fn sensitivity(self) -> Option<f64> {
        ratio(self.tp, self.tp + self.fn_)
    }

    /// Benign images that are called so; none without any.
    pub fn specificity(self) -> Option<f64> {
        ratio(self.tn, self.tn + self.fp)
    }
}

/// A share; none of nothing.
pub(crate) fn ratio(part: usize, whole: usize) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// ln(1 + e^x) of the margin against the truth, written so that neither tail overflows nor vanishes.
pub(crate) fn nll(scored: &[Scored]) -> Option<f64> {
    let loss = |Scored { truth, prediction }: &Scored| {
        let against = if *truth == Label::Malignant { -prediction.margin } else { prediction.margin };
        against.max(0.0) + (-against.abs()).exp().ln_1p()
    };
    let mean = scored.iter().map(loss).sum::<f64>() / scored.len() as f64;
    mean.is_finite().then_some(mean)
}

/// How far the probability of malignancy is from what images show: the mean squared distance.
pub(crate) fn brier(scored: &[Scored]) -> Option<f64> {
    let distance =
        |Scored { truth, prediction }: &Scored| (prediction.probability_malignant.get() - truth.index() as f64).powi(2);
    (!scored.is_empty()).then(|| scored.iter().map(distance).sum::<f64>() / scored.len() as f64)
}

/// The mean of recall and specificity.
pub(crate) fn balanced_accuracy(confusion: Confusion) -> Option<f64> {
    Some(f64::midpoint(confusion.sensitivity()?, confusion.specificity()?))
}

/// Matthews's correlation coefficient of decisions and truth, from -1 to 1; none where all images are of one class or
/// are called so.
pub(crate) fn matthews(Confusion { tp, fn_, fp, tn }: Confusion) -> Option<f64> {
    let [tp, fn_, fp, tn] = [tp, fn_, fp, tn].map(|count| count as f64);
    let product = (tp + fp) * (tp + fn_) * (tn + fp) * (tn + fn_);
    (product > 0.0).then(|| (tp * tn - fp * fn_) / product.sqrt())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::evaluate::{Figures, Metric};
    use crate::model::Prediction;

    pub(in crate::evaluate) fn scored(truth: Label, margin: f64) -> Scored {
        Scored { truth, prediction: Prediction::from_margin(margin) }
    }

    pub(in crate::evaluate) fn ten() -> Vec<Scored> {
        use Label::{Benign as B, Malignant as M};
        let truth = [M, M, M, M, B, B, B, B, M, B];
        let margins = [2.5, 0.3, -0.7, 40.0, -3.0, 0.3, -0.7, -40.0, 0.0, 1.25];
        truth.into_iter().zip(margins).map(|(truth, margin)| scored(truth, margin)).collect()
    }

    fn near(found: Option<f64>, golden: f64) {
        let found = found.expect("defined");
        assert!((found - golden).abs() < 1e-12, "{found} is not {golden}");
    }

    // from sklearn.metrics import *
    // truth = [1, 1, 1, 1, 0, 0, 0, 0, 1, 0]
    // margin = np.array([2.5, .3, -.7, 40, -3, .3, -.7, -40, 0, 1.25])
    // p = 1 / (1 + np.exp(-margin))
    // call = p >= threshold
    // tn, fp, fn, tp = confusion_matrix(truth, call).ravel()
    // accuracy_score(truth, call), precision_score(truth, call), recall_score(truth, call),
    // recall_score(truth, call, pos_label=0), f1_score(truth, call), log_loss(truth, p), roc_auc_score(truth, margin),
    // average_precision_score(truth, margin), brier_score_loss(truth, p), balanced_accuracy_score(truth, call),
    // matthews_corrcoef(truth, call)
    #[test]
    fn figures_are_those_of_scikit_learn() {
        let half = Figures::of_decisions(&ten(), Threshold::HALF);
        assert_eq!(half.confusion, Confusion { tp: 4, fn_: 1, fp: 2, tn: 3 });
        assert_eq!(half.n, 10);
        near(half.get(Metric::Accuracy), 0.7);
        near(half.get(Metric::Precision), 0.6666666666666666);
        near(half.get(Metric::Recall), 0.8);
        near(half.get(Metric::Specificity), 0.6);
        near(half.get(Metric::F1), 0.7272727272727273);
        near(half.get(Metric::Nll), 0.523763593447958);
        near(half.get(Metric::RocAuc), 0.76);
        near(half.get(Metric::PrAuc), 0.7783333333333333);
        near(half.get(Metric::Brier), 0.19298563811372743);
        near(half.get(Metric::BalancedAccuracy), 0.7);
        near(half.get(Metric::Mcc), 0.408248290463863);

        let higher = Figures::of_decisions(&ten(), Threshold::new(0.6).unwrap());
        assert_eq!(higher.confusion, Confusion { tp: 2, fn_: 3, fp: 1, tn: 4 });
        near(higher.get(Metric::F1), 0.5);
        near(higher.get(Metric::BalancedAccuracy), 0.6);
        near(higher.get(Metric::Mcc), 0.2182178902359924);
        for metric in [Metric::Nll, Metric::RocAuc] {
            assert_eq!(higher.get(metric), half.get(metric), "{metric:?}");
        }
    }

    #[test]
    fn the_report_s_matrix_gives_the_report_s_figures() {
        let of = |n, truth, margin| std::iter::repeat_n(scored(truth, margin), n);
        let all: Vec<Scored> = of(1061, Label::Malignant, 1.0)
            .chain(of(25, Label::Malignant, -1.0))
            .chain(of(43, Label::Benign, 1.0))
            .chain(of(453, Label::Benign, -1.0))
            .collect();
        let figures = Figures::of_decisions(&all, Threshold::HALF);
        let rounded = [Metric::Accuracy, Metric::Precision, Metric::Recall, Metric::Specificity]
            .map(|metric| (figures.get(metric).unwrap() * 1e4).round() / 1e4);
        assert_eq!(rounded, [0.9570, 0.9611, 0.9770, 0.9133]);
    }

    #[test]
    fn margins_that_saturate_still_rank_and_cost() {
        let wrong = [scored(Label::Malignant, -1000.0), scored(Label::Benign, -2000.0)];
        let figures = Figures::of_decisions(&wrong, Threshold::HALF);
        near(figures.get(Metric::Nll), 500.0);
        near(figures.get(Metric::RocAuc), 1.0);
    }

    #[test]
    fn undefined_figures_are_null() {
        let json = |scored: &[Scored]| serde_json::to_string(&Figures::of_decisions(scored, Threshold::HALF)).unwrap();
        let benign = json(&[scored(Label::Benign, -1.0)]);
        assert!(benign.starts_with(
            r#"{"n":1,"accuracy":1.0,"precision":null,"recall":null,"specificity":1.0,"f1":null,"balanced_accuracy":null,"mcc":null,"nll":0.31326168751822286,"brier":0.07232948812851325,"ece":0.2689414213699951,"ece_debiased":0.2689414213699951,"roc_auc":null,"pr_auc":null,"confusion":{"tp":0,"fn":0,"fp":0,"tn":1},"#
        ));
        assert!(json(&[]).starts_with(r#"{"n":0,"accuracy":null,"#));
        let lost =
            Figures::of_decisions(&[scored(Label::Benign, f64::NAN), scored(Label::Malignant, 0.0)], Threshold::HALF);
        assert_eq!((lost.get(Metric::Nll), lost.get(Metric::RocAuc)), (None, None));
    }
}
