//! scikit-learn's classification report: what decisions come to class by class, and on average.
//!
//! In: a [`Confusion`]. Out: a [`ClassificationReport`]. Where scikit-learn warns and puts 0 for a share of nothing, ours
//! is none, and so is an average that needs it.

use serde::Serialize;

use crate::evaluate::metrics::decisions::{Confusion, ratio};

/// Decisions by class, each class being positive in its turn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassificationReport {
    pub(crate) benign: ClassFigures,
    pub(crate) malignant: ClassFigures,
    /// Right decisions among all.
    pub(crate) accuracy: Option<f64>,
    /// The mean of the classes.
    pub(crate) macro_average: ClassFigures,
    /// The mean of the classes, each counted by its images.
    pub(crate) weighted_average: ClassFigures,
}

/// The row of a class or of an average.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct ClassFigures {
    /// Images of the class among those called so.
    pub(crate) precision: Option<f64>,
    /// Images called so among those of the class.
    pub(crate) recall: Option<f64>,
    /// The harmonic mean of both.
    pub(crate) f1: Option<f64>,
    /// Images of the class.
    pub(crate) support: usize,
}

impl ClassificationReport {
    /// Of decisions that were counted.
    pub fn of(Confusion { tp, fn_, fp, tn }: Confusion) -> Self {
        let class = |right, missed, wrong| ClassFigures {
            precision: ratio(right, right + wrong),
            recall: ratio(right, right + missed),
            f1: ratio(2 * right, 2 * right + missed + wrong),
            support: right + missed,
        };
        let classes = [class(tn, fp, fn_), class(tp, fn_, fp)];
        let [benign, malignant] = classes;
        Self {
            benign,
            malignant,
            accuracy: ratio(tp + tn, tp + fn_ + fp + tn),
            macro_average: average(classes, |_| 1),
            weighted_average: average(classes, |class| class.support),
        }
    }

    /// The rows with their names, in scikit-learn's order; that of the accuracy stands between the second and the third.
    pub fn rows(&self) -> [(&'static str, &ClassFigures); 4] {
        [
            ("benign", &self.benign),
            ("malignant", &self.malignant),
            ("macro average", &self.macro_average),
            ("weighted average", &self.weighted_average),
        ]
    }
}

/// The mean of the classes; a class without weight has no part in it.
fn average(classes: [ClassFigures; 2], weight: fn(&ClassFigures) -> usize) -> ClassFigures {
    let all: usize = classes.iter().map(weight).sum();
    let mean = |figure: fn(&ClassFigures) -> Option<f64>| {
        let counted = classes.iter().filter(|class| weight(class) > 0);
        let sum: Option<f64> = counted.map(|class| Some(figure(class)? * weight(class) as f64)).sum();
        sum.filter(|_| all > 0).map(|sum| sum / all as f64)
    };
    ClassFigures {
        precision: mean(|class| class.precision),
        recall: mean(|class| class.recall),
        f1: mean(|class| class.f1),
        support: classes.iter().map(|class| class.support).sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Threshold;
    use crate::evaluate::metrics::decisions::tests::ten;

    fn near(found: &ClassFigures, [precision, recall, f1]: [f64; 3], support: usize) {
        let pairs = [(found.precision, precision), (found.recall, recall), (found.f1, f1)];
        assert!(pairs.iter().all(|(found, golden)| (found.unwrap() - golden).abs() < 1e-12), "{pairs:?}");
        assert_eq!(found.support, support);
    }

    /// ```python
    /// # after the snippet of decisions.rs
    /// for threshold in .5, .6:
    ///     print(classification_report(truth, p >= threshold, labels=[0, 1], output_dict=True))
    /// ```
    #[test]
    fn it_is_that_of_scikit_learn() {
        let report = ClassificationReport::of(Confusion::at(&ten(), Threshold::HALF));
        near(&report.benign, [0.75, 0.6, 0.6666666666666666], 5);
        near(&report.malignant, [0.6666666666666666, 0.8, 0.7272727272727273], 5);
        near(&report.macro_average, [0.7083333333333333, 0.7, 0.696969696969697], 10);
        near(&report.weighted_average, [0.7083333333333333, 0.7, 0.696969696969697], 10);
        assert_eq!(report.accuracy, Some(0.7));
        let report = ClassificationReport::of(Confusion::at(&ten(), Threshold::new(0.6).unwrap()));
        near(&report.benign, [0.5714285714285714, 0.8, 0.6666666666666666], 5);
        near(&report.malignant, [0.6666666666666666, 0.4, 0.5], 5);
        near(&report.macro_average, [0.6190476190476191, 0.6000000000000001, 0.5833333333333333], 10);
        near(&report.weighted_average, [0.619047619047619, 0.6, 0.5833333333333333], 10);
        assert_eq!(report.accuracy, Some(0.6));
        // truth = [1] * 57 + [0] * 31; call = [1] * 50 + [0] * 7 + [1] * 11 + [0] * 20
        let report = ClassificationReport::of(Confusion { tp: 50, fn_: 7, fp: 11, tn: 20 });
        near(&report.benign, [0.7407407407407407, 0.6451612903225806, 0.6896551724137931], 31);
        near(&report.malignant, [0.819672131147541, 0.8771929824561403, 0.847457627118644], 57);
        near(&report.macro_average, [0.7802064359441409, 0.7611771363893605, 0.7685563997662186], 88);
        near(&report.weighted_average, [0.791866754981509, 0.7954545454545454, 0.7918681260294352], 88);
    }

    #[test]
    fn a_share_of_nothing_is_none_and_so_are_averages_that_need_it() {
        // Benign images alone, all called so: scikit-learn puts 0 for the malignant class and warns.
        let one_class = ClassificationReport::of(Confusion { tn: 3, ..Confusion::default() });
        let none = ClassFigures { precision: None, recall: None, f1: None, support: 0 };
        assert_eq!(one_class.malignant, none);
        near(&one_class.weighted_average, [1.0; 3], 3);
        assert_eq!((one_class.macro_average, one_class.accuracy), (ClassFigures { support: 3, ..none }, Some(1.0)));
        // Both classes, all called malignant.
        let one_call = ClassificationReport::of(Confusion { tp: 3, fp: 1, ..Confusion::default() });
        assert_eq!(
            (one_call.benign.precision, one_call.benign.recall, one_call.benign.f1),
            (None, Some(0.0), Some(0.0))
        );
        assert_eq!((one_call.macro_average.precision, one_call.weighted_average.precision), (None, None));
        assert_eq!((one_call.macro_average.recall, one_call.weighted_average.recall), (Some(0.5), Some(0.75)));
        let nothing = ClassificationReport::of(Confusion::default());
        assert_eq!((nothing.accuracy, nothing.weighted_average), (None, none));
    }
}
