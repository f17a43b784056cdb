//! Logistic regression on a few numbers a picture: what simple measures of a picture tell of its label.
//!
//! In: rows of features and labels. Out: a margin for any row. The features are standardised, the coefficients are kept
//! small by half their squared length (scikit-learn's `C = 1`), and Newton's method finds the one optimum.

use crate::diagnosis::{Label, Probability};

/// A fitted regression on `N` features.
#[derive(Clone, Debug, PartialEq)]
pub struct Logistic<const N: usize> {
    means: [f64; N],
    deviations: [f64; N],
    coefficients: [f64; N],
    intercept: f64,
}

/// Newton's method doubles the digits in each step; this many are more than enough.
const STEPS: usize = 30;

impl<const N: usize> Logistic<N> {
    /// Fits the regression to rows of features and their labels.
    pub fn fit(rows: &[[f64; N]], labels: &[Label]) -> Self {
        let count = rows.len().max(1) as f64;
        let means = std::array::from_fn(|i| rows.iter().map(|row| row[i]).sum::<f64>() / count);
        let deviations = std::array::from_fn(|i| {
            let variance = rows.iter().map(|row| (row[i] - means[i]).powi(2)).sum::<f64>() / count;
            // A feature that is the same everywhere tells nothing, at any scale.
            if variance > 0.0 { variance.sqrt() } else { 1.0 }
        });
        let mut fitted = Self { means, deviations, coefficients: [0.0; N], intercept: 0.0 };
        for _ in 0..STEPS {
            let moves = solve(fitted.equations(rows, labels));
            for (coefficient, change) in fitted.coefficients.iter_mut().zip(&moves) {
                *coefficient -= change;
            }
            fitted.intercept -= moves[N];
        }
        fitted
    }

    /// The logit of malignancy for a row of features.
    pub fn margin(&self, row: &[f64; N]) -> f64 {
        let terms = self.standardised(row);
        self.intercept + terms.iter().zip(&self.coefficients).map(|(x, w)| x * w).sum::<f64>()
    }

    fn standardised(&self, row: &[f64; N]) -> [f64; N] {
        std::array::from_fn(|i| (row[i] - self.means[i]) / self.deviations[i])
    }

    /// The matrix of second derivatives, a row each, with the first derivative at its end; the intercept comes last.
    fn equations(&self, rows: &[[f64; N]], labels: &[Label]) -> Vec<Vec<f64>> {
        let mut equations = vec![vec![0.0; N + 2]; N + 1];
        for (row, label) in rows.iter().zip(labels) {
            let probability = Probability::from_margin(self.margin(row)).get();
            let weight = probability * (1.0 - probability);
            let mut terms = self.standardised(row).to_vec();
            terms.push(1.0);
            for (equation, x) in equations.iter_mut().zip(&terms) {
                equation.iter_mut().zip(&terms).for_each(|(value, y)| *value += weight * x * y);
                equation[N + 1] += (probability - label.index() as f64) * x;
            }
        }
        for (i, (equation, coefficient)) in equations.iter_mut().zip(&self.coefficients).enumerate() {
            equation[i] += 1.0;
            equation[N + 1] += coefficient;
        }
        // With labels of one kind the intercept has no end; this stops it where it is sure enough.
        equations[N][N] += 1e-9;
        equations
    }
}

/// Gauss-Jordan elimination; the matrix is positive definite, so that no pivot is zero.
fn solve(mut equations: Vec<Vec<f64>>) -> Vec<f64> {
    for i in 0..equations.len() {
        let pivot = equations[i][i];
        equations[i].iter_mut().for_each(|value| *value /= pivot);
        let row = equations[i].clone();
        for (other, equation) in equations.iter_mut().enumerate() {
            if other != i {
                let factor = equation[i];
                equation.iter_mut().zip(&row).for_each(|(value, from)| *value -= factor * from);
            }
        }
    }
    equations.iter().filter_map(|equation| equation.last().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three features that go together, and labels that the first two decide but for every seventh.
    fn data() -> (Vec<[f64; 3]>, Vec<Label>) {
        let row = |i: usize| {
            let (a, b) = ((i * 37 % 101) as f64 / 100.0, (i * 53 % 97) as f64 / 96.0);
            [a, a + b, 5.0 * b - a]
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
        let fitted = Logistic::fit(&rows, &labels);
        let wanted = [0.651302457, 0.825474430, 0.414544389, -0.035047770];
        for (ours, theirs) in fitted.coefficients.iter().chain([&fitted.intercept]).zip(wanted) {
            assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
        }
    }

    #[test]
    fn what_can_be_told_apart_without_a_fault_and_what_never_changes_give_finite_margins() {
        let rows = [[0.0, 7.0], [0.1, 7.0], [0.9, 7.0], [1.0, 7.0]];
        let fitted = Logistic::fit(&rows, &[Label::Benign, Label::Benign, Label::Malignant, Label::Malignant]);
        assert!(fitted.margin(&rows[0]) < -0.5 && fitted.margin(&rows[3]) > 0.5 && fitted.coefficients[1] == 0.0);
        assert!(Logistic::fit(&rows, &[Label::Benign; 4]).margin(&rows[0]).is_finite());
    }
}
