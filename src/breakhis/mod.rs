//! What BreakHis is: slide names, labels, cases, folders, manifests, splits, audit. Knows no model.
