//! Metrics from predictions.
