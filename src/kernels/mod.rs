//! The operators that candle lacks or does slowly, as candle custom ops with gradients.
