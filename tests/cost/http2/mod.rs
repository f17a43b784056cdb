//! Clients that speak HTTP/2 as no library does, frame by frame.

mod connection;
pub(crate) mod floods;
pub(crate) mod streams;
