//! The graph of a Keras model as nodes of known operations, whatever its nesting and its names.

use crate::interchange::InterchangeError;

/// A model without its nesting: nodes behind those that they take from.
pub(super) struct Graph {
    pub(super) nodes: Vec<Node>,
    /// The nodes whose values the model answers with.
    pub(super) outputs: Vec<usize>,
}

/// One operation of a model.
pub(super) struct Node {
    /// The layer that it belongs to, with the models around it.
    pub(super) layer: LayerPath,
    pub(super) operation: Operation,
    pub(super) inputs: Vec<usize>,
}

/// Where a layer stands, by its names and by the path of its variables.
#[derive(Clone, Debug, Default)]
pub(super) struct LayerPath {
    /// The names of the models around it, from the outermost but one, and its own.
    pub(super) names: Vec<String>,
    /// Its group in a Keras 3 file, such as `layers/functional/layers/conv2d_1`.
    pub(super) group: String,
}

impl LayerPath {
    /// The name for people: `densenet121/conv1_conv`.
    pub(super) fn shown(&self) -> String {
        self.names.join("/")
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Padding {
    Valid,
    Same,
}

/// What a node does; the fields are Keras's.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Operation {
    /// Rows and columns, where they are fixed, and channels.
    Input([Option<u64>; 3]),
    /// Values times `scale` plus `offset`; one number or one a channel.
    Rescaling {
        scale: Vec<f64>,
        offset: Vec<f64>,
    },
    /// Values minus a mean, divided by a standard deviation; empty where the file holds them as variables.
    Normalization {
        mean: Vec<f64>,
        variance: Vec<f64>,
    },
    Conv {
        filters: u64,
        kernel: [u64; 2],
        strides: [u64; 2],
        padding: Padding,
        bias: bool,
    },
    Norm {
        axis: i64,
        epsilon: f64,
        center: bool,
        scale: bool,
    },
    Relu,
    Softmax,
    Sigmoid,
    /// Top and bottom, left and right.
    ZeroPadding([[u64; 2]; 2]),
    MaxPooling {
        size: [u64; 2],
        strides: [u64; 2],
        padding: Padding,
    },
    AveragePooling {
        size: [u64; 2],
        strides: [u64; 2],
        padding: Padding,
    },
    GlobalAverage,
    Concatenate {
        axis: i64,
    },
    Flatten,
    Dense {
        units: u64,
        bias: bool,
    },
    Dropout(f64),
    /// Anything that no known network has, in words.
    Other(String),
}

impl std::fmt::Display for Operation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let padding = |padding: &Padding| if *padding == Padding::Same { "same" } else { "valid" };
        match self {
            Self::Input(_) => write!(f, "the input of the model"),
            Self::Rescaling { .. } => write!(f, "a Rescaling"),
            Self::Normalization { .. } => write!(f, "a Normalization"),
            Self::Conv { filters, kernel, strides, padding: around, bias } => write!(
                f,
                "a Conv2D of {filters} filters of {}x{}, strides {}x{}, padding {}{}",
                kernel[0],
                kernel[1],
                strides[0],
                strides[1],
                padding(around),
                if *bias { "" } else { ", no bias" }
            ),
            Self::Norm { .. } => write!(f, "a BatchNormalization"),
            Self::Relu => write!(f, "a ReLU"),
            Self::Softmax => write!(f, "a softmax"),
            Self::Sigmoid => write!(f, "a sigmoid"),
            Self::ZeroPadding([[top, bottom], [left, right]]) => {
                write!(f, "a ZeroPadding2D of (({top}, {bottom}), ({left}, {right}))")
            }
            Self::MaxPooling { size, strides, padding: around } => write!(
                f,
                "a MaxPooling2D of {}x{}, strides {}x{}, padding {}",
                size[0],
                size[1],
                strides[0],
                strides[1],
                padding(around)
            ),
            Self::AveragePooling { size, strides, padding: around } => write!(
                f,
                "an AveragePooling2D of {}x{}, strides {}x{}, padding {}",
                size[0],
                size[1],
                strides[0],
                strides[1],
                padding(around)
            ),
            Self::GlobalAverage => write!(f, "a GlobalAveragePooling2D"),
            Self::Concatenate { .. } => write!(f, "a Concatenate"),
            Self::Flatten => write!(f, "a Flatten"),
            Self::Dense { units, .. } => write!(f, "a Dense of {units} units"),
            Self::Dropout(_) => write!(f, "a Dropout"),
            Self::Other(what) => write!(f, "{what}"),
        }
    }
}

impl Graph {
    /// The node behind any dropouts, which do nothing to a network that only answers; the last rate is kept.
    pub(super) fn behind_dropout(&self, mut at: usize) -> (usize, Option<f64>) {
        let mut rate = None;
        while let (Operation::Dropout(its), [input]) = (&self.nodes[at].operation, &self.nodes[at].inputs[..]) {
            rate = rate.or(Some(*its));
            at = *input;
        }
        (at, rate)
    }

    /// The only input of a node, behind any dropouts.
    pub(super) fn input(&self, at: usize) -> Result<usize, Difference> {
        match &self.nodes[at].inputs[..] {
            [input] => Ok(self.behind_dropout(*input).0),
            inputs => Err(self.difference(at, "one input", format!("{} inputs", inputs.len()))),
        }
    }

    /// Where a known network has something else than this node.
    pub(super) fn difference(&self, at: usize, expected: impl Into<String>, found: impl Into<String>) -> Difference {
        Difference { place: self.nodes[at].layer.shown(), expected: expected.into(), found: found.into() }
    }

    /// The same where the node as a whole is what was found.
    pub(super) fn unexpected(&self, at: usize, expected: impl Into<String>) -> Difference {
        self.difference(at, expected, self.nodes[at].operation.to_string())
    }
}

/// The first place where a model is none of the known networks.
pub(super) struct Difference {
    place: String,
    expected: String,
    found: String,
}

impl Difference {
    pub(super) fn of(self, origin: &str) -> InterchangeError {
        let Self { place, expected, found } = self;
        InterchangeError::Unknown { origin: origin.to_owned(), place, expected, found }
    }
}
