//! What is recommended, and on what evidence.

use crate::aggregate::Totals;
use crate::model::{Direction, EventTime, Name};
use crate::policy::{Policy, Revision};

/// How settled a recommendation is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Status {
    /// Its rules still change.
    Learning,
    /// Its rules did not change lately, but not yet for the whole stabilization period.
    Stabilizing,
    /// Its rules did not change for the stabilization period.
    Stable,
}

impl Status {
    /// Returns `Learning`, `Stabilizing` or `Stable`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Learning => "Learning",
            Self::Stabilizing => "Stabilizing",
            Self::Stable => "Stable",
        }
    }
}

/// What kind of peer a rule is for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PeerClass {
    /// Workloads of the same namespace.
    SameNamespace,
    /// A Service in another namespace, or in this one.
    Service,
    /// Workloads of another namespace.
    Namespace,
    /// A network set.
    NetworkSet,
    /// Hosts.
    Host,
    /// Private addresses.
    Private,
    /// Public addresses.
    Public,
}

impl PeerClass {
    /// Returns the class in lower case, words joined by a hyphen.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameNamespace => "same-namespace",
            Self::Service => "service",
            Self::Namespace => "namespace",
            Self::NetworkSet => "network-set",
            Self::Host => "host",
            Self::Private => "private",
            Self::Public => "public",
        }
    }
}

/// Why a rule is there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RuleEvidence {
    /// In which list of the policy the rule stands.
    pub direction: Direction,
    /// Its place in that list.
    pub rule: u32,
    /// The kind of peer.
    pub class: PeerClass,
    /// How many edges asked for it.
    pub edges: u64,
    /// Their counts over the window; nothing when the rule comes from an earlier window.
    pub totals: Option<Totals>,
    /// When it was seen first and last, over all windows.
    pub first_seen: EventTime,
    /// The latest event time that asked for it.
    pub last_seen: EventTime,
}

/// A staged policy that we propose for one namespace, with its evidence.
#[derive(Clone, PartialEq, Debug)]
pub struct Recommendation {
    /// The namespace it is for.
    pub namespace: Name,
    /// The policy, ready to be applied: staged, with the action `Learn`.
    pub policy: Policy,
    /// How settled it is.
    pub status: Status,
    /// Why each of its rules is there.
    pub evidence: Vec<RuleEvidence>,
    /// The end of the window it was made from.
    pub window_end: EventTime,
    /// When learning began for the namespace.
    pub learning_since: EventTime,
    /// When its rules changed last.
    pub changed: EventTime,
    /// Edges of the window that were verified against it, each without a would-be deny.
    pub edges_verified: u64,
    /// Edges of the window that it cannot be judged on, for want of an attribute in the records.
    pub edges_undetermined: u64,
    /// The policy set that it was verified on top of.
    pub policy_set: Revision,
}
