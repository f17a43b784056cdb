//! Networks and backbones in files that hold variables without a graph, told by the order and the shapes of their layers.
//!
//! In: the layers of a file. Out: which of them fills which of ours. Keras orders the layers of each kind as the model
//! has them, and the shapes must fit one after the other, so that another network does not pass for a known one.

use super::fused::larger_than_densenet121;
use super::graph::{Graph, Node, Operation};
use super::head::Answer;
use super::matching::{KnownNetwork, LayerMatch};
use super::variables::Variables;
use crate::interchange::InterchangeError;
use crate::model::{Architecture, Baseline, Fused};

/// The layers of a file by kind, as indices of its nodes.
struct Kinds {
    convolutions: Vec<(usize, u64, usize)>,
    norms: Vec<usize>,
    dense: Vec<(usize, usize)>,
}

impl Kinds {
    fn of(nodes: &[Node]) -> Self {
        let mut kinds = Self { convolutions: Vec::new(), norms: Vec::new(), dense: Vec::new() };
        for (index, node) in nodes.iter().enumerate() {
            match node.operation {
                Operation::Conv { filters, kernel, .. } => {
                    kinds.convolutions.push((index, kernel[0], filters as usize))
                }
                Operation::Norm { .. } => kinds.norms.push(index),
                Operation::Dense { units, .. } => kinds.dense.push((index, units as usize)),
                _ => {}
            }
        }
        kinds
    }
}

/// The backbone of a DenseNet among the layers of a file, and how many of its norms it takes.
struct OrderedBackbone {
    layers: Vec<LayerMatch>,
    sizes: Fused,
    norms: usize,
}

/// Reads the convolutions as those of a DenseNet: 7x7, then pairs of 1x1 and 3x3, with a lone 1x1 between blocks.
fn backbone(kinds: &Kinds) -> Option<OrderedBackbone> {
    let [(stem, 7, filters), rest @ ..] = &kinds.convolutions[..] else { return None };
    let mut norms = kinds.norms.iter();
    let mut layers = vec![
        LayerMatch { name: "features.conv0".to_owned(), node: *stem },
        LayerMatch { name: "features.norm0".to_owned(), node: *norms.next()? },
    ];
    let (mut blocks, mut sizes) = (vec![0], None);
    let mut at = rest;
    while let [(conv1, 1, bottleneck), after @ ..] = at {
        if let [(conv2, 3, growth), after @ ..] = after {
            let (block, layer) = (blocks.len(), blocks.last_mut()?);
            *layer += 1;
            sizes.get_or_insert((*growth, *bottleneck));
            let name = format!("features.denseblock{block}.denselayer{layer}");
            for (part, node) in
                [("norm1", *norms.next()?), ("conv1", *conv1), ("norm2", *norms.next()?), ("conv2", *conv2)]
            {
                layers.push(LayerMatch { name: format!("{name}.{part}"), node });
            }
            at = after;
        } else {
            let name = format!("features.transition{}", blocks.len());
            layers.push(LayerMatch { name: format!("{name}.norm"), node: *norms.next()? });
            layers.push(LayerMatch { name: format!("{name}.conv"), node: *conv1 });
            blocks.push(0);
            at = after;
        }
    }
    let (growth, bottleneck) = sizes.filter(|_| at.is_empty())?;
    let norms = kinds.norms.len() - norms.len();
    let sizes = Fused { stem: *filters, growth, bottleneck, blocks, tap: 1, hidden: 1, dropout: 0.0 };
    Some(OrderedBackbone { layers, sizes, norms })
}

/// The backbone of a file for a training to start from, in our names; everything else in it is left aside.
///
/// # Errors
/// When its convolutions are not those of a DenseNet.
pub(super) fn ordered_backbone(variables: &Variables) -> Result<(Graph, KnownNetwork), InterchangeError> {
    let nodes = variables.layers()?;
    let found = backbone(&Kinds::of(&nodes));
    let OrderedBackbone { layers, sizes, .. } = found.ok_or_else(|| {
        variables.unreadable(
            "its convolutions are not those of a DenseNet: a 7x7, then pairs of 1x1 and 3x3 with a 1x1 between blocks"
                .to_owned(),
        )
    })?;
    let network = KnownNetwork {
        architecture: Architecture::Fused(sizes),
        layers,
        answer: Answer::Logits,
        scaling: Vec::new(),
        side: None,
        taps: Vec::new(),
    };
    Ok((Graph { nodes, outputs: Vec::new() }, network))
}

/// The network of a file without a graph; `size` is the side of its images.
///
/// # Errors
/// When the layers are those of no known network.
pub(super) fn ordered_network(variables: &Variables, size: u32) -> Result<(Graph, KnownNetwork), InterchangeError> {
    let nodes = variables.layers()?;
    let kinds = Kinds::of(&nodes);
    let other =
        |reason: String| variables.unreadable(format!("it holds weights without the network's graph, and {reason}"));
    if let Some(unknown) = nodes.iter().find(|node| matches!(node.operation, Operation::Other(_))) {
        return Err(other(format!("{} is {}, which no known network has", unknown.layer.shown(), unknown.operation)));
    }
    let Some((output, units)) = kinds.dense.last().copied() else {
        return Err(other("has no dense layer at the end".to_owned()));
    };
    let answer = match units {
        1 => Answer::Sigmoid,
        2 => Answer::Softmax,
        units => return Err(other(format!("its last dense layer has {units} units instead of two, or one"))),
    };
    let (architecture, layers) = match backbone(&kinds) {
        Some(found) => fused(found, &kinds, &other)?,
        None => baseline(&kinds, size, &other)?,
    };
    let taps =
        if let Architecture::Fused(sizes) = &architecture { (0..sizes.blocks.len() - 1).collect() } else { Vec::new() };
    let network = KnownNetwork { architecture, layers, answer, scaling: Vec::new(), side: None, taps };
    Ok((Graph { nodes, outputs: vec![output] }, network))
}

fn fused(
    found: OrderedBackbone,
    kinds: &Kinds,
    other: &impl Fn(String) -> InterchangeError,
) -> Result<(Architecture, Vec<LayerMatch>), InterchangeError> {
    let OrderedBackbone { mut layers, sizes, norms } = found;
    let taps = sizes.blocks.len() - 1;
    if let Some(found) = larger_than_densenet121(&sizes.blocks) {
        return Err(other(format!("has {found} instead of DenseNet121's [6, 12, 24, 16]")));
    }
    // Where DenseNet's own last norm is there too, something takes from it.
    let head = kinds.norms.len().checked_sub(taps + 1).filter(|from| *from == norms);
    let (Some(head), true) = (head, kinds.dense.len() == taps + 2) else {
        return Err(other(format!(
            "behind its backbone there are {} norms and {} dense layers instead of the {} and {} of a fused head",
            kinds.norms.len() - norms,
            kinds.dense.len(),
            taps + 1,
            taps + 2
        )));
    };
    for tap in 0..taps {
        let name = format!("fusion.block{}", tap + 2);
        layers.push(LayerMatch { name: format!("{name}.dense"), node: kinds.dense[tap].0 });
        layers.push(LayerMatch { name: format!("{name}.norm"), node: kinds.norms[head + tap] });
    }
    layers.push(LayerMatch { name: "classifier.dense".to_owned(), node: kinds.dense[taps].0 });
    layers.push(LayerMatch { name: "classifier.norm".to_owned(), node: kinds.norms[head + taps] });
    layers.push(LayerMatch { name: "classifier.output".to_owned(), node: kinds.dense[taps + 1].0 });
    let sizes = Fused { tap: kinds.dense[0].1, hidden: kinds.dense[taps].1, ..sizes };
    Ok((Architecture::Fused(sizes), layers))
}

fn baseline(
    kinds: &Kinds,
    size: u32,
    other: &impl Fn(String) -> InterchangeError,
) -> Result<(Architecture, Vec<LayerMatch>), InterchangeError> {
    let Kinds { convolutions, norms, dense } = kinds;
    let fits = !convolutions.is_empty() && convolutions.iter().all(|(_, kernel, _)| *kernel == 3);
    let ([(hidden, units), (output, _)], true, true) = (&dense[..], fits, norms.is_empty()) else {
        return Err(other(format!(
            "its {} convolutions, {} norms and {} dense layers are neither the baseline's (3x3 each, none, two) nor a DenseNet's",
            convolutions.len(),
            norms.len(),
            dense.len()
        )));
    };
    let blocks = convolutions.iter().enumerate();
    let mut layers: Vec<LayerMatch> =
        blocks.map(|(index, (node, ..))| LayerMatch { name: format!("conv{}", index + 1), node: *node }).collect();
    layers.push(LayerMatch { name: "dense".to_owned(), node: *hidden });
    layers.push(LayerMatch { name: "output".to_owned(), node: *output });
    let filters = convolutions.iter().map(|(_, _, filters)| *filters).collect();
    Ok((Architecture::Baseline(Baseline { size: size as usize, filters, hidden: *units, dropout: 0.0 }), layers))
}
