//! Any bytes as the body of an upload, in pieces of any length: its files come out or it is refused as the client's
//! mistake, and whatever the pieces are, the outcome is the same.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lobule::serve::fuzzing::read_upload;

fuzz_target!(|bytes: &[u8]| {
    let [how, step, rest @ ..] = bytes else { return };
    // One line of the input is the content type where the first byte is odd.
    let end = rest.iter().position(|&byte| byte == b'\n').unwrap_or(0);
    let (content_type, body) = if how & 1 == 1 { (&rest[..end], &rest[end..]) } else { (&b"multipart/form-data; boundary=x"[..], rest) };
    let several = how & 2 == 2;
    let in_pieces = read_upload(content_type, body.chunks(1 + usize::from(*step)).map(<[u8]>::to_vec).collect(), several);
    let at_once = read_upload(content_type, vec![body.to_vec()], several);
    assert_eq!(in_pieces, at_once);
});
