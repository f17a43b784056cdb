//! The commands that bring weights from and to other programs, and the one that says what a file holds.

mod export;
mod inspect;

pub(super) use export::{ExportArguments, export};
pub(super) use inspect::{InspectArguments, inspect};
