//! Lobule classifies breast-histology images of the BreakHis data set as benign or malignant, with a network that is
//! built into it; it also reads the data set, trains networks, compares them and serves the best one over HTTP.
//!
//! For research use only. Not for use in diagnostic procedures.
//!
//! ```
//! use lobule::{Classifier, Error, Image};
//!
//! let image: Image = lobule::pixels::read("tests/fixtures/tissue.png".as_ref(), &Default::default())?.image;
//! let prediction = Classifier::built_in()?.classify(&image)?;
//! println!("malignant with a probability of {:.3}", prediction.probability_malignant.get());
//! # Ok::<(), Error>(())
//! ```
//!
//! # The map of the house
//!
//! | room | what it is for | with the feature |
//! |---|---|---|
//! | [`diagnosis`] | the words every room shares: label, probability, threshold | |
//! | [`system`] | cores, memory and open files, the allocator, writing files whole or not at all, shares of a work | |
//! | [`kernels`] | operators and whole layers in vector instructions, some with gradients | |
//! | [`pixels`] | from bytes to a tensor: decode with limits, resize, preprocess, augment | |
//! | [`model`] | the networks in candle, the classifier, the weights file | |
//! | [`explain`] | where a network looked: a heatmap, and its colours on the image | |
//! | [`breakhis`] | what BreakHis is: slide names, cases, folders, manifests, splits, audit | `train` |
//! | [`evaluate`] | metrics, predictions, controls and comparisons | `train` |
//! | [`interchange`] | weights from and to other programs: Keras, torchvision and timm, ONNX | `train` |
//! | [`train`] | recipes, the fit loop, the folders of runs | `train` |
//! | `inference` | the queue of images and the threads that classify them | `serve` |
//! | [`serve`] | the HTTP service and its page | `serve` |
//! | [`drift`] | how the images of an archive differ from those of the training, by folder | `predict` |
//! | [`report`] | everything that is shown: text, tables and figures | `predict` (drift), `cli` (all) |
//! | [`cli`] | a file per command | `serve` (its own command), `predict` (those of archives), `cli` (all) |
//! | [`guide`] | longer texts, for those who train, deploy or change Lobule | |
//!
//! # The way of the data
//!
//! - Serving: bytes → [`pixels::decode`] → [`Image`] → [`pixels::Preprocess`] → [`Classifier`] → [`Prediction`] → JSON
//!   or HTML.
//! - Training: folder → [`breakhis::Dataset`] → [`breakhis::Split`] → the same decode and preprocess → augment →
//!   [`train::run()`] → weights file and history.
//! - Evaluation: weights file → [`Classifier`] → predictions → [`evaluate::Figures`].
//!
//! # Rules of the house
//!
//! 1. Arrows point one way: cli → serve, train, report → inference, evaluate, drift, explain, interchange → model → pixels
//!    → kernels. `breakhis` and `pixels` know no model, `model` knows no data set, and `serve` and `train` never import each other. `tests/house` holds
//!    the `use` lines to this.
//! 2. One preprocessing: train, evaluate, predict and serve call the same function, whose parameters travel in the
//!    weights file.
//! 3. Domain types at the door; no raw file name and no bare probability travels further in.
//! 4. Errors are one enum per room; `anyhow` and `clap` only in `main` and `cli`.
//! 5. The environment, the signals and the allocator belong to the program: only `cli` reads or sets them.
//! 6. `unsafe` only in `kernels` and `system`, each block with its reason.
//! 7. One seed decides everything random.
//!
//! # Glossary
//!
//! | word | meaning |
//! |---|---|
//! | image | what is classified: pixels ([`Image`]) |
//! | field | a square part of a large image, classified by itself ([`pixels::Field`]) |
//! | image file | a file of a data set and what its name says ([`breakhis::ImageFile`]) |
//! | classify, classification | what a network does to an image, and what comes of it |
//! | prediction | the margin and the probability of one image ([`Prediction`]) |
//! | label, subtype, magnification, slide | BreakHis's words |
//! | case | one patient, of whom there may be several slides |
//! | threshold, decision, flag, abstain, margin, temperature | see [`diagnosis`]; a temperature divides the logits before their margin |
//! | part | the train, validation or test part of a split ([`breakhis::Part`]), nothing else |
//! | fold, repeat | of a cross-validation |
//! | recipe | the numbers of a training ([`train::Recipe`]) |
//! | run | one training and its folder ([`train::RunFolder`]) |
//! | shard | the share of a work that one of several processes does ([`system::Shard`]) |
//! | step | one update of the weights by one batch |
//! | epoch, patience, plateau, early stopping | Keras's words, in training only |
//! | control | what is measured beside the network and knows no tissue |
//! | exchange, stratum, hard image, tap | see [`evaluate`] |
//! | walk | a way through the network: the inference walk, the training walk, and in the tests the plain walk, operator by operator |
//! | heatmap, explanation | what each place of an image adds to its margin ([`explain`], [`model::Explanation`]) |
//! | feature maps | activations inside the training walk |
//! | folded norm | a batch norm as scale and shift at inference |
//! | weights file, metadata | the safetensors file, and what it says of itself ([`model::Metadata`]) |
//! | model card | `weights/README.md` |
//! | novelty, flag, abstain | how unlike the training's images an image is ([`model::Novelty`]); what speaks against a prediction, and no decision for its sake, see [`diagnosis`] |
//! | the report | the university report whose system this replaces |
//! | print, report, log | stdout, figures, stderr |
//! | service | the HTTP server; the service-only build has no other command |
//! | archive | folders of any number of images, predicted by one run or by shards |
//! | shard | a share of an archive, or of the runs of a cross-validation, that one machine takes |

#[cfg(feature = "train")]
pub mod breakhis;
#[cfg(feature = "serve")]
pub mod cli;
pub mod diagnosis;
#[cfg(feature = "predict")]
pub mod drift;
#[cfg(feature = "train")]
pub mod evaluate;
pub mod explain;
pub mod guide;
#[cfg(feature = "serve")]
mod inference;
#[cfg(feature = "train")]
pub mod interchange;
pub mod kernels;
pub mod model;
pub mod pixels;
#[cfg(feature = "predict")]
#[cfg_attr(not(feature = "cli"), allow(dead_code, reason = "the pieces are for all results, of which drift is one"))]
pub mod report;
#[cfg(feature = "serve")]
pub mod serve;
pub mod system;
#[cfg(feature = "train")]
pub mod train;

pub use model::{Classifier, Prediction};
pub use pixels::RgbImage as Image;

/// What goes wrong, in whichever room.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
#[non_exhaustive]
pub enum Error {
    /// Between the bytes of a file and the numbers that a network takes.
    Pixels(#[from] pixels::PixelsError),
    /// With a network or its weights file.
    Model(#[from] model::ModelError),
    /// With a heatmap.
    Explain(#[from] explain::ExplainError),
    /// With a data set or a split of it.
    #[cfg(feature = "train")]
    Breakhis(#[from] breakhis::BreakhisError),
    /// With weights from or to another program.
    #[cfg(feature = "train")]
    Interchange(#[from] interchange::InterchangeError),
    /// In a training.
    #[cfg(feature = "train")]
    Train(#[from] train::TrainError),
    /// In the service.
    #[cfg(feature = "serve")]
    Serve(#[from] serve::ServeError),
}
