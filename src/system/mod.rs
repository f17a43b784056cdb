//! What the operating system has and does: cores and memory, the allocator, writing files whole or not at all.

pub mod allocator;
mod atomic_write;
mod control_group;
mod cores;
mod memory;
mod printable;

pub use atomic_write::write_whole;
pub use cores::cores;
pub use memory::available_memory;
pub use printable::{printable, printable_lines, printable_path};
