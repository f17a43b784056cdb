//! DenseNet's backbone as a whole, in two walks: [`inference`] lays it out for one image, [`training`] makes its gradients
//! and keeps little. They compute what the operators one by one compute, which tests hold them to.

pub mod inference;
pub mod training;
mod winograd;
