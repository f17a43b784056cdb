//! Parameters of a header: `; name="value"`, as HTTP clients write them and not only as RFC 9110 has them.
//!
//! Values are bytes: names of files come in UTF-8, in Latin-1 and percent-encoded with their charset (RFC 8187), and
//! boundaries with characters that would have to be quoted and are not.

/// The parameters behind a header's first value, their names in lower case.
pub(super) fn parameters(header: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rest = after(header, b';');
    while !rest.is_empty() {
        let end = rest.iter().position(|byte| matches!(byte, b'=' | b';')).unwrap_or(rest.len());
        let name = String::from_utf8_lossy(rest[..end].trim_ascii()).to_ascii_lowercase();
        if rest.get(end) != Some(&b'=') {
            rest = after(&rest[end..], b';');
            continue;
        }
        let value = rest[end + 1..].trim_ascii_start();
        if let Some(quoted) = value.strip_prefix(b"\"") {
            let (value, behind) = unquote(quoted);
            found.push((name, value));
            rest = after(behind, b';');
        } else {
            let end = value.iter().position(|&byte| byte == b';').unwrap_or(value.len());
            found.push((name, value[..end].trim_ascii().to_vec()));
            rest = after(&value[end..], b';');
        }
    }
    found
}

/// The value of a parameter.
pub(super) fn parameter<'a>(parameters: &'a [(String, Vec<u8>)], name: &str) -> Option<&'a [u8]> {
    parameters.iter().find(|(its, _)| its == name).map(|(_, value)| value.as_slice())
}

/// Bytes of a header as text: UTF-8, or else Latin-1, which has a letter for each byte.
pub(super) fn text(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| latin1(bytes), str::to_owned)
}

/// An extended value (RFC 8187), such as `utf-8'en'%C3%A2.png`; `None` where it is not well-formed.
pub(super) fn extended(value: &[u8]) -> Option<String> {
    let value = std::str::from_utf8(value).ok()?;
    let [charset, _language, encoded] = value.splitn(3, '\'').collect::<Vec<_>>().try_into().ok()?;
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.bytes();
    while let Some(byte) = rest.next() {
        let digit = |byte: Option<u8>| char::from(byte?).to_digit(16);
        bytes.push(if byte == b'%' { (digit(rest.next())? << 4 | digit(rest.next())?) as u8 } else { byte });
    }
    match charset.to_ascii_lowercase().as_str() {
        "utf-8" => String::from_utf8(bytes).ok(),
        "iso-8859-1" => Some(latin1(&bytes)),
        _ => None,
    }
}

fn latin1(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// What follows the first such byte.
fn after(bytes: &[u8], byte: u8) -> &[u8] {
    bytes.iter().position(|&its| its == byte).map_or(&[], |at| &bytes[at + 1..])
}

/// A quoted value up to its closing quotation mark, and what follows that. Only a quotation mark and a backslash are
/// escaped by a backslash: in what browsers send, any other backslash belongs to the name.
fn unquote(quoted: &[u8]) -> (Vec<u8>, &[u8]) {
    let (mut value, mut at) = (Vec::new(), 0);
    while let Some(&byte) = quoted.get(at) {
        match (byte, quoted.get(at + 1)) {
            (b'"', _) => return (value, &quoted[at + 1..]),
            (b'\\', Some(&escaped @ (b'"' | b'\\'))) => {
                value.push(escaped);
                at += 2;
            }
            _ => {
                value.push(byte);
                at += 1;
            }
        }
    }
    (value, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(header: &str, name: &str) -> Option<String> {
        parameter(&parameters(header.as_bytes()), name).map(text)
    }

    #[test]
    fn values_are_read_quoted_or_not_and_what_is_inside_of_quotes_is_no_parameter() {
        let header = r#"form-data ; name = "a; filename=\"b\"" ;FileName=c:\d.png;x; filename*= utf-8''e ; y=""#;
        assert_eq!(value(header, "name").unwrap(), "a; filename=\"b\"");
        assert_eq!(value(header, "filename").unwrap(), "c:\\d.png");
        assert_eq!(value(header, "filename*").unwrap(), "utf-8''e");
        assert_eq!(value(header, "y").unwrap(), "");
        assert_eq!(value(header, "x"), None);
        assert_eq!(value(r#"form-data; filename="C:\a\b\\c.png""#, "filename").unwrap(), r"C:\a\b\c.png");
        assert_eq!(value("multipart/form-data; boundary=a=b:c/d?e ; charset=x", "boundary").unwrap(), "a=b:c/d?e");
        assert_eq!(value("multipart/form-data", "boundary"), None);
        assert_eq!(text(b"\xc3\xa2\xff"), "Ã¢ÿ", "what is no UTF-8 is Latin-1");
    }

    #[test]
    fn extended_values_are_read_in_both_charsets_of_the_standard() {
        let read = |value: &str| extended(value.as_bytes());
        assert_eq!(read("UTF-8''%c3%A2%20b.png").unwrap(), "â b.png");
        assert_eq!(read("iso-8859-1'fr'%E2.png").unwrap(), "â.png");
        for bad in ["", "a.png", "utf-8''%C3", "utf-8''%E2.png", "utf-8''%+1", "utf-8''%", "koi8-r''a"] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
