//! The matrix product of the inference walk: packed panels, gathered strips of rows, and the inner loop over a tile.

mod aligned;
mod packed;
mod strip;
mod tile;

pub(crate) use aligned::Aligned;
pub(crate) use packed::{Packed, PanelNumbers, Panels};
pub(crate) use strip::{Activation, PIECE, Rows, Strip};
pub(crate) use tile::{Product, offsets};
