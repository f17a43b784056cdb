//! In which numbers a network is computed, and who decides it.

use std::fmt;
use std::str::FromStr;
use std::sync::OnceLock;

use serde::Serialize;

/// In which numbers the backbone of a network is computed; its head is floating-point in either.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Floating-point numbers of 32 bits: the network as it was trained.
    #[default]
    F32,
    /// Whole numbers: of 8 bits in the dense layers, which the weights file must have, and of 16 in the stem and the
    /// transitions, which are rounded from its floating-point ones. Less than half the time on processors with VNNI.
    Int8,
}

/// Who decides on the [`Precision`] of a network that is loaded to classify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrecisionChoice {
    /// Whole numbers where they are faster on this processor and the file's [gate](crate::model::Quantisation) was passed.
    Auto,
    /// This one, or an error.
    Always(Precision),
}

/// What [`PrecisionChoice::force`] chose.
static FORCED: OnceLock<PrecisionChoice> = OnceLock::new();

impl PrecisionChoice {
    /// Makes this the default of the process, for all networks that are loaded to classify from here on, as
    /// [`Level::force`](crate::kernels::Level::force) does for instructions; a second call changes nothing.
    pub fn force(self) {
        FORCED.get_or_init(|| self);
    }
}

impl Default for PrecisionChoice {
    /// What [`Self::force`] chose, or else floating-point.
    fn default() -> Self {
        FORCED.get().copied().unwrap_or(Self::Always(Precision::F32))
    }
}

impl fmt::Display for Precision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::F32 => "f32",
            Self::Int8 => "int8",
        })
    }
}

impl FromStr for PrecisionChoice {
    type Err = UnknownPrecision;

    fn from_str(name: &str) -> Result<Self, UnknownPrecision> {
        match name {
            "auto" => Ok(Self::Auto),
            "f32" => Ok(Self::Always(Precision::F32)),
            "int8" => Ok(Self::Always(Precision::Int8)),
            _ => Err(UnknownPrecision { name: name.to_owned() }),
        }
    }
}

/// No precision has that name.
#[derive(Debug, thiserror::Error)]
#[error("LOBULE_PRECISION is {name:?}; it must be auto, f32 or int8")]
pub struct UnknownPrecision {
    /// What was asked for.
    name: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_is_known_by_its_name() {
        for precision in [Precision::F32, Precision::Int8] {
            assert_eq!(precision.to_string().parse::<PrecisionChoice>().unwrap(), PrecisionChoice::Always(precision));
            assert_eq!(serde_json::to_value(precision).unwrap(), precision.to_string());
        }
        assert_eq!("auto".parse::<PrecisionChoice>().unwrap(), PrecisionChoice::Auto);
        assert!("bf16".parse::<PrecisionChoice>().unwrap_err().to_string().contains("auto, f32 or int8"));
    }
}
