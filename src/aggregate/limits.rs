//! Bounds of the fold. Each looks at one pane of one partition only, so that reading again decides alike.

use super::digest::namespace_hash;
use super::pane::Spec;
use crate::model::MergePartitionId;

/// How much one pane of one input partition may hold.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Limits {
    /// Edges of one subject. A scanning pod fills its own share only; a usual workload has fewer than 100.
    pub edges_per_subject: u32,
    /// Edges in all.
    pub edges_per_pane: u32,
}

impl Default for Limits {
    /// 2,000 edges a subject; 200,000 in all, about 25 MB a pane.
    fn default() -> Self {
        Self { edges_per_subject: 2_000, edges_per_pane: 200_000 }
    }
}

/// Everything that decides what a fold makes of a log, beside the log.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Settings {
    /// How event time is cut.
    pub spec: Spec,
    /// How much a pane may hold.
    pub limits: Limits,
    /// Over how many partitions the partials log is spread.
    pub merge_partitions: u32,
}

impl Settings {
    /// Returns the partition of the partials log that holds the edges of a namespace's endpoints.
    #[must_use]
    pub fn route(&self, namespace: Option<&str>) -> MergePartitionId {
        self.spread(namespace_hash(namespace))
    }

    /// Returns the partition of the partials log for a namespace's number.
    pub(crate) fn spread(&self, route: u64) -> MergePartitionId {
        let partition = route % u64::from(self.merge_partitions.max(1));
        MergePartitionId(i32::try_from(partition).unwrap_or(0))
    }

    /// Returns a number that differs when any setting does, equal on every process. It is written into checkpoints
    /// and partials, so that two members with different settings cannot give one pane two values.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        let Self { spec, limits, merge_partitions } = self;
        let Limits { edges_per_subject, edges_per_pane } = limits;
        let millis = |it: std::time::Duration| u64::try_from(it.as_millis()).unwrap_or(u64::MAX);
        [
            // The version of fold and partials: to be raised when the same log would give other totals, or when members
            // of the old release and the new one cannot read each other's partials.
            3,
            millis(spec.width()),
            millis(spec.slide()),
            millis(spec.lateness()),
            millis(spec.skew()),
            u64::from(*edges_per_subject),
            u64::from(*edges_per_pane),
            u64::from(*merge_partitions),
        ]
        .iter()
        .flat_map(|it| it.to_be_bytes())
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
    }
}
