//! The commands that bring weights from and to other programs, and the one that says what a file holds.

pub(super) mod import;
