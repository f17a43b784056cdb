//! Text of others, such as names of files, on a terminal.

use std::borrow::Cow;
use std::path::Path;

/// A text in which no character moves a terminal's cursor, colours it or turns the direction of reading: such characters
/// become escapes, as in `\u{1b}`.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.contains(is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut escaped = String::with_capacity(text.len() + 8);
    for character in text.chars() {
        match is_escaped(character) {
            true => escaped.extend(character.escape_default()),
            false => escaped.push(character),
        }
    }
    Cow::Owned(escaped)
}

/// A path in a message: a name with an end of line cannot pass for a line of its own, and bytes that are no UTF-8 become
/// escapes, as in `\xff`.
pub fn printable_path(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text += &printable(chunk.valid());
        text.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    text
}

/// A path that another program reads out of JSON or CSV and opens. It is as it is where it is UTF-8, which these formats
/// demand; any other is a `file://` URL of its bytes (RFC 8089).
pub fn path_for_programs(path: &Path) -> Cow<'_, str> {
    if let Some(text) = path.to_str() {
        return Cow::Borrowed(text);
    }
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut url = String::from("file://");
    for &byte in absolute.as_os_str().as_encoded_bytes() {
        match byte {
            b'/' | b'-' | b'.' | b'_' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => url.push(byte.into()),
            _ => url += &format!("%{byte:02X}"),
        }
    }
    Cow::Owned(url)
}

/// A number in the fewest digits that read back as the same f64: the same digits in every format.
#[cfg(any(feature = "train", feature = "predict"))]
pub(crate) fn digits(number: f64) -> String {
    format!("{number:?}")
}

/// A count with commas between its thousands.
#[cfg(any(feature = "train", feature = "predict"))]
pub(crate) fn thousands(count: usize) -> String {
    if count < 1000 { count.to_string() } else { format!("{},{:03}", thousands(count / 1000), count % 1000) }
}

/// A text line by line: ends of lines stay.
pub fn printable_lines(text: &str) -> String {
    text.split('\n').map(printable).collect::<Vec<_>>().join("\n")
}

/// Control characters, ends of lines, and the marks and overrides of writing from right to left.
fn is_escaped(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_drives_a_terminal_is_escaped_and_every_script_stays() {
        assert_eq!(printable("a\u{1b}[31m\r\n\u{9b}\u{7f}"), r"a\u{1b}[31m\r\n\u{9b}\u{7f}");
        assert_eq!(printable_lines("a\tb\nc\r\n"), "a\\tb\nc\\r\n");
        assert_eq!(printable_path(Path::new("x\nERROR forged")), r"x\nERROR forged");
        assert_eq!(printable("gnp.\u{202e}exe"), r"gnp.\u{202e}exe");
        assert!(matches!(printable("Größe, 画像, صورة, a\\b.png"), Cow::Borrowed(_)));
    }

    #[cfg(unix)]
    #[test]
    fn a_name_that_is_not_utf_8_is_told_by_its_bytes() {
        use std::os::unix::ffi::OsStrExt;
        let path = |bytes: &'static [u8]| Path::new(std::ffi::OsStr::from_bytes(bytes));
        assert_eq!(printable_path(path(b"/a/\xffb\n\xc3.png")), r"/a/\xffb\n\xc3.png");
        assert_eq!(path_for_programs(path(b"/a b/\xff%~\xc3\xa4.png")), "file:///a%20b/%FF%25~%C3%A4.png");
        assert_eq!(path_for_programs(path("/a b/ä\u{1b}.png".as_bytes())), "/a b/ä\u{1b}.png");
        assert!(path_for_programs(path(b"\xff")).starts_with("file:///"), "absolute");
    }

    #[cfg(any(feature = "train", feature = "predict"))]
    #[test]
    fn thousands_are_set_apart() {
        assert_eq!([0, 999, 1046, 1000007].map(thousands), ["0", "999", "1,046", "1,000,007"]);
    }
}
