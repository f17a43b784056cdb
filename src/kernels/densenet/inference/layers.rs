//! What a plan wants of the layers that it lays out, in floating-point or in whole numbers.

use candle_core::{Result, Tensor};

use crate::kernels::densenet::inference::folded_dense::FoldedDense;
use crate::kernels::densenet::inference::gemm::PANEL;
use crate::kernels::densenet::inference::quantised_dense::QuantisedDense;
use crate::kernels::densenet::inference::roofline::Numbers;
use crate::kernels::densenet::inference::stem_layer::{FoldedStem, StemConvolution, WordStem};
use crate::kernels::densenet::inference::thread_memory::{Needs, Plane, Scratch, Share};
use crate::kernels::densenet::inference::transition_layer::{FoldedTransition, WordTransition};
use crate::kernels::densenet::inference::{LayerWeights, QuantisedKernel, TransitionWeights};
use crate::kernels::simd::{Dot, Level, Simd};

/// A kind of layer that is timed.
pub(crate) struct TimedLayer {
    pub(crate) name: String,
    pub(crate) operations: f64,
    pub(crate) numbers: Numbers,
}

/// The kernels of a network's dense layers, whose numbers decide which layers it is laid out in.
pub(crate) trait Kernel<S>: Sized + Sync + 'static {
    type Stem: StemConvolution<S>;
    type Dense: DenseLayer<S, Kernel = Self>;
    type Transition: Transition<S>;
    /// Columns of a panel of its matrices.
    const PANEL: usize;
    /// What the dense layers multiply.
    const OF_DENSE: Numbers;
    /// What the others do.
    const OF_OTHERS: Numbers;
}

impl<S: Simd> Kernel<S> for Tensor {
    type Stem = FoldedStem;
    type Dense = FoldedDense;
    type Transition = FoldedTransition;
    const PANEL: usize = 2 * S::LANES;
    const OF_DENSE: Numbers = Numbers::F32;
    const OF_OTHERS: Numbers = Numbers::F32;
}

/// The errors of stem and transitions reach all that is behind them, so they have 16 bits: half as fast as 8, and hardly to
/// be seen in the answers.
impl<D: Dot> Kernel<D> for QuantisedKernel {
    type Stem = WordStem;
    type Dense = QuantisedDense;
    type Transition = WordTransition;
    const PANEL: usize = PANEL;
    const OF_DENSE: Numbers = Numbers::Int8;
    const OF_OTHERS: Numbers = Numbers::Int16;
}

/// A dense layer that is laid out.
pub(crate) trait DenseLayer<S>: Sized + Send + Sync + 'static {
    /// What its weights are.
    type Kernel;
    /// A number of a bottleneck buffer.
    type Inner: Copy + Default + Send + Sync;

    /// Lays a layer out that reads `channels` channels of a plane of `side` pixels a side.
    fn new(level: Level, weights: &LayerWeights<Self::Kernel>, channels: usize, side: usize) -> Result<Self>;
    /// Channels that a layer of these weights adds.
    fn growth(weights: &LayerWeights<Self::Kernel>) -> usize;
    /// Channels between its convolutions, with those that fill up a panel.
    fn bottleneck(&self) -> usize;
    /// Whether its 3x3 convolution goes by tiles of Winograd's.
    fn by_tiles(&self) -> bool;
    /// What it needs of a thread's memory.
    fn needs(&self) -> Needs;
    /// Operations of the 1x1 convolution.
    fn reduce_operations(&self, side: usize) -> f64;
    /// Operations of the 3x3 convolution, or of its products by tiles.
    fn expand_operations(&self, side: usize) -> f64;
    /// The first half, for the share's rows: `own` is where they lie, `inner` where their bottlenecks go.
    fn reduce(&self, simd: S, own: &[f32], inner: &mut [Self::Inner], share: &Share, scratch: &mut Scratch);
    /// The second half: from the bottlenecks of all rows to the new channels of the share's rows.
    fn expand(&self, simd: S, inner: &[Self::Inner], own: &mut [f32], share: &Share, scratch: &mut Scratch);
}

/// A transition that is laid out: norm, ReLU, 2x2 average, 1x1.
pub(crate) trait Transition<S>: Sized + Send + Sync + 'static {
    /// Lays a transition out that reads `channels` channels, to a plane of `side` pixels a side.
    fn new(weights: &TransitionWeights, channels: usize, side: usize) -> Result<Self>;
    /// Channels that it puts out.
    fn filters(&self) -> usize;
    /// What it needs of a thread's memory.
    fn needs(&self) -> Needs;
    /// Operations of the convolution to a plane of `side` pixels a side.
    fn operations(&self, side: usize) -> f64;
    /// From the whole block before, `source`, to the share's rows of the next one, `own`.
    fn compute(&self, simd: S, source: &[f32], from: Plane, own: &mut [f32], share: &Share, scratch: &mut Scratch);
}
