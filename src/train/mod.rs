//! Training: recipes, the fit loop, Adam and the history.
//!
//! In: pictures of a data set and its split, a [`Recipe`], a seed and, for `best`, tensors of another program to start
//! from. Out: a network whose best epoch was kept, and a history of all epochs. One seed decides start values,
//! shuffling, augmentation and dropout; sums do not depend on the number of threads.

mod adam;
mod error;
mod fit;
mod history;
mod loss;
mod probe;
mod progress;
mod recipe;
mod samples;
mod seed;
mod step;

pub use adam::{Adam, Slot};
pub use error::TrainError;
pub use fit::fit;
pub use history::{Epoch, History, Phase};
pub use progress::{Outcome, Progress};
pub use recipe::{Probe, Recipe};
pub use samples::Samples;
pub use step::step;
