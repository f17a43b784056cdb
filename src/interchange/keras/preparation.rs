//! How images are prepared for a Keras model: what the file says of it, and what only its user knows.

use std::collections::BTreeSet;
use std::str::FromStr;

use serde_json::Value;

use super::graph::{Graph, Operation};
use super::matching::KnownNetwork;
use super::variables::Variables;
use crate::interchange::InterchangeError;
use crate::pixels::Preprocess;

/// How images were prepared before they were given to a model, which its file does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KerasPreprocess {
    /// `tf.image.resize` and a division by 255, as the report has it.
    Unit,
    /// The same, then ImageNet's mean and standard deviation: `densenet.preprocess_input`.
    Torch,
    /// Resized with antialiasing, as torchvision and Pillow do it, then ImageNet's mean and standard deviation.
    Imagenet,
}

impl KerasPreprocess {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unit, Self::Torch, Self::Imagenet];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unit => "keras-unit",
            Self::Torch => "keras-torch",
            Self::Imagenet => "imagenet",
        }
    }

    /// In words.
    fn words(self) -> &'static str {
        match self {
            Self::Unit => "resized by tf.image.resize and divided by 255",
            Self::Torch => {
                "resized by tf.image.resize, divided by 255 and normalised by ImageNet's mean and standard deviation"
            }
            Self::Imagenet => {
                "resized with antialiasing, divided by 255 and normalised by ImageNet's mean and standard deviation"
            }
        }
    }

    fn preprocess(self) -> Preprocess {
        let Preprocess { mean, std, .. } = Preprocess::imagenet();
        match self {
            Self::Unit => Preprocess::report(),
            Self::Torch => Preprocess { mean, std, ..Preprocess::report() },
            Self::Imagenet => Preprocess::imagenet(),
        }
    }
}

impl FromStr for KerasPreprocess {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = || Self::ALL.map(Self::name).join(", ");
        Self::ALL.into_iter().find(|one| one.name() == text).ok_or_else(|| format!("it is one of {}", all()))
    }
}

/// The side of images where the file does not fix it: the report's.
pub(super) const USUAL_SIZE: u32 = 128;

/// The preprocessing of a network, with what was taken for granted, a sentence each.
///
/// # Errors
/// When the layers that scale the image are none that [`Preprocess`] can do.
pub(super) fn preparation(
    graph: &Graph,
    network: &KnownNetwork,
    variables: &mut Variables,
    asked: Option<KerasPreprocess>,
    size: u32,
) -> Result<(Preprocess, Vec<String>), InterchangeError> {
    let mut assumptions = Vec::new();
    let layers: Vec<(Vec<f64>, Vec<f64>)> =
        network.scaling.iter().map(|node| scaling(graph, *node, variables)).collect::<Result<_, _>>()?;
    // Layers inside the model that scale from 0 to 255 say that it is given images as they are.
    let takes_bytes = layers.first().is_some_and(|(factor, shift)| {
        let centre = factor.iter().zip(shift).map(|(factor, shift)| -shift / factor);
        factor.iter().all(|factor| factor.abs() < 0.1) || centre.into_iter().any(|mean| mean > 2.0)
    });
    let (base, [mut factor, mut shift]) = match asked {
        None if takes_bytes => {
            assumptions.push(
                "images are resized by tf.image.resize and given to the model as numbers from 0 to 255, which its own layers scale".to_owned(),
            );
            (Preprocess::report(), [[255.0; 3], [0.0; 3]])
        }
        asked => {
            let chosen = asked.unwrap_or(KerasPreprocess::Unit);
            if asked.is_none() {
                assumptions.push(format!(
                    "images are {}, as the report has it: the file does not say how they were prepared, and --preprocess chooses another way",
                    chosen.words()
                ));
            }
            if takes_bytes {
                assumptions.push(format!(
                    "images are {} before they go into the model's own layers, which scale them once more: --preprocess asks for it, \
                     though these layers seem to want numbers from 0 to 255",
                    chosen.words()
                ));
            }
            let base = chosen.preprocess();
            let numbers = |of: &dyn Fn(f64, f64) -> f64| {
                std::array::from_fn(|channel| of(f64::from(base.mean[channel]), f64::from(base.std[channel])))
            };
            let affine = [numbers(&|_, std| 1.0 / std), numbers(&|mean, std| -mean / std)];
            (base, affine)
        }
    };
    for (by, plus) in layers {
        for channel in 0..3 {
            factor[channel] *= by[channel];
            shift[channel] = shift[channel] * by[channel] + plus[channel];
        }
    }
    if network.side.is_none() {
        assumptions.push(format!(
            "images are {size} pixels a side: the file does not fix their size, and --size chooses another one"
        ));
    }
    if network.scaling.is_empty() {
        return Ok((Preprocess { size, ..base }, assumptions));
    }
    if let Some(wrong) = factor.iter().find(|factor| !(factor.is_finite() && **factor > 0.0)) {
        return Err(
            variables.unreadable(format!("its layers multiply the image by {wrong}, which no preprocessing here does"))
        );
    }
    let std = factor.map(|factor| (1.0 / factor) as f32);
    let mean = std::array::from_fn(|channel| (0.0 - shift[channel] / factor[channel]) as f32);
    Ok((Preprocess { size, mean, std, ..base }, assumptions))
}

/// What is said of a model that computed in fewer bits than f32, by the precision that its layers name.
///
/// # Errors
/// The end of a sentence, when it was quantised: its scales are no part of the networks known here.
pub(super) fn precision(config: &Value) -> Result<Option<String>, String> {
    let mut names = BTreeSet::new();
    collect_precisions(config, &mut names);
    let named = |parts: &[&str]| names.iter().find(|name| parts.iter().any(|part| name.contains(part))).cloned();
    if let Some(name) = named(&["int8", "int4", "float8", "gptq", "awq"]) {
        return Err(format!(
            "its layers were quantised ({name}), which no network here is; save the model from before that"
        ));
    }
    let reduced = named(&["16"]);
    Ok(reduced.map(|name| {
        format!("the network computes in f32 here, where {name} moved its probabilities by up to some thousandths")
    }))
}

/// The names of precisions in a config: Keras 2 writes a text, Keras 3 an object that has the name in its config.
fn collect_precisions<'v>(value: &'v Value, into: &mut BTreeSet<&'v str>) {
    match value {
        Value::Array(values) => values.iter().for_each(|value| collect_precisions(value, into)),
        Value::Object(object) => {
            let precision = object.get("dtype");
            let config = precision.and_then(|dtype| dtype.get("config"));
            // A quantised layer's has a mode in place of a name.
            let name = config.and_then(|config| config.get("mode").or_else(|| config.get("name"))).or(precision);
            into.extend(name.and_then(Value::as_str));
            object.values().for_each(|value| collect_precisions(value, into));
        }
        _ => {}
    }
}

/// What a layer multiplies each channel by, and what it adds then.
fn scaling(graph: &Graph, at: usize, variables: &mut Variables) -> Result<(Vec<f64>, Vec<f64>), InterchangeError> {
    let node = &graph.nodes[at];
    let name = node.layer.shown();
    let three = |numbers: &[f64], what: &str, variables: &Variables| match numbers {
        [one] => Ok(vec![*one; 3]),
        [_, _, _] => Ok(numbers.to_vec()),
        _ => Err(variables.unreadable(format!(
            "the layer {name} has {} numbers as its {what}; one or three are read",
            numbers.len()
        ))),
    };
    match &node.operation {
        Operation::Rescaling { scale, offset } => {
            let offset = if offset.is_empty() { &[0.0][..] } else { offset };
            Ok((three(scale, "scale", variables)?, three(offset, "offset", variables)?))
        }
        Operation::Normalization { mean, variance } => {
            let (mut mean, mut variance) = (mean.clone(), variance.clone());
            if mean.is_empty() {
                let read = variables.read(node)?;
                let numbers = |of: &str| -> Vec<f64> {
                    read.get(of)
                        .map_or_else(Vec::new, |tensor| tensor.data.iter().map(|value| f64::from(*value)).collect())
                };
                (mean, variance) = (numbers("mean"), numbers("variance"));
            }
            let (mean, variance) = (three(&mean, "mean", variables)?, three(&variance, "variance", variables)?);
            if !mean.iter().chain(&variance).all(|value| value.is_finite()) || variance.iter().any(|value| *value < 0.0)
            {
                return Err(
                    variables.unreadable(format!("the layer {name} has a mean or a variance that no images have"))
                );
            }
            // Keras's own guard against a variance of zero.
            let factor: Vec<f64> = variance.iter().map(|variance| 1.0 / variance.sqrt().max(1e-7)).collect();
            let shift = mean.iter().zip(&factor).map(|(mean, factor)| -mean * factor).collect();
            Ok((factor, shift))
        }
        _ => Ok((vec![1.0; 3], vec![0.0; 3])),
    }
}
