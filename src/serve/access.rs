//! Who may ask: a bearer token for predictions (RFC 6750), and which other sites' scripts may read answers (CORS).
//!
//! Without a token everybody who reaches the port is answered; without origins no other site's script is.

use std::fmt;
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
    /// Whether a request shows it. What is compared are hashes, in a time that tells nothing of them.
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
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str = "an origin is a scheme and a host, such as https://example.org or http://localhost:3000";
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://")).ok_or(FORM)?;
        if host.is_empty() || host.contains(['/', '?', '#', '@', '*', ' ']) || host != host.to_ascii_lowercase() {
            return Err(FORM);
        }
        HeaderValue::from_str(text).map(Self).map_err(|_| FORM)
    }
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
    fn an_origin_is_a_scheme_and_a_host() {
        let origin: Origin = "https://example.org".parse().unwrap();
        assert!(origin.is(&HeaderValue::from_static("https://example.org")));
        assert!(!origin.is(&HeaderValue::from_static("https://example.org.evil.org")));
        for bad in
            ["*", "example.org", "https://", "https://example.org/", "ftp://example.org", "null", "https://Example.org"]
        {
            assert!(bad.parse::<Origin>().is_err(), "{bad}");
        }
    }
}
