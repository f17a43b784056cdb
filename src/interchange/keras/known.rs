//! The networks that this program knows, found in the graph of a Keras model.
//!
//! In: a [`Graph`]. Out: a [`KnownNetwork`], or the first place where the graph is another network. The graph is read
//! from its output backwards, because there each node says what it takes.

use super::graph::{Difference, Graph, Operation, Padding};
use super::head::Ending;
use crate::model::{Architecture, Baseline};

/// A Keras model as a network of this program.
pub(super) struct KnownNetwork {
    pub(super) architecture: Architecture,
    /// Which Keras layer fills which of ours.
    pub(super) layers: Vec<LayerMatch>,
    pub(super) ending: Ending,
    /// The nodes between the input and the network that scale and shift the image, the first one first.
    pub(super) scaling: Vec<usize>,
    /// Rows and columns of the input, where the model fixes them.
    pub(super) input: [Option<u64>; 2],
    /// Where the model concatenates the taps in another order: which of its taps each of ours is.
    pub(super) taps: Vec<usize>,
}

/// A Keras layer and ours.
pub(super) struct LayerMatch {
    /// The layer in our names, such as `features.conv0`.
    pub(super) name: String,
    /// The node of the graph.
    pub(super) node: usize,
}

/// Finds the network that a graph is; `size` is the side of its images where the graph does not fix it.
pub(super) fn known(graph: &Graph, size: u32) -> Result<KnownNetwork, Difference> {
    let [output] = graph.outputs[..] else {
        let at = graph.outputs.first().copied().unwrap_or_default();
        return Err(graph.difference(at, "one output of the model", format!("{} outputs", graph.outputs.len())));
    };
    let (ending, hidden) = Ending::find(graph, output)?;
    let (hidden, dropout) = graph.behind_dropout(hidden);
    match graph.nodes[hidden].operation {
        Operation::Norm { .. } => super::fused::fused(graph, ending, hidden, dropout),
        Operation::Relu => baseline(graph, ending, hidden, dropout, size),
        _ => Err(graph.unexpected(
            hidden,
            "a ReLU (of the baseline's hidden layer) or a BatchNormalization (of the fused DenseNet121's)",
        )),
    }
}

/// Blocks of a 3x3 convolution, ReLU and a 2x2 maximum; flatten, dense, ReLU, dense.
fn baseline(
    graph: &Graph,
    ending: Ending,
    hidden: usize,
    dropout: Option<f64>,
    size: u32,
) -> Result<KnownNetwork, Difference> {
    let dense = graph.input(hidden)?;
    let units = dense_units(graph, dense)?;
    let flatten = graph.input(dense)?;
    if graph.nodes[flatten].operation != Operation::Flatten {
        return Err(graph.unexpected(flatten, "a Flatten"));
    }
    let (mut at, mut filters, mut convolutions) = (graph.input(flatten)?, Vec::new(), Vec::new());
    while let Operation::MaxPooling { .. } = graph.nodes[at].operation {
        let pool = Operation::MaxPooling { size: [2; 2], strides: [2; 2], padding: Padding::Valid };
        if graph.nodes[at].operation != pool {
            return Err(graph.unexpected(at, pool.to_string()));
        }
        let relu = expect(graph, graph.input(at)?, &Operation::Relu)?;
        let convolution = graph.input(relu)?;
        match graph.nodes[convolution].operation {
            Operation::Conv { filters: count, kernel: [3, 3], strides: [1, 1], padding: Padding::Valid, .. } => {
                filters.push(count as usize);
            }
            _ => return Err(graph.unexpected(convolution, "a Conv2D of 3x3, strides 1x1, padding valid")),
        }
        convolutions.push(convolution);
        at = graph.input(convolution)?;
    }
    if convolutions.is_empty() {
        return Err(graph.unexpected(at, "a MaxPooling2D of 2x2 behind a Conv2D of 3x3 and a ReLU"));
    }
    let (scaling, input) = scaling_and_input(graph, at)?;
    filters.reverse();
    let blocks = convolutions.iter().rev().enumerate();
    let mut layers: Vec<LayerMatch> =
        blocks.map(|(index, node)| LayerMatch { name: format!("conv{}", index + 1), node: *node }).collect();
    layers.push(LayerMatch { name: "dense".to_owned(), node: dense });
    layers.push(LayerMatch { name: "output".to_owned(), node: ending.dense });
    let size = input[0].map_or(size as usize, |side| side as usize);
    let architecture =
        Architecture::Baseline(Baseline { size, filters, hidden: units, dropout: dropout.unwrap_or(0.0) });
    Ok(KnownNetwork { architecture, layers, ending, scaling, input, taps: Vec::new() })
}

/// The units of a dense layer.
pub(super) fn dense_units(graph: &Graph, at: usize) -> Result<usize, Difference> {
    match graph.nodes[at].operation {
        Operation::Dense { units, .. } => Ok(units as usize),
        _ => Err(graph.unexpected(at, "a Dense")),
    }
}

/// This node, if it is this operation.
pub(super) fn expect(graph: &Graph, at: usize, operation: &Operation) -> Result<usize, Difference> {
    if graph.nodes[at].operation == *operation { Ok(at) } else { Err(graph.unexpected(at, operation.to_string())) }
}

/// What lies between a network and its input: nodes that scale, the first one first, and the input's rows and columns.
pub(super) fn scaling_and_input(graph: &Graph, mut at: usize) -> Result<(Vec<usize>, [Option<u64>; 2]), Difference> {
    let mut scaling = Vec::new();
    loop {
        match graph.nodes[at].operation {
            Operation::Rescaling { .. } | Operation::Normalization { .. } => {
                scaling.push(at);
                at = graph.input(at)?;
            }
            Operation::Input([height, width, channels]) => {
                if channels.is_some_and(|channels| channels != 3) {
                    return Err(graph.difference(
                        at,
                        "3 channels",
                        format!("{} channels", channels.unwrap_or_default()),
                    ));
                }
                if height != width {
                    let side = |side: Option<u64>| side.map_or_else(|| "any".to_owned(), |side| side.to_string());
                    return Err(graph.difference(at, "square images", format!("{}x{}", side(height), side(width))));
                }
                scaling.reverse();
                return Ok((scaling, [height, width]));
            }
            _ => return Err(graph.unexpected(at, "the input of the model, or a Rescaling or Normalization behind it")),
        }
    }
}

/// Checks a convolution without a bias, and returns its filters.
pub(super) fn filters(graph: &Graph, at: usize, kernel: u64, strides: u64, same: bool) -> Result<usize, Difference> {
    match graph.nodes[at].operation {
        Operation::Conv { filters, kernel: its, strides: steps, padding, bias: false }
            if its == [kernel; 2] && steps == [strides; 2] && (kernel == 1 || (padding == Padding::Same) == same) =>
        {
            Ok(filters as usize)
        }
        _ => {
            let padding = if same { "same" } else { "valid" };
            let expected =
                format!("a Conv2D of {kernel}x{kernel}, strides {strides}x{strides}, padding {padding}, no bias");
            Err(graph.unexpected(at, expected))
        }
    }
}

/// Checks a batch normalisation over the last axis, where the others are so many.
pub(super) fn norm(graph: &Graph, at: usize, axes_before: i64) -> Result<usize, Difference> {
    match graph.nodes[at].operation {
        Operation::Norm { axis, .. } if axis == -1 || axis == axes_before => Ok(at),
        Operation::Norm { axis, .. } => {
            Err(graph.difference(at, "a BatchNormalization over the last axis", format!("one over the axis {axis}")))
        }
        _ => Err(graph.unexpected(at, "a BatchNormalization")),
    }
}
