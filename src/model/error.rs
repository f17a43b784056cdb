//! What goes wrong with a network or its weights file.

use std::path::PathBuf;

use crate::pixels::PixelsError;

/// What goes wrong with a network or its weights file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file cannot be read or written.
    #[error("cannot {action} the weights file {}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not in the safetensors format, or is cut off.
    #[error("{origin} is not a whole safetensors file: {reason}")]
    NotSafetensors {
        /// The file, or what stands for it.
        origin: String,
        /// What the reader said.
        reason: String,
    },
    /// The file holds tensors but not Lobule's description of them.
    #[error(
        "{origin} has no usable Lobule metadata ({reason}); a weights file comes from `lobule train`, \
         and tensors of other programs come in by `lobule train --init`"
    )]
    Metadata {
        /// The file, or what stands for it.
        origin: String,
        /// What is missing or wrong.
        reason: String,
    },
    /// The tensors are not those of the network.
    #[error("{}", mismatch(.origin, .missing, .unexpected, .misshapen))]
    Mismatch {
        /// The file, or what stands for it.
        origin: String,
        /// Names that the network has and the file has not.
        missing: Vec<String>,
        /// Names that the file has and the network has not.
        unexpected: Vec<String>,
        /// Names on both sides with different shapes, and those shapes.
        misshapen: Vec<String>,
    },
    /// A tensor holds numbers that no training can have left.
    #[error("{origin}: the tensor {tensor} holds {what}; the file is damaged or its training diverged")]
    Numbers {
        /// The file, or what stands for it.
        origin: String,
        /// The tensor.
        tensor: String,
        /// For example `NaN or infinity`.
        what: &'static str,
    },
    /// The network's numbers overflowed on an image, so that it says nothing of it.
    #[error("the network's margin is {0}: its numbers overflow on this image, as those of a training that diverged do")]
    NotFinite(f64),
    /// The statistics of the flags overflow on an image.
    #[error(
        "the statistics of the weights file's flags overflow on this image, so the file may be damaged; fit them again with `lobule calibrate`"
    )]
    NoveltyNotFinite,
    /// Whole numbers were asked for, and the weights file has none.
    #[error(
        "{0} has no whole numbers to compute in; make a file that has them with `lobule quantise`, or unset LOBULE_PRECISION"
    )]
    NoWholeNumbers(String),
    /// The network has no taps, from which a margin's heatmap is made.
    #[error(
        "the network {0} has no taps, so it cannot say where in an image its margin comes from; heatmaps are for the fused \
         DenseNet"
    )]
    NoTaps(String),
    /// An image could not be brought to a tensor.
    #[error(transparent)]
    Pixels(#[from] PixelsError),
    /// candle refused an operation: a fault of this program, not of the user.
    #[error("the network failed: {0}")]
    Candle(#[from] candle_core::Error),
}

fn mismatch(origin: &str, missing: &[String], unexpected: &[String], misshapen: &[String]) -> String {
    let mut text = format!("{origin} does not fit the network");
    let lists = [("missing", missing), ("unexpected", unexpected), ("of another shape", misshapen)];
    for (what, names) in lists.into_iter().filter(|(_, names)| !names.is_empty()) {
        let shown = &names[..names.len().min(8)];
        let more = names.len() - shown.len();
        let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
        text += &format!("; {} {what}: {}{rest}", names.len(), shown.join(", "));
    }
    text
}
