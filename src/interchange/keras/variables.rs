//! The variables of Keras layers, as the formats of its files hold them.
//!
//! In: an HDF5 file and a layer's place in the model. Out: its kernel, bias, scale, shift and moments.

use std::collections::{HashMap, HashSet};

use super::flatten::{DEEPEST, MOST_LAYERS};
use super::graph::{LayerPath, Node, Operation, Padding};
use crate::interchange::hdf5::Hdf5;
use crate::interchange::{InspectedTensor, InterchangeError};
use crate::model::StoredTensor;

/// An HDF5 file with variables.
pub(super) struct Variables {
    file: Hdf5,
    format: Format,
}

/// Where a file has the variables of a layer.
enum Format {
    /// By its path in the model: `layers/conv2d_1/vars/0`, a number a variable.
    Paths,
    /// By the names that each top-level layer's group lists.
    Names {
        /// The group that the layers' groups lie in, with a slash; empty for the root.
        root: &'static str,
        /// The names of the groups in the order of the model's layers.
        order: Vec<String>,
        /// The names of the variables that each group lists.
        groups: HashMap<String, Vec<String>>,
    },
}

impl Variables {
    /// Finds out how a file holds variables.
    ///
    /// # Errors
    /// When it is damaged, or holds them in neither of Keras's ways.
    pub(super) fn of(file: Hdf5) -> Result<Self, InterchangeError> {
        if file.group("layers")?.is_some() {
            return Ok(Self { file, format: Format::Paths });
        }
        for (path, root) in [("model_weights", "model_weights/"), ("", "")] {
            let Some(group) = file.group(path)? else { continue };
            let Some(layers) = file.texts(&group, "layer_names")? else { continue };
            let mut groups = HashMap::new();
            for layer in &layers {
                let Some(group) = file.group(&format!("{root}{layer}"))? else { continue };
                groups.insert(layer.clone(), file.texts(&group, "weight_names")?.unwrap_or_default());
            }
            return Ok(Self { file, format: Format::Names { root, order: layers, groups } });
        }
        Err(file.unreadable(
            "it holds no weights as Keras writes them, neither the group \"layers\" nor \"layer_names\"".to_owned(),
        ))
    }

    /// The variables of a node, each with Keras's name for it, in Keras's order.
    ///
    /// # Errors
    /// When one is missing or damaged.
    pub(super) fn read(&mut self, node: &Node) -> Result<HashMap<&'static str, StoredTensor>, InterchangeError> {
        let mut all = HashMap::new();
        for (index, variable) in names(&node.operation).into_iter().enumerate() {
            let path = match &self.format {
                Format::Paths => Some(format!("{}/vars/{index}", node.layer.group)),
                Format::Names { root, groups, .. } => named(root, groups, &node.layer, index, variable),
            };
            let tensor = path.map(|path| self.file.tensor(&path)).transpose()?.flatten();
            let missing =
                || self.file.unreadable(format!("the {variable} of the layer {} is missing", node.layer.shown()));
            all.insert(variable, tensor.ok_or_else(missing)?);
        }
        Ok(all)
    }

    /// All tensors of the file.
    ///
    /// # Errors
    /// When it is damaged.
    pub(super) fn list(&self) -> Result<Vec<InspectedTensor>, InterchangeError> {
        self.file.list()
    }

    /// An error about the file.
    pub(super) fn unreadable(&self, reason: String) -> InterchangeError {
        self.file.unreadable(reason)
    }
}

/// A layer with variables, in a file whose graph is not looked at.
struct ListedLayer {
    path: LayerPath,
    /// The shapes of its variables, in Keras's order.
    shapes: Vec<Vec<usize>>,
    /// Its class where it is none of a known network, with or without variables.
    class: Option<String>,
}

/// The classes of known networks' layers as Keras 3 writes them into paths, and those that work in training alone.
const PASSED_OVER: [&str; 22] = [
    "conv2d",
    "batch_normalization",
    "dense",
    "input_layer",
    "activation",
    "re_lu",
    "softmax",
    "zero_padding2d",
    "max_pooling2d",
    "average_pooling2d",
    "global_average_pooling2d",
    "concatenate",
    "flatten",
    "dropout",
    "spatial_dropout2d",
    "gaussian_dropout",
    "gaussian_noise",
    "random_flip",
    "random_rotation",
    "random_zoom",
    "random_translation",
    "random_contrast",
];
/// Layers whose names, where nobody chose others, say that no known network has them.
const OTHERS: [&str; 11] = [
    "elu",
    "global_max_pooling2d",
    "lambda",
    "layer_normalization",
    "leaky_re_lu",
    "normalization",
    "p_re_lu",
    "rescaling",
    "resizing",
    "tf_op_layer",
    "unit_normalization",
];

/// Where a walk through a file's groups is: links may lead in circles, and then it ends all the same.
#[derive(Default)]
struct PathWalk {
    names: Vec<String>,
    groups: usize,
}

impl Variables {
    /// The layers of the file that have variables, each kind in the order of the model's layers, and those of models within
    /// the model before its own.
    ///
    /// # Errors
    /// When the file is damaged.
    pub(super) fn layers(&self) -> Result<Vec<Node>, InterchangeError> {
        let mut listed = Vec::new();
        match &self.format {
            Format::Paths => self.list_paths("layers", &mut PathWalk::default(), &mut listed)?,
            Format::Names { root, order, groups } => {
                let layers = order.iter().filter_map(|name| Some((name, groups.get(name)?)));
                for (group, variables) in layers {
                    self.list_names(root, group, variables, &mut listed)?;
                }
            }
        }
        listed.retain(|layer: &ListedLayer| layer.class.is_some() || !layer.shapes.is_empty());
        let node = |ListedLayer { path, shapes, class }| {
            let operation = class.map_or_else(|| operation(&shapes), |class| Operation::Other(format!("a {class}")));
            Node { layer: path, operation, inputs: Vec::new() }
        };
        Ok(listed.into_iter().map(node).collect())
    }

    fn list_paths(
        &self,
        layers: &str,
        walk: &mut PathWalk,
        into: &mut Vec<ListedLayer>,
    ) -> Result<(), InterchangeError> {
        let Some(group) = self.file.group(layers)?.filter(|_| walk.names.len() < DEEPEST) else { return Ok(()) };
        let mut members = self.file.members(&group)?.0;
        walk.groups += members.len();
        if walk.groups > MOST_LAYERS {
            return Err(self.file.unreadable(format!("it has more than {MOST_LAYERS} layers")));
        }
        // `conv2d`, `conv2d_1`, and so on: the number says where the layer stands among those of its class.
        let place = |name: &String| match name.rsplit_once('_') {
            Some((class, number)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                (class.to_owned(), number.parse().unwrap_or(u64::MAX))
            }
            _ => (name.clone(), 0),
        };
        members.sort_by_cached_key(place);
        let mut own = Vec::new();
        let mut nested: Option<String> = None;
        for member in members {
            let group = format!("{layers}/{member}");
            let class = place(&member).0;
            if self.file.group(&format!("{group}/layers"))?.is_some() {
                if nested.as_ref().is_some_and(|other| *other != class) {
                    let reason =
                        "it has models of several classes side by side, whose order weights without a graph do not say";
                    return Err(self.file.unreadable(reason.to_owned()));
                }
                nested = Some(class);
            } else if !PASSED_OVER.contains(&class.as_str()) {
                let path = LayerPath { names: vec![member.clone()], group: group.clone() };
                own.push(ListedLayer { path, shapes: Vec::new(), class: Some(class) });
                continue;
            }
            walk.names.push(member);
            self.list_paths(&format!("{group}/layers"), walk, into)?;
            let mut shapes = Vec::new();
            while let Some(shape) = self.file.shape(&format!("{group}/vars/{}", shapes.len()))? {
                shapes.push(shape);
            }
            own.push(ListedLayer { path: LayerPath { names: walk.names.clone(), group }, shapes, class: None });
            walk.names.pop();
        }
        into.append(&mut own);
        Ok(())
    }

    fn list_names(
        &self,
        root: &str,
        group: &str,
        variables: &[String],
        into: &mut Vec<ListedLayer>,
    ) -> Result<(), InterchangeError> {
        let name = group.rsplit_once('_').filter(|(_, number)| number.parse::<u32>().is_ok());
        let name = name.map_or(group, |(name, _)| name);
        if OTHERS.contains(&name) {
            let path = LayerPath { names: vec![group.to_owned()], group: String::new() };
            into.push(ListedLayer { path, shapes: Vec::new(), class: Some(name.to_owned()) });
            return Ok(());
        }
        // In a model's group, what is trained of all its layers comes before the rest: the moments of norms, and all of
        // layers that were frozen. Then, or without norms to show that there are none, the order of the layers is lost.
        let is_moment = |name: &String| name.contains("/moving_");
        let moments = variables.iter().position(is_moment).unwrap_or(variables.len());
        let layers = variables.iter().filter_map(|name| Some(name.rsplit_once('/')?.0)).collect::<HashSet<_>>().len();
        if layers > 1 && (moments == variables.len() || !variables[moments..].iter().all(is_moment)) {
            let reason = format!(
                "its group {group} is a model, of whose layers some may have been frozen, so that their order is lost"
            );
            return Err(self.file.unreadable(reason));
        }
        let mut own: Vec<(&str, ListedLayer)> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for variable in variables {
            let Some((layer, _)) = variable.rsplit_once('/') else { continue };
            let Some(shape) = self.file.shape(&format!("{root}{group}/{variable}"))? else { continue };
            let place = *places.entry(layer).or_insert_with(|| {
                own.push((layer, ListedLayer { path: LayerPath::default(), shapes: Vec::new(), class: None }));
                own.len() - 1
            });
            own[place].1.shapes.push(shape);
        }
        let is_one = own.len() == 1;
        into.extend(own.into_iter().map(|(layer, listed)| {
            let names = if is_one { vec![group.to_owned()] } else { vec![group.to_owned(), layer.to_owned()] };
            ListedLayer { path: LayerPath { names, group: String::new() }, ..listed }
        }));
        Ok(())
    }
}

/// What a layer with variables of these shapes is.
fn operation(shapes: &[Vec<usize>]) -> Operation {
    let number = |size: usize| size as u64;
    match shapes {
        [kernel, rest @ ..] if kernel.len() == 4 && rest.len() <= 1 => Operation::Conv {
            filters: number(kernel[3]),
            kernel: [number(kernel[0]), number(kernel[1])],
            strides: [1; 2],
            padding: Padding::Valid,
            bias: !rest.is_empty(),
        },
        [kernel, rest @ ..] if kernel.len() == 2 && rest.len() <= 1 => {
            Operation::Dense { units: number(kernel[1]), bias: !rest.is_empty() }
        }
        [gamma, rest @ ..] if gamma.len() == 1 && rest.len() == 3 && rest.iter().all(|shape| shape == gamma) => {
            Operation::Norm { axis: -1, epsilon: f64::NAN, center: true, scale: true }
        }
        other => Operation::Other(format!("a layer with variables of the shapes {other:?}")),
    }
}

/// Keras's names for the variables of a layer, in its order.
fn names(operation: &Operation) -> Vec<&'static str> {
    let with = |name, is_there: bool| is_there.then_some(name);
    match operation {
        Operation::Conv { bias, .. } | Operation::Dense { bias, .. } => {
            [Some("kernel"), with("bias", *bias)].into_iter().flatten().collect()
        }
        Operation::Norm { center, scale, .. } => {
            let all = [with("gamma", *scale), with("beta", *center), Some("moving_mean"), Some("moving_variance")];
            all.into_iter().flatten().collect()
        }
        Operation::Normalization { mean, .. } if mean.is_empty() => vec!["mean", "variance"],
        _ => Vec::new(),
    }
}

/// The path of a variable by the names that its group lists: by its place where the group is the layer's own, by the
/// layer's name where it is that of a model around it.
fn named(
    root: &str,
    groups: &HashMap<String, Vec<String>>,
    layer: &LayerPath,
    index: usize,
    variable: &str,
) -> Option<String> {
    let (group, own) = (layer.names.first()?, layer.names.last()?);
    let listed = groups.get(group)?;
    let name = if layer.names.len() == 1 {
        listed.get(index)?
    } else {
        // `conv1_conv/kernel`, `conv1/conv/kernel:0` or `densenet121/conv1_conv/kernel`.
        let is_it = |name: &&String| {
            let name = name.split_once(':').map_or(name.as_str(), |(name, _)| name);
            name.rsplit_once('/').is_some_and(|(layer, its)| {
                its == variable
                    && (layer == own || layer.strip_suffix(own.as_str()).is_some_and(|rest| rest.ends_with('/')))
            })
        };
        let mut all = listed.iter().filter(is_it);
        all.next().filter(|_| all.next().is_none())?
    };
    Some(format!("{root}{group}/{name}"))
}
