//! Three answers to a condition.

use flowstage::evaluate::Missing;

/// Whether a condition holds, as far as the record tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Truth {
    True,
    False,
    /// It cannot be told without this.
    Unknown(Missing),
}

impl Truth {
    pub fn of(holds: bool) -> Self {
        if holds { Self::True } else { Self::False }
    }

    /// Swaps True and False; Unknown stays.
    pub fn not(self) -> Self {
        match self {
            Self::True => Self::False,
            Self::False => Self::True,
            Self::Unknown(missing) => Self::Unknown(missing),
        }
    }

    /// False if any part is False, else Unknown if any part is Unknown, else True. Asks no further than the first part
    /// that is False.
    pub fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let mut sum = Self::True;
        for part in parts {
            sum = match (sum, part) {
                (_, Self::False) => return Self::False,
                (sum, Self::True) => sum,
                (Self::Unknown(a), Self::Unknown(b)) => Self::Unknown(a.union(b)),
                (Self::True | Self::False, Self::Unknown(missing)) => Self::Unknown(missing),
            };
        }
        sum
    }

    /// True if any part is True, else Unknown if any part is Unknown, else False.
    pub fn any(parts: impl IntoIterator<Item = Self>) -> Self {
        Self::all(parts.into_iter().map(Self::not)).not()
    }

    /// What every candidate says; Unknown, for want of `which`, where they do not say the same.
    pub fn agreed(candidates: impl IntoIterator<Item = Self>, which: Missing) -> Self {
        let candidates = Vec::from_iter(candidates);
        match candidates.split_first() {
            Some((first, rest)) if rest.iter().all(|it| it == first) => *first,
            _ => Self::Unknown(missing_of(&candidates).unwrap_or_default().union(which)),
        }
    }
}

fn missing_of(parts: &[Truth]) -> Option<Missing> {
    parts.iter().fold(None, |sum: Option<Missing>, it| match it {
        Truth::True | Truth::False => sum,
        Truth::Unknown(missing) => Some(sum.unwrap_or_default().union(*missing)),
    })
}
