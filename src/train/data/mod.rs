//! What a training shows: images of a part, views of them, and what the network is taught of each.

pub(crate) mod samples;
pub(crate) mod target;
