//! A network as an ONNX file, which other programs run: ONNX Runtime, tract, OpenVINO, browsers.
//!
//! In: a [`WeightsFile`]. Out: the bytes of a file. Nodes and tensors have the names of the weights file.

mod builder;
mod networks;
mod preprocess;
mod schema;

use prost::Message;

use crate::diagnosis::RESEARCH_USE;
use crate::interchange::InterchangeError;
use crate::interchange::onnx::builder::{Attribute, End, GraphBuilder};
use crate::interchange::onnx::networks::NetworkBuilder;
use crate::interchange::onnx::schema::{ModelHead, ModelProto, OperatorSetId, StringStringEntry};
use crate::model::{ModelId, WeightsFile};

/// The version of ONNX's operators: old enough for all that runs ONNX today.
const OPSET: i64 = 17;
/// The version of ONNX's format that came with it.
const IR_VERSION: i64 = 8;

/// What belongs to the graph beside the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OnnxParts {
    /// All that comes between resizing and the network, so that the graph takes pixels from 0 to 255.
    pub preprocess: bool,
    /// The temperature and the softmax, so that the graph gives probabilities and not logits.
    pub softmax: bool,
}

/// The bytes of an ONNX file. Its input is `pixels`, or `images` without the preprocessing: f32 (batch, 3, size, size),
/// R, G, B. Its output is `probabilities`, or `logits` without the softmax: f32 (batch, 2), benign first.
///
/// # Errors
/// When a tensor of the network is missing.
pub fn onnx(file: &WeightsFile, id: &ModelId, parts: OnnxParts) -> Result<Vec<u8>, InterchangeError> {
    let metadata = &file.metadata;
    let size = metadata.preprocess.size as usize;
    let (input, taken) = match parts.preprocess {
        true => {
            ("pixels", "Images in R, G and B from 0 to 255 that have been resized as the metadata's preprocess says.")
        }
        false => ("images", "Images in R, G and B that have been preprocessed as the metadata's preprocess says."),
    };
    let (output, given) = match parts.softmax {
        true => ("probabilities", "The probabilities of Benign and of Malignant."),
        false => ("logits", "The logits of Benign and of Malignant, not yet divided by the temperature."),
    };
    let mut graph = GraphBuilder::default();
    let images = match parts.preprocess {
        true => graph.preprocess(&metadata.preprocess, input),
        false => input.to_owned(),
    };
    let logits = NetworkBuilder { graph: &mut graph, tensors: &file.tensors }
        .network(&metadata.architecture.topology(), &images)?;
    if parts.softmax {
        let temperature = graph.tensor("temperature", &[], &[metadata.temperature as f32]);
        let tempered = graph.node("Div", "tempered", &[&logits, &temperature], []);
        graph.node("Softmax", "softmax", &[&tempered], [Attribute::Int("axis", 1)]);
    }
    let input = End { name: input, shape: &[3, size, size], what: taken };
    let output = End { name: output, shape: &[2], what: given };
    let model = ModelProto {
        ir_version: IR_VERSION,
        opset_import: vec![OperatorSetId { domain: Some(String::new()), version: OPSET }],
        producer_name: "lobule".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: format!("{} {} of Lobule. {}", id.name, id.version, RESEARCH_USE),
        graph: Some(graph.finish(&id.name, input, output)),
        metadata_props: properties(file, id)?,
    };
    Ok(model.encode_to_vec())
}

/// What the weights file says of itself, a text or a JSON value each.
fn properties(file: &WeightsFile, id: &ModelId) -> Result<Vec<StringStringEntry>, InterchangeError> {
    let metadata = &file.metadata;
    let json = |value: Result<String, serde_json::Error>| {
        value.map_err(|error| InterchangeError::NotExported { network: id.name.clone(), reason: error.to_string() })
    };
    let mut entries = vec![
        ("name", id.name.clone()),
        ("version", id.version.clone()),
        ("sha256", id.sha256.clone()),
        ("architecture", json(serde_json::to_string(&metadata.architecture))?),
        ("classes", json(serde_json::to_string(&metadata.classes))?),
        ("preprocess", json(serde_json::to_string(&metadata.preprocess))?),
        ("temperature", metadata.temperature.to_string()),
        ("threshold", json(serde_json::to_string(&metadata.threshold))?),
        ("operating_points", json(serde_json::to_string(&metadata.operating_points))?),
        ("provenance", json(serde_json::to_string(&metadata.provenance))?),
        ("intended_use", RESEARCH_USE.to_owned()),
    ];
    if !metadata.figures.is_empty() {
        entries.push(("figures", json(serde_json::to_string(&metadata.figures))?));
    }
    if !metadata.trained_on.is_empty() {
        entries.push(("trained_on", json(serde_json::to_string(&metadata.trained_on))?));
    }
    if let Some(calibration) = &metadata.calibration {
        entries.push(("calibration", json(serde_json::to_string(calibration))?));
    }
    if let Some(origin) = &metadata.origin {
        entries.push(("origin", json(serde_json::to_string(origin))?));
    }
    Ok(entries.into_iter().map(|(key, value)| StringStringEntry { key: key.to_owned(), value }).collect())
}

/// What an ONNX file says of itself, by name.
///
/// # Errors
/// When its bytes are no ONNX file.
pub(super) fn describe(bytes: &[u8], origin: &str) -> Result<Vec<(String, String)>, InterchangeError> {
    let unreadable = |reason: String| InterchangeError::Unreadable {
        origin: origin.to_owned(),
        reason: format!("as ONNX: {reason}"),
    };
    let head = ModelHead::decode(bytes).map_err(|error| unreadable(error.to_string()))?;
    let graph = head.graph.ok_or_else(|| unreadable("it has no graph".to_owned()))?;
    let producer = format!("{} {}, ONNX's format {}", head.producer_name, head.producer_version, head.ir_version);
    let own = [("graph".to_owned(), graph.name), ("producer".to_owned(), producer)];
    Ok(own.into_iter().chain(head.metadata_props.into_iter().map(|entry| (entry.key, entry.value))).collect())
}
