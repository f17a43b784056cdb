//! Two networks on the same images: what the figures of one are above those of the other, and how far other persons
//! would move that. Both are measured on the same drawn cases, so that hard persons weigh on neither side alone.
//!
//! In: [`Predictions`] of both. Out: a [`Paired`] difference.

use std::collections::BTreeMap;

use serde::ser::{Serialize, SerializeStruct, Serializer};

use crate::diagnosis::{Label, Threshold};
use crate::evaluate::metrics::intervals::of_differences;
use crate::evaluate::{EvaluateError, Figures, Interval, Metric, PerMetric, Predictions};

/// The figures of one network minus those of another on the same images.
#[derive(Clone, Debug)]
pub struct Paired {
    /// What is subtracted from, and what is subtracted, in words.
    pub sides: [String; 2],
    pub(crate) n: usize,
    pub(crate) cases: usize,
    /// None where one of the two has no figure.
    pub differences: PerMetric<Option<f64>>,
    /// 95 % intervals over cases.
    pub intervals: PerMetric<Interval>,
}

impl Paired {
    /// The first minus the second, both with decisions at one threshold.
    ///
    /// # Errors
    /// When the two did not predict the same images.
    pub fn of(
        [(first, these), (second, others)]: [(String, &Predictions); 2],
        threshold: Threshold,
    ) -> Result<Self, EvaluateError> {
        let sides = [first, second];
        let images = these.subjects.iter().map(|subject| (&*subject.filename, subject.truth));
        let others = match others.order_of(images) {
            Ok(order) => others.at(&order),
            Err(example) => return Err(EvaluateError::OtherImages { sides, example }),
        };
        let all = these.all();
        let [a, b] = [these, &others].map(|predictions| Figures::of(predictions, &all, threshold));
        Ok(Self {
            sides,
            n: all.len(),
            cases: these.cases().len(),
            differences: PerMetric::of(|metric| Some(a.get(metric)? - b.get(metric)?)),
            intervals: of_differences([these, &others], threshold),
        })
    }

    /// Those that a difference is shown of: calibration errors and counts have no interval.
    pub(crate) fn metrics() -> impl Iterator<Item = Metric> {
        Metric::ALL.into_iter().filter(|metric| metric.has_interval())
    }
}

/// The names of both, the counts, and for each metric its difference with the ends of its interval.
impl Serialize for Paired {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(serde::Serialize)]
        struct Difference {
            difference: Option<f64>,
            interval: Interval,
        }
        let of = |metric| Difference { difference: self.differences[metric], interval: self.intervals[metric] };
        let differences: BTreeMap<&str, Difference> =
            Self::metrics().map(|metric| (metric.key(), of(metric))).collect();
        let mut map = serializer.serialize_struct("Paired", 4)?;
        map.serialize_field("sides", &self.sides)?;
        map.serialize_field("n", &self.n)?;
        map.serialize_field("cases", &self.cases)?;
        map.serialize_field("differences", &differences)?;
        map.end()
    }
}

impl Predictions {
    /// The indices of images, by the names of their files, in the order in which they are named here.
    ///
    /// # Errors
    /// The name of an image that is not on both sides, or that shows something else there.
    pub(crate) fn order_of<'a>(&self, images: impl Iterator<Item = (&'a str, Label)>) -> Result<Vec<usize>, String> {
        let mut index_of: BTreeMap<&str, usize> =
            self.subjects.iter().zip(0..).map(|(subject, index)| (&*subject.filename, index)).collect();
        let index = |(name, truth): (&'a str, Label)| {
            let found = index_of.remove(name).filter(|index| self.subjects[*index].truth == truth);
            found.ok_or_else(|| name.to_owned())
        };
        let order = images.map(index).collect::<Result<Vec<usize>, String>>()?;
        index_of.keys().next().map_or(Ok(order), |only_here| Err((*only_here).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evaluate::{Margins, Subject};

    /// Ten cases of ten images, of which every `wrong`-th is called what it is not.
    fn predictions(wrong: usize) -> Predictions {
        let subject = |index: usize| Subject {
            filename: format!("{index}.png"),
            ..Subject::drawn(Label::ALL[index / 10 % 2], &(index / 10).to_string(), None)
        };
        let subjects: Vec<Subject> = (0..100).map(subject).collect();
        let margin = |(index, subject): (usize, &Subject)| {
            let right = if subject.truth == Label::Malignant { 1.0 } else { -1.0 };
            if (index * 7 + index / 10) % wrong == 0 { -right } else { right }
        };
        let plain = subjects.iter().enumerate().map(margin).collect();
        Predictions { subjects, network: Margins { plain, exchanged: Vec::new() }, ..Predictions::default() }
    }

    fn paired(these: &Predictions, others: &Predictions) -> Result<Paired, EvaluateError> {
        Paired::of([("a".to_owned(), these), ("b".to_owned(), others)], Threshold::HALF)
    }

    #[test]
    fn a_difference_is_that_of_the_figures_and_its_interval_is_narrower_than_of_two_apart() {
        let (better, worse) = (predictions(5), predictions(3));
        let all = better.all();
        let accuracy = |of: &Predictions| Figures::of(of, &all, Threshold::HALF).get(Metric::Accuracy).unwrap();
        let difference = paired(&better, &worse).unwrap();
        assert_eq!(difference.differences[Metric::Accuracy], Some(accuracy(&better) - accuracy(&worse)));
        let (low, high) = difference.intervals[Metric::Accuracy].unwrap();
        assert!(low <= accuracy(&better) - accuracy(&worse) && accuracy(&better) - accuracy(&worse) <= high);
        let back = paired(&worse, &better).unwrap();
        let (back_low, back_high) = back.intervals[Metric::Accuracy].unwrap();
        assert!((back_low + high).abs() < 1e-9 && (back_high + low).abs() < 1e-9, "the same draws, turned round");
        let itself = paired(&better, &better).unwrap();
        assert!(Paired::metrics().all(|metric| itself.intervals[metric].is_none_or(|ends| ends == (0.0, 0.0))));
        assert!(itself.intervals[Metric::Nll].is_some());
    }

    #[test]
    fn images_go_by_their_names_and_other_images_are_refused() {
        let (one, other) = (predictions(5), predictions(3));
        let backwards = other.at(&(0..100).rev().collect::<Vec<_>>());
        let [straight, turned] = [&other, &backwards].map(|other| paired(&one, other).unwrap());
        assert_eq!((straight.differences, straight.intervals), (turned.differences, turned.intervals));
        for (these, others) in [(one.at(&[0, 1]), one.at(&[0])), (one.at(&[0]), one.at(&[0, 1]))] {
            let message = paired(&these, &others).unwrap_err().to_string();
            assert!(message.contains("a and b") && message.contains("1.png"), "{message}");
        }
        let mut called_otherwise = one.clone();
        called_otherwise.subjects[7].truth = Label::Malignant;
        assert!(paired(&one, &called_otherwise).unwrap_err().to_string().contains("7.png"));
    }
}
