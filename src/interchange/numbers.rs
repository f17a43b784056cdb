//! Numbers of other programs' tensors as f32.

use half::{bf16, f16};

/// How a tensor's numbers are stored, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Numbers {
    Bf16,
    F16,
    F32,
    F64,
    /// What no weight is, whole numbers and truths: what they are called, and the bytes of each.
    Other {
        name: &'static str,
        size: usize,
    },
}

impl Numbers {
    /// Bytes of a number.
    pub(super) fn size(self) -> usize {
        match self {
            Self::Bf16 | Self::F16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
            Self::Other { size, .. } => size,
        }
    }

    /// What they are called.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
            Self::F32 => "f32",
            Self::F64 => "f64",
            Self::Other { name, .. } => name,
        }
    }

    /// Numbers in their order, none where they are [`Numbers::Other`].
    pub(super) fn read(self, bytes: &[u8]) -> Option<Vec<f32>> {
        Some(match self {
            Self::Bf16 => bytes.as_chunks().0.iter().map(|&b| bf16::from_le_bytes(b).to_f32()).collect(),
            Self::F16 => bytes.as_chunks().0.iter().map(|&b| f16::from_le_bytes(b).to_f32()).collect(),
            Self::F32 => bytes.as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect(),
            Self::F64 => bytes.as_chunks().0.iter().map(|&b| f64::from_le_bytes(b) as f32).collect(),
            Self::Other { .. } => return None,
        })
    }
}
