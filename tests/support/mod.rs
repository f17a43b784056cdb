//! What the tests of the service share, from outside (`tests/api`) and in a browser (`tests/browser`).

#![allow(dead_code, reason = "no test binary uses all of it")]

pub(crate) mod client;
pub(crate) mod contract;
pub(crate) mod drawn;
pub(crate) mod flagging;
pub(crate) mod frames;
pub(crate) mod service;
