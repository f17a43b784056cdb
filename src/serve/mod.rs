//! The hyper service and its page.
