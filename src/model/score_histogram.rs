//! How the probabilities of many images are spread.

use serde::{Deserialize, Serialize};

use crate::diagnosis::Probability;

/// Images by their probability of malignancy, in tenths: from 0 to below 0.1, and so on, the last with 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreHistogram(pub [usize; 10]);

impl ScoreHistogram {
    /// Counts an image.
    pub fn add(&mut self, malignant: Probability) {
        let last = self.0.len() - 1;
        self.0[((malignant.get() * self.0.len() as f64) as usize).min(last)] += 1;
    }

    /// Adds what was counted elsewhere.
    pub fn join(&mut self, other: &Self) {
        self.0.iter_mut().zip(other.0).for_each(|(count, more)| *count = count.saturating_add(more));
    }

    /// The share of each tenth; zeros without an image.
    pub fn shares(&self) -> [f64; 10] {
        let all = self.0.iter().map(|count| *count as f64).sum::<f64>().max(1.0);
        self.0.map(|count| count as f64 / all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_holds_its_lower_end_and_the_last_one_its_upper_end_too() {
        let mut histogram = ScoreHistogram::default();
        for probability in [0.0, 0.099_999, 0.1, 0.55, 0.9, 1.0] {
            histogram.add(Probability::new(probability).unwrap());
        }
        assert_eq!(histogram.0, [2, 1, 0, 0, 0, 1, 0, 0, 0, 2]);
        let mut twice = histogram;
        twice.join(&histogram);
        assert_eq!((twice.0[0], twice.shares()[0]), (4, 1.0 / 3.0));
        assert_eq!(ScoreHistogram::default().shares(), [0.0; 10]);
    }
}
