//! Training: recipes, the fit loop, Adam, callbacks, checkpoints and the folder of a run.
//!
//! In: images of a data set and its split, a [`Recipe`], a seed and, where the recipe wants them, tensors of another
//! program to start from. Out: a folder with weights, history and all that is needed to go on. One seed decides start
//! values, shuffling, augmentation and dropout; sums do not depend on the number of threads.

mod adam;
mod callbacks;
mod checkpoint;
mod config;
mod curves;
mod error;
mod fit;
mod history;
mod loss;
mod memory;
mod progress;
mod recipe;
mod run;
mod samples;
mod seed;
mod state;
mod step;
mod target;
mod tensorboard;

pub use adam::{Adam, Slot};
pub use callbacks::{BestEpoch, EarlyStopping, EarlyStoppingState, Plateau, PlateauState};
pub use config::RunConfig;
pub use error::{TrainError, Unreadable};
pub use fit::{End, check_classes, check_validation, fit};
pub use history::{Epoch, Figures};
pub use memory::check_memory;
pub use progress::Progress;
pub use recipe::{Augmentation, Decay, Keep, Recipe, Start, Views};
pub use run::Run;
pub use samples::Samples;
pub use state::{Outcome, State};
pub use step::step;
pub use target::Target;
