//! The share of a work that one of several processes does.

use std::fmt;
use std::str::FromStr;

/// One of `count` shares of a work, which other processes do the others of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Its number, from 0 and below `count`.
    pub index: u32,
    /// How many there are, at least 1.
    pub count: u32,
}

impl Shard {
    /// Whether a piece of work with this number is in the share: all pieces whose number leaves `index` when it is divided
    /// by `count` are.
    pub fn has(self, number: u64) -> bool {
        number.checked_rem(self.count.into()) == Some(self.index.into())
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = String;

    /// Reads `index/count`.
    ///
    /// # Errors
    /// When these are not two whole numbers, the first below the second; the error is a sentence that says so.
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once('/').and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        match parsed {
            Some((index, count)) if index < count => Ok(Self { index, count }),
            _ => Err(format!("{text} is no shard; it is I/N, with I from 0 to N - 1, such as 0/8")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_is_written_as_i_of_n() {
        assert_eq!("0/1".parse(), Ok(Shard { index: 0, count: 1 }));
        assert_eq!("3/50".parse(), Ok(Shard { index: 3, count: 50 }));
        assert_eq!(Shard { index: 3, count: 50 }.to_string(), "3/50");
        for wrong in ["", "3", "3/", "/3", "3/3", "-1/3", "1/0", "1/x", "1/2/3"] {
            assert!(wrong.parse::<Shard>().unwrap_err().contains("no shard"), "{wrong}");
        }
    }
}
