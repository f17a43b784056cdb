//! One seed, and a stream of random numbers for each purpose and each moment: an epoch's shuffling does not depend on
//! how many numbers an earlier epoch drew.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// What random numbers are for. Its number chooses the stream, and never changes: a seed gives what it always gave.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Purpose {
    /// The order of samples in an epoch.
    Order = 3,
    /// The views of samples in an epoch.
    Views,
    /// Dropout in a step.
    Dropout,
}

/// The numbers for a purpose at a moment (an epoch or a step).
pub(crate) fn stream(seed: u64, purpose: Purpose, moment: usize) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(((purpose as u64) << 48) | moment as u64);
    rng
}
