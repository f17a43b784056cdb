//! What clients of other servers send wrong, by mistake or to do harm: each is refused for what it is.
