//! One forward reader over JSON as compact encoders write it.
//!
//! It reads less than JSON: at most one space behind `,` and `:` (as Python's encoder writes), whole numbers of at most
//! 16 digits, and in text neither an escape nor a control character nor anything but ASCII: such text does not stand there
//! as it is meant, is not to be taken at all, or is no name of Kubernetes. Whatever it takes is JSON; what it does not take may be JSON too, and `None` says no more than
//! that. So its caller must be able to ask someone else.

use memchr::memchr;

use super::limits::MEMBERS_MAX;

/// How deep values that are skipped may be nested: with the two containers around them still less than
/// [`DEPTH_MAX`](super::limits::DEPTH_MAX), which rejects.
const SKIPPED_DEPTH_MAX: usize = 8;

/// How far text is searched in registers, before the search that is made for long text begins.
const SHORT_TEXT: usize = 64;

/// What a number grows by when digits are written behind it.
const POWERS: [u64; 9] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000];

/// A place in JSON text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    /// Stands before the first byte.
    pub(super) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Returns what is left to read.
    #[inline(always)]
    pub(super) fn rest(&self) -> &'a [u8] {
        self.text.as_bytes().get(self.at..).unwrap_or_default()
    }

    /// Tells whether everything was read.
    pub(super) const fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Returns the next byte and stays before it.
    #[inline(always)]
    pub(super) fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// Goes on by some bytes that were looked at.
    #[inline(always)]
    pub(super) const fn advance(&mut self, bytes: usize) {
        self.at += bytes;
    }

    /// Reads the next byte.
    #[inline(always)]
    pub(super) fn next(&mut self) -> Option<u8> {
        let byte = self.peek()?;
        self.at += 1;
        Some(byte)
    }

    /// Reads one byte if it is this one; tells whether it was.
    #[inline(always)]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is_there = self.peek() == Some(byte);
        self.at += usize::from(is_there);
        is_there
    }

    /// Reads one byte, which must be this one.
    #[inline(always)]
    pub(super) fn expect(&mut self, byte: u8) -> Option<()> {
        self.take(byte).then_some(())
    }

    /// Reads what stands behind a member or an element: tells whether another one follows, or `close` ends them.
    #[inline]
    pub(super) fn more(&mut self, close: u8) -> Option<bool> {
        let byte = self.next()?;
        if byte == b',' {
            self.take(b' ');
            return Some(true);
        }
        (byte == close).then_some(false)
    }

    /// Reads a string.
    #[inline(always)]
    pub(super) fn string(&mut self) -> Option<&'a str> {
        self.expect(b'"')?;
        let begin = self.at;
        let end = begin + find_quote(self.rest())?;
        self.at = end + 1;
        self.text.get(begin..end)
    }

    /// Reads a member's name and the colon behind it.
    #[inline]
    pub(super) fn key(&mut self) -> Option<&'a str> {
        let key = self.string()?;
        self.expect(b':')?;
        self.take(b' ');
        Some(key)
    }

    /// Reads `null`; tells whether it was there.
    #[inline(always)]
    pub(super) fn null(&mut self) -> bool {
        self.word(b"null")
    }

    #[inline(always)]
    fn word<const N: usize>(&mut self, word: &[u8; N]) -> bool {
        let is_there = self.rest().first_chunk::<N>() == Some(word);
        self.at += if is_there { N } else { 0 };
        is_there
    }

    /// Reads a whole number without a sign.
    #[inline(always)]
    pub(super) fn whole(&mut self) -> Option<u64> {
        let begin = self.peek()?;
        let (mut number, mut count) = digits(self.rest());
        if count == 8 {
            let (low, low_count) = digits(self.rest().get(8..).unwrap_or_default());
            number = number * POWERS.get(low_count as usize).copied()? + low;
            count += low_count;
        }
        if count == 0 || (begin == b'0' && count > 1) {
            return None;
        }
        self.at += count as usize;
        Some(number)
    }

    /// Reads an object that holds no other, and nothing that looks like the end of one: from `{` to the first `}`.
    #[inline(always)]
    pub(super) fn flat_object(&mut self) -> Option<&'a str> {
        let begin = self.at;
        if self.peek()? != b'{' {
            return None;
        }
        self.at += memchr(b'}', self.rest())? + 1;
        self.text.get(begin..self.at)
    }

    /// Reads an array of strings and gives each to `visit`.
    #[inline]
    pub(super) fn strings(&mut self, mut visit: impl FnMut(usize, &'a str) -> Option<()>) -> Option<()> {
        self.expect(b'[')?;
        if self.take(b']') {
            return Some(());
        }
        for position in 0..MEMBERS_MAX {
            visit(position, self.string()?)?;
            if !self.more(b']')? {
                return Some(());
            }
        }
        None
    }

    /// Reads any value, and checks it in full.
    #[inline]
    pub(super) fn skip(&mut self) -> Option<()> {
        match self.peek()? {
            b'"' => self.string().map(drop),
            b'0'..=b'9' | b'-' => self.skip_number(),
            b'n' => self.null().then_some(()),
            _ => self.skip_rare(SKIPPED_DEPTH_MAX),
        }
    }

    /// Reads what is not a string, a number or `null`.
    fn skip_rare(&mut self, depth: usize) -> Option<()> {
        let depth = depth.checked_sub(1)?;
        let (is_object, close) = match self.peek()? {
            b'{' => (true, b'}'),
            b'[' => (false, b']'),
            b't' => return self.word(b"true").then_some(()),
            b'f' => return self.word(b"false").then_some(()),
            _ => return None,
        };
        self.at += 1;
        if self.take(close) {
            return Some(());
        }
        loop {
            if is_object {
                self.key()?;
            }
            match self.peek()? {
                b'"' => drop(self.string()?),
                b'0'..=b'9' | b'-' => self.skip_number()?,
                b'n' => self.null().then_some(())?,
                _ => self.skip_rare(depth)?,
            }
            if !self.more(close)? {
                return Some(());
            }
        }
    }

    /// Reads a number that may have a sign and a fraction. What could lie outside of the range of a double has an
    /// exponent or too many digits, and is not read.
    #[inline]
    fn skip_number(&mut self) -> Option<()> {
        let is_negative = self.take(b'-');
        let number = self.whole()?;
        if self.peek() == Some(b'.') {
            return self.skip_fraction();
        }
        (!is_negative || number > 0).then_some(())
    }

    /// Reads the point and the digits behind it.
    pub(super) fn skip_fraction(&mut self) -> Option<()> {
        self.expect(b'.')?;
        let (_, count) = digits(self.rest());
        self.at += count as usize;
        if count == 8 {
            self.at += digits(self.rest()).1 as usize;
        }
        (count > 0).then_some(())
    }
}

/// Finds the quote that ends plain text. Most text has fewer than 16 bytes, so a call would cost more than the search.
/// What follows shortly behind must be plain, too, which it is in nearly every record.
#[inline(always)]
fn find_quote(rest: &[u8]) -> Option<usize> {
    const QUOTES: u128 = u128::from_ne_bytes([b'"'; 16]);
    const ONES: u128 = u128::from_ne_bytes([0x01; 16]);
    const TOPS: u128 = u128::from_ne_bytes([0x80; 16]);
    let mut at = 0;
    while at < SHORT_TEXT
        && let Some(chunk) = rest.get(at..).and_then(<[u8]>::first_chunk::<16>)
    {
        if !is_plain(chunk) {
            return None;
        }
        // The lowest top bit that is set marks the first zero byte; higher ones may be wrong (Hacker's Delight, 6-1).
        let word = u128::from_le_bytes(*chunk) ^ QUOTES;
        let found = word.wrapping_sub(ONES) & !word & TOPS;
        if found != 0 {
            return Some(at + (found.trailing_zeros() / 8) as usize);
        }
        at += 16;
    }
    find_far_quote(rest, at)
}

/// Finds the quote that ends plain text behind what was searched: in long text, or near the end of the record.
#[inline(never)]
fn find_far_quote(rest: &[u8], searched: usize) -> Option<usize> {
    let rest = rest.get(searched..)?;
    let end = memchr(b'"', rest)?;
    is_plain(rest.get(..end)?).then_some(searched + end)
}

/// Tells whether text holds no escape, no control character and nothing but ASCII.
///
/// Without an early exit the compiler looks at 16 bytes at once.
#[inline(always)]
pub(super) fn is_plain(text: &[u8]) -> bool {
    // One comparison for both ends: 0x7f and all above it are negative behind the addition.
    let is_odd = |byte: u8| (byte.cast_signed().wrapping_add(1) < 0x21) | (byte == b'\\');
    !text.iter().fold(false, |found, byte| found | is_odd(*byte))
}

/// Reads the digits at the begin, at most eight, without a branch for each: their value and their count.
///
/// The eight bytes are one number in which the first digit is the lowest; pairs, quads and all are joined by
/// multiplication (Daniel Lemire, "Quickly parsing eight digits", 2018).
#[inline(always)]
fn digits(rest: &[u8]) -> (u64, u32) {
    const ZEROS: u64 = u64::from_ne_bytes([b'0'; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    // What lifts 10 and all above it into the top bit.
    const LIFT: u64 = u64::from_ne_bytes([0x76; 8]);
    const PAIR: u64 = 0x0000_00ff_0000_00ff;
    let bytes = match rest.first_chunk::<8>() {
        Some(bytes) => *bytes,
        None => {
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(rest).for_each(|(to, from)| *to = *from);
            bytes
        }
    };
    let word = u64::from_le_bytes(bytes) ^ ZEROS;
    // A byte above 0x7f may carry into the next one, but is itself marked, and only the lowest mark is looked at.
    let others = (word.wrapping_add(LIFT) | word) & TOPS;
    let count = others.trailing_zeros() / 8;
    if count == 0 {
        return (0, 0);
    }
    // Behind the shift the missing digits are leading zeros.
    let word = word << (64 - 8 * count);
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8);
    let high = (pairs & PAIR).wrapping_mul(100 + (1_000_000 << 32));
    let low = ((pairs >> 16) & PAIR).wrapping_mul(1 + (10_000 << 32));
    (high.wrapping_add(low) >> 32, count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length_are_read() {
        let mut expect = 0_u64;
        for length in 1..=16 {
            expect = expect * 10 + length % 10;
            for behind in ["", ",", "}", "/:;", "x1234567890"] {
                let text = format!("{expect}{behind}");
                let mut cursor = Cursor::new(&text);
                assert_eq!(cursor.whole(), Some(expect), "{text}");
                assert_eq!(cursor.rest(), behind.as_bytes());
            }
        }
        // Of more digits than it reads it leaves some, which no caller takes for what follows a number.
        let mut cursor = Cursor::new("12345678901234567");
        assert_eq!((cursor.whole(), cursor.rest()), (Some(1_234_567_890_123_456), &b"7"[..]));
        for none in ["", "-1", "01", "00", "x", "\u{e9}1"] {
            assert_eq!(Cursor::new(none).whole(), None, "{none}");
        }
        assert_eq!(Cursor::new("0").whole(), Some(0));
    }

    #[test]
    fn quotes_are_found_at_every_distance() {
        for length in 0..200 {
            for behind in [0, 1, 7, 40] {
                // Bytes beside the quote's value would show a borrow that goes too far.
                let inside: String = "!#~z".chars().cycle().take(length).collect();
                let text = format!("\"{inside}\"{}", "\"#".repeat(behind));
                let mut cursor = Cursor::new(&text);
                assert_eq!(cursor.string(), Some(inside.as_str()));
                assert_eq!(cursor.rest().len(), 2 * behind);
            }
        }
        assert_eq!(Cursor::new("\"never ends, though it goes on for more than one word").string(), None);
    }

    #[test]
    fn text_that_is_not_plain_is_not_read_at_any_distance() {
        for odd in ["\\", "\n", "\0", "\u{1f}", "\u{7f}", "\u{a2}", "\u{20ac}"] {
            for before in 0..100 {
                for behind in [0, 1, 20, 70] {
                    let text = format!("\"{}{odd}{}\"", "a".repeat(before), "b".repeat(behind));
                    assert_eq!(Cursor::new(&text).string(), None, "{text:?}");
                }
            }
        }
    }

    #[test]
    fn skipped_values_are_checked_in_full() {
        let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        for json in
            ["\"a\"", "-1", "0.5", "null", "true", "false", "[]", "{}", "[1, {\"a\": [\"b\"]}]", &deep(8)]
        {
            let mut cursor = Cursor::new(json);
            assert_eq!(cursor.skip(), Some(()), "{json}");
            assert!(cursor.is_at_end(), "{json}");
            assert!(serde_json::from_str::<serde_json::Value>(json).is_ok());
        }
        for json in [
            "",
            "[1 2]",
            "[1,]",
            "{1:2}",
            "{\"a\"}",
            "{\"a\":}",
            "-",
            "-0",
            "1.",
            "nul",
            "tru",
            "[",
            &deep(9),
        ] {
            assert_eq!(Cursor::new(json).skip(), None, "{json}");
        }
    }
}
