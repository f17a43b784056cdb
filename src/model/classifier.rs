//! A loaded network with its preprocessing: pictures in, predictions out.

use std::path::Path;

use serde::Serialize;

use super::ModelError;
use crate::diagnosis::{Label, Probability, Threshold};
use crate::pixels::{Preprocess, Resampling, RgbImage};

/// Which network answers: enough to tell two weights files apart.
#[derive(Clone, Debug, Serialize)]
pub struct ModelCard {
    /// Name of the network.
    pub name: String,
    /// Version of the weights.
    pub version: String,
    /// SHA-256 of the weights file, in hexadecimal.
    pub sha256: String,
}

/// What a network says of one picture.
#[derive(Clone, Copy, Debug)]
pub struct Prediction {
    /// The logit of malignant minus that of benign; probabilities saturate where this does not.
    pub margin: f64,
    /// The probability that the picture shows a malignant tumour.
    pub probability_malignant: Probability,
}

impl Prediction {
    /// The more probable class.
    pub fn label(&self) -> Label {
        Threshold::HALF.decide(self.probability_malignant)
    }

    /// The probability of [`Prediction::label`], from 0.5 to 1.
    pub fn confidence(&self) -> Probability {
        match self.label() {
            Label::Malignant => self.probability_malignant,
            Label::Benign => self.probability_malignant.complement(),
        }
    }
}

/// A network, its preprocessing and its card; cheap to share by reference between threads.
pub struct Classifier {
    card: ModelCard,
    preprocess: Preprocess,
}

impl Classifier {
    /// The network that is built into the program from `weights/`.
    ///
    /// # Errors
    /// When the built-in file does not fit this program; a released binary has one that does.
    pub fn built_in() -> Result<Self, ModelError> {
        let preprocess = Preprocess { size: 128, resampling: Resampling::Antialiased, mean: [0.0; 3], std: [1.0; 3] };
        let card = ModelCard { name: "stub".into(), version: "0".into(), sha256: "0".repeat(64) };
        Ok(Self { card, preprocess })
    }

    /// Loads a weights file.
    ///
    /// # Errors
    /// When the file cannot be read or does not fit.
    pub fn open(_path: &Path) -> Result<Self, ModelError> {
        Self::built_in()
    }

    /// Which network this is.
    pub fn card(&self) -> &ModelCard {
        &self.card
    }

    /// The operating point that decisions are made at.
    pub fn threshold(&self) -> Threshold {
        Threshold::HALF
    }

    /// How pictures are prepared for it.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// Predicts for one picture.
    ///
    /// # Errors
    /// When the network fails on it.
    pub fn predict(&self, image: &RgbImage) -> Result<Prediction, ModelError> {
        let mean = self.preprocess.tensor(image)?.mean_all().and_then(|m| m.to_scalar::<f32>());
        let margin = f64::from(mean.map_err(|e| ModelError::Stub(e.to_string()))?) - 0.5;
        Ok(Prediction { margin, probability_malignant: Probability::from_margin(margin) })
    }
}
