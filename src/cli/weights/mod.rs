//! Which network answers, and how often it looks: the arguments that commands with a network have. Beside them the commands
//! that add to a weights file without training it.

#[cfg(feature = "cli")]
pub(super) mod calibrate;
#[cfg(feature = "cli")]
pub(super) mod quantise;

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

#[cfg(feature = "predict")]
use crate::model::Classifier;
use crate::pixels::Dihedral;

/// Which network answers.
#[derive(Debug, Args)]
pub(super) struct WeightsArguments {
    /// Weights file; without it, the network that is built into the program.
    #[arg(long, env = "LOBULE_WEIGHTS", value_name = "FILE")]
    weights: Option<PathBuf>,
}

impl WeightsArguments {
    /// The file, where one was named.
    pub(super) fn path(&self) -> Option<&Path> {
        self.weights.as_deref()
    }

    /// Loads the network, for as many threads as there are for everything else.
    #[cfg(feature = "predict")]
    pub(super) fn classifier(&self) -> anyhow::Result<Classifier> {
        Ok(Classifier::load(self.path(), rayon::current_num_threads())?)
    }
}

/// How often each image is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Views {
    // As it is; a comment of three strokes would lengthen the help of each command.
    #[value(name = "1")]
    One,
    // In its eight turns and mirror images.
    #[value(name = "8")]
    Eight,
}

/// How often each image is looked at.
#[derive(Debug, Args)]
pub(super) struct ViewsArguments {
    /// Show the network each image as it is, or in its eight turns and mirror images, whose margins are averaged; eight
    /// take eight times as long.
    #[arg(long, value_enum, default_value_t = Views::One)]
    views: Views,
}

impl ViewsArguments {
    /// What each image is shown as.
    pub(super) fn symmetries(&self) -> &'static [Dihedral] {
        match self.views {
            Views::One => &Dihedral::ALL[..1],
            Views::Eight => &Dihedral::ALL,
        }
    }
}
