//! Settings of the catalog.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

use crate::model::CalicoVersion;

/// Where manifests are, and how often they are looked at.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The folder, or one file.
    pub path: PathBuf,
    /// The time between two looks, written `10s`, `500ms`, `5m` or `1h`. A look at an unchanged folder costs one
    /// `stat` a file.
    #[serde(default = "poll_interval_default", deserialize_with = "duration")]
    pub poll_interval: Duration,
    /// The release of Calico whose rules for names and tiers hold; the newest where none is written.
    #[serde(default, deserialize_with = "calico_version")]
    pub calico_version: CalicoVersion,
}

/// Ten seconds: a kubelet brings a changed `ConfigMap` within a minute, so more often finds nothing sooner.
const fn poll_interval_default() -> Duration {
    Duration::from_secs(10)
}

fn calico_version<'de, D: Deserializer<'de>>(deserializer: D) -> Result<CalicoVersion, D::Error> {
    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    let digits = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => 0,
    };
    match number.parse::<u64>().ok().and_then(|it| it.checked_mul(millis)) {
        Some(millis) if millis > 0 => Ok(Duration::from_millis(millis)),
        Some(_) | None => {
            Err(de::Error::custom(format!("`{text}` is no duration: write `10s`, `500ms`, `5m` or `1h`")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expect: Result<Duration, &str>) {
        match (serde_json::from_str::<Config>(json), expect) {
            (Ok(config), Ok(interval)) => assert_eq!(config.poll_interval, interval, "{json}"),
            (Err(error), Err(cause)) => assert!(error.to_string().contains(cause), "{json}: {error}"),
            (found, expect) => panic!("{json}: {found:?}, not {expect:?}"),
        }
    }

    #[test]
    fn the_newest_calico_is_meant_unless_another_is_written() {
        let read = |json: &str| {
            serde_json::from_str::<Config>(json).map(|it| it.calico_version).map_err(|it| it.to_string())
        };
        assert_eq!(read(r#"{"path": "p"}"#), Ok(CalicoVersion::NEWEST));
        let written = read(r#"{"path": "p", "calico_version": "v3.31.2"}"#);
        assert_eq!(written.map(|it| it.to_string()), Ok("3.31".to_owned()));
        assert!(read(r#"{"path": "p", "calico_version": "2.6"}"#).is_err_and(|it| it.contains("no release")));
    }

    #[test]
    fn settings_are_read_with_units_and_nothing_unknown() {
        check(r#"{"path": "p"}"#, Ok(Duration::from_secs(10)));
        check(r#"{"path": "p", "poll_interval": "500ms"}"#, Ok(Duration::from_millis(500)));
        check(r#"{"path": "p", "poll_interval": "2h"}"#, Ok(Duration::from_secs(7200)));
        check(r#"{"path": "p", "poll_interval": "10"}"#, Err("is no duration"));
        check(r#"{"path": "p", "poll_interval": "0s"}"#, Err("is no duration"));
        check(r#"{"path": "p", "interval": "10s"}"#, Err("unknown field"));
        check("{}", Err("missing field `path`"));
    }
}
