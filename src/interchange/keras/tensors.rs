//! From Keras's variables to the tensors of a weights file: other names, other layouts, other epsilons.

use std::collections::HashMap;

use super::graph::{Graph, Node, Operation};
use super::head::Answer;
use super::matching::{KnownNetwork, LayerMatch};
use super::variables::Variables;
use crate::interchange::InterchangeError;
use crate::model::{Architecture, Role, StoredTensor, StoredTensors, TensorSpec};

/// Reads the tensors of a known network; `swapped` says that its first class is ours with the larger number.
///
/// # Errors
/// When a variable is missing or damaged, has another shape, or holds what is not a number.
pub(super) fn tensors(
    graph: &Graph,
    network: &KnownNetwork,
    variables: &mut Variables,
    swapped: bool,
) -> Result<StoredTensors, InterchangeError> {
    let mut specs: HashMap<String, Vec<TensorSpec>> = HashMap::new();
    for spec in network.architecture.tensors() {
        let layer = spec.name.rsplit_once('.').map_or(spec.name.as_str(), |(layer, _)| layer).to_owned();
        specs.entry(layer).or_default().push(spec);
    }
    let mut all = StoredTensors::new();
    for LayerMatch { name, node } in &network.layers {
        let node = &graph.nodes[*node];
        let mut read = variables.read(node)?;
        if matches!(name.as_str(), "output" | "classifier.output") {
            complete_answer(&mut read, network.answer, swapped);
        }
        use_our_epsilon(&mut read, node, name);
        if name == "classifier.dense" {
            reorder_taps(&mut read, network);
        }
        for spec in specs.remove(name).unwrap_or_default() {
            let tensor = converted(&spec, node, &mut read, variables)?;
            all.insert(spec.name, tensor);
        }
    }
    Ok(all)
}

/// One of our tensors from the variables of its layer.
fn converted(
    spec: &TensorSpec,
    node: &Node,
    read: &mut HashMap<&'static str, StoredTensor>,
    variables: &Variables,
) -> Result<StoredTensor, InterchangeError> {
    let (name, shape) = match spec.role {
        Role::ConvKernel => ("kernel", vec![spec.shape[2], spec.shape[3], spec.shape[1], spec.shape[0]]),
        Role::DenseKernel => ("kernel", vec![spec.shape[1], spec.shape[0]]),
        Role::Bias => ("bias", spec.shape.clone()),
        Role::Gamma => ("gamma", spec.shape.clone()),
        Role::Beta => ("beta", spec.shape.clone()),
        Role::Mean => ("moving_mean", spec.shape.clone()),
        Role::Variance => ("moving_variance", spec.shape.clone()),
    };
    let layer = node.layer.shown();
    let tensor = match read.remove(name) {
        Some(tensor) => tensor,
        // What the layer was built without does nothing.
        None => {
            let value = if spec.role == Role::Gamma { 1.0 } else { 0.0 };
            return Ok(StoredTensor { shape: spec.shape.clone(), data: vec![value; spec.shape.iter().product()] });
        }
    };
    if tensor.shape != shape {
        let hint = if spec.name == "dense.weight" { "; --size says how large its images are" } else { "" };
        let reason = format!(
            "the {name} of the layer {layer} has the shape {:?}, and the network has {shape:?} there{hint}",
            tensor.shape
        );
        return Err(variables.unreadable(reason));
    }
    if !tensor.data.iter().all(|value| value.is_finite()) {
        let reason = format!(
            "the {name} of the layer {layer} holds NaN or infinity: its training diverged, or the file is damaged"
        );
        return Err(variables.unreadable(reason));
    }
    let data = match spec.role {
        Role::ConvKernel | Role::DenseKernel => filters_first(&tensor.data, &spec.shape),
        Role::Variance if tensor.data.iter().any(|value| *value < 0.0) => {
            return Err(variables.unreadable(format!("the {name} of the layer {layer} holds numbers below zero")));
        }
        _ => tensor.data,
    };
    Ok(StoredTensor { shape: spec.shape.clone(), data })
}

/// From Keras's (rows, columns, channels, filters) to (filters, channels, rows, columns); a dense kernel is one without
/// rows and columns.
fn filters_first(data: &[f32], shape: &[usize]) -> Vec<f32> {
    let (filters, channels) = (shape[0], shape[1]);
    let field: usize = shape[2..].iter().product();
    let mut turned = Vec::with_capacity(data.len());
    for filter in 0..filters {
        for channel in 0..channels {
            turned.extend((0..field).map(|place| data[(place * channels + channel) * filters + filter]));
        }
    }
    turned
}

/// Brings a norm to our epsilon: what its own adds more is part of the variance, or, where that would be below zero, of
/// the scale.
fn use_our_epsilon(read: &mut HashMap<&'static str, StoredTensor>, node: &Node, name: &str) {
    let Operation::Norm { epsilon, .. } = node.operation else { return };
    let ours = Architecture::epsilon(name);
    let more = epsilon - ours;
    // NaN where there is no graph to say.
    if more.is_nan() || more.abs() < 1e-9 {
        return;
    }
    let Some(mut variance) = read.remove("moving_variance") else { return };
    let ones = StoredTensor { shape: variance.shape.clone(), data: vec![1.0; variance.data.len()] };
    let gamma = read.entry("gamma").or_insert(ones);
    for (variance, gamma) in variance.data.iter_mut().zip(&mut gamma.data).filter(|(variance, _)| **variance >= 0.0) {
        let own = f64::from(*variance);
        if own + more >= 0.0 {
            *variance = (own + more) as f32;
        } else {
            *gamma = (f64::from(*gamma) * (ours / (own + epsilon)).sqrt()) as f32;
            *variance = 0.0;
        }
    }
    read.insert("moving_variance", variance);
}

/// Makes two units of one with a sigmoid, and puts the classes in our order.
fn complete_answer(read: &mut HashMap<&'static str, StoredTensor>, answer: Answer, swapped: bool) {
    for tensor in read.values_mut() {
        if answer == Answer::Sigmoid && tensor.shape.last() == Some(&1) {
            // A softmax of (0, z) is a sigmoid of z.
            tensor.data = tensor.data.iter().flat_map(|value| [0.0, *value]).collect();
            if let Some(units) = tensor.shape.last_mut() {
                *units = 2;
            }
        }
        if swapped && tensor.shape.last() == Some(&2) {
            tensor.data.as_chunks_mut::<2>().0.iter_mut().for_each(|pair| pair.swap(0, 1));
        }
    }
}

/// Puts the rows of the hidden kernel, a group a tap, in the order of the blocks.
fn reorder_taps(read: &mut HashMap<&'static str, StoredTensor>, network: &KnownNetwork) {
    let (Architecture::Fused(fused), Some(kernel)) = (&network.architecture, read.get_mut("kernel")) else { return };
    let group = fused.tap * fused.hidden;
    if kernel.data.len() != group * network.taps.len() {
        return; // The shape is refused when it is converted.
    }
    kernel.data = network.taps.iter().flat_map(|tap| kernel.data[tap * group..][..group].to_vec()).collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::interchange::keras::graph::LayerPath;

    #[test]
    fn another_epsilon_becomes_part_of_the_variance_or_of_the_scale() {
        let node = |epsilon| Node {
            layer: LayerPath::default(),
            operation: Operation::Norm { axis: -1, epsilon, center: true, scale: true },
            inputs: Vec::new(),
        };
        let vector = |data: &[f32]| StoredTensor { shape: vec![data.len()], data: data.to_vec() };
        for (epsilon, name) in [(1e-5, "classifier.norm"), (2e-3, "classifier.norm"), (1e-3, "features.norm0")] {
            let (gamma, variance) = ([0.5, 2.0, -1.5], [0.0, 1e-4, 1.25]);
            let mut read = HashMap::from([("gamma", vector(&gamma)), ("moving_variance", vector(&variance))]);
            use_our_epsilon(&mut read, &node(epsilon), name);
            for index in 0..3 {
                let wanted = f64::from(gamma[index]) / (f64::from(variance[index]) + epsilon).sqrt();
                let variance = read["moving_variance"].data[index];
                let got =
                    f64::from(read["gamma"].data[index]) / (f64::from(variance) + Architecture::epsilon(name)).sqrt();
                assert!(variance >= 0.0 && (got / wanted - 1.0).abs() < 1e-5, "{epsilon} {name}: {got} {wanted}");
            }
        }
    }
}
