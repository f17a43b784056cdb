//! Any bytes as an image: they are decoded within the limits or refused, and nothing panics.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lobule::pixels::{DecodeLimits, decode};

const LIMITS: DecodeLimits = DecodeLimits { max_bytes: 1 << 16, max_pixels: 1 << 18 };

fuzz_target!(|bytes: &[u8]| {
    if let Ok(decoded) = decode(bytes, &LIMITS) {
        let (width, height) = decoded.image.dimensions();
        assert!(width > 0 && height > 0 && u64::from(width) * u64::from(height) <= LIMITS.max_pixels);
    }
});
