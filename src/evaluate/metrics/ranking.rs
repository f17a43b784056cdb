//! Figures that go by the order of the margins, whatever the threshold.

use std::collections::BTreeMap;

use crate::diagnosis::{Label, Threshold};
use crate::evaluate::Stratum;
use crate::evaluate::metrics::decisions::Scored;

/// Pairs of a benign and a malignant image, and those of them in which the malignant one has the larger margin; a tie is
/// half of one.
#[derive(Clone, Copy, Debug, Default)]
struct Pairs {
    won: f64,
    all: f64,
}

impl Pairs {
    /// Mann and Whitney's U over all pairs.
    fn of(mut margins: Vec<(f64, Label)>) -> Self {
        margins.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        let (mut benign, mut malignant, mut won) = (0_usize, 0_usize, 0.0);
        // 0 and -0 are equal and lie side by side in the total order, so ties are runs of equal numbers.
        for tie in margins.chunk_by(|a, b| a.0 == b.0) {
            let malignant_here = tie.iter().filter(|(_, truth)| *truth == Label::Malignant).count();
            let benign_here = tie.len() - malignant_here;
            won += malignant_here as f64 * (benign as f64 + benign_here as f64 / 2.0);
            benign += benign_here;
            malignant += malignant_here;
        }
        Self { won, all: benign as f64 * malignant as f64 }
    }

    fn share(self) -> Option<f64> {
        (self.all > 0.0).then(|| self.won / self.all)
    }
}

/// The margins with their labels; none where one of them is not a number.
fn ranked(scored: &[Scored]) -> Option<Vec<(f64, Label)>> {
    let ranked: Vec<(f64, Label)> = scored.iter().map(|scored| (scored.prediction.margin, scored.truth)).collect();
    ranked.iter().all(|(margin, _)| !margin.is_nan()).then_some(ranked)
}

/// The area under the ROC curve: the chance that a malignant image has a larger margin than a benign one.
pub(crate) fn roc_auc(scored: &[Scored]) -> Option<f64> {
    Pairs::of(ranked(scored)?).share()
}

/// The same over pairs of one stratum only, those of all strata counted together. `strata` go with `scored`; an image
/// whose stratum is not known makes the figure undefined.
pub(crate) fn roc_auc_within(scored: &[Scored], strata: &[Option<Stratum>]) -> Option<f64> {
    let mut apart: BTreeMap<Stratum, Vec<(f64, Label)>> = BTreeMap::new();
    for (margin, stratum) in ranked(scored)?.into_iter().zip(strata) {
        apart.entry((*stratum)?).or_default().push(margin);
    }
    let mut together = Pairs::default();
    for margins in apart.into_values() {
        let Pairs { won, all } = Pairs::of(margins);
        together = Pairs { won: together.won + won, all: together.all + all };
    }
    together.share()
}

/// The area under the curve of precision over recall, as scikit-learn's average precision: the mean of the precisions at
/// each malignant image, images of equal margins taken together.
pub(crate) fn average_precision(scored: &[Scored]) -> Option<f64> {
    let called = called_malignant(scored)?;
    let steps = called
        .windows(2)
        .map(|pair| (pair[1].1 - pair[0].1) as f64 * pair[1].1 as f64 / (pair[1].0 + pair[1].1) as f64);
    let malignant = called.last().map_or(0, |(_, malignant)| *malignant);
    (malignant > 0).then(|| steps.sum::<f64>() / malignant as f64)
}

/// The benign and the malignant images that are called malignant, from a threshold above all margins to one below them,
/// images of equal margins taken together; none where a margin is not a number.
fn called_malignant(scored: &[Scored]) -> Option<Vec<(usize, usize)>> {
    let mut margins = ranked(scored)?;
    margins.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut benign, mut malignant) = (0, 0);
    let ties = margins.chunk_by(|a, b| a.0 == b.0).map(|tie| {
        let here = tie.iter().filter(|(_, truth)| *truth == Label::Malignant).count();
        (benign, malignant) = (benign + tie.len() - here, malignant + here);
        (benign, malignant)
    });
    Some(std::iter::once((0, 0)).chain(ties).collect())
}

/// The ROC curve: 1 - specificity and recall, from the highest threshold on; empty where a class is missing.
pub(crate) fn roc_curve(scored: &[Scored]) -> Vec<(f64, f64)> {
    let called = called_malignant(scored).unwrap_or_default();
    let Some((benign, malignant)) = called.last().copied().filter(|(b, m)| *b > 0 && *m > 0) else { return Vec::new() };
    called.into_iter().map(|(b, m)| (b as f64 / benign as f64, m as f64 / malignant as f64)).collect()
}

/// Recall and precision, from the highest threshold that calls an image malignant on; empty without a malignant image.
pub(crate) fn precision_recall_curve(scored: &[Scored]) -> Vec<(f64, f64)> {
    let called = called_malignant(scored).unwrap_or_default();
    let Some((_, malignant)) = called.last().copied().filter(|(_, m)| *m > 0) else { return Vec::new() };
    called.into_iter().skip(1).map(|(b, m)| (m as f64 / malignant as f64, m as f64 / (b + m) as f64)).collect()
}

/// Of a hundred malignant images so many reach the sensitive threshold.
pub const SENSITIVITY_PERCENT: usize = 95;

/// The largest threshold that [`SENSITIVITY_PERCENT`] of the malignant images reach, at least; none without any.
pub(crate) fn sensitive_threshold(scored: &[Scored]) -> Option<Threshold> {
    let malignant = scored.iter().filter(|image| image.truth == Label::Malignant);
    let mut probabilities: Vec<f64> = malignant.map(|image| image.prediction.probability_malignant.get()).collect();
    probabilities.sort_unstable_by(f64::total_cmp);
    let reach = (probabilities.len() * SENSITIVITY_PERCENT).div_ceil(100);
    // Images that are equally probable reach it together, so a tie only adds to them.
    let lowest = probabilities.get(probabilities.len() - reach)?;
    Threshold::new(*lowest).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::metrics::decisions::tests::{scored, ten};

    fn stratum(magnification: u32) -> Option<Stratum> {
        Some(Stratum { magnification, width: 700 })
    }

    /// ```python
    /// # after the snippet of decisions.rs
    /// truth = np.array(truth); stratum = np.array([0, 0, 0, 1, 0, 0, 1, 1, 1, 1])
    /// won = pairs = 0
    /// for s in 0, 1:
    ///     a, b = margin[(stratum == s) & (truth == 1)][:, None], margin[(stratum == s) & (truth == 0)]
    ///     won += ((a > b) + .5 * (a == b)).sum(); pairs += a.size * b.size
    /// print(won / pairs, average_precision_score(truth, margin))
    /// ```
    #[test]
    fn figures_are_those_of_numpy_and_scikit_learn() {
        let strata = [0, 0, 0, 1, 0, 0, 1, 1, 1, 1].map(stratum);
        assert!((roc_auc_within(&ten(), &strata).unwrap() - 9.5 / 12.0).abs() < 1e-12);
        assert!((average_precision(&ten()).unwrap() - 0.778_333_333_333_333_3).abs() < 1e-12);
    }

    /// ```python
    /// print(*roc_curve(truth, margin, drop_intermediate=False)[:2], *precision_recall_curve(truth, margin)[:2])
    /// ```
    #[test]
    fn curves_are_those_of_scikit_learn() {
        let near = |found: Vec<(f64, f64)>, x: &[f64], y: &[f64]| {
            assert_eq!((found.len(), x.len()), (x.len(), y.len()));
            let off = found.iter().zip(x).zip(y).map(|(((a, b), x), y)| (a - x).abs().max((b - y).abs()));
            assert!(off.fold(0.0, f64::max) < 1e-12, "{found:?}");
        };
        let fall_out = [0.0, 0.0, 0.0, 0.2, 0.4, 0.4, 0.6, 0.8, 1.0];
        let recall = [0.0, 0.2, 0.4, 0.4, 0.6, 0.8, 1.0, 1.0, 1.0];
        near(roc_curve(&ten()), &fall_out, &recall);
        // scikit-learn's come from the lowest threshold on, and with a last point of its own at a recall of 0.
        let precision = [1.0, 1.0, 2.0 / 3.0, 0.6, 2.0 / 3.0, 0.625, 5.0 / 9.0, 0.5];
        near(precision_recall_curve(&ten()), &recall[1..], &precision);
        let one_class: Vec<Scored> = ten().into_iter().filter(|scored| scored.truth == Label::Benign).collect();
        assert_eq!((roc_curve(&one_class), precision_recall_curve(&one_class)), (vec![], vec![]));
    }

    #[test]
    fn with_one_stratum_it_is_the_ordinary_area_and_with_pure_ones_there_is_none() {
        assert_eq!(roc_auc_within(&ten(), &[stratum(40); 10]), roc_auc(&ten()));
        let pure: Vec<Option<Stratum>> = ten().iter().map(|scored| stratum(scored.truth.index() as u32)).collect();
        assert_eq!(roc_auc_within(&ten(), &pure), None);
        assert_eq!(roc_auc_within(&ten(), &[None; 10]), None);
        assert_eq!(average_precision(&[]), None);
    }

    /// ```python
    /// i = np.arange(40)
    /// for s in 0, 1:
    ///     m = np.concatenate([(i + s) // 3 - 6, [3, -9, 0]]); t = np.repeat([1, 0], [40, 3])
    ///     _, tpr, th = roc_curve(t, 1 / (1 + np.exp(-m)), drop_intermediate=False); print(repr(th[tpr >= .95].max()))
    /// ```
    #[test]
    fn the_sensitive_threshold_is_the_largest_that_is_reached_by_enough_with_ties() {
        for (shift, golden) in [(0, 0.0024726231566347743), (1, 0.0066928509242848554)] {
            let malignant = (0..40).map(|index| scored(Label::Malignant, f64::from((index + shift) / 3 - 6)));
            let benign = [3.0, -9.0, 0.0].map(|margin| scored(Label::Benign, margin));
            let found = sensitive_threshold(&malignant.chain(benign).collect::<Vec<_>>()).unwrap().get();
            assert!((found - golden).abs() < 1e-12, "{found} is not {golden}");
        }
        assert_eq!(sensitive_threshold(&[scored(Label::Benign, 1.0)]), None);
        let certain = [scored(Label::Malignant, 1e4), scored(Label::Malignant, 1e4)];
        assert_eq!(sensitive_threshold(&certain).map(Threshold::get), Some(1.0));
    }
}
