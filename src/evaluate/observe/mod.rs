//! Margins of a network and of the controls for images: as they are, with their colours exchanged, and shifted.
//!
//! In: images at the network's size before [`crate::pixels::Preprocess::finish`], and a network as a function of them.
//! Out: [`Predictions`], in which the controls are fitted to the train part or, without one, to the other images.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::diagnosis::Label;
use crate::evaluate::Subject;
use crate::evaluate::controls::{Control, ControlFeatures, Example, Fitted};
use crate::evaluate::predictions::{Margins, Predictions};
use crate::pixels::{ColourStatistics, PixelsError, Shift};

/// What comes of a network for an image.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The logit of malignant minus that of benign.
    pub(crate) margin: f64,
    /// What its head saw, where it has taps.
    pub(crate) taps: Option<Vec<f32>>,
}

/// An image that is ready to be looked at: `size * size * 3` numbers from 0 to 1.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    /// As the network wants it.
    pub(crate) image: Vec<f32>,
    /// As the frozen backbone wants it, where that differs.
    pub(crate) for_backbone: Option<Vec<f32>>,
}

/// A network as a function of an image.
pub(crate) type Look<'a, E> = &'a (dyn Fn(&[f32]) -> Result<Seen, E> + Sync);

/// A frozen backbone as a function of an image.
pub(crate) type Taps<'a, E> = &'a (dyn Fn(&[f32]) -> Result<Vec<f32>, E> + Sync);

/// Who looks at the images.
#[derive(Clone, Copy)]
pub(crate) struct Observer<'a, E> {
    pub(crate) network: Look<'a, E>,
    /// The backbone whose taps are a control; without one, the network's own taps are.
    pub(crate) backbone: Option<Taps<'a, E>>,
}

/// The margins and features of one image.
#[derive(Clone, Debug)]
pub(crate) struct Observation {
    subject: Subject,
    /// The network's margins: of the image as it is, then of its exchanged copies.
    margins: Vec<f64>,
    /// The controls' features, in the same order.
    features: Vec<ControlFeatures>,
    /// The network's margins of the shifted image, in the order of [`Shift::ALL`].
    shifted: Vec<f64>,
}

impl<E: From<PixelsError>> Observer<'_, E> {
    /// Looks at an image of `size` pixels a side: as it is, with each of the colours in `lent`, and, where `shifts` are
    /// asked for, with each of [`Shift::ALL`].
    pub(crate) fn observe(
        &self,
        subject: Subject,
        prepared: &Prepared,
        (lent, shifts): (&[ColourStatistics], bool),
        size: u32,
    ) -> Result<Observation, E> {
        let (mut margins, mut features) = (Vec::new(), Vec::new());
        for colours in std::iter::once(None).chain(lent.iter().map(Some)) {
            let mut copy = prepared.clone();
            if let Some(colours) = colours {
                colours.transfer(&mut copy.image);
                copy.for_backbone.iter_mut().for_each(|image| colours.transfer(image));
            }
            let seen = (self.network)(&copy.image)?;
            margins.push(seen.margin);
            features.push(self.with_taps(&copy, seen.taps)?);
        }
        let mut shifted = Vec::new();
        for shift in Shift::ALL.into_iter().filter(|_| shifts) {
            let mut copy = prepared.image.clone();
            shift.apply(&mut copy, size)?;
            shifted.push((self.network)(&copy)?.margin);
        }
        Ok(Observation { subject, margins, features, shifted })
    }

    /// What the controls see of an image as it is.
    pub(crate) fn features(&self, prepared: &Prepared) -> Result<ControlFeatures, E> {
        let own = if self.backbone.is_none() { (self.network)(&prepared.image)?.taps } else { None };
        self.with_taps(prepared, own)
    }

    fn with_taps(&self, prepared: &Prepared, own: Option<Vec<f32>>) -> Result<ControlFeatures, E> {
        let taps = match self.backbone {
            Some(backbone) => Some(backbone(prepared.for_backbone.as_ref().unwrap_or(&prepared.image))?),
            None => own,
        };
        Ok(ControlFeatures::of(&prepared.image, taps))
    }
}

/// Puts the observations of all images together, and adds the margins of each control: fitted to the train part where there
/// is one, else to the images of the other cases, five groups of cases in turn.
pub(crate) fn conclude(observations: Vec<Observation>, training: Option<&[(Subject, ControlFeatures)]>) -> Predictions {
    let controls = Control::ALL.into_par_iter().filter_map(|control| {
        let margins = match training {
            Some(training) => fitted_to(control, training, &observations),
            None => cross_fitted(control, &observations),
        };
        Some((control, margins?))
    });
    let controls = controls.collect();
    let network = by_copy(&observations.iter().map(|observation| observation.margins.clone()).collect::<Vec<_>>());
    let shifted = Shift::ALL.into_iter().enumerate().filter_map(|(index, shift)| {
        let margins: Option<Vec<f64>> = observations.iter().map(|o| o.shifted.get(index).copied()).collect();
        Some((shift, margins.filter(|margins| !margins.is_empty())?))
    });
    let shifted = shifted.collect();
    let subjects = observations.into_iter().map(|observation| observation.subject).collect();
    Predictions { subjects, network, controls, shifted }
}

fn fitted_to(
    control: Control,
    training: &[(Subject, ControlFeatures)],
    observations: &[Observation],
) -> Option<Margins> {
    let examples: Vec<Example<'_>> = training.iter().map(|(subject, features)| (subject, features)).collect();
    let fitted = Fitted::to(control, &examples)?;
    let margins = observations.iter().map(|observation| margins_of(&fitted, observation));
    Some(by_copy(&margins.collect::<Option<Vec<_>>>()?))
}

fn cross_fitted(control: Control, observations: &[Observation]) -> Option<Margins> {
    let folds = folds(observations.iter().map(|observation| &observation.subject))?;
    let without = |fold: usize| {
        let others = observations.iter().zip(&folds).filter(|(_, other)| **other != fold);
        let examples = others.map(|(Observation { subject, features, .. }, _)| Some((subject, features.first()?)));
        Fitted::to(control, &examples.collect::<Option<Vec<_>>>()?)
    };
    let fitted: Vec<Option<Fitted>> = (0..FOLDS).into_par_iter().map(without).collect();
    let images = observations.par_iter().zip(&folds);
    let margins = images.map(|(observation, fold)| margins_of(fitted[*fold].as_ref()?, observation));
    Some(by_copy(&margins.collect::<Option<Vec<_>>>()?))
}

fn margins_of(fitted: &Fitted, Observation { subject, features, .. }: &Observation) -> Option<Vec<f64>> {
    features.iter().map(|features| fitted.margin(features, subject.stratum)).collect()
}

/// From margins by image (as it is, then each copy) to margins by copy.
fn by_copy(of_images: &[Vec<f64>]) -> Margins {
    let of_copy = |copy: usize| of_images.iter().filter_map(|of_image| of_image.get(copy).copied()).collect();
    let copies = of_images.first().map_or(0, Vec::len);
    Margins { plain: of_copy(0), exchanged: (1..copies).map(of_copy).collect() }
}

/// Groups of cases that are held out in turn.
const FOLDS: usize = 5;

/// The fold of each image: cases stay whole, and each class is dealt out as evenly as its cases allow, the largest
/// first. None where a class has fewer than two cases, so that nothing could be fitted without one of them.
fn folds<'a>(subjects: impl Iterator<Item = &'a Subject> + Clone) -> Option<Vec<usize>> {
    let mut cases: BTreeMap<&str, (Label, usize)> = BTreeMap::new();
    for subject in subjects.clone() {
        cases.entry(&subject.case).or_insert((subject.truth, 0)).1 += 1;
    }
    let mut of_case: BTreeMap<&str, usize> = BTreeMap::new();
    let mut all = [0; FOLDS];
    for label in Label::ALL {
        let mut of_label: Vec<(&str, usize)> =
            cases.iter().filter(|(_, (truth, _))| *truth == label).map(|(case, (_, count))| (*case, *count)).collect();
        if of_label.len() < 2 {
            return None;
        }
        of_label.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let mut held = [0; FOLDS];
        for (case, count) in of_label {
            let fold = (0..FOLDS).min_by_key(|fold| (held[*fold], all[*fold])).unwrap_or(0);
            held[fold] += count;
            all[fold] += count;
            of_case.insert(case, fold);
        }
    }
    subjects.map(|subject| of_case.get(subject.case.as_str()).copied()).collect()
}

#[cfg(test)]
mod tests;
