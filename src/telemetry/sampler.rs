//! A bound on how often the same complaint is logged.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// What to do with one complaint.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sample {
    /// Log it.
    Log,
    /// Leave it out; it is in the next summary.
    Suppress,
}

/// Complaints that were left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Suppressed {
    /// What they were about.
    pub reason: &'static str,
    /// How many.
    pub count: u64,
}

/// Lets at most a number of complaints a second through for each reason, and sums up the others.
///
/// The reasons are part of the program, so there are only so many. Time is an argument, since a worker reads its clock
/// once per batch.
#[derive(Debug)]
pub struct Sampler {
    per_second: u32,
    reasons: HashMap<&'static str, Tally>,
}

#[derive(Debug)]
struct Tally {
    since: Instant,
    logged: u32,
    suppressed: u64,
}

const PERIOD: Duration = Duration::from_secs(1);

impl Sampler {
    /// Makes a sampler that lets `per_second` complaints through for each reason.
    #[must_use]
    pub fn new(per_second: u32) -> Self {
        Self { per_second, reasons: HashMap::new() }
    }

    /// Decides about one complaint.
    pub fn admit(&mut self, reason: &'static str, now: Instant) -> Sample {
        let tally = self.reasons.entry(reason).or_insert(Tally { since: now, logged: 0, suppressed: 0 });
        if now.saturating_duration_since(tally.since) >= PERIOD {
            tally.since = now;
            tally.logged = 0;
        }
        if tally.logged < self.per_second {
            tally.logged += 1;
            Sample::Log
        } else {
            tally.suppressed += 1;
            Sample::Suppress
        }
    }

    /// Hands out one summary for each reason whose second is over and that had complaints left out.
    pub fn summaries(&mut self, now: Instant) -> Vec<Suppressed> {
        let mut summaries: Vec<Suppressed> = self
            .reasons
            .iter_mut()
            .filter(|(_, tally)| tally.suppressed > 0 && now.saturating_duration_since(tally.since) >= PERIOD)
            .map(|(reason, tally)| Suppressed { reason, count: std::mem::take(&mut tally.suppressed) })
            .collect();
        summaries.sort_by_key(|it| it.reason);
        summaries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_a_second_pass_and_the_rest_is_one_line() {
        let mut sampler = Sampler::new(2);
        let start = Instant::now();
        let passed = (0..10).filter(|_| sampler.admit("syntax", start) == Sample::Log).count();
        assert_eq!(passed, 2);
        assert_eq!(sampler.admit("utf8", start), Sample::Log);
        assert!(sampler.summaries(start).is_empty(), "the second is not over");
        let later = start + PERIOD;
        assert_eq!(sampler.summaries(later), [Suppressed { reason: "syntax", count: 8 }]);
        assert!(sampler.summaries(later).is_empty(), "a summary is given once");
        assert_eq!(sampler.admit("syntax", later), Sample::Log);
    }

    #[test]
    fn nothing_is_lost_when_the_summary_comes_late() {
        let mut sampler = Sampler::new(1);
        let start = Instant::now();
        for second in 0..3 {
            let now = start + PERIOD * second;
            assert_eq!(sampler.admit("syntax", now), Sample::Log);
            assert_eq!(sampler.admit("syntax", now), Sample::Suppress);
        }
        assert_eq!(sampler.summaries(start + PERIOD * 3), [Suppressed { reason: "syntax", count: 3 }]);
    }
}
