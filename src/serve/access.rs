//! Who may ask: a bearer token for predictions (RFC 6750), and which other sites' scripts may read answers (CORS).
//!
//! Without a token everybody is answered who reaches the port; without origins no script of another site is.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZero;
use std::str::FromStr;

use hyper::HeaderMap;
use hyper::header::{AUTHORIZATION, HeaderValue, WWW_AUTHENTICATE};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::error::{Code, HttpError};

/// A secret that clients show as `Authorization: Bearer TOKEN`; only its SHA-256 is kept.
#[derive(Clone)]
pub struct Token([u8; 32]);

impl Token {
    /// Whether a request shows it. What is compared are hashes, in a time that says nothing of them.
    ///
    /// # Errors
    /// 401 when it shows none, or another.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), HttpError> {
        let shown = headers.get(AUTHORIZATION).and_then(|value| bearer(value.as_bytes()));
        let detail = match shown {
            Some(shown) if bool::from(self.0.ct_eq(&hash(shown))) => return Ok(()),
            Some(_) => "This is not the service's token. Ask whoever runs it for the right one.",
            None => "This address wants a token. Send it in the header Authorization, as: Bearer TOKEN.",
        };
        let header = Some((WWW_AUTHENTICATE, "Bearer realm=\"lobule\""));
        Err(HttpError { header, ..HttpError::new(Code::Unauthorized, detail) })
    }
}

impl FromStr for Token {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // What a header can carry as it is; anything else would be refused for ever.
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a token is one or more printable ASCII characters without spaces");
        }
        Ok(Self(hash(text.as_bytes())))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

fn hash(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

/// What follows the scheme, which is written in any case.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

/// A site as browsers name it in `Origin`: scheme, host and port, such as `https://example.org`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl Origin {
    /// Whether a browser names this one.
    pub(super) fn is(&self, named: &HeaderValue) -> bool {
        self.0 == named
    }
}

impl FromStr for Origin {
    type Err = String;

    /// Takes what a browser could send, to the letter; anything else would be held against every request in vain.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "an origin is a scheme and a host as browsers write them, such as https://example.org or \
                            http://localhost:3000";
        let never = |why: &str| format!("{why}, so that no browser sends it: {FORM}");
        let without_scheme = || match text {
            "" => format!("it is empty: {FORM}"),
            "*" => format!("each origin is named by itself, and * is none: {FORM}"),
            _ => never("it does not begin with http:// or https:// in small letters"),
        };
        let split = text.split_once("://").filter(|(scheme, _)| ["http", "https"].contains(scheme));
        let (scheme, authority) = split.ok_or_else(without_scheme)?;
        if authority.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return Err(never("it has a space in it"));
        }
        if authority.contains(['/', '?', '#']) {
            return Err(never("it has something behind the host and port, if only a slash"));
        }
        if authority.contains('@') {
            return Err(never("it has the name of a user"));
        }
        let in_brackets = authority.rfind(']').unwrap_or(0);
        let (host, port) = match authority[in_brackets..].rfind(':') {
            Some(colon) => (&authority[..in_brackets + colon], Some(&authority[in_brackets + colon + 1..])),
            None => (authority, None),
        };
        if host.is_empty() {
            return Err(never("it has no host"));
        }
        if !is_host(host) {
            return Err(never("its host is not one in small letters, digits, hyphens and dots, or an IP address"));
        }
        match port {
            Some("80") if scheme == "http" => return Err(never("80 is the port of http anyway, and left out")),
            Some("443") if scheme == "https" => return Err(never("443 is the port of https anyway, and left out")),
            Some("") => return Err(never("it ends in a colon without a port")),
            Some(port) => match port.parse::<NonZero<u16>>() {
                Err(_) => return Err(never("its port is not a number from 1 to 65535")),
                Ok(number) if number.to_string() != port => {
                    return Err(never(&format!("its port should be written {number}")));
                }
                Ok(_) => {}
            },
            None => {}
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| never("it has letters that no header has"))
    }
}

/// Whether browsers leave a host as it is. They write letters small, others than ASCII's in Punycode, and addresses in
/// their shortest form.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok_and(|parsed| parsed.to_string() == address);
    }
    let label = |label: &str| {
        !label.is_empty() && label.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_'))
    };
    // A last label of digits makes it an address for a browser.
    let is_address = host.rsplit('.').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
    host.split('.').all(label) && (!is_address || host.parse::<Ipv4Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_itself_lets_in() {
        let token: Token = "s3cret-token".parse().unwrap();
        let check = |value: &'static str| {
            token.check(&HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static(value))]))
        };
        check("Bearer s3cret-token").unwrap();
        check("bearer  s3cret-token ").unwrap();
        for wrong in
            ["Bearer s3cret-toke", "Bearer s3cret-token2", "Bearer ", "Bearer", "Basic s3cret-token", "s3cret-token"]
        {
            let error = check(wrong).unwrap_err();
            assert_eq!(error.code, Code::Unauthorized, "{wrong}");
            assert!(error.header.is_some());
        }
        assert!(token.check(&HeaderMap::new()).is_err());
        assert!(!format!("{token:?}").contains("s3cret"));
        assert!("".parse::<Token>().is_err() && "two words".parse::<Token>().is_err());
    }

    #[test]
    fn an_origin_is_what_a_browser_can_send_and_anything_else_is_refused_with_the_reason() {
        let origin: Origin = "https://example.org".parse().unwrap();
        assert!(origin.is(&HeaderValue::from_static("https://example.org")));
        assert!(!origin.is(&HeaderValue::from_static("https://example.org.evil.org")));
        for good in
            ["http://localhost:3000", "https://a-b.xn--bcher-kva.de:8443", "http://127.0.0.1", "http://[::1]:81"]
        {
            assert!(good.parse::<Origin>().is_ok(), "{good}");
        }
        for (bad, reason) in [
            ("null example.org ftp://example.org", "does not begin with http"),
            ("HTTPS://example.org", "in small letters"),
            ("*", "* is none"),
            (
                "https://example.org/ https://example.org/page https://example.org?a=b https://example.org#top",
                "a slash",
            ),
            ("https://jane@example.org", "a user"),
            ("https://Example.org https://bücher.de https://*.example.org", "small letters"),
            ("https:// https://:8080", "no host"),
            ("https://a..b http://127.1 http://[0:0:0:0:0:0:0:1] http://::1", "its host"),
            ("https://example.org:443", "443 is the port of https"),
            ("http://example.org:80", "80 is the port of http"),
            ("http://example.org:", "ends in a colon"),
            ("http://example.org:080 http://example.org:+80", "its port should be written 80"),
            ("http://example.org:65536 http://example.org:0 http://example.org:http", "from 1 to 65535"),
        ] {
            for bad in bad.split(' ') {
                let refusal = bad.parse::<Origin>().unwrap_err();
                assert!(refusal.contains(reason), "{bad}: {refusal}");
            }
        }
        assert!("".parse::<Origin>().unwrap_err().starts_with("it is empty"));
        assert!(" https://example.org".parse::<Origin>().unwrap_err().contains("does not begin"));
        assert!("https://example.org ".parse::<Origin>().unwrap_err().contains("a space"));
    }
}
