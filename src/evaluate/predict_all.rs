//! Predictions of a network and of the controls for images of a data set: what `lobule evaluate` measures, and
//! `lobule train` at its end.
//!
//! In: a [`Classifier`] and image files. Out: [`Predictions`], or the names of the images that have none.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::{iter::Either, prelude::*};

use crate::breakhis::ImageFile;
use crate::evaluate::controls::ControlFeatures;
use crate::evaluate::exchange::exchanges;
use crate::evaluate::observe::{Observer, Prepared, Seen, conclude};
use crate::evaluate::{EvaluateError, Predictions, Setting, Stratum, Subject};
use crate::interchange::{InterchangeError, read_backbone_of};
use crate::model::{Architecture, Classifier, FrozenBackbone, ModelError};
use crate::pixels::{self, ColourStatistics, DecodeLimits, Dihedral, PixelsError, Preprocess, RgbImage};
use crate::system::{printable_path, thousands};

/// Copies of each image with the colours of others, where nobody asked for another number.
pub const EXCHANGES: usize = 3;

/// A network and how it is measured.
pub struct Measuring<'a> {
    pub(crate) classifier: &'a Classifier,
    /// The backbone whose taps are a control, and what it is in words; without one they are the network's own.
    pub frozen: Option<(&'a FrozenBackbone, String)>,
    pub(crate) exchanges: usize,
    pub(crate) seed: u64,
    pub(crate) shifts: bool,
    /// What each image is shown as; the margins are averaged.
    pub views: &'a [Dihedral],
    /// Is called with how many images are done and how many there are: with none done before the first, then after each
    /// image, from any thread.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

/// The images of the train part, which the controls are fitted to.
pub struct TrainPart {
    images: Vec<(Subject, ControlFeatures)>,
    what: String,
}

/// Opens the backbone of a file of tensors, in the form that a network has, or as DenseNet121 beside one without a
/// backbone; with it come the words for [`Measuring::frozen`].
///
/// # Errors
/// When the file cannot be read, does not hold such a backbone, or has learned from BreakHis itself.
pub fn open_backbone(path: &Path, beside: &Architecture) -> Result<(FrozenBackbone, String), InterchangeError> {
    let architecture = match beside {
        Architecture::Fused(_) => beside.clone(),
        Architecture::Baseline(_) => Architecture::fused_densenet121(),
    };
    let (tensors, origin) = (read_backbone_of(&architecture, path)?, path.display().to_string());
    let backbone = FrozenBackbone::new(&tensors, &origin, &architecture, rayon::current_num_threads())?;
    let name = path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    Ok((backbone, format!("those of {name} (--init)")))
}

impl Measuring<'_> {
    /// How the network is measured, in words and numbers.
    pub fn setting(&self, train: Option<&TrainPart>) -> Setting {
        let has_taps = matches!(self.classifier.metadata().architecture, Architecture::Fused(_));
        let frozen_taps = match &self.frozen {
            Some((_, what)) => what.clone(),
            None if has_taps => {
                "those of the measured network itself, which has learned from its labels; --init names \
                                 a file of tensors that has not"
                    .to_owned()
            }
            None => "none: the network has no taps, and --init names no file of tensors".to_owned(),
        };
        Setting {
            threshold: self.classifier.threshold(),
            exchanges: self.exchanges,
            exchange_seed: self.seed,
            views: self.views.len(),
            controls_fitted_to: train.map_or_else(
                || "the measured images of the other cases, five groups of cases in turn".to_owned(),
                |train| train.what.clone(),
            ),
            frozen_taps,
        }
    }

    /// What the controls see of the train part.
    ///
    /// # Errors
    /// When an image cannot be read or predicted; the error names all such images.
    pub fn train_part(&self, train: &[&ImageFile]) -> Result<TrainPart, EvaluateError> {
        let images = self.each(train, |_, image| {
            let (prepared, subject) = self.prepare(image)?;
            Ok((subject, self.look(image, |observer| observer.features(&prepared))?))
        })?;
        let cases: BTreeSet<_> = train.iter().map(|image| image.name.case).collect();
        let what = format!("the train part ({} images of {} cases)", thousands(images.len()), cases.len());
        Ok(TrainPart { images, what })
    }

    /// Predictions of the network and of the controls for images: these are fitted to the train part or, without one, to the
    /// other cases.
    ///
    /// # Errors
    /// When an image cannot be read or predicted; the error names all such images.
    pub fn measure(&self, images: &[&ImageFile], train: Option<&TrainPart>) -> Result<Predictions, EvaluateError> {
        let lenders = exchanges(images.len(), self.exchanges, self.seed);
        let needed: BTreeSet<usize> = lenders.iter().flatten().copied().collect();
        let needed: Vec<usize> = needed.into_iter().collect();
        let lending: Vec<&ImageFile> = needed.iter().map(|&index| images[index]).collect();
        let colours = self.each(&lending, |_, image| Ok(ColourStatistics::of(&self.prepare(image)?.0.image)));
        // The second reading names what cannot be read, together with images that lend nothing.
        let colours: BTreeMap<usize, ColourStatistics> = needed.into_iter().zip(colours.unwrap_or_default()).collect();
        let size = self.classifier.preprocess().size;
        let observations = self.each(images, |index, image| {
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
    ) -> Result<T, FailedImage> {
        let network = |image: &[f32]| self.see(image);
        let backbone = self.frozen.as_ref().map(|(backbone, _)| |image: &[f32]| backbone.taps(image));
        let backbone = backbone.as_ref();
        let observer = Observer { network: &network, backbone: backbone.map(|taps| taps as _) };
        work(observer).map_err(|source| FailedImage::new(image, source))
    }

    /// The mean margin of the views of an image, and the taps of the first, as which it is not turned.
    fn see(&self, image: &[f32]) -> Result<Seen, ModelError> {
        let size = self.classifier.preprocess().size as usize;
        let (mut margin, mut taps) = (0.0, None);
        let mut turned = vec![0.0; image.len()];
        for view in self.views {
            view.apply(image, size, &mut turned);
            let (prediction, seen) = self.classifier.classify_with_taps(&turned)?;
            margin += prediction.margin / self.views.len() as f64;
            taps = taps.or(seen);
        }
        Ok(Seen { margin, taps })
    }

    /// Reads an image and brings it to the network's size, and to the backbone's where that differs.
    fn prepare(&self, file: &ImageFile) -> Result<(Prepared, Subject), FailedImage> {
        let failed = |source| FailedImage::new(file, source);
        let image = pixels::read(&file.path, &DecodeLimits::local()).map_err(failed)?.image;
        let own = self.classifier.preprocess();
        let resized = |preprocess: &Preprocess, image: &RgbImage| preprocess.resized(image).map_err(failed);
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
            case: file.name.case.to_string(),
            subtype: file.name.subtype.to_string(),
            stratum: Some(Stratum { magnification: file.name.magnification.times(), width }),
        };
        Ok((prepared, subject))
    }

    /// Works on every image, in their order; figures over a part of them would be of something else.
    fn each<T: Send>(
        &self,
        images: &[&ImageFile],
        work: impl Fn(usize, &ImageFile) -> Result<T, FailedImage> + Sync,
    ) -> Result<Vec<T>, EvaluateError> {
        let done = AtomicUsize::new(0);
        (self.progress)(0, images.len());
        let work = |(index, image): (usize, &&ImageFile)| {
            let result = work(index, image);
            (self.progress)(done.fetch_add(1, Ordering::Relaxed) + 1, images.len());
            result
        };
        let results = images.par_iter().enumerate().map(work);
        let (failed, values): (Vec<FailedImage>, Vec<T>) = results.partition_map(Either::from);
        if failed.is_empty() { Ok(values) } else { Err(EvaluateError::Unpredicted { failed, of: images.len() }) }
    }
}

/// An image that cannot be read or predicted.
#[derive(Debug)]
pub struct FailedImage {
    pub(crate) path: PathBuf,
    pub(crate) source: Box<ModelError>,
}

impl FailedImage {
    pub(crate) fn new(file: &ImageFile, source: impl Into<ModelError>) -> Self {
        Self { path: file.path.clone(), source: Box::new(source.into()) }
    }
}

impl fmt::Display for FailedImage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = printable_path(&self.path);
        match &*self.source {
            // These two name the file themselves, but leave the reason to their source.
            ModelError::Pixels(PixelsError::Read(_, source)) => write!(f, "{path}: {source}"),
            ModelError::Pixels(PixelsError::File(_, source)) => write!(f, "{path}: {source}"),
            other => write!(f, "{path}: {other}"),
        }
    }
}
