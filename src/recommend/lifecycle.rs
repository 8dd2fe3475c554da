//! From Learning to Stable, by event time.

use super::config::Config;
use super::recommendation::Status;
use crate::model::EventTime;

/// Returns the status at `now` of rules that changed last at `changed`.
///
/// Waiting is counted in event time: a processor that reads a day's backlog in a minute has seen a day.
pub(super) fn status(changed: EventTime, now: EventTime, config: &Config) -> Status {
    if now >= changed.plus(config.stabilization_period.max(config.stabilizing_after)) {
        Status::Stable
    } else if now >= changed.plus(config.stabilizing_after) {
        Status::Stabilizing
    } else {
        Status::Learning
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_follows_the_time_since_the_last_change() {
        let changed = EventTime::from_secs(1_790_000_000);
        for (secs, expected) in [
            (0, Status::Learning),
            (299, Status::Learning),
            (300, Status::Stabilizing),
            (599, Status::Stabilizing),
            (600, Status::Stable),
        ] {
            let now = changed.plus(std::time::Duration::from_secs(secs));
            assert_eq!(status(changed, now, &Config::default()), expected, "{secs} s");
        }
        assert_eq!(status(changed, EventTime::MIN, &Config::default()), Status::Learning);
    }
}
