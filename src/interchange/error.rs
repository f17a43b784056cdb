//! What goes wrong with weights from or to another program.

use std::path::PathBuf;

use crate::model::ModelError;

/// What goes wrong with weights from or to another program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InterchangeError {
    /// A file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is damaged, or of no format that is read here.
    #[error("{origin} cannot be read: {reason}")]
    Unreadable {
        /// The file.
        origin: String,
        /// What is wrong with it, and where.
        reason: String,
    },
    /// The file holds what would be executed, or more than it may hold.
    #[error("{origin} is refused: {reason}")]
    Refused {
        /// The file.
        origin: String,
        /// What it holds.
        reason: String,
    },
    /// The network is none of those that this program knows; the first difference.
    #[error("{origin} holds another network than those known here: {place}: expected {expected}, found {found}")]
    Unknown {
        /// The file.
        origin: String,
        /// The layer, by its name in the file.
        place: String,
        /// What a known network has there.
        expected: String,
        /// What the file has there.
        found: String,
    },
    /// A file that a training was to start from, or a control to look through, has learned from BreakHis itself.
    #[error(
        "{origin} was trained on {cases} cases of BreakHis, so figures of what starts from it would be flattered; take \
         tensors that know none, such as ImageNet's"
    )]
    KnowsTheData {
        /// The file.
        origin: String,
        /// How many cases.
        cases: usize,
    },
    /// The network cannot be written in the form that was asked for.
    #[error("the network {network} cannot be exported: {reason}")]
    NotExported {
        /// The network's name.
        network: String,
        /// Why not.
        reason: String,
    },
    /// With a network or a weights file of this program.
    #[error(transparent)]
    Model(#[from] ModelError),
}
