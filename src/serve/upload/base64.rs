//! Images as text: `data:image/png;base64,...`, and plain base64 of an image. They are decoded where it is plain that
//! an image is meant.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{GeneralPurpose, general_purpose::NO_PAD};

use crate::pixels;

/// The first bytes of a text that say whether it is an image.
pub(super) const DECISIVE: usize = 128;

/// Letters that are decoded at a time; three bytes for four of them.
const PIECE: usize = 4096;

/// What is wrong with the base64 of an image, as a client reads it.
pub(in crate::serve) type Damage = String;

const BASE64: GeneralPurpose = GeneralPurpose::new(&STANDARD, NO_PAD.with_decode_allow_trailing_bits(true));

/// Whether bytes begin as text of ASCII does.
pub(super) fn is_text(bytes: &[u8]) -> bool {
    bytes.iter().take(64).all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace())
}

/// Whether bytes begin as an image that is read does. Text does not, although "BM" may begin both.
pub(super) fn begins_as_image(bytes: &[u8]) -> bool {
    !is_text(bytes) && pixels::begins_as_image(bytes)
}

/// Where the base64 of an image begins in a text, by its first [`DECISIVE`] bytes.
pub(in crate::serve) fn begin_of_base64(text: &[u8]) -> Option<usize> {
    let head = &text[..text.len().min(DECISIVE)];
    let begin = begin_of_letters(head)?;
    let is_image = || begins_as_image(&decode(head.to_vec(), begin).0);
    (starts_with(head.trim_ascii_start(), b"data:image/") || is_image()).then_some(begin)
}

/// Where the letters of a text begin that is base64: behind its blanks and the head of a `data:` URL. `None` where that has
/// no base64.
fn begin_of_letters(text: &[u8]) -> Option<usize> {
    const MARK: &[u8] = b";base64,";
    let head = &text[..text.len().min(DECISIVE)];
    let blank = head.len() - head.trim_ascii_start().len();
    if !starts_with(&head[blank..], b"data:") {
        return Some(blank);
    }
    let mark = head.windows(MARK.len()).position(|its| its.eq_ignore_ascii_case(MARK))?;
    Some(mark + MARK.len())
}

fn starts_with(text: &[u8], word: &[u8]) -> bool {
    text.get(..word.len()).is_some_and(|its| its.eq_ignore_ascii_case(word))
}

/// Decodes a text that can be nothing but base64, or a `data:` URL of it, as [`decode`] does.
pub(in crate::serve) fn decode_text(text: String) -> (Vec<u8>, Option<Damage>) {
    let begin = begin_of_letters(text.as_bytes()).unwrap_or(0);
    decode(text.into_bytes(), begin)
}

/// Decodes the base64 that begins here, of either alphabet, with or without line breaks and padding, in the memory that
/// the text takes. What follows a damage is left out.
pub(super) fn decode(mut text: Vec<u8>, begin: usize) -> (Vec<u8>, Option<Damage>) {
    let (mut letters, mut damage) = (0, None);
    for at in begin..text.len() {
        text[letters] = match text[at] {
            b'\r' | b'\n' | b'\t' => continue,
            b'-' => b'+',
            b'_' => b'/',
            letter if letter.is_ascii_alphanumeric() || matches!(letter, b'+' | b'/') => letter,
            other => {
                damage = damage_by(other, letters).filter(|_| !text[at..].trim_ascii().is_empty());
                break;
            }
        };
        letters += 1;
    }
    if letters % 4 == 1 {
        letters -= 1;
        damage.get_or_insert_with(|| format!("The base64 of this image ends within a byte, after {letters} letters."));
    }
    let (mut bytes, mut piece) = (0, [0; PIECE / 4 * 3]);
    for begin in (0..letters).step_by(PIECE) {
        let end = letters.min(begin + PIECE);
        let length = BASE64.decode_slice(&text[begin..end], &mut piece).unwrap_or_default();
        text[bytes..bytes + length].copy_from_slice(&piece[..length]);
        bytes += length;
    }
    text.truncate(bytes);
    text.shrink_to_fit();
    (text, damage)
}

/// What is wrong where a character stands that is no letter of base64; nothing at the padding, with which it ends.
fn damage_by(character: u8, letters: usize) -> Option<Damage> {
    match character {
        b'=' => None,
        b' ' => Some(format!(
            "The base64 of this image has a space after {letters} letters. Lines may be broken, but not by spaces; \
             where it was a plus sign, write that as %2B."
        )),
        _ => {
            Some(format!("The base64 of this image has a character after {letters} letters that base64 does not have."))
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};

    use super::*;

    const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\x02\0\0\0\xfb\xff\xbe";

    #[test]
    fn base64_of_any_length_and_alphabet_is_decoded_up_to_a_damage() {
        for length in (0..70).chain([PIECE / 4 * 3 - 1, 10_000]) {
            let bytes: Vec<u8> = (0..length).map(|i| (i * 7 + i / 256) as u8).collect();
            let padded = BASE64_STANDARD.encode(&bytes);
            let whole = (bytes, None);
            assert_eq!(decode(padded.clone().into(), 0), whole);
            assert_eq!(decode(format!("data:,{padded} \n").into(), 6), whole);
            assert_eq!(decode(BASE64_URL_SAFE_NO_PAD.encode(&whole.0).into(), 0), whole);
            let lines: Vec<_> = padded.as_bytes().chunks(76).collect();
            assert_eq!(decode(lines.join(&b"\r\n"[..]), 0), whole);
        }
        for (damaged, what) in [
            ("QUJD!UJD", "a character after 4 letters"),
            ("QUJD UJD", "a space after 4 letters"),
            ("QUJDR", "within a byte, after 4 letters"),
        ] {
            let (bytes, damage) = decode(damaged.into(), 0);
            assert!(bytes == b"ABC" && damage.as_ref().is_some_and(|its| its.contains(what)), "{damaged}: {damage:?}");
        }
    }

    #[test]
    fn text_is_an_image_only_where_that_is_plain() {
        let plain = BASE64_STANDARD.encode(PNG);
        for (text, begin) in [
            (plain.clone(), Some(0)),
            (format!("\r\n {plain}"), Some(3)),
            (format!("data:image/png;base64,{plain}"), Some(22)),
            (format!("DATA:application/octet-stream;Base64,{plain}"), Some(37)),
            ("data:image/png;base64,".to_owned(), Some(22)),
            ("data:text/plain;base64,QUJD".to_owned(), None),
            ("data:image/svg+xml,<svg/>".to_owned(), None),
            ("BMI: 24".to_owned(), None),
            ("a comment".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(begin_of_base64(text.as_bytes()), begin, "{text}");
        }
        assert!(begins_as_image(PNG) && begins_as_image(b"II\x2b\0\x08\0\0\0"));
        assert!(!begins_as_image(b"BMI: 24") && !begins_as_image(b""));
    }
}
