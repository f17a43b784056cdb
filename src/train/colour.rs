//! What the mean colour of a picture alone tells: logistic regression on three numbers.
//!
//! In: prepared pictures. Out: how malignant they look to it. It is a yardstick, because a network that does no better
//! has learned the strength of the stain and nothing of the tissue; and it is a teacher, see [`super::target`].

use std::collections::BTreeMap;

use rand::Rng;
use rand::seq::SliceRandom;

use super::samples::Samples;
use super::seed::{Purpose, stream};
use crate::diagnosis::{Label, Probability};
use crate::evaluate::{Logistic, Scored};
use crate::model::Prediction;

/// What a regression that is fitted to one part says of each picture of another.
pub fn colour_alone(train: &Samples, part: &Samples) -> Vec<Scored> {
    let fitted = Logistic::fit(&train.mean_colours(), train.labels());
    let scored = |(colour, &truth): (&[f64; 3], &Label)| {
        let margin = fitted.margin(colour);
        Scored { truth, prediction: Prediction { margin, probability_malignant: Probability::from_margin(margin) } }
    };
    part.mean_colours().iter().zip(part.labels()).map(scored).collect()
}

/// How often the persons are dealt into two halves: what one dealing says depends much on who came into which.
const DEALS: usize = 10;

/// How malignant each picture of a part looks to who knows the mean colours of half of the other persons' pictures in
/// it, on average over all dealings.
pub(super) fn teacher(samples: &Samples, seed: u64) -> Vec<f32> {
    let (colours, labels) = (samples.mean_colours(), samples.labels());
    let mut margins = vec![0.0; samples.len()];
    for deal in 0..DEALS {
        let halves = halves(samples, &mut stream(seed, Purpose::Deals, deal));
        for half in [false, true] {
            let (seen, seen_labels): (Vec<_>, Vec<_>) =
                (0..samples.len()).filter(|&i| halves[i] != half).map(|i| (colours[i], labels[i])).unzip();
            // Of persons of one kind nothing can be learned; the others' pictures stay even.
            if Label::ALL.iter().any(|label| !seen_labels.contains(label)) {
                continue;
            }
            let teacher = Logistic::fit(&seen, &seen_labels);
            for index in (0..samples.len()).filter(|&index| halves[index] == half) {
                margins[index] += teacher.margin(&colours[index]) / DEALS as f64;
            }
        }
    }
    margins.into_iter().map(|margin| Probability::from_margin(margin).get() as f32).collect()
}

/// The half of each picture: the persons of each label are shuffled and dealt out in turns.
fn halves(samples: &Samples, rng: &mut impl Rng) -> Vec<bool> {
    let mut half_of = BTreeMap::new();
    for label in Label::ALL {
        let of_label = samples.persons().iter().zip(samples.labels()).filter(|(_, its)| **its == label);
        let mut persons: Vec<usize> = of_label.map(|(&person, _)| person).collect();
        persons.sort_unstable();
        persons.dedup();
        persons.shuffle(rng);
        persons.into_iter().enumerate().for_each(|(rank, person)| _ = half_of.entry(person).or_insert(rank % 2 == 1));
    }
    samples.persons().iter().map(|person| half_of[person]).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::pixels::Preprocess;

    #[test]
    fn darker_pictures_look_as_those_did_that_were_darker_before() {
        let preprocess = Preprocess { size: 2, ..Preprocess::report() };
        let part = |tones: &[f32], labels: &[Label]| {
            Samples::of(preprocess.clone(), tones.iter().map(|&tone| vec![tone; 12]).collect(), labels.to_vec())
        };
        let (benign, malignant) = (Label::Benign, Label::Malignant);
        let train = part(&[0.9, 0.8, 0.3, 0.2], &[benign, benign, malignant, malignant]);
        let said = colour_alone(&train, &part(&[0.95, 0.1, 0.55], &[benign, benign, malignant]));
        let margins: Vec<f64> = said.iter().map(|scored| scored.prediction.margin).collect();
        assert!(margins[0] < 0.0 && margins[1] > 0.0 && margins[2].abs() < 1e-6, "{margins:?}");
        assert_eq!(said.iter().map(|scored| scored.truth).collect::<Vec<_>>(), [benign, benign, malignant]);
    }

    #[test]
    fn persons_are_dealt_out_whole_each_label_into_both_halves_and_anew_each_time() {
        let persons: Vec<usize> = (0..60).map(|i| i * i / 100).collect();
        let labels: Vec<Label> = persons.iter().map(|person| Label::ALL[person % 2]).collect();
        let preprocess = Preprocess { size: 1, ..Preprocess::report() };
        let samples = Samples::of(preprocess, vec![vec![0.0; 3]; 60], labels.clone()).by_persons(persons.clone());
        let deal = |deal| halves(&samples, &mut stream(1, Purpose::Deals, deal));
        for halves in [deal(0), deal(1)] {
            for label in Label::ALL {
                let of_label = (0..60).filter(|&i| labels[i] == label);
                assert_eq!(of_label.map(|i| halves[i]).collect::<BTreeSet<_>>().len(), 2, "{label}");
            }
            let together = |i: &usize| persons[*i] != persons[i - 1] || halves[*i] == halves[i - 1];
            assert!((1..60).all(|i| together(&i)), "{halves:?}");
        }
        assert_ne!(deal(0), deal(1));
    }
}
