//! Shares whole cases out over the parts of a split.
//!
//! In: images and random numbers. Out: a part for each case. Cases are thrown into parts at random; then single cases
//! are moved and pairs are swapped for as long as that brings the parts nearer to their shares. With a few large cases
//! this ends in a different place from each start, so the best of several is taken.

use std::collections::BTreeMap;

use rand::Rng;
use rand_chacha::ChaCha8Rng;

use crate::breakhis::{Case, ImageFile, Magnification, Part};
use crate::diagnosis::Label;

const LABELS: usize = Label::ALL.len();
const MAGNIFICATIONS: usize = Magnification::ALL.len();
const PARTS: usize = Part::ALL.len();

/// How much a magnification within a label counts beside the label itself: enough to break ties, too little to
/// unbalance labels.
const MAGNIFICATION_WEIGHT: f64 = 0.05;
/// How many random starts are tried. More would bring every seed to the same split.
const STARTS: usize = 20;
/// What a label that is missing from a part costs: more than any imbalance.
const MISSING_LABEL: f64 = 1e3;
/// What an empty part costs: more than all labels that could be missing.
const EMPTY_PART: f64 = 1e5;

/// Numbers of images by label and magnification.
type Counts = [[f64; MAGNIFICATIONS]; LABELS];

pub(crate) fn assign(images: &[ImageFile], rng: &mut ChaCha8Rng) -> BTreeMap<Case, Part> {
    let mut counts: BTreeMap<Case, Counts> = BTreeMap::new();
    for image in images {
        let counts = counts.entry(image.name.case).or_default();
        counts[image.label().index()][image.name.magnification as usize] += 1.0;
    }
    let cases: Vec<(Case, Counts)> = counts.into_iter().collect();

    let mut best = (f64::INFINITY, Vec::new());
    for _ in 0..STARTS {
        let (cost, parts) = settle(&cases, rng);
        if cost < best.0 {
            best = (cost, parts);
        }
    }
    cases.iter().zip(best.1).map(|((case, _), part)| (*case, Part::ALL[part])).collect()
}

/// Improves a random start until no move or swap does, and returns what it costs.
fn settle(cases: &[(Case, Counts)], rng: &mut ChaCha8Rng) -> (f64, Vec<usize>) {
    let mut balance = Balance::new(cases);
    let mut parts: Vec<usize> = cases.iter().map(|_| rng.random_range(0..PARTS)).collect();
    for ((_, counts), &part) in cases.iter().zip(&parts) {
        add(&mut balance.held[part], counts, 1.0);
    }
    while improve(&mut balance, cases, &mut parts) {}
    (balance.cost(), parts)
}

/// One round of moves and swaps; whether any of them was for the better.
fn improve(balance: &mut Balance, cases: &[(Case, Counts)], parts: &mut [usize]) -> bool {
    let mut improved = false;
    let mut cost = balance.cost();
    for first in 0..cases.len() {
        for part in 0..PARTS {
            improved |= attempt(balance, cases, parts, &mut cost, &[(first, part)]);
        }
        for second in 0..first {
            let swap = [(first, parts[second]), (second, parts[first])];
            improved |= attempt(balance, cases, parts, &mut cost, &swap);
        }
    }
    improved
}

/// Moves cases to parts, and back again unless that lowers the cost.
fn attempt(
    balance: &mut Balance,
    cases: &[(Case, Counts)],
    parts: &mut [usize],
    cost: &mut f64,
    moves: &[(usize, usize)],
) -> bool {
    if moves.iter().all(|&(case, part)| parts[case] == part) {
        return false;
    }
    let shift = |balance: &mut Balance, sign: f64| {
        for &(case, part) in moves {
            add(&mut balance.held[parts[case]], &cases[case].1, -sign);
            add(&mut balance.held[part], &cases[case].1, sign);
        }
    };
    shift(balance, 1.0);
    let moved = balance.cost();
    // The margin keeps rounding errors from moving cases to and fro for ever.
    if moved > *cost - 1e-9 {
        shift(balance, -1.0);
        return false;
    }
    *cost = moved;
    for &(case, part) in moves {
        parts[case] = part;
    }
    true
}

/// What the parts hold beside what they should.
struct Balance {
    total: Counts,
    held: [Counts; PARTS],
}

impl Balance {
    fn new(cases: &[(Case, Counts)]) -> Self {
        let mut total = Counts::default();
        cases.iter().for_each(|(_, counts)| add(&mut total, counts, 1.0));
        Self { total, held: [Counts::default(); PARTS] }
    }

    /// The squared distances from the shares: of all images, of each label, of each magnification within a label.
    fn cost(&self) -> f64 {
        let all: f64 = self.total.as_flattened().iter().sum();
        let mut cost = 0.0;
        for (held, part) in self.held.iter().zip(Part::ALL) {
            let off = |held: f64, total: f64| (held / total - part.share()).powi(2);
            let held_all: f64 = held.as_flattened().iter().sum();
            cost += off(held_all, all) + if held_all == 0.0 { EMPTY_PART } else { 0.0 };
            for (held, total) in held.iter().zip(&self.total) {
                let (held_sum, total_sum): (f64, f64) = (held.iter().sum(), total.iter().sum());
                if total_sum == 0.0 {
                    continue;
                }
                cost += off(held_sum, total_sum) + if held_sum == 0.0 { MISSING_LABEL } else { 0.0 };
                for (&held, &total) in held.iter().zip(total).filter(|(_, total)| **total > 0.0) {
                    cost += MAGNIFICATION_WEIGHT * total / total_sum * off(held, total);
                }
            }
        }
        cost
    }
}

fn add(to: &mut Counts, counts: &Counts, sign: f64) {
    for (to, count) in to.as_flattened_mut().iter_mut().zip(counts.as_flattened()) {
        *to += sign * count;
    }
}
