//! What is recommended, and on what evidence.

use std::fmt;
use std::sync::Arc;

use super::need::{Need, Omitted};
use crate::aggregate::Totals;
use crate::model::{Direction, Edge, EventTime, Name};
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

/// What kind of peer a rule is for. Rules stand in the policy in this order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum PeerClass {
    /// Workloads of the same namespace.
    SameNamespace,
    /// A Service in another namespace.
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

/// What a reader of a rule should know before relying on it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Flag {
    /// It was not seen, or not all of it: DNS needs both UDP and TCP, and one was seen.
    Added,
    /// The peer chooses its ports; the rule has the interval that was measured.
    DynamicPorts,
    /// Records had aggregated the ports away, so the rule has none.
    AnyPort,
    /// Records had aggregated the addresses away, or there were too many, so the rule has whole ranges.
    AnyAddress,
    /// It names addresses of hosts, which change with the nodes.
    Brittle,
    /// It is wider than the evidence, because else there would be too many rules.
    Lifted,
}

impl Flag {
    /// Returns the flag in lower case, words joined by a hyphen.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::DynamicPorts => "dynamic-ports",
            Self::AnyPort => "any-port",
            Self::AnyAddress => "any-address",
            Self::Brittle => "brittle",
            Self::Lifted => "lifted",
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
    /// What to know about it, without repeats, in the order of the flags.
    pub flags: Vec<Flag>,
    /// How many edges of the window asked for it.
    pub edges: u64,
    /// Their counts over the window; nothing when the rule comes from an earlier window.
    pub totals: Option<Totals>,
    /// The earliest event time that asked for it, over all windows.
    pub first_seen: EventTime,
    /// The latest event time that asked for it.
    pub last_seen: EventTime,
}

/// A digest of what the rules of a recommendation mean: equal when they are equal, on every process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

/// Prints sixteen hexadecimal digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// A staged policy that we propose for one namespace, with its evidence.
#[derive(Clone, PartialEq, Debug)]
pub struct Recommendation {
    /// The policy, ready to be applied: staged, with the action `Learn`.
    pub policy: Policy,
    /// Why each of its rules is there: ingress, then egress, in the order of the lists.
    pub evidence: Vec<RuleEvidence>,
    /// What it was learned from, and how far it has come.
    pub learned: Learned,
    /// Edges of the window that made no need, and why.
    pub omitted: Omitted,
    /// Edges of the window that were verified against it, each without a would-be deny of its own making.
    pub edges_verified: u64,
    /// Edges of the window that cannot be judged with it, for want of an attribute in the records.
    pub edges_undetermined: u64,
    /// Edges of the window that are denied now and that it would let through: it stands in a tier before the policy
    /// that denies them.
    pub edges_would_allow: u64,
}

/// What has been learned of one namespace: all that the next owner needs to go on from here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Learned {
    /// The namespace.
    pub namespace: Name,
    /// How settled its recommendation is.
    pub status: Status,
    /// What was seen to be needed, sorted by what is needed.
    pub needs: Vec<Need>,
    /// What the rules made of it mean.
    pub fingerprint: Fingerprint,
    /// The end of the window that was observed last.
    pub window_end: EventTime,
    /// When learning began: the begin of the first window with a need.
    pub learning_since: EventTime,
    /// When the rules changed last: the end of the window that changed them.
    pub changed: EventTime,
    /// The policy set that the recommendation was verified on top of.
    pub policy_set: Revision,
}

/// Why a recommendation is withheld.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Reason {
    /// Put to the test on its own window, it would deny what was needed there.
    #[error("it would deny {edges} edges of its own window")]
    WouldDeny {
        /// How many.
        edges: u64,
        /// The first of them, in the order of edges.
        examples: Vec<Arc<Edge>>,
    },
    /// It would need more rules than are allowed, however wide they are made.
    #[error("it would need {rules} {direction} rules, {max} are allowed")]
    TooManyRules {
        /// The list that is too long.
        direction: Direction,
        /// How many it would need.
        rules: usize,
        /// The bound.
        max: usize,
    },
}

impl Reason {
    /// Returns a word for metrics: `would-deny` or `too-many-rules`.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::WouldDeny { .. } => "would-deny",
            Self::TooManyRules { .. } => "too-many-rules",
        }
    }
}

/// A recommendation that was made and must not be published.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the recommendation for namespace `{namespace}` is withheld")]
pub struct Withheld {
    /// The namespace.
    pub namespace: Name,
    /// The end of the window that it was made from.
    pub window_end: EventTime,
    /// The policy set that it was put to the test on.
    pub policy_set: Revision,
    /// Why.
    #[source]
    pub reason: Reason,
}
