//! The networks as nodes, layer by layer, with the names of the weights file.
//!
//! In: preprocessed images (batch, 3, size, size). Out: logits (batch, 2), benign first.

use crate::interchange::onnx::builder::{Attribute, GraphBuilder};
use crate::kernels::Geometry;
use crate::model::{
    BLOCK_POOL, BaselineNet, Conv, Dense, DenseLayer, FusedNet, ModelError, Norm, STEM_POOL, StoredTensors, Topology,
};

/// A graph that is given a network's layers.
pub(super) struct NetworkBuilder<'a> {
    pub(super) graph: &'a mut GraphBuilder,
    pub(super) tensors: &'a StoredTensors,
}

impl NetworkBuilder<'_> {
    pub(super) fn network(&mut self, topology: &Topology, images: &str) -> Result<String, ModelError> {
        match topology {
            Topology::Baseline(net) => self.baseline(net, images),
            Topology::Fused(net) => self.fused(net, images),
        }
    }

    fn baseline(&mut self, net: &BaselineNet, images: &str) -> Result<String, ModelError> {
        let mut x = images.to_owned();
        for conv in &net.blocks {
            x = self.conv(conv, &x)?;
            x = self.relu(&conv.name, &x);
            x = self.pool("MaxPool", &format!("{}.pool", conv.name), &x, BLOCK_POOL);
        }
        // The hidden layer takes the pixels row by row, each with its channels.
        let last = [Attribute::Ints("perm", vec![0, 2, 3, 1])];
        let x = self.graph.node("Transpose", "channels_last", &[&x], last);
        let x = self.graph.node("Flatten", "flatten", &[&x], [Attribute::Int("axis", 1)]);
        let x = self.dense(&net.hidden, &x)?;
        let x = self.relu(&net.hidden.name, &x);
        self.dense(&net.output, &x)
    }

    fn fused(&mut self, net: &FusedNet, images: &str) -> Result<String, ModelError> {
        let x = self.conv(&net.stem, images)?;
        let x = self.norm_relu(&net.stem_norm, &x)?;
        let mut x = self.pool("MaxPool", "features.pool0", &x, STEM_POOL);
        let mut taps = Vec::new();
        for (index, block) in net.blocks.iter().enumerate() {
            for layer in &block.layers {
                x = self.dense_layer(layer, &x)?;
            }
            if let Some(tap) = &block.tap {
                let name = |what: &str| format!("fusion.block{}.{what}", index + 1);
                let mean = self.graph.node("GlobalAveragePool", &name("mean"), &[&x], []);
                let mean = self.graph.node("Flatten", &name("flatten"), &[&mean], [Attribute::Int("axis", 1)]);
                let reduced = self.dense(&tap.dense, &mean)?;
                let reduced = self.relu(&tap.dense.name, &reduced);
                taps.push(self.norm(&tap.norm, &reduced)?);
            }
            if let Some(transition) = &block.transition {
                const TRANSITION_POOL: Geometry = Geometry { kernel: 2, stride: 2, padding: 0 };
                let between = self.norm_relu(&transition.norm, &x)?;
                let between = self.conv(&transition.conv, &between)?;
                let name = format!("features.transition{}.pool", index + 1);
                x = self.pool("AveragePool", &name, &between, TRANSITION_POOL);
            }
        }
        let taps: Vec<&str> = taps.iter().map(String::as_str).collect();
        let fused = self.graph.node("Concat", "fusion.concat", &taps, [Attribute::Int("axis", 1)]);
        let x = self.dense(&net.hidden, &fused)?;
        let x = self.relu(&net.hidden.name, &x);
        let x = self.norm(&net.hidden_norm, &x)?;
        self.dense(&net.output, &x)
    }

    fn dense_layer(&mut self, layer: &DenseLayer, input: &str) -> Result<String, ModelError> {
        let x = self.norm_relu(&layer.norm1, input)?;
        let x = self.conv(&layer.conv1, &x)?;
        let x = self.norm_relu(&layer.norm2, &x)?;
        let x = self.conv(&layer.conv2, &x)?;
        let name = layer.norm1.name.replace("norm1", "concat");
        Ok(self.graph.node("Concat", &name, &[input, &x], [Attribute::Int("axis", 1)]))
    }

    fn conv(&mut self, conv: &Conv, x: &str) -> Result<String, ModelError> {
        let mut inputs = vec![x.to_owned(), self.tensor(&conv.name, "weight")?];
        if conv.bias {
            inputs.push(self.tensor(&conv.name, "bias")?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        Ok(self.graph.node("Conv", &conv.name, &inputs, window(conv.geometry)))
    }

    fn norm(&mut self, norm: &Norm, x: &str) -> Result<String, ModelError> {
        let mut inputs = vec![x.to_owned()];
        for ending in ["weight", "bias", "running_mean", "running_var"] {
            inputs.push(self.tensor(&norm.name, ending)?);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let epsilon = Attribute::Float("epsilon", norm.epsilon as f32);
        Ok(self.graph.node("BatchNormalization", &norm.name, &inputs, [epsilon]))
    }

    fn norm_relu(&mut self, norm: &Norm, x: &str) -> Result<String, ModelError> {
        let x = self.norm(norm, x)?;
        Ok(self.relu(&norm.name, &x))
    }

    fn relu(&mut self, behind: &str, x: &str) -> String {
        self.graph.node("Relu", &format!("{behind}.relu"), &[x], [])
    }

    fn pool(&mut self, operator: &str, name: &str, x: &str, geometry: Geometry) -> String {
        self.graph.node(operator, name, &[x], window(geometry))
    }

    fn dense(&mut self, dense: &Dense, x: &str) -> Result<String, ModelError> {
        let (weight, bias) = (self.tensor(&dense.name, "weight")?, self.tensor(&dense.name, "bias")?);
        Ok(self.graph.node("Gemm", &dense.name, &[x, &weight, &bias], [Attribute::Int("transB", 1)]))
    }

    /// Adds a layer's tensor under its name in the weights file.
    fn tensor(&mut self, layer: &str, ending: &str) -> Result<String, ModelError> {
        let name = format!("{layer}.{ending}");
        let missing = || ModelError::Mismatch {
            origin: "the network".to_owned(),
            missing: vec![name.clone()],
            unexpected: Vec::new(),
            misshapen: Vec::new(),
        };
        let tensor = self.tensors.get(&name).ok_or_else(missing)?;
        Ok(self.graph.tensor(&name, &tensor.shape, &tensor.data))
    }
}

/// How a kernel or a pool moves.
fn window(Geometry { kernel, stride, padding }: Geometry) -> [Attribute<'static>; 3] {
    let twice = |size: usize| vec![size as i64; 2];
    [
        Attribute::Ints("kernel_shape", twice(kernel)),
        Attribute::Ints("strides", twice(stride)),
        Attribute::Ints("pads", [twice(padding), twice(padding)].concat()),
    ]
}
