//! Logistic regression on numbers of an image: what simple measures of an image say of its label.
//!
//! In: rows of features and labels. Out: a margin for any row. The features are standardised, the coefficients are kept
//! small by half their squared length over `C`, as scikit-learn names it, and Newton's method finds the one optimum. With
//! more features than rows it is looked for among the sums of rows, where it must lie: a system of as many equations as
//! rows then takes the place of one of as many as features (Hastie, Tibshirani and Friedman, "The Elements of
//! Statistical Learning", 2009, section 18.3.5).

use crate::diagnosis::{Label, Probability};
use crate::evaluate::controls::linear::{Factor, dot, products};

/// A fitted regression.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Logistic {
    means: Vec<f64>,
    deviations: Vec<f64>,
    coefficients: Vec<f64>,
    intercept: f64,
}

/// Newton's method doubles the digits in each step; this many are more than enough.
const STEPS: usize = 30;

/// A step that changes no margin by more than this is the last one.
const STILL: f64 = 1e-10;

impl Logistic {
    /// Fits the regression to rows of features, all of one length, and their labels; the smaller `c`, the smaller the
    /// coefficients.
    pub(crate) fn fit(rows: &[Vec<f64>], labels: &[Label], c: f64) -> Self {
        let width = rows.first().map_or(0, Vec::len);
        let count = rows.len().max(1) as f64;
        let means: Vec<f64> = (0..width).map(|i| rows.iter().map(|row| row[i]).sum::<f64>() / count).collect();
        let deviations = (0..width).map(|i| {
            let variance = rows.iter().map(|row| (row[i] - means[i]).powi(2)).sum::<f64>() / count;
            // A feature that is the same everywhere says nothing, at any scale.
            if variance > 0.0 { variance.sqrt() } else { 1.0 }
        });
        let deviations: Vec<f64> = deviations.collect();
        let mut fitted = Self { means, deviations, coefficients: vec![0.0; width], intercept: 0.0 };
        let rows: Vec<Vec<f64>> = rows.iter().map(|row| fitted.standardised(row)).collect();
        let targets: Vec<f64> = labels.iter().map(|label| label.index() as f64).collect();
        (fitted.coefficients, fitted.intercept) = match width > rows.len() {
            true => among_rows(&rows, &targets, c),
            false => among_features(&rows, &targets, c, width),
        };
        fitted
    }

    /// The logit of malignancy for a row of features.
    pub(crate) fn margin(&self, row: &[f64]) -> f64 {
        self.intercept + dot(&self.standardised(row), &self.coefficients)
    }

    fn standardised(&self, row: &[f64]) -> Vec<f64> {
        let scales = self.means.iter().zip(&self.deviations);
        row.iter().zip(scales).map(|(value, (mean, deviation))| (value - mean) / deviation).collect()
    }
}

/// How probable malignancy is at a margin, and how much that changes with it.
fn slope(margin: f64) -> (f64, f64) {
    let probability = Probability::from_margin(margin).get();
    (probability, probability * (1.0 - probability))
}

/// Newton's steps on the coefficients and, last, the intercept.
fn among_features(rows: &[Vec<f64>], targets: &[f64], c: f64, width: usize) -> (Vec<f64>, f64) {
    let size = width + 1;
    // A feature a row, and a row of ones for the intercept.
    let columns: Vec<f64> =
        (0..size).flat_map(|feature| rows.iter().map(move |row| row.get(feature).copied().unwrap_or(1.0))).collect();
    let column = |feature: usize| &columns[feature * rows.len()..(feature + 1) * rows.len()];
    let mut found = vec![0.0; size];
    for _ in 0..STEPS {
        let slopes: Vec<(f64, f64)> = rows.iter().map(|row| slope(found[width] + dot(row, &found[..width]))).collect();
        let weighted: Vec<f64> = columns.iter().zip(slopes.iter().cycle()).map(|(x, (_, weight))| x * weight).collect();
        let errors: Vec<f64> =
            slopes.iter().zip(targets).map(|((probability, _), target)| probability - target).collect();
        let mut matrix = products(&weighted, &columns, size);
        let mut side: Vec<f64> = (0..size).map(|feature| dot(column(feature), &errors)).collect();
        for feature in 0..width {
            matrix[feature * size + feature] += 1.0 / c;
            side[feature] += found[feature] / c;
        }
        // With labels of one kind the intercept has no end; this stops it where it is sure enough.
        matrix[width * size + width] += 1e-9;
        let step = Factor::of(matrix, size).solve(side);
        found.iter_mut().zip(&step).for_each(|(value, step)| *value -= step);
        if step.iter().all(|step| step.abs() < STILL) {
            break;
        }
    }
    let intercept = found.pop().unwrap_or(0.0);
    (found, intercept)
}

/// Newton's steps on a weight for each row: each is a regression of what the margins should be, with the intercept
/// such that the weights add up to nothing.
fn among_rows(rows: &[Vec<f64>], targets: &[f64], c: f64) -> (Vec<f64>, f64) {
    let count = rows.len();
    let flat = rows.concat();
    let kernel = products(&flat, &flat, count);
    let (mut weights, mut intercept, mut margins) = (vec![0.0; count], 0.0, vec![0.0; count]);
    for _ in 0..STEPS {
        let mut matrix = kernel.clone();
        let mut wanted = Vec::with_capacity(count);
        for (i, (margin, target)) in margins.iter().zip(targets).enumerate() {
            let (probability, weight) = slope(*margin);
            // A row that is decided for sure would have no weight at all.
            let weight = weight.max(1e-9);
            matrix[i * count + i] += 1.0 / (c * weight);
            wanted.push(margin + (target - probability) / weight);
        }
        let factor = Factor::of(matrix, count);
        let (of_ones, of_wanted) = (factor.solve(vec![1.0; count]), factor.solve(wanted));
        intercept = of_wanted.iter().sum::<f64>() / of_ones.iter().sum::<f64>();
        weights = of_wanted.iter().zip(&of_ones).map(|(wanted, one)| wanted - intercept * one).collect();
        let moved: Vec<f64> = kernel.chunks_exact(count.max(1)).map(|row| dot(row, &weights) + intercept).collect();
        let still = moved.iter().zip(&margins).all(|(now, before)| (now - before).abs() < STILL);
        margins = moved;
        if still {
            break;
        }
    }
    let width = rows.first().map_or(0, Vec::len);
    let mut coefficients = vec![0.0; width];
    for (row, weight) in rows.iter().zip(&weights) {
        coefficients.iter_mut().zip(row).for_each(|(coefficient, value)| *coefficient += weight * value);
    }
    (coefficients, if intercept.is_finite() { intercept } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three features that go together, and labels that the first two decide but for every seventh.
    fn data() -> (Vec<Vec<f64>>, Vec<Label>) {
        let row = |i: usize| {
            let (a, b) = ((i * 37 % 101) as f64 / 100.0, (i * 53 % 97) as f64 / 96.0);
            vec![a, a + b, 5.0 * b - a]
        };
        let label = |i: usize| Label::ALL[usize::from((row(i)[1] > 1.0) != i.is_multiple_of(7))];
        ((0..200).map(row).collect(), (0..200).map(label).collect())
    }

    #[test]
    fn coefficients_are_those_of_scikit_learn() {
        // import numpy as np; from sklearn.linear_model import LogisticRegression
        // i = np.arange(200); a, b = i * 37 % 101 / 100, i * 53 % 97 / 96; x = np.stack([a, a + b, 5 * b - a], 1)
        // y = (x[:, 1] > 1) != (i % 7 == 0); x = (x - x.mean(0)) / x.std(0)
        // m = LogisticRegression(tol=1e-12, max_iter=10000).fit(x, y); print(m.coef_, m.intercept_)
        let (rows, labels) = data();
        let fitted = Logistic::fit(&rows, &labels, 1.0);
        let wanted = [0.651302457, 0.825474430, 0.414544389, -0.035047770];
        for (ours, theirs) in fitted.coefficients.iter().chain([&fitted.intercept]).zip(wanted) {
            assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
        }
    }

    #[test]
    fn with_more_features_than_rows_the_margins_are_those_of_scikit_learn() {
        // i, j = np.arange(40)[:, None], np.arange(150)
        // x = (i * 37 + j * 53 + i * j * j) % 101 / 100; y = (i[:, 0] * 37 % 101 > 45) != (i[:, 0] % 9 == 0)
        // z = (x - x.mean(0)) / x.std(0)
        // m = LogisticRegression(C=1e-2, tol=1e-12, max_iter=100000).fit(z, y)
        // print(m.coef_[0, :2], m.intercept_, m.decision_function(z)[:3])
        let row = |i: usize| (0..150).map(|j| ((i * 37 + j * 53 + i * j * j) % 101) as f64 / 100.0).collect::<Vec<_>>();
        let rows: Vec<Vec<f64>> = (0..40).map(row).collect();
        let label = |i: usize| Label::ALL[usize::from((i * 37 % 101 > 45) != i.is_multiple_of(9))];
        let labels: Vec<Label> = (0..40).map(label).collect();
        let fitted = Logistic::fit(&rows, &labels, 1e-2);
        let ours = [fitted.coefficients[0], fitted.coefficients[1], fitted.intercept];
        let margins = [fitted.margin(&rows[0]), fitted.margin(&rows[1]), fitted.margin(&rows[2])];
        let wanted = [0.079956570, -0.018005082, 0.324889660, 0.492981854, -0.036852265, 0.957213618];
        for (ours, theirs) in ours.into_iter().chain(margins).zip(wanted) {
            assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
        }
    }

    #[test]
    fn both_ways_lead_to_the_same_coefficients() {
        let (rows, labels) = data();
        let rows: Vec<Vec<f64>> = rows.iter().map(|row| Logistic::fit(&rows, &labels, 1.0).standardised(row)).collect();
        let targets: Vec<f64> = labels.iter().map(|label| label.index() as f64).collect();
        let (a, b) = (among_features(&rows, &targets, 0.1, 3), among_rows(&rows, &targets, 0.1));
        assert!((a.1 - b.1).abs() < 1e-8, "{a:?} {b:?}");
        assert!(a.0.iter().zip(&b.0).all(|(a, b)| (a - b).abs() < 1e-8), "{a:?} {b:?}");
    }

    #[test]
    fn what_can_be_separated_without_a_fault_and_what_never_changes_give_finite_margins() {
        let rows = [[0.0, 7.0], [0.1, 7.0], [0.9, 7.0], [1.0, 7.0]].map(|row| row.to_vec());
        let labels = [Label::Benign, Label::Benign, Label::Malignant, Label::Malignant];
        let fitted = Logistic::fit(&rows, &labels, 1.0);
        assert!(fitted.margin(&rows[0]) < -0.5 && fitted.margin(&rows[3]) > 0.5);
        assert_eq!(fitted.coefficients[1], 0.0);
        assert!(Logistic::fit(&rows, &[Label::Benign; 4], 1.0).margin(&rows[0]).is_finite());
        let wide = [vec![0.0; 9], vec![1.0; 9]];
        assert!(Logistic::fit(&wide, &[Label::Benign; 2], 1.0).margin(&wide[0]).is_finite());
    }
}
