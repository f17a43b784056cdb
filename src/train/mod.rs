//! Recipes, the fit loop, Adam and the history.

/// stub
pub fn fit() {}
