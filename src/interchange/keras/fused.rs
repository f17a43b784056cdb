//! The fused DenseNet in the graph of a Keras model: its head, its taps and its dense blocks.

use super::graph::{Difference, Graph, Operation, Padding};
use super::head::Ending;
use super::matching::{KnownNetwork, LayerMatch, dense_units, expect, filters, norm, scaling_and_side};
use crate::model::{Architecture, Fused};

/// Dense layers in each block of DenseNet121, the largest that is taken; smaller ones are for tests.
const DENSENET121: [usize; 4] = [6, 12, 24, 16];

/// Says of a network's blocks what they are, where DenseNet121 has not as many or as deep ones.
pub(super) fn larger_than_densenet121(blocks: &[usize]) -> Option<String> {
    let fits =
        blocks.len() <= DENSENET121.len() && blocks.iter().zip(DENSENET121).all(|(layers, most)| *layers <= most);
    (!fits).then(|| format!("dense blocks of {blocks:?} layers"))
}

/// One dense block, from its end.
struct Block {
    /// The node of its last concatenation.
    end: usize,
    /// Each layer's nodes: norm, 1x1, norm, 3x3; the first layer first.
    layers: Vec<[usize; 4]>,
    /// The norm and the 1x1 that lead to it; none for the first block.
    transition: Option<[usize; 2]>,
    growth: usize,
    bottleneck: usize,
}

/// Reads the network whose hidden norm is at `hidden`.
pub(super) fn fused(
    graph: &Graph,
    ending: Ending,
    hidden: usize,
    dropout: Option<f64>,
) -> Result<KnownNetwork, Difference> {
    let hidden_norm = norm(graph, hidden, 1)?;
    let relu = expect(graph, graph.input(hidden_norm)?, &Operation::Relu)?;
    let hidden_dense = graph.input(relu)?;
    let hidden_units = dense_units(graph, hidden_dense)?;
    let concatenation = graph.input(hidden_dense)?;
    concatenated(graph, concatenation, 1)?;
    let mut taps = Vec::new();
    for input in &graph.nodes[concatenation].inputs {
        taps.push(Tap::find(graph, graph.behind_dropout(*input).0)?);
    }
    let Some(deepest) = taps.iter().map(|tap| tap.of).max() else {
        return Err(graph.unexpected(concatenation, "a Concatenate of the taps"));
    };
    let (blocks, stem) = blocks(graph, deepest)?;

    // Each block but the first is tapped once, in whatever order.
    let mut order = Vec::new();
    for (number, block) in blocks.iter().enumerate().skip(1) {
        let found = taps.iter().position(|tap| tap.of == block.end);
        let missing =
            || graph.difference(concatenation, format!("a tap of the end of dense block {}", number + 1), "none");
        order.push(found.ok_or_else(missing)?);
    }
    if let Some(tap) = taps.iter().enumerate().find(|(index, _)| !order.contains(index)).map(|(_, tap)| tap) {
        return Err(graph.unexpected(tap.of, "the end of a dense block behind the first, each tapped once"));
    }
    let unlike = taps.iter().find(|tap| tap.units != taps[0].units);
    if let Some(tap) = unlike {
        return Err(graph.difference(
            tap.dense,
            format!("{} units as in the other taps", taps[0].units),
            format!("{}", tap.units),
        ));
    }

    let mut layers = stem.layers();
    for (index, block) in blocks.iter().enumerate() {
        for (layer, nodes) in block.layers.iter().enumerate() {
            let name = format!("features.denseblock{}.denselayer{}", index + 1, layer + 1);
            let parts = ["norm1", "conv1", "norm2", "conv2"].into_iter().zip(nodes);
            layers.extend(parts.map(|(part, node)| LayerMatch { name: format!("{name}.{part}"), node: *node }));
        }
        if let Some([norm, convolution]) = block.transition {
            layers.push(LayerMatch { name: format!("features.transition{index}.norm"), node: norm });
            layers.push(LayerMatch { name: format!("features.transition{index}.conv"), node: convolution });
        }
    }
    for (index, tap) in order.iter().enumerate() {
        let Tap { dense, norm, .. } = taps[*tap];
        layers.push(LayerMatch { name: format!("fusion.block{}.dense", index + 2), node: dense });
        layers.push(LayerMatch { name: format!("fusion.block{}.norm", index + 2), node: norm });
    }
    layers.push(LayerMatch { name: "classifier.dense".to_owned(), node: hidden_dense });
    layers.push(LayerMatch { name: "classifier.norm".to_owned(), node: hidden_norm });
    layers.push(LayerMatch { name: "classifier.output".to_owned(), node: ending.dense });
    let (scaling, side) = scaling_and_side(graph, stem.input)?;
    let architecture = Architecture::Fused(Fused {
        stem: stem.filters,
        growth: blocks[0].growth,
        bottleneck: blocks[0].bottleneck,
        blocks: blocks.iter().map(|block| block.layers.len()).collect(),
        tap: taps[0].units,
        hidden: hidden_units,
        dropout: dropout.unwrap_or(0.0),
    });
    Ok(KnownNetwork { architecture, layers, answer: ending.answer, scaling, side, taps: order })
}

/// Global average, dense, ReLU, norm.
struct Tap {
    /// The node that is averaged.
    of: usize,
    dense: usize,
    norm: usize,
    units: usize,
}

impl Tap {
    fn find(graph: &Graph, at: usize) -> Result<Self, Difference> {
        let norm = norm(graph, at, 1)?;
        let relu = expect(graph, graph.input(norm)?, &Operation::Relu)?;
        let dense = graph.input(relu)?;
        let units = dense_units(graph, dense)?;
        let average = expect(graph, graph.input(dense)?, &Operation::GlobalAverage)?;
        Ok(Self { of: graph.input(average)?, dense, norm, units })
    }
}

fn concatenated(graph: &Graph, at: usize, axes_before: i64) -> Result<(), Difference> {
    match graph.nodes[at].operation {
        Operation::Concatenate { axis } if axis == -1 || axis == axes_before => Ok(()),
        Operation::Concatenate { axis } => {
            Err(graph.difference(at, "a Concatenate over the last axis", format!("one over the axis {axis}")))
        }
        _ => Err(graph.unexpected(at, "a Concatenate")),
    }
}

/// The way from the image to the first block.
struct Stem {
    convolution: usize,
    norm: usize,
    filters: usize,
    /// The node whose values go into it.
    input: usize,
}

impl Stem {
    fn layers(&self) -> Vec<LayerMatch> {
        vec![
            LayerMatch { name: "features.conv0".to_owned(), node: self.convolution },
            LayerMatch { name: "features.norm0".to_owned(), node: self.norm },
        ]
    }

    /// Pad 3, 7x7 by 2, norm, ReLU, pad 1, 3x3 maximum by 2, which is at `pool`.
    fn find(graph: &Graph, pool: usize) -> Result<Self, Difference> {
        let maximum = Operation::MaxPooling { size: [3; 2], strides: [2; 2], padding: Padding::Valid };
        expect(graph, pool, &maximum)?;
        let pad = expect(graph, graph.input(pool)?, &Operation::ZeroPadding([[1; 2]; 2]))?;
        let relu = expect(graph, graph.input(pad)?, &Operation::Relu)?;
        let norm = norm(graph, graph.input(relu)?, 3)?;
        let convolution = graph.input(norm)?;
        let filters = filters(graph, convolution, 7, 2, false)?;
        let pad = expect(graph, graph.input(convolution)?, &Operation::ZeroPadding([[3; 2]; 2]))?;
        Ok(Self { convolution, norm, filters, input: graph.input(pad)? })
    }
}

/// All blocks up to the one that ends at `end`, the first one first, and the stem.
fn blocks(graph: &Graph, end: usize) -> Result<(Vec<Block>, Stem), Difference> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut at = end;
    let stem = loop {
        let (mut block, start) = block(graph, at)?;
        if let Operation::AveragePooling { .. } = graph.nodes[start].operation {
            let pool = Operation::AveragePooling { size: [2; 2], strides: [2; 2], padding: Padding::Valid };
            let convolution = graph.input(expect(graph, start, &pool)?)?;
            filters(graph, convolution, 1, 1, false)?;
            let relu = expect(graph, graph.input(convolution)?, &Operation::Relu)?;
            let norm = norm(graph, graph.input(relu)?, 3)?;
            block.transition = Some([norm, convolution]);
            at = graph.input(norm)?;
            blocks.push(block);
        } else {
            blocks.push(block);
            break Stem::find(graph, start)?;
        }
    };
    blocks.reverse();
    let depths: Vec<usize> = blocks.iter().map(|block| block.layers.len()).collect();
    if let Some(found) = larger_than_densenet121(&depths) {
        return Err(graph.difference(end, "DenseNet121's dense blocks of [6, 12, 24, 16] layers", found));
    }
    // Sizes are the same throughout, and each transition halves the channels.
    let (growth, bottleneck) = (blocks[0].growth, blocks[0].bottleneck);
    let mut channels = stem.filters;
    for block in &blocks {
        if let Some([_, convolution]) = block.transition {
            channels /= 2;
            let halved = filters(graph, convolution, 1, 1, false)?;
            if halved != channels {
                return Err(graph.difference(
                    convolution,
                    format!("{channels} filters, half of the channels before"),
                    format!("{halved}"),
                ));
            }
        }
        if (block.growth, block.bottleneck) != (growth, bottleneck) {
            let sizes = |growth, bottleneck| format!("dense layers of {bottleneck} and {growth} filters");
            let found = sizes(block.growth, block.bottleneck);
            return Err(graph.difference(block.end, sizes(growth, bottleneck) + " as in the first block", found));
        }
        channels += block.layers.len() * growth;
    }
    Ok((blocks, stem))
}

/// The dense block that ends at a node, and the node that it starts from.
fn block(graph: &Graph, end: usize) -> Result<(Block, usize), Difference> {
    let mut block = Block { end, layers: Vec::new(), transition: None, growth: 0, bottleneck: 0 };
    let mut at = end;
    while let (Operation::Concatenate { .. }, [before, new]) = (&graph.nodes[at].operation, &graph.nodes[at].inputs[..])
    {
        concatenated(graph, at, 3)?;
        let (before, conv2) = (graph.behind_dropout(*before).0, graph.behind_dropout(*new).0);
        let growth = filters(graph, conv2, 3, 1, true)?;
        let norm2 = norm(graph, graph.input(expect(graph, graph.input(conv2)?, &Operation::Relu)?)?, 3)?;
        let conv1 = graph.input(norm2)?;
        let bottleneck = filters(graph, conv1, 1, 1, false)?;
        let norm1 = norm(graph, graph.input(expect(graph, graph.input(conv1)?, &Operation::Relu)?)?, 3)?;
        let input = graph.input(norm1)?;
        if input != before {
            return Err(graph.difference(
                norm1,
                format!("the layer's own input, {}", graph.nodes[before].layer.shown()),
                graph.nodes[input].layer.shown(),
            ));
        }
        if block.layers.is_empty() {
            (block.growth, block.bottleneck) = (growth, bottleneck);
        } else if (block.growth, block.bottleneck) != (growth, bottleneck) {
            return Err(graph.difference(
                conv2,
                format!("{} and {} filters as in the block's other layers", block.bottleneck, block.growth),
                format!("{bottleneck} and {growth}"),
            ));
        }
        block.layers.push([norm1, conv1, norm2, conv2]);
        at = before;
    }
    if block.layers.is_empty() {
        return Err(graph.unexpected(end, "the Concatenate at the end of a dense block"));
    }
    block.layers.reverse();
    Ok((block, at))
}
