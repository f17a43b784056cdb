//! A backbone as another program trained it, without a head: what a network starts from, as features.
//!
//! In: tensors in torchvision's names and images. Out: the means of each tap's channels. What a network learns should
//! be worth more than a regression on these.

use crate::kernels::Level;
use crate::model::classifier::{finished, joined};
use crate::model::{Architecture, InferenceNetwork, ModelError, Network, Parameters, StoredTensors};
use crate::pixels::Preprocess;

/// A backbone that only looks; shared by reference between threads.
pub struct FrozenBackbone {
    network: InferenceNetwork,
    preprocess: Preprocess,
}

impl FrozenBackbone {
    /// Takes the tensors of an architecture's backbone, which `origin` names in errors; images are prepared by
    /// [`Preprocess::imagenet`]. `threads` as for [`super::Classifier::from_bytes`].
    ///
    /// # Errors
    /// When they do not fit.
    pub fn new(
        tensors: &StoredTensors,
        origin: &str,
        architecture: &Architecture,
        threads: usize,
    ) -> Result<Self, ModelError> {
        let parameters = Parameters::initial(architecture, 0)?;
        parameters.set_backbone(tensors, origin)?;
        let network = Network::new(architecture.clone(), parameters);
        let preprocess = Preprocess::imagenet();
        let network = InferenceNetwork::new(&network, preprocess.size as usize, Level::default(), threads)?;
        Ok(Self { network, preprocess })
    }

    /// How images are prepared for it.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// The means of each tap's channels, one tap after the other, of an image that [`Preprocess::resized`] has made:
    /// `size * size * 3` numbers from 0 to 1. Empty for an architecture without taps.
    ///
    /// # Errors
    /// When the image has another size.
    pub fn taps(&self, resized: &[f32]) -> Result<Vec<f32>, ModelError> {
        let taps = self.network.pooled_taps(&finished(&self.preprocess, resized)?.0)?;
        joined(&taps.unwrap_or_default())
    }
}
