//! The four magnifications of BreakHis. 40X means the total magnification with the eyepiece, not a 40x objective.

use std::fmt;

/// Total magnification of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Magnification {
    /// 40 times.
    X40,
    /// 100 times.
    X100,
    /// 200 times.
    X200,
    /// 400 times.
    X400,
}

impl Magnification {
    /// All magnifications, the smallest first.
    pub const ALL: [Self; 4] = [Self::X40, Self::X100, Self::X200, Self::X400];

    /// How many times larger than life: 40, 100, 200 or 400.
    pub fn times(self) -> u32 {
        match self {
            Self::X40 => 40,
            Self::X100 => 100,
            Self::X200 => 200,
            Self::X400 => 400,
        }
    }

    /// The magnification of a number of times, such as `40`.
    pub fn from_times(times: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|magnification| magnification.times().to_string() == times)
    }
}

impl fmt::Display for Magnification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}X", self.times())
    }
}
