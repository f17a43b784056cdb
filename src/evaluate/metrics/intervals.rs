//! How far figures could be off because of the persons that happen to be in the data.
//!
//! In: predictions. Out: 95 % percentile intervals of a bootstrap that draws whole cases (Efron and Tibshirani, 1993):
//! images of one person are alike, and drawing them one by one would promise more certainty than there is.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;

use crate::diagnosis::Threshold;
use crate::evaluate::Figures;
use crate::evaluate::metrics::{Metric, PerMetric};
use crate::evaluate::predictions::Predictions;

/// Data sets that are drawn; the interval's ends are steady to about a hundredth of its width.
const DRAWS: usize = 2000;

/// The ends of a 95 % interval, where there is one.
pub type Interval = Option<(f64, f64)>;

/// The 95 % interval of each metric, drawing cases with replacement; none where the metric was not defined in one of
/// twenty draws or more. The draws are the same each time.
pub(crate) fn over_cases(predictions: &Predictions, threshold: Threshold) -> PerMetric<Interval> {
    bootstrap(&[predictions.cases()], |drawn| {
        let figures = Figures::of(predictions, &drawn.concat(), threshold);
        PerMetric::of(|metric| figures.get(metric))
    })
}

/// The 95 % interval of the first's figures minus the second's, which predict the same images in the same order: each
/// draw of cases measures both.
pub(crate) fn of_differences(sides: [&Predictions; 2], threshold: Threshold) -> PerMetric<Interval> {
    bootstrap(&[sides[0].cases()], |drawn| {
        let images = drawn.concat();
        let [a, b] = sides.map(|predictions| Figures::of(predictions, &images, threshold));
        PerMetric::of(|metric| Some(a.get(metric)? - b.get(metric)?))
    })
}

/// The 95 % interval of the mean of several runs' figures, for each of [`Metric::AREAS`]: each run's cases are drawn by
/// themselves, and a run in whose draw a figure is not defined is left out of that mean.
pub(crate) fn of_means(runs: &[Predictions], threshold: Threshold) -> PerMetric<Interval> {
    let cases: Vec<Vec<Vec<usize>>> = runs.iter().map(Predictions::cases).collect();
    bootstrap(&cases, |drawn| {
        let figures = runs.iter().zip(drawn).map(|(run, indices)| Figures::of(run, indices, threshold));
        let figures: Vec<Figures> = figures.collect();
        let mean_of = |metric| mean(figures.iter().filter_map(|figures| figures.get(metric)));
        PerMetric::of(|metric| Metric::AREAS.contains(&metric).then(|| mean_of(metric)).flatten())
    })
}

/// The mean of some numbers; none of none.
fn mean(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, count) = numbers.fold((0.0, 0), |(sum, count), number| (sum + number, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

/// The mean of numbers that are all there; none where one is missing.
pub fn mean_of_all(numbers: impl Iterator<Item = Option<f64>>) -> Option<f64> {
    mean(numbers.collect::<Option<Vec<_>>>()?.into_iter())
}

/// Draws as many cases as there are from each group of them, and measures the images of these, group by group.
fn bootstrap(
    groups: &[Vec<Vec<usize>>],
    measure: impl Fn(&[Vec<usize>]) -> PerMetric<Option<f64>> + Sync,
) -> PerMetric<Interval> {
    if groups.iter().all(Vec::is_empty) {
        return PerMetric::of(|_| None);
    }
    let mut rng = ChaCha8Rng::seed_from_u64(0);
    let mut draw = |cases: &Vec<Vec<usize>>| -> Vec<usize> {
        (0..cases.len()).map(|_| rng.random_range(0..cases.len())).collect()
    };
    let draws: Vec<Vec<Vec<usize>>> = (0..DRAWS).map(|_| groups.iter().map(&mut draw).collect()).collect();
    let measured: Vec<PerMetric<Option<f64>>> = draws
        .into_par_iter()
        .map(|drawn| {
            let images = |(cases, drawn): (&Vec<Vec<usize>>, Vec<usize>)| -> Vec<usize> {
                drawn.into_iter().flat_map(|case| cases[case].iter().copied()).collect()
            };
            measure(&groups.iter().zip(drawn).map(images).collect::<Vec<_>>())
        })
        .collect();
    PerMetric::of(|metric| {
        let mut values: Vec<f64> = measured.iter().filter_map(|measured| measured[metric]).collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| values[((values.len() - 1) as f64 * share).round() as usize];
        (values.len() > DRAWS * 19 / 20).then(|| (at(0.025), at(0.975)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnosis::Label;
    use crate::evaluate::Subject;
    use crate::evaluate::predictions::Margins;

    /// Malignant images, `of_case` each a case, called so or not.
    fn predictions(right: impl Iterator<Item = bool>, of_case: usize) -> Predictions {
        let margins: Vec<f64> = right.map(|right| if right { 1.0 } else { -1.0 }).collect();
        let subject = |index: usize| Subject::drawn(Label::Malignant, &format!("{:03}", index / of_case), None);
        Predictions {
            subjects: (0..margins.len()).map(subject).collect(),
            network: Margins { plain: margins, exchanged: Vec::new() },
            ..Predictions::default()
        }
    }

    fn accuracy(predictions: &Predictions) -> (f64, f64) {
        over_cases(predictions, Threshold::HALF)[Metric::Accuracy].unwrap()
    }

    #[test]
    fn an_interval_is_that_of_the_binomial_distribution_where_each_case_has_one_image() {
        // scipy.stats.binom(100, .8).ppf([.025, .975]) / 100, which are .72 and .88
        let predictions = predictions((0..100).map(|i| i % 5 != 0), 1);
        let (low, high) = accuracy(&predictions);
        assert!((low - 0.72).abs() <= 0.01 && (high - 0.88).abs() <= 0.01, "{low} to {high}");
        assert_eq!(accuracy(&predictions), (low, high));
    }

    #[test]
    fn many_images_of_few_persons_are_less_certain_than_as_many_persons() {
        let (low, high) = accuracy(&predictions((0..100).map(|i| i / 10 % 5 != 0), 10));
        assert!(high - low > 0.4, "{low} to {high}");
    }

    #[test]
    fn figures_that_are_not_defined_have_no_interval() {
        let intervals = over_cases(&predictions([true].into_iter(), 1), Threshold::HALF);
        // All images are malignant: no ROC curve, but the rest of the report's figures.
        let defined = Metric::OF_REPORT.map(|metric| intervals[metric].is_some());
        assert_eq!(defined, [true, true, true, true, true, false]);
        assert!(intervals[Metric::WithinStrata].is_none());
        let none = PerMetric::of(|_| None);
        assert_eq!(over_cases(&Predictions::default(), Threshold::HALF), none);
        assert_eq!(of_means(&[], Threshold::HALF), none);
    }
}
