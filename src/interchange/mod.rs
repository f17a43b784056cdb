//! Weights from and to other programs: Keras, torchvision and timm, ONNX.
//!
//! In: files of other programs, or a [`WeightsFile`](crate::model::WeightsFile). Out: the other of the two. Nothing in
//! a file is ever executed, and what a file declares is checked before memory is taken for it.

mod archive;
mod backbone;
mod error;
mod format;
mod onnx;
mod torchvision;

pub use backbone::read_backbone;
pub use error::InterchangeError;
pub use onnx::{OnnxParts, onnx};
pub use torchvision::torchvision;
