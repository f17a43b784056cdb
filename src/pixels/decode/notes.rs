//! What was done to an image beyond reading it, for whoever reads its prediction.

use serde::{Serialize, Serializer};

/// Something that was done to an image, or left undone, that can change its prediction. It displays as a sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Note {
    /// Its transparent pixels were blended onto white.
    #[error("Its transparent pixels were blended onto white.")]
    TransparentOnWhite,
}

/// As its sentence.
impl Serialize for Note {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
