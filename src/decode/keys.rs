//! The keys that a topic's records have, learned as they come, each with the key that followed it last.
//!
//! An exporter writes its members in one order, so one comparison confirms nearly every key; members that come and go
//! cost a search each, and so do other exporters on the same topic.

use super::cursor::is_plain;
use super::field::Field;

/// Keys that are learned: three times the members of the widest record known, for several spellings and exporters.
const KEYS_MAX: usize = 192;

/// Names that no field has, for which there are bits.
const STRANGERS_MAX: u32 = u128::BITS - FIELD_BITS;

/// Bits of the fields.
const FIELD_BITS: u32 = 64;

const _: () = assert!(Field::ALL.len() <= FIELD_BITS as usize && KEYS_MAX < u8::MAX as usize);

/// Words that are compared without a call. All keys of Calico fit, with their quotes and colon.
const WORDS: usize = 5;

/// Bytes of those words.
const WORDS_BYTES: usize = WORDS * 8;

/// One key.
#[derive(Debug)]
struct Key {
    words: [u64; WORDS],
    // Ones where `words` count.
    masks: [u64; WORDS],
    /// The key between its quotes, the colon, and the space before or behind them that some encoders write.
    spelling: Box<[u8]>,
    /// The key alone.
    name: Box<[u8]>,
    meaning: Meaning,
    /// The place of the key that followed last.
    next: u8,
}

impl Key {
    fn new(spelling: &[u8], name: &[u8], meaning: Meaning) -> Self {
        let mut bytes = [0; WORDS_BYTES];
        let mut mask = [0; WORDS_BYTES];
        for ((to, mask), from) in bytes.iter_mut().zip(&mut mask).zip(spelling) {
            *to = *from;
            *mask = 0xff;
        }
        let words = |bytes: [u8; WORDS_BYTES]| {
            let mut words = [0; WORDS];
            for (word, bytes) in words.iter_mut().zip(bytes.as_chunks().0) {
                *word = u64::from_ne_bytes(*bytes);
            }
            words
        };
        Self {
            words: words(bytes),
            masks: words(mask),
            spelling: spelling.into(),
            name: name.into(),
            meaning,
            next: 0,
        }
    }

    /// Tells whether `rest` begins with this key.
    #[inline(always)]
    fn begins(&self, rest: &[u8]) -> bool {
        let Some(bytes) = rest.first_chunk::<WORDS_BYTES>() else { return rest.starts_with(&self.spelling) };
        let mut differs = 0;
        for ((bytes, word), mask) in bytes.as_chunks().0.iter().zip(&self.words).zip(&self.masks) {
            differs |= (u64::from_ne_bytes(*bytes) ^ word) & mask;
        }
        differs == 0 && (self.spelling.len() <= WORDS_BYTES || rest.starts_with(&self.spelling))
    }
}

/// What a key means.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meaning {
    /// The field that it spells, if any.
    pub(super) field: Option<Field>,
    /// One bit for the field, however it is spelled, or for the name that is no field's.
    pub(super) bit: u128,
}

/// A key's place among those that are known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct KeyPlace {
    own: u8,
    // The place of the key that is predicted.
    next: u8,
}

/// A key that was found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) place: KeyPlace,
    /// Bytes up to the value.
    pub(super) bytes: usize,
    pub(super) meaning: Meaning,
}

/// All keys that are known.
#[derive(Debug)]
pub(super) struct Keys {
    // INVARIANT: the first one stands for the record's begin, and no text begins with it.
    known: Vec<Key>,
    strangers: u32,
}

impl Keys {
    /// Starts without experience.
    pub(super) fn new() -> Self {
        Self { known: vec![Self::start()], strangers: 0 }
    }

    /// A byte that UTF-8 never has begins no text.
    fn start() -> Key {
        Key::new(&[0xff], &[0xff], Meaning { field: None, bit: 0 })
    }

    /// Returns the place before the first member.
    #[inline(always)]
    pub(super) fn begin(&self) -> KeyPlace {
        KeyPlace { own: 0, next: self.known.first().map_or(0, |it| it.next) }
    }

    /// Finds the key that `rest` begins with; `last` is the one before. Nothing when no key stands there, or one
    /// that is not plain, or when too many are known: then all are forgotten.
    #[inline(always)]
    pub(super) fn find(&mut self, last: KeyPlace, rest: &[u8]) -> Option<Found> {
        let predicted = self.known.get(usize::from(last.next))?;
        if predicted.begins(rest) {
            let Key { spelling, meaning, next, .. } = predicted;
            let place = KeyPlace { own: last.next, next: *next };
            return Some(Found { place, bytes: spelling.len(), meaning: *meaning });
        }
        self.search(last, rest)
    }

    #[inline(never)]
    fn search(&mut self, last: KeyPlace, rest: &[u8]) -> Option<Found> {
        let before = usize::from(rest.first() == Some(&b' '));
        let inside = rest.get(before..)?.strip_prefix(b"\"")?;
        let name = inside.get(..memchr::memchr(b'"', inside)?)?;
        let behind = inside.get(name.len() + 1..)?.strip_prefix(b":")?;
        let bytes = before + name.len() + 3 + usize::from(behind.first() == Some(&b' '));
        let spelling = rest.get(..bytes)?;
        let place = match self.known.iter().position(|it| *it.spelling == *spelling) {
            Some(place) => place,
            None => self.learn(spelling, name)?,
        };
        let own = u8::try_from(place).ok()?;
        self.known.get_mut(usize::from(last.own))?.next = own;
        let Key { meaning, next, .. } = self.known.get(place)?;
        Some(Found { place: KeyPlace { own, next: *next }, bytes, meaning: *meaning })
    }

    #[cold]
    fn learn(&mut self, spelling: &[u8], name: &[u8]) -> Option<usize> {
        if !is_plain(name) {
            return None;
        }
        let place = self.known.len();
        if place == KEYS_MAX || self.strangers == STRANGERS_MAX {
            *self = Self::new();
            return None;
        }
        let field = Field::find(std::str::from_utf8(name).ok()?);
        let meaning = match (field, self.known.iter().find(|it| *it.name == *name)) {
            (Some(field), _) => Meaning { field: Some(field), bit: 1 << field as u8 },
            (None, Some(known)) => known.meaning,
            (None, None) => {
                let bit = 1 << (FIELD_BITS + self.strangers);
                self.strangers += 1;
                Meaning { field: None, bit }
            }
        };
        self.known.push(Key::new(spelling, name, meaning));
        Some(place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prediction_does_not_change_the_answer() {
        let long = "x".repeat(100);
        let longer = "x".repeat(101);
        let names = ["start_time", "tcp_mean_send_congestion_window", "novel", &long, &longer, "", "proto"];
        let mut keys = Keys::new();
        for step in 1..names.len() {
            for behind in ["", "1}", "\"some text that is longer than what is compared at once\"}"] {
                let mut last = keys.begin();
                let mut seen = 0;
                for round in 0..2 * names.len() {
                    let name = names[round * step % names.len()];
                    let (before, space) = [("", ""), (" ", ""), ("", " "), (" ", " ")][round % 4];
                    let rest = format!("{before}\"{name}\":{space}{behind}");
                    let found = keys.find(last, rest.as_bytes()).unwrap();
                    assert_eq!(found.bytes, rest.len() - behind.len(), "{rest}");
                    assert_eq!(found.meaning.field, Field::find(name), "{rest}");
                    let is_first = (0..round).all(|it| names[it * step % names.len()] != name);
                    assert_eq!(seen & found.meaning.bit == 0, is_first, "{rest}");
                    seen |= found.meaning.bit;
                    last = found.place;
                }
            }
        }
        // What stands for the begin of a record is predicted where nothing else is.
        let last = keys.find(keys.begin(), b"\"novel key\":1").unwrap().place;
        assert_eq!(last.next, 0);
        assert!(keys.find(last, b"\0\"a\":1").is_none());
        assert!(Keys::new().find(Keys::new().begin(), b"\0\"a\":1").is_none());
        for none in ["", "}", "\"a", "\"a\"", "\"a\" :1", "a:", "\"é\":1", "\"a\\\\\":1", "\"a\n\":1"] {
            assert!(keys.find(keys.begin(), none.as_bytes()).is_none(), "{none}");
        }
    }

    #[test]
    fn what_is_known_is_bounded() {
        let mut keys = Keys::new();
        let mut forgotten = 0;
        for novel in 0..1_000 {
            let found = keys.find(keys.begin(), format!("\"novel-{novel}\":").as_bytes());
            forgotten += u32::from(found.is_none());
            assert!(keys.known.len() <= KEYS_MAX);
        }
        assert_eq!(forgotten, 1_000 / (STRANGERS_MAX + 1));
        assert!(keys.find(keys.begin(), b"\"proto\":").is_some());
    }
}
