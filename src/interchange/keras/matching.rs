//! What the parts of known networks are looked for with in the graph of a Keras model, and what is made of a match.

use super::graph::{Difference, Graph, Operation, Padding};
use super::head::Answer;
use crate::model::Architecture;

/// A Keras model as a network of this program.
pub(super) struct KnownNetwork {
    pub(super) architecture: Architecture,
    /// Which Keras layer fills which of ours.
    pub(super) layers: Vec<LayerMatch>,
    pub(super) answer: Answer,
    /// The nodes between the input and the network that scale and shift the image, the first one first.
    pub(super) scaling: Vec<usize>,
    /// Rows, and columns, of the input, where the model fixes them.
    pub(super) side: Option<u64>,
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

/// What lies between a network and its input: nodes that scale, the first one first, and the side of the input.
pub(super) fn scaling_and_side(graph: &Graph, mut at: usize) -> Result<(Vec<usize>, Option<u64>), Difference> {
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
                return Ok((scaling, height));
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
