//! What a training shows: images of a part, views of them, and the target of each.

pub(crate) mod samples;
pub(crate) mod target;
