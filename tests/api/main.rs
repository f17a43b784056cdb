//! The service from outside: the real binary on a port of its own, and clients that behave well or not.

mod client;
mod errors;
mod lifecycle;
mod picture;
mod predictions;
mod service;
mod shapes;
mod status;
