//! What novelty is measured from, and a network that does nothing but give it: to fit statistics that are not there yet.

use candle_core::Tensor;

use crate::kernels::Level;
use crate::model::classifier::finished;
use crate::model::networks::Pooling;
use crate::model::novelty::statistics::blocks_of;
use crate::model::{InferenceNetwork, ModelError, Network, Parameters, WeightsFile};
use crate::pixels::{ColourMoments, Preprocess};

/// What is seen of an image.
#[derive(Clone, Debug, PartialEq)]
pub struct NoveltyFeatures {
    /// The means of the channels behind each of the dense blocks that novelty is measured at.
    pub blocks: Vec<Vec<f32>>,
    /// [`ColourMoments::shape`] of the image before its colours are stretched.
    pub colours: [f64; ColourMoments::SHAPE],
}

impl NoveltyFeatures {
    /// From the means behind every dense block, those at `blocks` counted from 1.
    pub(in crate::model) fn of(
        every_block: &[Tensor],
        blocks: impl Iterator<Item = usize>,
        colours: ColourMoments,
    ) -> candle_core::Result<Self> {
        let means = |block: usize| every_block[block - 1].flatten_all()?.to_vec1();
        Ok(Self { blocks: blocks.map(means).collect::<candle_core::Result<_>>()?, colours: colours.shape() })
    }
}

/// A network that shows what novelty is measured from; shared by reference between threads.
pub struct NoveltyObserver {
    network: InferenceNetwork,
    preprocess: Preprocess,
    blocks: Vec<usize>,
}

impl NoveltyObserver {
    /// Lays a network out, for images that come on many threads; none where it has no dense blocks. `origin` names the file
    /// in errors.
    ///
    /// # Errors
    /// When the tensors do not fit.
    pub fn new(file: &WeightsFile, origin: &str) -> Result<Option<Self>, ModelError> {
        let architecture = &file.metadata.architecture;
        let blocks = blocks_of(architecture);
        if blocks.is_empty() {
            return Ok(None);
        }
        let parameters = Parameters::from_stored(architecture, &file.tensors, origin)?;
        let (network, preprocess) = (Network::new(architecture.clone(), parameters), file.metadata.preprocess.clone());
        let (size, level) = (preprocess.size as usize, Level::default());
        let network = InferenceNetwork::pooling(Pooling::EveryBlock, &network, None, size, level, 1)?;
        Ok(Some(Self { network, preprocess, blocks }))
    }

    /// What is seen of an image that [`Preprocess::resized`] has made, and that may have been changed since: `size * size *
    /// 3` numbers from 0 to 1.
    ///
    /// # Errors
    /// When the image has another size.
    pub fn features(&self, resized: &[f32]) -> Result<NoveltyFeatures, ModelError> {
        let (batch, colours) = finished(&self.preprocess, resized)?;
        let pooled = self.network.pooled_blocks(&batch)?.unwrap_or_default();
        let colours = colours.unwrap_or_else(|| ColourMoments::of(resized));
        Ok(NoveltyFeatures::of(&pooled, self.blocks.iter().copied(), colours)?)
    }
}
