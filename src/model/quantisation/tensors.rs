//! Whole numbers as tensors of a weights file.
//!
//! | tensor | shape | what it holds |
//! |---|---|---|
//! | `quantised.C.weight` | (kernel * kernel * channels, filters), i8 | the weights of the convolution C, from -127 to 127 |
//! | `quantised.C.steps` | (channels) | what an activation of 1 is worth, of each channel |
//! | `quantised.C.scales`, `.shifts` | (filters) | from sums of products to outputs |

use std::collections::BTreeMap;

use crate::model::quantisation::{QuantisedConv, QuantisedConvs};
use crate::model::safetensors::StoredBytes;
use crate::model::topology::{Conv, Topology};
use crate::model::{Architecture, StoredTensor, StoredTensors};

/// How the names of the tensors begin.
const PREFIX: &str = "quantised.";

/// The tensors of a file.
pub(in crate::model) fn tensors(convs: &QuantisedConvs) -> (StoredTensors, BTreeMap<String, StoredBytes>) {
    let (mut tensors, mut bytes) = (StoredTensors::new(), BTreeMap::new());
    for (name, QuantisedConv { weights, steps, scales, shifts }) in convs {
        let filters = scales.len();
        let shape = vec![weights.len() / filters.max(1), filters];
        bytes.insert(format!("{PREFIX}{name}.weight"), StoredBytes { shape, data: weights.clone() });
        for (ending, data) in [("steps", steps), ("scales", scales), ("shifts", shifts)] {
            let tensor = StoredTensor { shape: vec![data.len()], data: data.clone() };
            tensors.insert(format!("{PREFIX}{name}.{ending}"), tensor);
        }
    }
    (tensors, bytes)
}

/// Takes the whole numbers out of a file's tensors: all of the network's dense layers, or none.
pub(in crate::model) fn take_from(
    tensors: &mut StoredTensors,
    bytes: &mut BTreeMap<String, StoredBytes>,
    architecture: &Architecture,
) -> Result<Option<QuantisedConvs>, String> {
    let mut own: StoredTensors = tensors.extract_if(.., |name, _| name.starts_with(PREFIX)).collect();
    if own.is_empty() && bytes.is_empty() {
        return Ok(None);
    }
    let mut numbers = |conv: &Conv, ending: &str, count: usize, above_zero: bool| {
        let name = format!("{PREFIX}{}.{ending}", conv.name);
        let tensor = own.remove(&name).ok_or_else(|| format!("the tensor {name} is missing"))?;
        if tensor.shape != [count] {
            return Err(format!("the tensor {name} has the shape {:?} and not [{count}]", tensor.shape));
        }
        let sound = |value: &f32| value.is_finite() && (*value > 0.0 || !above_zero);
        match tensor.data.iter().all(sound) {
            true => Ok(tensor.data),
            false if above_zero => Err(format!("the tensor {name} holds what is no number above 0")),
            false => Err(format!("the tensor {name} holds NaN or infinity")),
        }
    };
    let mut convs = QuantisedConvs::new();
    let Topology::Fused(net) = architecture.topology() else {
        return Err("its network has no dense layers".to_owned());
    };
    for conv in net.blocks.iter().flat_map(|block| &block.layers).flat_map(|layer| [&layer.conv1, &layer.conv2]) {
        let name = format!("{PREFIX}{}.weight", conv.name);
        let stored = bytes.remove(&name).ok_or_else(|| format!("the tensor {name} is missing"))?;
        let shape = [conv.geometry.kernel.pow(2) * conv.channels, conv.filters];
        if stored.shape != shape {
            return Err(format!("the tensor {name} has the shape {:?} and not {shape:?}", stored.shape));
        }
        if stored.data.contains(&i8::MIN) {
            return Err(format!("the tensor {name} holds -128; weights go from -127 to 127"));
        }
        let steps = numbers(conv, "steps", conv.channels, true)?;
        let scales = numbers(conv, "scales", conv.filters, true)?;
        let shifts = numbers(conv, "shifts", conv.filters, false)?;
        convs.insert(conv.name.clone(), QuantisedConv { weights: stored.data, steps, scales, shifts });
    }
    match own.keys().next() {
        None => Ok(Some(convs)),
        Some(name) => Err(format!("the tensor {name} belongs to nothing")),
    }
}
