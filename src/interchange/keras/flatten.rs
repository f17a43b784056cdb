//! From a Keras config to a [`Graph`]: models within models are laid flat.
//!
//! Nothing in the config is executed. A Lambda layer, which holds code, and classes that are not Keras's own are
//! refused by their names before anything else is looked at.

use std::collections::HashMap;

use serde_json::Value;

use super::graph::{Graph, LayerPath, Node, Operation};
use super::layer::{input_shape, operations};
use crate::interchange::InterchangeError;

/// Layers of a model; the largest of Keras's own has 800.
pub(super) const MOST_LAYERS: usize = 4096;
/// Models within models.
pub(super) const DEEPEST: usize = 8;

/// Lays the model of a config flat; `origin` names the file in errors.
///
/// # Errors
/// When it holds code or classes of others, or is no model that can be followed.
pub(super) fn flatten(config: &Value, origin: &str) -> Result<Graph, InterchangeError> {
    refuse_code(config, origin)?;
    let mut flattener = Flattener { origin, nodes: Vec::new(), layers: 0 };
    let outputs = flattener.model(config, None, &LayerPath::default(), 0)?;
    if flattener.nodes.is_empty() {
        return Err(flattener.unreadable("its model has no layers".to_owned()));
    }
    Ok(Graph { nodes: flattener.nodes, outputs })
}

/// Refuses what Keras would execute or import.
fn refuse_code(config: &Value, origin: &str) -> Result<(), InterchangeError> {
    let refused = |what: String| {
        let reason = format!("{what}; nothing of a file is executed here, and no class of others is loaded");
        Err(InterchangeError::Refused { origin: origin.to_owned(), reason })
    };
    match config {
        Value::Array(values) => values.iter().try_for_each(|value| refuse_code(value, origin)),
        Value::Object(object) => {
            let text = |key: &str| object.get(key).and_then(Value::as_str).unwrap_or_default();
            let (class, module, registered) = (text("class_name"), text("module"), text("registered_name"));
            let inner = object.get("config").and_then(|config| config.get("name")).and_then(Value::as_str);
            let name = inner
                .or_else(|| object.get("name").and_then(Value::as_str))
                .map_or_else(String::new, |name| format!("{name} "));
            if matches!(class, "Lambda" | "__lambda__") {
                return refused(format!("the layer {name}is a {class}, which holds code"));
            }
            let package = module.strip_prefix("tensorflow.python.").unwrap_or(module).split('.').next();
            let is_foreign = !package.is_some_and(|package| matches!(package, "" | "builtins" | "keras" | "tf_keras"));
            // Keras's own layers have a module and no registered name; a class of one's own may have the name of one of them.
            let is_foreign = is_foreign || (module.is_empty() && !registered.is_empty());
            if registered.contains('>') || is_foreign {
                let full = match module {
                    _ if registered.contains('>') => registered.to_owned(),
                    "" => class.to_owned(),
                    module => format!("{module}.{class}"),
                };
                return refused(format!("the layer {name}is of the class {full}, which is not Keras's own"));
            }
            // How it was trained is not looked at, so that a loss of one's own does not stand in the way.
            let looked_at = object.iter().filter(|(key, _)| *key != "compile_config");
            looked_at.map(|(_, value)| value).try_for_each(|value| refuse_code(value, origin))
        }
        _ => Ok(()),
    }
}

struct Flattener<'a> {
    origin: &'a str,
    nodes: Vec<Node>,
    layers: usize,
}

/// A layer of a model, as its config has it.
struct Layer<'a> {
    class: &'a str,
    name: &'a str,
    value: &'a Value,
    path: LayerPath,
}

impl Flattener<'_> {
    /// Adds the nodes of a model that is given some inputs, or takes those that it names itself.
    fn model(
        &mut self,
        model: &Value,
        given: Option<&[usize]>,
        path: &LayerPath,
        depth: usize,
    ) -> Result<Vec<usize>, InterchangeError> {
        if depth > DEEPEST {
            return Err(self.unreadable(format!("there are models within models, more than {DEEPEST} deep")));
        }
        let class = text(model, "class_name");
        let config = model.get("config").unwrap_or(&Value::Null);
        // Keras 1 wrote the layers of a Sequential as its config.
        let layers = config.get("layers").unwrap_or(config).as_array();
        let layers =
            layers.ok_or_else(|| self.unreadable(format!("the config of the model ({class}) lists no layers")))?;
        self.layers += layers.len();
        if self.layers > MOST_LAYERS {
            return Err(self.unreadable(format!("the model has more than {MOST_LAYERS} layers")));
        }
        let layers = self.named(layers, path)?;
        match class {
            "Sequential" => self.sequence(&layers, given, depth),
            "Functional" | "Model" => self.functional(config, &layers, given, depth),
            other => Err(self
                .unreadable(format!("its model is of the class {other:?}; a Sequential or a Functional one is read"))),
        }
    }

    /// The layers with their names and the groups of their variables, which Keras 3 numbers by class.
    fn named<'v>(&self, layers: &'v [Value], around: &LayerPath) -> Result<Vec<Layer<'v>>, InterchangeError> {
        let mut used: HashMap<String, usize> = HashMap::new();
        let mut all = Vec::new();
        for value in layers {
            let class = text(value, "class_name");
            let inner = value.get("config").map_or("", |config| text(config, "name"));
            let name = if inner.is_empty() { text(value, "name") } else { inner };
            let group = snake_case(class);
            let number = used.entry(group.clone()).or_default();
            let group = if *number == 0 { group } else { format!("{group}_{number}") };
            *number += 1;
            let prefix = if around.group.is_empty() { String::new() } else { format!("{}/", around.group) };
            let mut path = LayerPath { group: format!("{prefix}layers/{group}"), ..around.clone() };
            path.names.push(name.to_owned());
            all.push(Layer { class, name, value, path });
        }
        Ok(all)
    }

    fn sequence(
        &mut self,
        layers: &[Layer<'_>],
        given: Option<&[usize]>,
        depth: usize,
    ) -> Result<Vec<usize>, InterchangeError> {
        let mut at = match given {
            Some(inputs) => inputs.to_vec(),
            // The first layer may say what the model takes, instead of an input of its own.
            None => match layers.first() {
                Some(first) if first.class != "InputLayer" => {
                    let shape = first.value.get("config").and_then(input_shape).unwrap_or([None; 3]);
                    vec![self.push(first.path.clone(), Operation::Input(shape), Vec::new())]
                }
                _ => Vec::new(),
            },
        };
        for layer in layers {
            if layer.class == "InputLayer" && given.is_some() {
                continue;
            }
            at = self.layer(layer, &at, depth)?;
        }
        Ok(at)
    }

    fn functional(
        &mut self,
        config: &Value,
        layers: &[Layer<'_>],
        given: Option<&[usize]>,
        depth: usize,
    ) -> Result<Vec<usize>, InterchangeError> {
        let mut values: HashMap<&str, Vec<usize>> = HashMap::new();
        if let Some(given) = given {
            let inputs = references(config.get("input_layers").unwrap_or(&Value::Null));
            if inputs.len() != given.len() {
                return Err(self.unreadable(format!("a model of {} inputs is given {}", inputs.len(), given.len())));
            }
            values.extend(inputs.iter().zip(given).map(|((name, _), node)| (*name, vec![*node])));
        }
        let waiting = layers.iter().filter(|layer| !values.contains_key(layer.name));
        let mut waiting: Vec<_> = waiting.map(|layer| (layer, calls(layer.value))).collect();
        for (layer, calls) in &waiting {
            if calls.len() > 1 {
                let reason =
                    format!("the layer {} is called {} times, and one is read", layer.path.shown(), calls.len());
                return Err(self.unreadable(reason));
            }
            if is_called_in_training(layer.value.get("inbound_nodes").unwrap_or(&Value::Null)) {
                let reason = format!(
                    "the layer {} is called with training=True, so that its answers are random",
                    layer.path.shown()
                );
                return Err(self.unreadable(reason));
            }
        }
        while !waiting.is_empty() {
            let mut later = Vec::new();
            let before = waiting.len();
            for (layer, calls) in waiting {
                let wanted = calls.iter().flatten();
                let inputs: Option<Vec<usize>> =
                    wanted.map(|(name, index)| values.get(name)?.get(*index).copied()).collect();
                match inputs {
                    Some(inputs) => {
                        let outputs = self.layer(layer, &inputs, depth)?;
                        if values.insert(layer.name, outputs).is_some() {
                            return Err(self.unreadable(format!("two layers have the name {}", layer.path.shown())));
                        }
                    }
                    None => later.push((layer, calls)),
                }
            }
            if later.len() == before {
                let names: Vec<String> = later.iter().take(3).map(|(layer, _)| layer.path.shown()).collect();
                return Err(
                    self.unreadable(format!("the layers {} take from layers that are not there", names.join(", ")))
                );
            }
            waiting = later;
        }
        let outputs = references(config.get("output_layers").unwrap_or(&Value::Null));
        let outputs: Option<Vec<usize>> =
            outputs.iter().map(|(name, index)| values.get(name)?.get(*index).copied()).collect();
        outputs.ok_or_else(|| self.unreadable("the model's outputs are not among its layers".to_owned()))
    }

    fn layer(&mut self, layer: &Layer<'_>, inputs: &[usize], depth: usize) -> Result<Vec<usize>, InterchangeError> {
        if matches!(layer.class, "Functional" | "Model" | "Sequential") {
            return self.model(layer.value, Some(inputs), &layer.path, depth + 1);
        }
        let mut at = inputs.to_vec();
        for operation in operations(layer.class, layer.value.get("config").unwrap_or(&Value::Null)) {
            at = vec![self.push(layer.path.clone(), operation, at)];
        }
        Ok(at)
    }

    fn push(&mut self, layer: LayerPath, operation: Operation, inputs: Vec<usize>) -> usize {
        self.nodes.push(Node { layer, operation, inputs });
        self.nodes.len() - 1
    }

    fn unreadable(&self, reason: String) -> InterchangeError {
        InterchangeError::Unreadable { origin: self.origin.to_owned(), reason }
    }
}

/// What a layer takes at each of its calls: names of layers, and which of their outputs.
fn calls(layer: &Value) -> Vec<Vec<(&str, usize)>> {
    let nodes = layer.get("inbound_nodes").and_then(Value::as_array);
    nodes.map_or_else(Vec::new, |nodes| nodes.iter().map(|node| references(node.get("args").unwrap_or(node))).collect())
}

/// Whether a call asks a layer to work as in training: by Keras 2 among the call's last element, by Keras 3 in its `kwargs`.
fn is_called_in_training(call: &Value) -> bool {
    match call {
        Value::Array(values) => values.iter().any(is_called_in_training),
        Value::Object(object) => {
            object.get("training").is_some_and(|training| !matches!(training, Value::Null | Value::Bool(false)))
                || object.values().any(is_called_in_training)
        }
        _ => false,
    }
}

/// The tensors that a value of a config names: `["layer", node, output]` by Keras 2, `keras_history` by Keras 3.
fn references(value: &Value) -> Vec<(&str, usize)> {
    fn collect<'v>(value: &'v Value, into: &mut Vec<(&'v str, usize)>) {
        match value {
            Value::Array(values) => match &values[..] {
                [Value::String(name), node, output, ..] if node.is_u64() && output.is_u64() => {
                    into.push((name, output.as_u64().unwrap_or_default() as usize));
                }
                _ => values.iter().for_each(|value| collect(value, into)),
            },
            Value::Object(object) => match object.get("config").and_then(|config| config.get("keras_history")) {
                Some(history) => collect(history, into),
                None => object.values().for_each(|value| collect(value, into)),
            },
            _ => {}
        }
    }
    let mut all = Vec::new();
    collect(value, &mut all);
    all
}

fn text<'v>(value: &'v Value, key: &str) -> &'v str {
    value.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// The name of a class as Keras 3 writes it into paths: `BatchNormalization` becomes `batch_normalization`.
fn snake_case(class: &str) -> String {
    let letters: Vec<char> = class.chars().filter(|letter| letter.is_alphanumeric() || *letter == '_').collect();
    let mut snake = String::new();
    for (index, letter) in letters.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(index + 1);
        let begins = before.is_some_and(|before| {
            letter.is_uppercase()
                && (before.is_lowercase() || after.is_some_and(|after| after.is_lowercase()) && before != '_')
        });
        if begins {
            snake.push('_');
        }
        snake.extend(letter.to_lowercase());
    }
    snake
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_become_the_paths_that_keras_writes() {
        // [keras.src.utils.naming.to_snake_case(name) for name in (...)] of Keras 3.15
        for (class, path) in [
            ("Conv2D", "conv2d"),
            ("BatchNormalization", "batch_normalization"),
            ("Dense", "dense"),
            ("ReLU", "re_lu"),
            ("GlobalAveragePooling2D", "global_average_pooling2d"),
            ("InputLayer", "input_layer"),
            ("Functional", "functional"),
        ] {
            assert_eq!(snake_case(class), path);
        }
    }
}
