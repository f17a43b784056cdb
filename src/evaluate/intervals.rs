//! How far figures could be off because of the persons that happen to be in the data.
//!
//! In: predictions, the pictures of a person together. Out: 95 % percentile intervals of a bootstrap that draws whole
//! cases (Efron and Tibshirani, 1993): pictures of one person are alike, and drawing them one by one would tell of
//! more certainty than there is.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::measure::Measure;
use super::{Metrics, Scored};
use crate::diagnosis::Threshold;

/// Data sets that are drawn; the interval's ends are steady to about a hundredth of its width.
const DRAWS: usize = 2000;

/// The 95 % interval of each of [`Measure::ALL`], drawing `cases` with replacement; none where the figure was not
/// defined in one of twenty draws or more. The draws are the same each time.
pub fn over_cases(cases: &[Vec<Scored>], threshold: Threshold) -> [Option<(f64, f64)>; 6] {
    if cases.is_empty() {
        return [None; 6];
    }
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut draws: [Vec<f64>; 6] = Default::default();
    for _ in 0..DRAWS {
        let drawn = (0..cases.len()).flat_map(|_| cases[rng.random_range(0..cases.len())].iter().copied());
        let metrics = Metrics::at(&drawn.collect::<Vec<_>>(), threshold);
        for (values, measure) in draws.iter_mut().zip(Measure::ALL) {
            values.extend(measure.of(&metrics));
        }
    }
    draws.map(|mut values| {
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        (values.len() > DRAWS * 19 / 20).then(|| (at(0.025), at(0.975)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::{Label, Probability};
    use crate::model::Prediction;

    fn scored(right: bool) -> Scored {
        let margin = if right { 1.0 } else { -1.0 };
        let probability_malignant = Probability::from_margin(margin);
        Scored { truth: Label::Malignant, prediction: Prediction { margin, probability_malignant } }
    }

    fn accuracy(cases: &[Vec<Scored>]) -> (f64, f64) {
        over_cases(cases, Threshold::HALF)[0].unwrap()
    }

    #[test]
    fn an_interval_is_that_of_the_binomial_distribution_where_each_case_has_one_picture() {
        // scipy.stats.binom(100, .8).ppf([.025, .975]) / 100, which are .72 and .88
        let cases: Vec<Vec<Scored>> = (0..100).map(|i| vec![scored(i % 5 != 0)]).collect();
        let (low, high) = accuracy(&cases);
        assert!((low - 0.72).abs() <= 0.01 && (high - 0.88).abs() <= 0.01, "{low} to {high}");
        assert_eq!(accuracy(&cases), (low, high));
    }

    #[test]
    fn many_pictures_of_few_persons_are_less_certain_than_as_many_persons() {
        let few: Vec<Vec<Scored>> = (0..10).map(|i| vec![scored(i % 5 != 0); 10]).collect();
        let (low, high) = accuracy(&few);
        assert!(high - low > 0.4, "{low} to {high}");
    }

    #[test]
    fn figures_that_are_not_defined_have_no_interval() {
        let intervals = over_cases(&[vec![scored(true)]], Threshold::HALF);
        // All pictures are malignant: no ROC curve, but the rest.
        assert_eq!(intervals.map(|interval| interval.is_some()), [true, true, true, true, true, false]);
        assert_eq!(over_cases(&[], Threshold::HALF), [None; 6]);
    }
}
