//! The networks that this program knows, found in the graph of a Keras model.
//!
//! In: a [`Graph`]. Out: a [`KnownNetwork`], or the first place where the graph is another network. The graph is read
//! from its output backwards, because there each node says what it takes.

use super::fused::fused;
use super::graph::{Difference, Graph, Operation, Padding};
use super::head::Ending;
use super::matching::{KnownNetwork, LayerMatch, dense_units, expect, scaling_and_side};
use crate::model::{Architecture, Baseline};

/// Finds the network that a graph is; `size` is the side of its images where the graph does not fix it.
pub(super) fn known(graph: &Graph, size: u32) -> Result<KnownNetwork, Difference> {
    let [output] = graph.outputs[..] else {
        let at = graph.outputs.first().copied().unwrap_or_default();
        return Err(graph.difference(at, "one output of the model", format!("{} outputs", graph.outputs.len())));
    };
    let (ending, hidden) = Ending::find(graph, output)?;
    let (hidden, dropout) = graph.behind_dropout(hidden);
    match graph.nodes[hidden].operation {
        Operation::Norm { .. } => fused(graph, ending, hidden, dropout),
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
    let flatten = expect(graph, graph.input(dense)?, &Operation::Flatten)?;
    let (mut at, mut filters, mut convolutions) = (graph.input(flatten)?, Vec::new(), Vec::new());
    while let Operation::MaxPooling { .. } = graph.nodes[at].operation {
        let pool = Operation::MaxPooling { size: [2; 2], strides: [2; 2], padding: Padding::Valid };
        let relu = expect(graph, graph.input(expect(graph, at, &pool)?)?, &Operation::Relu)?;
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
    let (scaling, side) = scaling_and_side(graph, at)?;
    filters.reverse();
    let blocks = convolutions.iter().rev().enumerate();
    let mut layers: Vec<LayerMatch> =
        blocks.map(|(index, node)| LayerMatch { name: format!("conv{}", index + 1), node: *node }).collect();
    layers.push(LayerMatch { name: "dense".to_owned(), node: dense });
    layers.push(LayerMatch { name: "output".to_owned(), node: ending.dense });
    let size = side.map_or(size as usize, |side| side as usize);
    let architecture =
        Architecture::Baseline(Baseline { size, filters, hidden: units, dropout: dropout.unwrap_or(0.0) });
    Ok(KnownNetwork { architecture, layers, answer: ending.answer, scaling, side, taps: Vec::new() })
}
