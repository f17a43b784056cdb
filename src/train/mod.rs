//! Training: recipes, the fit loop, Adam, callbacks, checkpoints and the folders of runs; [`run()`] does it all.
//!
//! In: a [`Config`]: a folder of images, what is held out, a [`Recipe`], a seed and, where the recipe wants them,
//! tensors of another program to start from. Out: a folder with weights, history and all that is needed to go on. One
//! seed decides start values, shuffling, augmentation and dropout; sums do not depend on the number of threads.

mod error;
mod fit;
mod progress;
mod recipe;
mod run;
mod samples;

pub use error::TrainError;
pub use fit::adam::{Adam, Slot};
pub use fit::callbacks::{BestEpoch, EarlyStopping, EarlyStoppingState};
pub use fit::history::{Epoch, EpochFigures};
pub use fit::learning_rate::{Decay, Plateau, PlateauState};
pub use fit::loss::Target;
pub use fit::state::State;
pub use fit::step::step;
pub use progress::Progress;
pub use recipe::{Augmentation, Keep, Recipe, Start, Views};
pub use run::config::RunConfig;
pub use run::folder::RunFolder;
pub use run::{
    CalibrationConfig, Config, CrossValidated, DEFAULT_SEED, Finished, FoldSource, HeldOut, Outcome,
    QuantisationConfig, calibrate, compare_runs, is_cross_validation, quantise, read_cross_validation, run,
};
