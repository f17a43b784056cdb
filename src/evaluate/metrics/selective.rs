//! What is gained by leaving the least sure images to a person.
//!
//! In: labels, predictions and a threshold. Out: the risk-coverage curve and the areas under it. Images are answered from
//! the surest on; how sure a network is of an image is the distance of its margin from that of the threshold. Images that
//! are equally sure share their errors, so nothing depends on the order in which images come.

use crate::diagnosis::Threshold;
use crate::evaluate::metrics::decisions::Scored;

/// The errors that are expected among the k surest images, for k from 1 to all; empty where a margin is not a number.
pub(crate) fn errors_by_coverage(scored: &[Scored], threshold: Threshold) -> Vec<f64> {
    let line = threshold.margin();
    let mut images: Vec<(f64, f64)> = scored
        .iter()
        .map(|Scored { truth, prediction }| {
            let sure = if line.is_finite() { (prediction.margin - line).abs() } else { 0.0 };
            let wrong = threshold.decide(prediction.probability_malignant) != *truth;
            (sure, f64::from(u8::from(wrong)))
        })
        .collect();
    if images.iter().any(|(sure, _)| sure.is_nan()) {
        return Vec::new();
    }
    images.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut errors, mut curve) = (0.0, Vec::with_capacity(images.len()));
    for tie in images.chunk_by(|a, b| a.0 == b.0) {
        let wrong: f64 = tie.iter().map(|(_, wrong)| wrong).sum();
        curve.extend((1..=tie.len()).map(|count| errors + wrong * count as f64 / tie.len() as f64));
        errors += wrong;
    }
    curve
}

/// The area under the risk-coverage curve (Geifman, El-Yaniv, NeurIPS 2017): the mean over all coverages of the share of
/// wrong decisions among the images that are answered.
pub(crate) fn aurc(scored: &[Scored], threshold: Threshold) -> Option<f64> {
    let curve = errors_by_coverage(scored, threshold);
    let risks = curve.iter().zip(1..).map(|(errors, answered)| errors / f64::from(answered));
    (!curve.is_empty()).then(|| risks.sum::<f64>() / curve.len() as f64)
}

/// The area under the generalised risk-coverage curve (Traub et al., NeurIPS 2024): the mean over all coverages of the
/// share of all images that are answered and wrong.
pub(crate) fn augrc(scored: &[Scored], threshold: Threshold) -> Option<f64> {
    let curve = errors_by_coverage(scored, threshold);
    let n = curve.len() as f64;
    (!curve.is_empty()).then(|| curve.iter().map(|errors| errors / n).sum::<f64>() / n)
}

/// The share of errors that is left when a share of the images, the least sure, is not answered: 1 for as many errors an
/// image as before. None where nothing is wrong or nothing answered.
pub(crate) fn error_left(scored: &[Scored], threshold: Threshold, not_answered: f64) -> Option<f64> {
    let curve = errors_by_coverage(scored, threshold);
    let answered = ((1.0 - not_answered) * curve.len() as f64).round() as usize;
    let (left, all) = (curve.get(answered.checked_sub(1)?)?, curve.last()?);
    (*all > 0.0).then(|| left / answered as f64 / (all / curve.len() as f64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Label;
    use crate::evaluate::metrics::decisions::tests::{scored, ten};

    fn near(found: Option<f64>, golden: f64) {
        let found = found.expect("defined");
        assert!((found - golden).abs() < 1e-9, "{found} is not {golden}");
    }

    /// ```python
    /// m = np.array([2.5, .3, -.7, 40, -3, .3, -.7, -40, 0, 1.25]); t = np.array([1, 1, 1, 1, 0, 0, 0, 0, 1, 0])
    /// for threshold in .5, .6:
    ///     line = np.log(threshold / (1 - threshold)); wrong = (1 / (1 + np.exp(-m)) >= threshold) != t; sure = abs(m - line)
    ///     rng = np.random.default_rng(0); curves = []
    ///     for _ in range(400000):  # ties in random order
    ///         curves.append(np.cumsum(wrong[np.lexsort((rng.random(10), -sure))]))
    ///     c = np.mean(curves, 0)
    ///     print((c / np.arange(1, 11)).mean(), c.mean() / 10, c)
    /// ```
    /// gives the expected errors to three digits; with these as fractions the areas follow.
    #[test]
    fn areas_are_those_of_the_definition_with_ties_in_random_order() {
        let curve = errors_by_coverage(&ten(), Threshold::HALF);
        assert_eq!(curve, [0.0, 0.0, 0.0, 0.0, 1.0, 1.5, 2.0, 2.5, 3.0, 3.0]);
        let risks = [0.0, 0.0, 0.0, 0.0, 1.0 / 5.0, 1.5 / 6.0, 2.0 / 7.0, 2.5 / 8.0, 3.0 / 9.0, 3.0 / 10.0];
        near(aurc(&ten(), Threshold::HALF), risks.iter().sum::<f64>() / 10.0);
        near(augrc(&ten(), Threshold::HALF), 13.0 / 100.0);
        near(error_left(&ten(), Threshold::HALF, 0.5), (1.0 / 5.0) / (3.0 / 10.0));
        near(error_left(&ten(), Threshold::HALF, 0.0), 1.0);
    }

    #[test]
    fn sureness_is_measured_from_the_threshold() {
        let images = [scored(Label::Benign, 1.0), scored(Label::Malignant, 3.0)];
        // At .5 the second is surer; at a threshold whose margin is 2.9 the first is, and right.
        let high = Threshold::new(crate::diagnosis::Probability::from_margin(2.9).get()).unwrap();
        assert_eq!(errors_by_coverage(&images, Threshold::HALF), [0.0, 1.0]);
        assert_eq!(errors_by_coverage(&images, high), [0.0, 0.0]);
        assert_eq!(error_left(&images, high, 0.2), None, "nothing is wrong");
        let always = Threshold::new(0.0).unwrap();
        assert_eq!(errors_by_coverage(&images, always), [0.5, 1.0], "all are equally sure");
        assert_eq!((aurc(&[], high), augrc(&[], high), error_left(&[], high, 0.2)), (None, None, None));
    }
}
