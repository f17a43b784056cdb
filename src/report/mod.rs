//! Everything that is shown of figures: text, CSV, JSON and SVG.

pub(crate) mod comparison_rows;
pub(crate) mod csv;
pub mod svg;
pub mod text;
