//! The matrix product of the inference walk: packed panels, gathered strips of rows, and the inner loop over a tile.

pub(crate) mod aligned;
pub(crate) mod packed;
pub(crate) mod strip;
pub(crate) mod tile;
