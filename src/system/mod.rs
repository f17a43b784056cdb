//! What the operating system has and does: cores, memory and open files, the allocator, writing files whole or not at all.

pub mod allocator;
mod atomic_write;
mod memory;
mod open_files;
mod printable;

pub use atomic_write::write_whole;
pub use memory::{available_memory, cores};
pub use open_files::open_files_limit;
pub use printable::{printable, printable_lines, printable_path};
