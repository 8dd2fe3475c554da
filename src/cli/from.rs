//! `--from`: where to begin reading.

use crate::ingest::From;
use crate::model::EventTime;

/// Reads `committed`, `earliest`, `latest`, a time as RFC 3339, or milliseconds since the Unix epoch.
pub(super) fn parse_from(text: &str) -> Result<From, String> {
    match text {
        "committed" => return Ok(From::Committed),
        "earliest" => return Ok(From::Earliest),
        "latest" => return Ok(From::Latest),
        _ => {}
    }
    if let Ok(millis) = text.parse::<i64>() {
        return Ok(From::Timestamp(EventTime::from_millis(millis)));
    }
    let time: jiff::Timestamp = text.parse().map_err(|_| {
        "write committed, earliest, latest, a time such as 2026-11-24T10:00:00Z, or Unix milliseconds"
            .to_owned()
    })?;
    Ok(From::Timestamp(EventTime::from_millis(time.as_millisecond())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_word_or_a_time() {
        assert_eq!(parse_from("earliest"), Ok(From::Earliest));
        let time = From::Timestamp(EventTime::from_secs(1_764_000_000));
        assert_eq!(parse_from("1764000000000"), Ok(time));
        assert_eq!(parse_from("2025-11-24T16:00:00Z"), Ok(time));
        assert!(parse_from("yesterday").is_err());
    }
}
