//! Labels of an endpoint.

use std::fmt;
use std::sync::Arc;

use super::name::Name;

/// A set of labels, sorted by key; a key stands once. Cloning counts a reference.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LabelSet {
    // INVARIANT: sorted by key, keys are unique.
    pairs: Arc<Vec<(Name, Name)>>,
}

impl LabelSet {
    /// Returns the value of `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Name> {
        let idx = self.pairs.binary_search_by(|(it, _)| it.as_str().cmp(key)).ok()?;
        self.pairs.get(idx).map(|(_, value)| value)
    }

    /// Sets the value of `key`.
    pub fn insert(&mut self, key: Name, value: Name) {
        match self.pairs.binary_search_by(|(it, _)| it.cmp(&key)) {
            Ok(idx) => {
                if let Some(pair) = Arc::make_mut(&mut self.pairs).get_mut(idx) {
                    pair.1 = value;
                }
            }
            Err(idx) => Arc::make_mut(&mut self.pairs).insert(idx, (key, value)),
        }
    }

    /// Returns the labels in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Name)> {
        self.pairs.iter().map(|(key, value)| (key, value))
    }

    /// Returns the number of labels.
    #[must_use]
    pub fn len(&self) -> usize {
        self.pairs.len()
    }

    /// Tells whether there is no label.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pairs.is_empty()
    }
}

/// Of two values for one key the later wins.
impl<K: Into<Name>, V: Into<Name>> FromIterator<(K, V)> for LabelSet {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        let mut set = Self::default();
        for (key, value) in pairs {
            set.insert(key.into(), value.into());
        }
        set
    }
}

/// Prints `k=v` pairs joined by a comma.
impl fmt::Display for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, (key, value)) in self.pairs.iter().enumerate() {
            let comma = if idx == 0 { "" } else { "," };
            write!(f, "{comma}{key}={value}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for LabelSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

/// Labels as the decoder hands them on: one `key=value` a line, in the record's order, not yet parsed.
///
/// Whole texts repeat massively, so the tables hash and intern the text and parse it only when it is new. The
/// decoder has checked every line: it holds an `=`, and no control character.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LabelsText<'a>(pub &'a str);

impl LabelsText<'_> {
    /// Parses the lines; of two values for one key the later wins.
    #[must_use]
    pub fn parse(self) -> LabelSet {
        self.0.lines().filter_map(|line| line.split_once('=')).collect()
    }
}
