//! Asking a network and the controls about images of a data set: what `lobule evaluate` does, and `lobule train` at its
//! end.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context, bail};
use indicatif::ProgressBar;
use rayon::prelude::*;

use crate::breakhis::ImageFile;
use crate::cli::inputs::read_image;
use crate::evaluate::{
    Observer, Predictions, Prepared, Seen, Setting, Shifted, Stratum, Subject, Training, conclude, exchanges,
};
use crate::model::{Architecture, Classifier, FrozenBackbone, ModelError};
use crate::pixels::{ColourStatistics, Preprocess, RgbImage};
use crate::report::text::thousands;

/// Copies of each image with the colours of others, where nobody asked for another number.
pub(super) const EXCHANGES: usize = 3;

/// A network and how it is measured.
pub(super) struct Measuring<'a> {
    pub(super) classifier: &'a Classifier,
    /// The backbone whose taps are a control, and what it is in words; without one they are the network's own.
    pub(super) frozen: Option<(&'a FrozenBackbone, String)>,
    /// Copies of each image with the colours of others.
    pub(super) exchanges: usize,
    /// What decides which others.
    pub(super) seed: u64,
    /// Whether images are shifted too.
    pub(super) shifts: bool,
}

/// The images that the controls are fitted to.
pub(super) struct TrainPart {
    images: Vec<Training>,
    what: String,
}

/// Opens the backbone of a file of tensors, in the form that a network has, or as DenseNet121 beside one without a
/// backbone.
pub(super) fn open_backbone(path: &Path, beside: &Architecture) -> anyhow::Result<(FrozenBackbone, String)> {
    let architecture = match beside {
        Architecture::Fused(_) => beside.clone(),
        Architecture::Baseline(_) => Architecture::fused_densenet121(),
    };
    let backbone = FrozenBackbone::open(path, &architecture, rayon::current_num_threads())?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok((backbone, format!("those of {name} (--init)")))
}

impl Measuring<'_> {
    /// How the network is measured, in words and numbers.
    pub(super) fn setting(&self, train: Option<&TrainPart>) -> Setting {
        let has_taps = matches!(self.classifier.metadata().architecture, Architecture::Fused(_));
        let frozen_taps = match &self.frozen {
            Some((_, what)) => what.clone(),
            None if has_taps => {
                "those of the measured network itself, which has learned from its labels; --init names a \
                                 file of tensors that has not"
                    .to_owned()
            }
            None => "none: the network has no taps, and --init names no file of tensors".to_owned(),
        };
        Setting {
            threshold: self.classifier.threshold(),
            exchanges: self.exchanges,
            exchange_seed: self.seed,
            controls_fitted_to: train.map_or_else(
                || "the measured images of the other cases, five groups of cases in turn".to_owned(),
                |train| train.what.clone(),
            ),
            frozen_taps,
        }
    }

    /// What the controls see of the train part.
    pub(super) fn train_part(&self, train: &[&ImageFile]) -> anyhow::Result<TrainPart> {
        let images = each(train, |_, image| {
            let (prepared, subject) = self.prepare(image)?;
            let features = self.look(image, |observer| observer.features(&prepared))?;
            Ok(Training { truth: subject.truth, stratum: subject.stratum, features })
        })?;
        let cases: BTreeSet<_> = train.iter().map(|image| image.name.case()).collect();
        let what = format!("the train part ({} images of {} cases)", thousands(images.len()), cases.len());
        Ok(TrainPart { images, what })
    }

    /// What the network and the controls say of images: these are fitted to the train part or, without one, to the
    /// other cases.
    pub(super) fn measure(
        &self,
        images: &[&ImageFile],
        train: Option<&TrainPart>,
    ) -> anyhow::Result<(Predictions, Shifted)> {
        let lenders = exchanges(images.len(), self.exchanges, self.seed);
        let needed: BTreeSet<usize> = lenders.iter().flatten().copied().collect();
        let needed: Vec<usize> = needed.into_iter().collect();
        let lending: Vec<&ImageFile> = needed.iter().map(|&index| images[index]).collect();
        let colours = each(&lending, |_, image| Ok(ColourStatistics::of(&self.prepare(image)?.0.image)));
        // What could not be read is told of by the second reading, beside what lends nothing.
        let colours: BTreeMap<usize, ColourStatistics> = needed.into_iter().zip(colours.unwrap_or_default()).collect();
        let size = self.classifier.preprocess().size;
        let observations = each(images, |index, image| {
            let (prepared, subject) = self.prepare(image)?;
            let lent: Vec<ColourStatistics> =
                lenders[index].iter().filter_map(|lender| colours.get(lender).copied()).collect();
            self.look(image, |observer| observer.observe(subject, &prepared, (&lent, self.shifts), size))
        })?;
        Ok(conclude(observations, train.map(|train| train.images.as_slice())))
    }

    /// Lends the network and the backbone as functions of images; an error names the image that they fail on.
    fn look<T>(
        &self,
        image: &ImageFile,
        work: impl FnOnce(Observer<'_, ModelError>) -> Result<T, ModelError>,
    ) -> anyhow::Result<T> {
        let network = |image: &[f32]| {
            let (prediction, taps) = self.classifier.classify_with_taps(image)?;
            Ok(Seen { margin: prediction.margin, taps })
        };
        let backbone = self.frozen.as_ref().map(|(backbone, _)| |image: &[f32]| backbone.taps(image));
        let backbone = backbone.as_ref();
        let observer = Observer { network: &network, backbone: backbone.map(|taps| taps as _) };
        work(observer).with_context(|| image.path.display().to_string())
    }

    /// Reads an image and brings it to the network's size, and to the backbone's where that differs.
    fn prepare(&self, file: &ImageFile) -> anyhow::Result<(Prepared, Subject)> {
        let image = read_image(&file.path)?;
        let own = self.classifier.preprocess();
        let resized = |preprocess: &Preprocess, image: &RgbImage| {
            preprocess.resized(image).with_context(|| file.path.display().to_string())
        };
        let other = self.frozen.as_ref().map(|(backbone, _)| backbone.preprocess());
        let other = other.filter(|other| (other.size, other.resampling) != (own.size, own.resampling));
        let prepared = Prepared {
            image: resized(own, &image)?,
            for_backbone: other.map(|other| resized(other, &image)).transpose()?,
        };
        let width = file.source_width.unwrap_or_else(|| image.width());
        let subject = Subject {
            filename: file.file_name().to_owned(),
            truth: file.label(),
            case: file.name.case().to_string(),
            subtype: file.name.subtype().to_string(),
            stratum: Some(Stratum { magnification: file.name.magnification().times(), width }),
        };
        Ok((prepared, subject))
    }
}

/// Works on every image, in their order; figures over a part of them would be of something else.
fn each<T: Send>(
    images: &[&ImageFile],
    work: impl Fn(usize, &ImageFile) -> anyhow::Result<T> + Sync,
) -> anyhow::Result<Vec<T>> {
    let progress = ProgressBar::new(images.len() as u64);
    let work = |(index, image): (usize, &&ImageFile)| {
        let done = work(index, image);
        progress.inc(1);
        done
    };
    let results: Vec<anyhow::Result<T>> = images.par_iter().enumerate().map(work).collect();
    progress.finish_and_clear();
    let mut done = Vec::with_capacity(results.len());
    for result in results {
        match result {
            Ok(value) => done.push(value),
            Err(error) => tracing::error!("{error:#}"),
        }
    }
    let failed = images.len() - done.len();
    if failed > 0 {
        bail!("no figures, because {failed} of {} images could not be predicted", images.len());
    }
    Ok(done)
}
