//! Putting a graph together, node by node.

use crate::interchange::onnx::schema::{
    AttributeProto, Dimension, Extent, FLOAT, GraphProto, INT64, NodeProto, TensorProto, TensorShape, TensorType,
    TypeProto, ValueInfo,
};

/// A graph in the making. What a node puts out has the node's name and the ending `.output`.
#[derive(Default)]
pub(super) struct GraphBuilder {
    graph: GraphProto,
}

/// A node's attribute, by its name.
pub(super) enum Attribute<'a> {
    Float(&'a str, f32),
    Int(&'a str, i64),
    Ints(&'a str, Vec<i64>),
}

impl From<Attribute<'_>> for AttributeProto {
    fn from(attribute: Attribute<'_>) -> Self {
        // The numbers of `AttributeProto.AttributeType`.
        let (name, kind, f, i, ints) = match attribute {
            Attribute::Float(name, f) => (name, 1, Some(f), None, Vec::new()),
            Attribute::Int(name, i) => (name, 2, None, Some(i), Vec::new()),
            Attribute::Ints(name, ints) => (name, 7, None, None, ints),
        };
        Self { name: name.to_owned(), f, i, ints, kind }
    }
}

impl GraphBuilder {
    /// Adds a node of one output and returns the output's name.
    pub(super) fn node<const N: usize>(
        &mut self,
        operator: &str,
        name: &str,
        inputs: &[&str],
        attributes: [Attribute<'_>; N],
    ) -> String {
        let output = format!("{name}.output");
        self.graph.node.push(NodeProto {
            input: inputs.iter().map(|&input| input.to_owned()).collect(),
            output: vec![output.clone()],
            name: name.to_owned(),
            op_type: operator.to_owned(),
            attribute: attributes.into_iter().map(AttributeProto::from).collect(),
        });
        output
    }

    /// Adds a tensor of f32.
    pub(super) fn tensor(&mut self, name: &str, shape: &[usize], data: &[f32]) -> String {
        self.initializer(name, shape, FLOAT, data.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    /// Adds a list of i64, such as a shape or axes.
    pub(super) fn integers(&mut self, name: &str, data: &[i64]) -> String {
        self.initializer(name, &[data.len()], INT64, data.iter().flat_map(|value| value.to_le_bytes()).collect())
    }

    fn initializer(&mut self, name: &str, shape: &[usize], data_type: i32, raw_data: Vec<u8>) -> String {
        let dims = shape.iter().map(|&size| size as i64).collect();
        self.graph.initializer.push(TensorProto { dims, data_type, name: name.to_owned(), raw_data });
        name.to_owned()
    }

    /// The graph of a name, from an input to the output of the last node, which gets a name of its own. Both are f32 and
    /// of any number of images; their further sizes are given, and what they are, in words.
    pub(super) fn finish(mut self, name: &str, input: End<'_>, output: End<'_>) -> GraphProto {
        if let Some(last) = self.graph.node.last_mut() {
            last.output = vec![output.name.to_owned()];
        }
        self.graph.name = name.to_owned();
        self.graph.input = vec![input.into()];
        self.graph.output = vec![output.into()];
        self.graph
    }
}

/// What goes into a graph or comes out.
pub(super) struct End<'a> {
    pub(super) name: &'a str,
    /// Sizes behind the number of images.
    pub(super) shape: &'a [usize],
    pub(super) what: &'a str,
}

impl From<End<'_>> for ValueInfo {
    fn from(end: End<'_>) -> Self {
        let sizes = end.shape.iter().map(|&size| Extent::Value(size as i64));
        let extents = std::iter::once(Extent::Parameter("batch".to_owned())).chain(sizes);
        let dim = extents.map(|extent| Dimension { extent: Some(extent) }).collect();
        let tensor_type = Some(TensorType { elem_type: FLOAT, shape: Some(TensorShape { dim }) });
        Self { name: end.name.to_owned(), of_type: Some(TypeProto { tensor_type }), doc_string: end.what.to_owned() }
    }
}
