//! The commands that bring weights from and to other programs, and the one that says what a file holds.

mod export;
mod import;
mod inspect;

pub(super) use export::{ExportArguments, export};
pub(super) use import::{ImportArguments, import};
pub(super) use inspect::{InspectArguments, inspect};
