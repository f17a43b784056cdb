//! Lobule classifies breast-histology images of the BreakHis data set as benign or malignant.
//!
//! For research use only. Not for use in diagnostic procedures.
//!
//! # The map of the house
//!
//! | room | what it is for |
//! |---|---|
//! | [`diagnosis`] | the words every room shares: label, probability, threshold |
//! | [`system`] | cores and memory, the allocator, writing files whole or not at all |
//! | [`breakhis`] | what BreakHis is: slide names, cases, folders, manifests, splits, audit |
//! | [`pixels`] | from bytes to a tensor: decode with limits, resize, preprocess, augment |
//! | [`kernels`] | the operators that candle lacks or does slowly, as custom ops with gradients |
//! | [`model`] | the networks in candle, the classifier, the weights file |
//! | [`train`] | recipes, the fit loop, Adam, history |
//! | [`evaluate`] | metrics from predictions |
//! | [`serve`] | the hyper service and its page |
//! | [`cli`] | a file per command |
//! | [`guide`] | longer texts: how the recipe `best` was chosen |
//!
//! `breakhis`, `train` and `evaluate` and all commands but `serve` are of the feature `tool`, which the function on Cloud
//! Run is built without.
//!
//! # The way of the data
//!
//! - Serving: bytes → [`pixels::decode`] → `RgbImage` → [`pixels::Preprocess`] → [`model::Classifier`] →
//!   [`model::Prediction`] → JSON or HTML.
//! - Training: folder → [`breakhis::Dataset`] → [`breakhis::Split`] → the same decode and preprocess → augment →
//!   [`train::fit`] → weights file and history.
//! - Evaluation: weights file → [`model::Classifier`] → predictions → [`evaluate::Metrics`].
//!
//! # Rules of the house
//!
//! 1. Arrows point one way: cli → serve, train → evaluate → model → kernels. `breakhis` and `pixels` know no model,
//!    `model` knows no data set, and `serve` and `train` never import each other. `tests/cli/house.rs` holds the
//!    `use` lines to this.
//! 2. One preprocessing: train, evaluate, predict and serve call the same function, whose parameters travel in the
//!    weights file.
//! 3. Domain types at the door; no raw file name and no bare probability travels further in.
//! 4. Errors are one enum per room; `anyhow` only in `main` and `cli`.
//! 5. `unsafe` only in `kernels`, each block with its reason.
//! 6. One seed decides everything random.

#[cfg(feature = "train")]
pub mod breakhis;
#[cfg(feature = "serve")]
pub mod cli;
pub mod diagnosis;
#[cfg(feature = "train")]
pub mod evaluate;
pub mod guide;
#[cfg(feature = "serve")]
mod inference;
pub mod kernels;
pub mod model;
pub mod pixels;
#[cfg(feature = "train")]
pub mod report;
#[cfg(feature = "serve")]
pub mod serve;
pub mod system;
#[cfg(feature = "train")]
pub mod train;
