//! What can be set.

use std::time::Duration;

use super::chance::Share;
use crate::model::EventTime;

/// What is generated. Equal settings and equal verdicts give equal bytes.
#[derive(Clone, PartialEq, Debug)]
pub struct Settings {
    /// The seed of the random source.
    pub seed: u64,
    /// How many records there are, everything told: repeated and garbage ones too.
    pub flows: u64,
    /// Records per second of event time.
    pub rate: u64,
    /// Distinct edges that the traffic shows once there are somewhat more flows than edges; nothing for those of the
    /// applications alone. Fewer than the applications have leaves some of their calls out, more adds workloads
    /// beyond them. A policy that denies the added workloads' traffic at its source hides the other end's edge.
    pub edges: Option<u64>,
    /// The exponent of Zipf's law over links; 0 for none.
    pub skew: f64,
    /// How many nodes the cluster has.
    pub nodes: u32,
    /// Of connections that two ends report, the share where both records exist. The rest lacks the destination's.
    pub both_reporters_share: f64,
    /// The share of records whose event time lies back, but within `lateness`.
    pub late_share: f64,
    /// The share of records whose event time lies back by more than `lateness`.
    pub beyond_share: f64,
    /// The share of records that are written twice.
    pub repeat_share: f64,
    /// The share of records that are garbage.
    pub poison_share: f64,
    /// The lateness that the reader waits for; at least ten seconds.
    pub lateness: Duration,
    /// The event time of the first record.
    pub start: EventTime,
    /// How long one record's interval is; at least a second.
    pub interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            seed: 1,
            flows: 1_000_000,
            rate: 1_000,
            edges: None,
            skew: 1.0,
            nodes: 12,
            both_reporters_share: 1.0,
            late_share: 0.01,
            beyond_share: 0.0,
            repeat_share: 0.001,
            poison_share: 0.0,
            lateness: Duration::from_secs(120),
            start: Self::START,
            interval: Duration::from_secs(15),
        }
    }
}

impl Settings {
    /// The default start: 2026-01-01T00:00:00Z. Fixed, so that a run without arguments can be repeated.
    pub const START: EventTime = EventTime::from_secs(1_767_225_600);

    /// The most edges: what the numbering of workloads and the skew's table are made for.
    pub const EDGES_MAX: u64 = 10_000_000;

    /// The most nodes: each has an address of its own below 10.1.0.0/16, and its scrape stands in memory.
    pub const NODES_MAX: u32 = 5_000;

    /// The steepest skew. Beyond it the last of ten million links weigh nothing.
    pub const SKEW_MAX: f64 = 2.0;

    pub(super) fn checked(self) -> Result<Checked, SettingsError> {
        let share = |name, share| Share::new(share).ok_or(SettingsError::Share { name, share });
        if self.rate == 0 {
            return Err(SettingsError::Rate);
        }
        if self.edges.is_some_and(|it| !(1..=Self::EDGES_MAX).contains(&it)) {
            return Err(SettingsError::Edges { max: Self::EDGES_MAX });
        }
        if !(1..=Self::NODES_MAX).contains(&self.nodes) {
            return Err(SettingsError::Nodes { max: Self::NODES_MAX });
        }
        if !(0.0..=Self::SKEW_MAX).contains(&self.skew) {
            return Err(SettingsError::Skew { max: Self::SKEW_MAX });
        }
        if self.lateness < Duration::from_secs(10) {
            return Err(SettingsError::Lateness);
        }
        if self.interval < Duration::from_secs(1) {
            return Err(SettingsError::Interval);
        }
        Ok(Checked {
            lacks_dest_record: share("both-reporters", 1.0 - self.both_reporters_share)?,
            late: share("late", self.late_share)?,
            beyond: share("beyond", self.beyond_share)?,
            repeat: share("repeat", self.repeat_share)?,
            poison: share("poison", self.poison_share)?,
            lateness_secs: self.lateness.as_secs(),
            interval_secs: self.interval.as_secs(),
            settings: self,
        })
    }
}

/// Settings that passed the check.
#[derive(Clone, Debug)]
pub(super) struct Checked {
    pub(super) settings: Settings,
    pub(super) lacks_dest_record: Share,
    pub(super) late: Share,
    pub(super) beyond: Share,
    pub(super) repeat: Share,
    pub(super) poison: Share,
    pub(super) lateness_secs: u64,
    pub(super) interval_secs: u64,
}

/// Why nothing can be generated from some settings.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum SettingsError {
    /// The rate is 0.
    #[error("the rate must be at least one record a second")]
    Rate,
    /// No edges, or too many.
    #[error("edges must be between 1 and {max}")]
    Edges {
        /// The bound.
        max: u64,
    },
    /// No nodes, or too many.
    #[error("nodes must be between 1 and {max}")]
    Nodes {
        /// The bound.
        max: u32,
    },
    /// The exponent is negative, too steep, or not a number.
    #[error("the skew must be between 0 and {max}")]
    Skew {
        /// The bound.
        max: f64,
    },
    /// A share is not one.
    #[error("the share `{name}` must be between 0 and 1, not {share}")]
    Share {
        /// Which share.
        name: &'static str,
        /// What was given.
        share: f64,
    },
    /// The lateness leaves no room for late records.
    #[error("the lateness must be at least 10 seconds")]
    Lateness,
    /// Intervals are whole seconds.
    #[error("the interval must be at least one second")]
    Interval,
}
