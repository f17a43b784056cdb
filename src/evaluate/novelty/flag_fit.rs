//! Where flags begin, from images of held-out folds, and what they do on these.
//!
//! In: what the network of each fold of a cross-validation says of the images that it did not see. Out: a [`FlagFit`].

use crate::diagnosis::{Flag, Flags, Label, Probability, Threshold};
use crate::model::{BeforeAfter, ClassShares, FlagLimits, FlagShares, Prediction};

/// The share of the images that are not `foreign`. The flag is for what is no such tissue at all, so that few real images
/// should have it.
const NOT_FOREIGN: f64 = 0.965;

/// The share of the images that are not `stain`.
const NOT_STAIN: f64 = 0.95;

/// The share of the images that are `uncertain`.
const UNCERTAIN: f64 = 0.2;

/// An image of a fold, and what a network says of it that was trained on the other folds.
#[derive(Clone, Copy, Debug)]
pub struct HeldOutImage {
    /// What it shows.
    pub truth: Label,
    /// What the network says; with [`Prediction::novelty`], or the image has no flags.
    pub prediction: Prediction,
}

/// The limits of the flags, and what they do on the images that gave them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FlagFit {
    /// Where the flags begin.
    pub limits: FlagLimits,
    /// The shares of the images that have each flag.
    pub shares: FlagShares,
    /// The same where each fold has the limits of the other folds of its repeat.
    pub cross_fitted: FlagShares,
    /// The share of the images that are `foreign` and `stain` at once.
    pub foreign_and_stain: Probability,
    /// The share of wrong decisions among all images, and among those that no flag keeps from a decision.
    pub error: BeforeAfter,
}

impl FlagFit {
    /// Fits to the images of all folds of all repeats; none where there is one fold or one class, or all images abstain.
    pub fn of(repeats: &[Vec<Vec<HeldOutImage>>], threshold: Threshold) -> Option<Self> {
        let all: Vec<&HeldOutImage> = repeats.iter().flatten().flatten().collect();
        let limits = limits(&all, threshold)?;
        let flagged: Vec<(Label, Flags)> = all.iter().map(|image| image.flagged(limits, threshold)).collect();

        let mut crossed = Vec::new();
        for repeat in repeats {
            for (held_out, fold) in repeat.iter().enumerate() {
                let others = repeat.iter().enumerate().filter(|(index, _)| *index != held_out);
                let limits = self::limits(&others.flat_map(|(_, fold)| fold).collect::<Vec<_>>(), threshold)?;
                crossed.extend(fold.iter().map(|image| image.flagged(limits, threshold)));
            }
        }

        let both = |flags: Flags| flags.contains(Flag::Foreign) && flags.contains(Flag::Stain);
        let wrong = |image: &HeldOutImage| threshold.decide(image.prediction.probability_malignant) != image.truth;
        let decided = all.iter().zip(&flagged).filter(|(_, (_, flags))| !flags.abstains()).map(|(image, _)| image);
        Some(Self {
            limits,
            shares: shares(&flagged)?,
            cross_fitted: shares(&crossed)?,
            foreign_and_stain: share(flagged.iter().map(|(_, flags)| both(*flags)))?,
            error: BeforeAfter {
                before: share(all.iter().map(|image| wrong(image)))?.get(),
                after: share(decided.map(|image| wrong(image)))?.get(),
            },
        })
    }
}

impl HeldOutImage {
    fn flagged(&self, limits: FlagLimits, threshold: Threshold) -> (Label, Flags) {
        (self.truth, limits.flags(&self.prediction, threshold).unwrap_or_default())
    }
}

/// The limits that leave these shares of the images without a flag; none without images, or with one that is not measured.
fn limits(images: &[&HeldOutImage], threshold: Threshold) -> Option<FlagLimits> {
    let novelties = images.iter().map(|image| image.prediction.novelty).collect::<Option<Vec<_>>>()?;
    let near = images.iter().map(|image| (image.prediction.margin - threshold.margin()).abs());
    Some(FlagLimits {
        foreign: quantile(novelties.iter().map(|novelty| novelty.foreign).collect(), NOT_FOREIGN)?,
        stain: quantile(novelties.iter().map(|novelty| novelty.stain).collect(), NOT_STAIN)?,
        uncertain: quantile(near.collect(), UNCERTAIN)?,
    })
}

/// A quantile between the two numbers nearest to it, as numpy's; none of none, and of what is not finite.
fn quantile(mut numbers: Vec<f64>, share: f64) -> Option<f64> {
    numbers.sort_by(f64::total_cmp);
    let place = share * numbers.len().checked_sub(1)? as f64;
    let (lower, upper) = (numbers[place.floor() as usize], numbers[place.ceil() as usize]);
    Some(lower + (upper - lower) * place.fract()).filter(|quantile| quantile.is_finite())
}

fn shares(images: &[(Label, Flags)]) -> Option<FlagShares> {
    let of = |holds: &dyn Fn(Flags) -> bool| {
        let of_class = |label| images.iter().filter(move |(truth, _)| *truth == label).map(|(_, flags)| holds(*flags));
        Some(ClassShares {
            all: share(images.iter().map(|(_, flags)| holds(*flags)))?,
            benign: share(of_class(Label::Benign))?,
            malignant: share(of_class(Label::Malignant))?,
        })
    };
    Some(FlagShares {
        foreign: of(&|flags| flags.contains(Flag::Foreign))?,
        stain: of(&|flags| flags.contains(Flag::Stain))?,
        uncertain: of(&|flags| flags.contains(Flag::Uncertain))?,
        abstain: of(&Flags::abstains)?,
    })
}

/// The share that something holds for; none of none.
fn share(holds: impl Iterator<Item = bool>) -> Option<Probability> {
    let (mut count, mut all) = (0_usize, 0_usize);
    for holds in holds {
        count += usize::from(holds);
        all += 1;
    }
    if all == 0 { None } else { Probability::new(count as f64 / all as f64).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Novelty;

    /// A fold of 100 images whose numbers are 0 to 99 and `more`, in different orders.
    fn fold(more: f64) -> Vec<HeldOutImage> {
        let image = |i: usize| {
            let number = |by: usize| ((i * by) % 100) as f64 + more;
            let truth = if i.is_multiple_of(4) { Label::Benign } else { Label::Malignant };
            let novelty = Novelty { foreign: number(1), stain: number(3) };
            let prediction = Prediction { novelty: Some(novelty), ..Prediction::from_margin(number(7) - 50.0) };
            HeldOutImage { truth, prediction }
        };
        (0..100).map(image).collect()
    }

    #[test]
    fn quantiles_are_numpys() {
        // np.quantile([3, 1, 2, 10], [.95, .2, 0, 1])
        for (share, want) in [(0.95, 8.95), (0.2, 1.6), (0.0, 1.0), (1.0, 10.0)] {
            assert!((quantile(vec![3.0, 1.0, 2.0, 10.0], share).unwrap() - want).abs() < 1e-12, "{share}");
        }
        assert_eq!(quantile(Vec::new(), 0.5), None);
        assert_eq!(quantile(vec![f64::NAN], 0.5), None);
    }

    #[test]
    fn the_limits_leave_the_asked_shares_and_no_fold_gives_its_own() {
        let fit = FlagFit::of(&[vec![fold(0.0), fold(0.0)]], Threshold::HALF).unwrap();
        let FlagFit { limits, shares, cross_fitted, foreign_and_stain, error } = fit;
        assert!((limits.foreign - 96.0).abs() < 1e-9, "{limits:?}");
        assert_eq!(shares.foreign.all.get(), 0.03);
        assert_eq!(shares.stain.all.get(), 0.05);
        assert!((shares.uncertain.all.get() - 0.2).abs() < 0.02, "{shares:?}");
        // The two folds are alike, so each gives the other's limits, but for the places between the numbers.
        assert!((cross_fitted.foreign.all.get() - shares.foreign.all.get()).abs() <= 0.011);
        assert!(shares.abstain.all >= shares.uncertain.all && shares.foreign.benign != shares.foreign.malignant);
        assert!(foreign_and_stain <= shares.foreign.all && error.before > 0.0 && error.after.is_finite());

        // Images of the second fold are all beyond the first one's.
        let apart = FlagFit::of(&[vec![fold(0.0), fold(1000.0)]], Threshold::HALF).unwrap();
        assert_eq!((apart.shares.foreign.all.get() < 0.04, apart.cross_fitted.foreign.all.get()), (true, 0.5));
    }

    #[test]
    fn what_cannot_be_fitted_is_none() {
        assert_eq!(FlagFit::of(&[vec![fold(0.0)]], Threshold::HALF), None, "there is no other fold");
        assert_eq!(FlagFit::of(&[], Threshold::HALF), None);
        let mut unmeasured = fold(0.0);
        unmeasured[3].prediction.novelty = None;
        assert_eq!(FlagFit::of(&[vec![unmeasured, fold(0.0)]], Threshold::HALF), None);
        let benign: Vec<HeldOutImage> = fold(0.0).into_iter().filter(|image| image.truth == Label::Benign).collect();
        assert_eq!(FlagFit::of(&[vec![benign.clone(), benign]], Threshold::HALF), None);
    }
}
