//! The answer for an image, or for a field of one.

use std::path::{Path, PathBuf};

use serde::{Serialize, Serializer};

use crate::diagnosis::{Decision, Flag, Flags, Label, Probability};
use crate::model::{Classifier, DecisionPoint, ModelError, PointName, Prediction};
use crate::pixels::{Fault, Note, PixelsError};
use crate::system::path_for_programs;

/// The answer for one image or field, its fields in the order in which they are printed.
#[derive(Serialize)]
pub(super) struct Answer {
    #[serde(serialize_with = "for_programs")]
    pub(super) file: PathBuf,
    /// Where in the image it lies, where it is a field of one.
    #[serde(flatten)]
    pub(super) field: Option<Place>,
    /// The width and the height of the image that was classified.
    #[serde(skip)]
    pub(super) size: (u32, u32),
    #[serde(skip)]
    pub(super) probability: Probability,
    pub(super) label: Label,
    pub(super) confidence: f64,
    pub(super) probability_malignant: f64,
    pub(super) decision: Decision,
    pub(super) threshold: f64,
    /// The name that the threshold was asked for by, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) operating_point: Option<PointName>,
    /// What speaks against the prediction; none where the weights file has no statistics to tell.
    pub(super) flags: Option<Flags>,
    pub(super) notes: Vec<Note>,
    #[serde(flatten)]
    pub(super) heatmap: Option<WrittenHeatmap>,
}

/// An image without an answer.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) file: PathBuf,
    /// Its name for programs.
    pub(super) fault: &'static str,
    /// Names the file.
    pub(super) error: anyhow::Error,
}

impl Failure {
    pub(super) fn new(file: &Path, error: anyhow::Error) -> Self {
        let pixels = error.chain().find_map(|cause| match cause.downcast_ref::<ModelError>() {
            Some(ModelError::Pixels(error)) => Some(error),
            _ => cause.downcast_ref::<PixelsError>(),
        });
        let fault = pixels.map_or(Fault::Internal, PixelsError::fault);
        Self { file: file.to_owned(), fault: fault.key(), error }
    }

    /// Whether the file itself could not be read.
    pub(super) fn is_unreadable(&self) -> bool {
        self.fault == Fault::Unreadable.key()
    }
}

/// Where a field lies, in pixels of the whole image.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Place {
    pub(super) x: u32,
    pub(super) y: u32,
    pub(super) width: u32,
    pub(super) height: u32,
}

/// The PNG that was written for an image, and what the ends of its scale are.
#[derive(Serialize)]
pub(super) struct WrittenHeatmap {
    #[serde(serialize_with = "for_programs")]
    pub(super) heatmap: PathBuf,
    pub(super) heatmap_range: f64,
}

fn for_programs<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&path_for_programs(path))
}

impl Answer {
    /// What a prediction of an image of this size means at a threshold.
    pub(super) fn new(
        classifier: &Classifier,
        point: DecisionPoint,
        (file, size, notes): (&Path, (u32, u32), Vec<Note>),
        prediction: &Prediction,
    ) -> Self {
        let flags = classifier.metadata().flags_of(prediction, point.threshold);
        Self {
            file: file.to_owned(),
            field: None,
            size,
            probability: prediction.probability_malignant,
            label: prediction.label(),
            confidence: prediction.confidence().rounded(),
            probability_malignant: prediction.probability_malignant.rounded(),
            decision: Decision::of(point.threshold.decide(prediction.probability_malignant), flags),
            threshold: point.threshold.get(),
            operating_point: point.name,
            flags,
            notes,
            heatmap: None,
        }
    }

    /// What was classified: the field, or the whole image.
    pub(super) fn place(&self) -> Place {
        self.field.unwrap_or(Place { x: 0, y: 0, width: self.size.0, height: self.size.1 })
    }

    /// The flags as a cell; none where nothing is known of them.
    pub(super) fn flags_as_text(&self) -> Option<String> {
        self.flags.map(|flags| match flags.is_empty() {
            true => "none".to_owned(),
            false => flags.iter().map(Flag::key).collect::<Vec<_>>().join(";"),
        })
    }
}
