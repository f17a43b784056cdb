//! Clients that speak HTTP/2 as no library does, frame by frame.

pub(crate) mod floods;
pub(crate) mod frames;
pub(crate) mod streams;
