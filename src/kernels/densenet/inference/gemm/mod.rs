//! The matrix product of the inference walk: packed panels, gathered strips of rows, and the inner loop over a tile; the
//! last once for floating-point and once for whole numbers.

mod aligned;
mod dot_tile;
mod packed;
mod packed_whole;
mod strip;
mod tile;
mod whole;

pub(crate) use aligned::Aligned;
pub(crate) use dot_tile::{DotProduct, Windows};
pub(crate) use packed::{Packed, PanelNumbers, Panels};
pub(crate) use packed_whole::{PANEL, PackedWhole};
pub(crate) use strip::{Activation, MOST, PIECE, Rows, Strip};
pub(crate) use tile::{Product, TileOffsets, TileScales, offsets};
pub(crate) use whole::Whole;
