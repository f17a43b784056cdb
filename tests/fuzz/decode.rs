//! Any bytes as an image: they are decoded within the limits or refused, and no panic comes out. One within a decoder of
//! another library is caught there and refuses the image; the fuzzer's own hook would take it for the end.

#![no_main]

use std::panic::set_hook;
use std::sync::Once;

use libfuzzer_sys::fuzz_target;
use lobule::pixels::{DecodeLimits, decode};

const LIMITS: DecodeLimits = DecodeLimits { max_bytes: 1 << 16, max_pixels: 1 << 18 };

static HOOK: Once = Once::new();

fuzz_target!(|bytes: &[u8]| {
    HOOK.call_once(|| set_hook(Box::new(|panic| {
        let place = panic.location().map_or("", |place| place.file());
        assert!(place.contains("/registry/"), "{panic}");
    })));
    if let Ok(decoded) = decode(bytes, &LIMITS) {
        let (width, height) = decoded.image.dimensions();
        assert!(width > 0 && height > 0 && u64::from(width) * u64::from(height) <= LIMITS.max_pixels);
    }
});
