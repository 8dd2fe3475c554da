//! How each kind of setting is read and shown.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::tree::Raw;

/// A kind of setting.
pub(super) trait Setting: Sized {
    /// Reads it; the error says what is expected.
    fn read(raw: &Raw) -> Result<Self, String>;

    /// Shows it, so that reading gives the same again.
    fn show(&self) -> Raw;
}

fn scalar(raw: &Raw) -> Result<&str, String> {
    match raw {
        Raw::Scalar(text) => Ok(text),
        Raw::Null => Err("a value is missing".to_owned()),
        Raw::List(_) => Err("one value is expected, not a list".to_owned()),
    }
}

/// Not empty: an empty name is a variable that was not set.
impl Setting for String {
    fn read(raw: &Raw) -> Result<Self, String> {
        match scalar(raw)?.trim() {
            "" => Err("a value is missing".to_owned()),
            text => Ok(text.to_owned()),
        }
    }

    fn show(&self) -> Raw {
        Raw::Scalar(self.clone())
    }
}

impl Setting for bool {
    fn read(raw: &Raw) -> Result<Self, String> {
        match scalar(raw)? {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(format!("`{other}` is neither `true` nor `false`")),
        }
    }

    fn show(&self) -> Raw {
        Raw::Scalar(self.to_string())
    }
}

/// Counts are at least 1: none of ours means anything at 0.
macro_rules! count {
    ($($kind:ty)*) => { $(
        impl Setting for $kind {
            fn read(raw: &Raw) -> Result<Self, String> {
                let text = scalar(raw)?;
                match text.replace('_', "").parse::<$kind>() {
                    Ok(0) => Err("must be at least 1".to_owned()),
                    Ok(number) => Ok(number),
                    Err(_) => Err(format!("`{text}` is no whole number from 1 to {}", <$kind>::MAX)),
                }
            }

            fn show(&self) -> Raw {
                Raw::Scalar(self.to_string())
            }
        }
    )* };
}

count!(u32 u64 usize);

impl Setting for f64 {
    fn read(raw: &Raw) -> Result<Self, String> {
        let text = scalar(raw)?;
        match text.parse::<Self>() {
            Ok(number) if number.is_finite() => Ok(number),
            Ok(_) | Err(_) => Err(format!("`{text}` is no number")),
        }
    }

    fn show(&self) -> Raw {
        Raw::Scalar(self.to_string())
    }
}

/// The units, the longest first.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Written `90s`, `15m`, `1h30m`, `250ms`. A number without unit is refused: nobody knows which was meant.
impl Setting for Duration {
    fn read(raw: &Raw) -> Result<Self, String> {
        let text = scalar(raw)?;
        let refusal = || format!("`{text}` is no duration: write `60s`, `15m`, `1h30m` or `250ms`");
        let (mut rest, mut millis) = (text.trim(), 0_u64);
        if rest.is_empty() {
            return Err(refusal());
        }
        while !rest.is_empty() {
            let digits = rest.find(|it: char| !it.is_ascii_digit()).ok_or_else(refusal)?;
            let (number, tail) = rest.split_at(digits);
            let letters = tail.find(|it: char| it.is_ascii_digit()).unwrap_or(tail.len());
            let (unit, tail) = tail.split_at(letters);
            let (_, factor) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or_else(refusal)?;
            let number: u64 = number.parse().map_err(|_| refusal())?;
            let part = number.checked_mul(factor).ok_or_else(refusal)?;
            millis = millis.checked_add(part).ok_or_else(refusal)?;
            rest = tail;
        }
        Ok(Self::from_millis(millis))
    }

    fn show(&self) -> Raw {
        let mut millis = self.as_millis();
        let mut text = String::new();
        for (unit, factor) in UNITS {
            let factor = u128::from(factor);
            if millis >= factor {
                text.push_str(&format!("{}{unit}", millis / factor));
                millis %= factor;
            }
        }
        Raw::Scalar(if text.is_empty() { "0s".to_owned() } else { text })
    }
}

impl Setting for SocketAddr {
    fn read(raw: &Raw) -> Result<Self, String> {
        let text = scalar(raw)?;
        text.parse().map_err(|_| {
            format!("`{text}` is no address and port: write `127.0.0.1:9405`, `0.0.0.0:9404` or `[::]:9404`")
        })
    }

    fn show(&self) -> Raw {
        Raw::Scalar(self.to_string())
    }
}

impl Setting for PathBuf {
    fn read(raw: &Raw) -> Result<Self, String> {
        String::read(raw).map(Self::from)
    }

    fn show(&self) -> Raw {
        Raw::Scalar(self.display().to_string())
    }
}

impl Setting for crate::model::Name {
    fn read(raw: &Raw) -> Result<Self, String> {
        String::read(raw).map(Self::from)
    }

    fn show(&self) -> Raw {
        Raw::Scalar(self.to_string())
    }
}

impl Setting for crate::model::IpNet {
    fn read(raw: &Raw) -> Result<Self, String> {
        let text = scalar(raw)?;
        let one = |it: IpAddr| Self::from(it);
        text.parse::<Self>()
            .or_else(|_| text.parse::<IpAddr>().map(one))
            .map_err(|_| format!("`{text}` is no range of addresses: write `10.0.0.0/8`"))
    }

    fn show(&self) -> Raw {
        Raw::Scalar(self.to_string())
    }
}

/// Shown with a `v`, so that YAML does not take it for a number: of 3.30 that would keep 3.3.
impl Setting for crate::model::CalicoVersion {
    fn read(raw: &Raw) -> Result<Self, String> {
        let text = scalar(raw)?;
        text.parse::<Self>().map_err(|error| match format!("{text}0").parse::<Self>() {
            Ok(meant) if matches!(text.split_once('.'), Some((_, minor)) if minor.len() == 1) => {
                format!(
                    "{error}; if {meant} is meant, write `v{meant}`: YAML takes {meant} for the number {text}"
                )
            }
            Ok(_) | Err(_) => error.to_string(),
        })
    }

    fn show(&self) -> Raw {
        Raw::Scalar(format!("v{self}"))
    }
}

/// `null` for none.
impl<T: Setting> Setting for Option<T> {
    fn read(raw: &Raw) -> Result<Self, String> {
        match raw {
            Raw::Null => Ok(None),
            Raw::Scalar(text) if text.trim().is_empty() || text == "null" => Ok(None),
            Raw::Scalar(_) | Raw::List(_) => T::read(raw).map(Some),
        }
    }

    fn show(&self) -> Raw {
        self.as_ref().map_or(Raw::Null, T::show)
    }
}

/// A list; one text is split at its commas, since variables and flags cannot hold lists.
impl<T: Setting> Setting for Vec<T> {
    fn read(raw: &Raw) -> Result<Self, String> {
        let items: Vec<String> = match raw {
            Raw::Null => Vec::new(),
            Raw::Scalar(text) => {
                text.split(',').map(str::trim).filter(|it| !it.is_empty()).map(str::to_owned).collect()
            }
            Raw::List(items) => items.clone(),
        };
        items.into_iter().map(|it| T::read(&Raw::Scalar(it))).collect()
    }

    fn show(&self) -> Raw {
        let text = |it: &T| match it.show() {
            Raw::Scalar(text) => text,
            Raw::Null => String::new(),
            Raw::List(items) => items.join(","),
        };
        Raw::List(self.iter().map(text).collect())
    }
}

/// Makes a setting of an enumeration from its words.
macro_rules! words {
    ($kind:ty { $($word:literal => $value:path),+ $(,)? }) => {
        impl $crate::config::setting::Setting for $kind {
            fn read(raw: &$crate::config::tree::Raw) -> Result<Self, String> {
                let expected = [$(concat!("`", $word, "`")),+].join(", ");
                match raw {
                    $( $crate::config::tree::Raw::Scalar(text) if text == $word => Ok($value), )+
                    $crate::config::tree::Raw::Scalar(text) => {
                        Err(format!("`{text}` is none of {expected}"))
                    }
                    $crate::config::tree::Raw::Null | $crate::config::tree::Raw::List(_) => {
                        Err(format!("one of {expected} is expected"))
                    }
                }
            }

            fn show(&self) -> $crate::config::tree::Raw {
                match self {
                    $( $value => $crate::config::tree::Raw::Scalar($word.to_owned()), )+
                }
            }
        }
    };
}

pub(super) use words;

#[cfg(test)]
mod tests {
    use super::*;

    fn read<T: Setting>(text: &str) -> Result<T, String> {
        T::read(&Raw::Scalar(text.to_owned()))
    }

    #[test]
    fn durations_are_read_with_units_only() {
        let millis = |text| read::<Duration>(text).map(|it| it.as_millis());
        assert_eq!(millis("60s"), Ok(60_000));
        assert_eq!(millis("15m"), Ok(900_000));
        assert_eq!(millis("1h30m"), Ok(5_400_000));
        assert_eq!(millis("250ms"), Ok(250));
        for wrong in ["60", "", "s", "-1s", "1 h", "99999999999999d", "1.5h"] {
            assert!(millis(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn what_is_shown_is_read_again() {
        for millis in [0, 1, 250, 1_000, 61_000, 5_400_000, 90_061_001] {
            let duration = Duration::from_millis(millis);
            assert_eq!(Duration::read(&duration.show()), Ok(duration));
        }
        let list = vec!["a".to_owned(), "b-*".to_owned()];
        assert_eq!(Vec::<String>::read(&list.show()), Ok(list));
        assert_eq!(Option::<String>::read(&None::<String>.show()), Ok(None));
    }

    #[test]
    fn a_release_is_no_number() {
        use crate::model::CalicoVersion;
        assert_eq!(read::<CalicoVersion>("v3.30"), read("3.30"));
        assert_eq!(read("latest"), Ok(CalicoVersion::NEWEST));
        let error = read::<CalicoVersion>("3.3").unwrap_err();
        assert!(
            error.ends_with("; if 3.30 is meant, write `v3.30`: YAML takes 3.30 for the number 3.3"),
            "{error}"
        );
        let error = read::<CalicoVersion>("3.4").unwrap_err();
        assert!(error.contains("from 3.20 to 3.33") && !error.contains("YAML"), "{error}");
        let old: CalicoVersion = read("3.30").unwrap();
        assert_eq!(CalicoVersion::read(&old.show()), Ok(old));
    }

    #[test]
    fn counts_start_at_one() {
        assert_eq!(read::<u32>("200_000"), Ok(200_000));
        assert!(read::<u32>("0").is_err());
        assert!(read::<u32>("4294967296").is_err());
    }
}
