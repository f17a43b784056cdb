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

/// A path in a message: a name with an end of line cannot pass for a line of its own.
pub fn printable_path(path: &Path) -> String {
    printable(&path.to_string_lossy()).into_owned()
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
}
