//! Three-valued truth: what a record does not carry is neither true nor false.

use std::ops::Not;

use super::verdict::Missing;

/// Whether a condition holds.
///
/// A conjunction is false if any part is false, else unknown if any part is unknown, else true. Negation keeps
/// unknown.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Truth {
    /// It does not hold.
    False,
    /// It holds.
    True,
    /// The record does not carry what the condition asks for.
    Unknown(Missing),
}

impl Truth {
    /// Joins two conditions that must both hold.
    #[must_use]
    pub const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::False, _) | (_, Self::False) => Self::False,
            (Self::True, it) | (it, Self::True) => it,
            (Self::Unknown(a), Self::Unknown(b)) => Self::Unknown(a.union(b)),
        }
    }

    /// Joins two conditions of which one must hold.
    #[must_use]
    pub const fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::True, _) | (_, Self::True) => Self::True,
            (Self::False, it) | (it, Self::False) => it,
            (Self::Unknown(a), Self::Unknown(b)) => Self::Unknown(a.union(b)),
        }
    }

    /// Says the same of the other end: what was missing at the source is missing at the destination.
    #[must_use]
    pub const fn seen_at_dest(self) -> Self {
        match self {
            Self::Unknown(missing) => Self::Unknown(missing.seen_at_dest()),
            Self::True | Self::False => self,
        }
    }
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::True => Self::False,
            Self::Unknown(_) => self,
        }
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn false_wins_over_unknown_and_unknown_over_true() {
        let labels = Truth::Unknown(Missing::SOURCE_LABELS);
        let port = Truth::Unknown(Missing::DEST_PORT);
        assert_eq!(labels.and(Truth::False), Truth::False);
        assert_eq!(labels.and(Truth::True), labels);
        assert_eq!(labels.or(Truth::True), Truth::True);
        assert_eq!(labels.and(port), Truth::Unknown(Missing::SOURCE_LABELS.union(Missing::DEST_PORT)));
        assert_eq!(!labels, labels);
    }

    #[test]
    fn what_one_end_lacks_is_named_for_its_own_side() {
        assert_eq!(
            Truth::Unknown(Missing::SOURCE_NAMESPACE).seen_at_dest(),
            Truth::Unknown(Missing::DEST_NAMESPACE)
        );
        assert_eq!(Truth::Unknown(Missing::PORT_NAMES).seen_at_dest(), Truth::Unknown(Missing::PORT_NAMES));
    }
}
