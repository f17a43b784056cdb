//! Decodes the files whose paths come on stdin, one a line, for `compare.py`: a line `WIDTH HEIGHT` with the pixels'
//! bytes after it, or a line `refused: SENTENCE`.

use std::io::{BufRead, Write, stdin, stdout};

use lobule::pixels::{DecodeLimits, read};

fn main() -> std::io::Result<()> {
    let mut out = stdout().lock();
    for path in stdin().lock().lines() {
        match read(path?.as_ref(), &DecodeLimits::default()) {
            Ok(decoded) => {
                writeln!(out, "{} {}", decoded.image.width(), decoded.image.height())?;
                out.write_all(&decoded.image)?;
            }
            Err(error) => {
                let reason = std::error::Error::source(&error).map(ToString::to_string);
                writeln!(out, "refused: {}", reason.unwrap_or_else(|| error.to_string()))?;
            }
        }
        out.flush()?;
    }
    Ok(())
}
