//! What the operating system has and does: cores, memory and open files, the allocator, finding files in folders, opening
//! them, and writing them whole or not at all; and the share of a work that is this process's.

pub mod allocator;
mod atomic_write;
mod control_group;
mod cores;
mod memory;
mod open_file;
mod open_files;
mod pages;
mod printable;
mod scratch_name;
mod shard;
#[cfg(any(feature = "train", feature = "predict"))]
pub(crate) mod walk;

pub use atomic_write::{WholeFile, write_whole};
pub use cores::cores;
pub use memory::available_memory;
pub use open_file::{FolderInUse, lock_folder, no_file, open_file};
pub use open_files::open_files_limit;
pub use pages::give_back_constant;
#[cfg(any(feature = "train", feature = "predict"))]
pub(crate) use printable::{digits, thousands};
pub use printable::{path_for_programs, printable, printable_lines, printable_path};
pub use scratch_name::scratch_name;
pub use shard::Shard;
