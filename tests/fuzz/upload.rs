//! Any bytes as the body of an upload, in pieces of any length: its files come out or it is refused as the client's
//! mistake, and whatever the pieces are, the outcome is the same. What it costs is counted: how often it is polled, and
//! how much memory is taken, at a time and in all.

#![no_main]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use libfuzzer_sys::fuzz_target;
use lobule::serve::fuzzing::{MAX_BYTES, read_upload};

/// Memory that any upload may take: the runtime, the headers of a part.
const ANY: usize = 256 << 10;

/// Counts what is allocated.
struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TOTAL: AtomicUsize = AtomicUsize::new(0);

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn took(bytes: usize) {
    TOTAL.fetch_add(bytes, Relaxed);
    PEAK.fetch_max(LIVE.fetch_add(bytes, Relaxed) + bytes, Relaxed);
}

// SAFETY: it is the system's allocator, with counters beside it. `realloc` is the default's: allocate, copy, free.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        took(layout.size());
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(memory, layout) }
    }
}

/// What comes of a body in pieces of this length, after its cost has been checked.
fn read(content_type: &[u8], body: &[u8], step: usize, several: bool) -> Result<Vec<Vec<u8>>, u16> {
    let pieces = body.chunks(step.max(1)).map(<[u8]>::to_vec).collect();
    let before = (LIVE.load(Relaxed), TOTAL.load(Relaxed));
    PEAK.store(before.0, Relaxed);
    let outcome = read_upload(content_type, pieces, several);
    let (peak, total) = (PEAK.load(Relaxed) - before.0, TOTAL.load(Relaxed) - before.1);
    assert!(peak <= 4 * body.len() + ANY, "{peak} bytes at a time for {}", body.len());
    assert!(total <= 64 * body.len() + ANY, "{total} bytes in all for {}", body.len());
    outcome
}

fuzz_target!(|bytes: &[u8]| {
    let [how, step, times, rest @ ..] = bytes else { return };
    // One line of the input is the content type where the first byte is odd.
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(0);
    let form = &b"multipart/form-data; boundary=x"[..];
    let (content_type, body) = if how & 1 == 1 { (&rest[..end], &rest[end..]) } else { (form, rest) };
    // The middle is repeated, so that a short input makes a body of any length, up to one that is too long.
    let (begin, end) = (body.len() / 3, body.len() - body.len() / 3);
    let times = usize::from(*times).pow(2).min((MAX_BYTES + 1000) / (end - begin).max(1)).max(1);
    let body = [&body[..begin], &body[begin..end].repeat(times), &body[end..]].concat();
    let several = how & 2 == 2;
    let step = if how & 4 == 4 { usize::from(*step) << 8 } else { usize::from(*step) };
    let in_pieces = read(content_type, &body, step, several);
    let at_once = read(content_type, &body, body.len(), several);
    // Of a body that is too long, what is wrong in its beginning may be seen before.
    assert!(in_pieces == at_once || body.len() > MAX_BYTES, "{in_pieces:?} is not {at_once:?}");
});
