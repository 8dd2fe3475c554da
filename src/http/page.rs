//! Pages of a listing, and the cursors between them.

use std::fmt::Write;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;

use super::problem::{Kind, Problem};

/// The items of a page when nobody says how many.
const LIMIT_DEFAULT: u32 = 100;
/// The most items of a page: about a megabyte of edges.
pub(super) const LIMIT_MAX: u32 = 1000;

/// One page of a listing.
#[derive(Clone, PartialEq, Debug, Serialize, ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// What to pass as `cursor` for the next page, with the same filters; `null` on the last page.
    #[schema(required)]
    pub next_cursor: Option<String>,
}

/// Checks a limit.
pub(super) fn limit(limit: Option<u32>) -> Result<usize, Problem> {
    let limit = limit.unwrap_or(LIMIT_DEFAULT);
    if (1..=LIMIT_MAX).contains(&limit) {
        Ok(limit as usize)
    } else {
        Err(Problem::new(Kind::BadParameter, format!("`limit` must be between 1 and {LIMIT_MAX}")))
    }
}

/// Reads a limit as it stands in a query. The words of the parser would not say what is expected.
pub(super) fn limit_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<u32>, D::Error> {
    let text = String::deserialize(from)?;
    let wrong = |_| D::Error::custom(format!("must be a whole number between 1 and {LIMIT_MAX}"));
    text.parse().map(Some).map_err(wrong)
}

/// A listing under certain filters: what a cursor belongs to.
#[derive(Debug)]
pub(super) struct Listing {
    name: &'static str,
    filters: String,
}

impl Listing {
    /// Names a listing and its filters, in a fixed order.
    pub(super) fn new(name: &'static str, filters: &[Option<&str>]) -> Self {
        let mut digest = Sha256::new();
        for filter in filters {
            // The length keeps two filters from running into one.
            let text = filter.map_or_else(|| "-".to_owned(), |it| format!("{}:{it}", it.len()));
            digest.update(text.as_bytes());
        }
        let digest: [u8; 32] = digest.finalize().into();
        Self { name, filters: hexadecimal(&digest[..4]) }
    }

    /// Makes the cursor that goes on behind `key`.
    pub(super) fn cursor(&self, key: &str) -> String {
        hexadecimal(format!("{} {} {key}", self.name, self.filters).as_bytes())
    }

    /// Finds the key in a cursor of this listing.
    pub(super) fn key(&self, cursor: &str) -> Result<String, Problem> {
        let bad = || {
            Problem::new(
                Kind::BadCursor,
                "pass `next_cursor` of the page before, unchanged and with the same filters; or leave `cursor` out",
            )
        };
        let text = bytes(cursor).and_then(|it| String::from_utf8(it).ok()).ok_or_else(bad)?;
        let key = text
            .strip_prefix(self.name)
            .and_then(|it| it.strip_prefix(' '))
            .and_then(|it| it.strip_prefix(&self.filters))
            .and_then(|it| it.strip_prefix(' '));
        key.map(str::to_owned).ok_or_else(bad)
    }

    /// Says that a key of ours cannot be read.
    pub(super) fn bad_key() -> Problem {
        Problem::new(Kind::BadCursor, "the cursor was changed on its way; leave `cursor` out to begin again")
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        write!(text, "{byte:02x}").expect("text takes every character");
        text
    })
}

fn bytes(hexadecimal: &str) -> Option<Vec<u8>> {
    let digits = hexadecimal.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |it: u8| (it as char).to_digit(16).and_then(|it| u8::try_from(it).ok());
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? * 16 + digit(pair[1])?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_belongs_to_its_listing_and_filters() {
        let listing = Listing::new("edges", &[Some("shop"), None]);
        let cursor = listing.cursor("a/b c");
        assert_eq!(listing.key(&cursor), Ok("a/b c".to_owned()));
        let others = [
            Listing::new("denies", &[Some("shop"), None]),
            Listing::new("edges", &[None, Some("shop")]),
            Listing::new("edges", &[Some("sho"), Some("p")]),
        ];
        for other in others {
            assert!(other.key(&cursor).is_err(), "{other:?}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let listing = Listing::new("edges", &[]);
        for cursor in ["", "0", "zz", "é", "00ff", "6564676573"] {
            assert!(listing.key(cursor).is_err(), "{cursor}");
        }
    }

    #[test]
    fn a_page_has_between_one_and_a_thousand_items() {
        assert_eq!(limit(None), Ok(100));
        assert_eq!(limit(Some(1000)), Ok(1000));
        assert!(limit(Some(0)).is_err());
        assert!(limit(Some(1001)).is_err());
    }
}
