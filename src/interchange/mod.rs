//! Weights from and to other programs: Keras, torchvision and timm, ONNX.
//!
//! In: files of other programs, or a [`WeightsFile`](crate::model::WeightsFile). Out: the other of the two. Nothing in
//! a file is ever executed, and what a file declares is checked before memory is taken for it.

mod archive;
mod backbone;
mod densenet_names;
mod error;
mod format;
mod hdf5;
mod inspect;
mod keras;
mod limits;
mod numbers;
mod onnx;
mod safetensors;
mod torch;
mod torchvision;

pub use backbone::{read_backbone, read_backbone_of};
pub use error::InterchangeError;
pub use inspect::{InspectedTensor, Inspection};
pub use keras::{ImportOptions, KerasPreprocess, import};
pub use onnx::{OnnxParts, onnx};
pub use torchvision::torchvision;
