//! Answers: verdicts, outcomes, and what was missing for one.

use std::fmt;

use crate::model::{Direction, PolicyId, RuleRef, Trace};

/// What a record would have to carry for a rule to be decided: a set of attributes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Missing(u16);

impl Missing {
    /// Nothing is missing.
    pub const NOTHING: Self = Self(0);
    /// The source's labels.
    pub const SOURCE_LABELS: Self = Self(1);
    /// The destination's labels.
    pub const DEST_LABELS: Self = Self(1 << 1);
    /// The source's address.
    pub const SOURCE_ADDRESS: Self = Self(1 << 2);
    /// The destination's address.
    pub const DEST_ADDRESS: Self = Self(1 << 3);
    /// The source port.
    pub const SOURCE_PORT: Self = Self(1 << 4);
    /// The destination port.
    pub const DEST_PORT: Self = Self(1 << 5);
    /// The labels of the source's namespace.
    pub const SOURCE_NAMESPACE: Self = Self(1 << 6);
    /// The labels of the destination's namespace.
    pub const DEST_NAMESPACE: Self = Self(1 << 7);
    /// The source's service account, or its labels.
    pub const SOURCE_SERVICE_ACCOUNT: Self = Self(1 << 8);
    /// The destination's service account, or its labels.
    pub const DEST_SERVICE_ACCOUNT: Self = Self(1 << 9);
    /// The named ports of an end, or the endpoints of a Service.
    pub const PORT_NAMES: Self = Self(1 << 10);
    /// Type and code of an ICMP message.
    pub const ICMP: Self = Self(1 << 11);
    /// The HTTP request.
    pub const HTTP: Self = Self(1 << 12);
    /// The domain names behind an address.
    pub const DOMAINS: Self = Self(1 << 13);
    /// The policy-relevant object of the end that is judged: a host endpoint that is not in the catalog.
    pub const ENDPOINT: Self = Self(1 << 14);

    const NAMES: [(Self, &'static str); 15] = [
        (Self::SOURCE_LABELS, "source labels"),
        (Self::DEST_LABELS, "destination labels"),
        (Self::SOURCE_ADDRESS, "source address"),
        (Self::DEST_ADDRESS, "destination address"),
        (Self::SOURCE_PORT, "source port"),
        (Self::DEST_PORT, "destination port"),
        (Self::SOURCE_NAMESPACE, "source namespace"),
        (Self::DEST_NAMESPACE, "destination namespace"),
        (Self::SOURCE_SERVICE_ACCOUNT, "source service account"),
        (Self::DEST_SERVICE_ACCOUNT, "destination service account"),
        (Self::PORT_NAMES, "named ports"),
        (Self::ICMP, "ICMP type and code"),
        (Self::HTTP, "HTTP request"),
        (Self::DOMAINS, "domain names"),
        (Self::ENDPOINT, "host endpoint"),
    ];

    /// Returns what is missing in either.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Says the same of the destination: everything that is named of the source is renamed.
    #[must_use]
    pub const fn seen_at_dest(self) -> Self {
        // Of each pair the source has the even bit, and the destination the one above it.
        const OF_SOURCE: u16 = 0b01_0101_0101;
        Self((self.0 & !OF_SOURCE) | ((self.0 & OF_SOURCE) << 1))
    }

    /// Returns what is missing here and not in `other`.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Tells whether everything in `other` is missing here too.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns the set as bits.
    pub(super) const fn bits(self) -> u16 {
        self.0
    }

    /// Tells whether nothing is missing.
    #[must_use]
    pub const fn is_nothing(self) -> bool {
        self.0 == 0
    }

    /// Returns the names of what is missing, in a fixed order.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::NAMES.into_iter().filter(move |(one, _)| self.contains(*one)).map(|(_, name)| name)
    }

    /// Reads a name that [`Missing::names`] gave.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::NAMES.into_iter().find(|(_, it)| *it == name).map(|(one, _)| one)
    }
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (idx, name) in self.names().enumerate() {
            write!(f, "{}{name}", if idx == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl fmt::Debug for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{self}]")
    }
}

/// The three answers. There is no default and no conversion from an action: *undetermined* is never taken for
/// *allow*.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Answer {
    /// The flow passes.
    Allow,
    /// The flow is dropped.
    Deny,
    /// The record does not carry what a deciding rule asks for.
    Undetermined(Missing),
}

impl Answer {
    /// Returns `allow`, `deny` or `undetermined`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Undetermined(_) => "undetermined",
        }
    }
}

/// An answer, and the hits that led to it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Verdict {
    /// The answer.
    pub answer: Answer,
    /// The hits. For an undetermined answer, those up to the first rule that could not be decided.
    pub trace: Trace,
}

/// The enforced verdict against the verdict with the staged policies in force.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Outcome {
    /// Both give the same answer.
    Agrees,
    /// Allowed now; the staged policies would drop it.
    WouldDeny {
        /// The rule that would drop it.
        by: RuleRef,
        /// The staged policy that the deny is charged to: the owner of `by` if it is staged, else the first to
        /// blame.
        charged: PolicyId,
    },
    /// Dropped now; the staged policies would let it through.
    WouldAllow {
        /// The rule that would let it through.
        by: RuleRef,
    },
    /// One of the two could not be judged. Never counted as an allow.
    Undetermined {
        /// What the record lacks.
        missing: Missing,
    },
}

/// What a staged policy did with a flow.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum StagedResult {
    /// One of its rules let the flow through.
    Allow,
    /// One of its rules dropped the flow, or the end of its tier that is charged to it.
    Deny,
    /// One of its rules left the tier.
    Pass,
    /// It was asked, and none of its rules matched.
    NoMatch,
    /// It selects the endpoint, but an earlier policy or tier decided.
    NotReached,
    /// Whether it matches could not be judged.
    Undetermined,
}

/// One staged policy that selects the subject and governs the direction.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StagedHit {
    /// The policy, by its place in [`PolicySet::policies`](crate::policy::PolicySet::policies).
    pub policy: u32,
    /// What it did.
    pub result: StagedResult,
}

/// A judgement by its place in a [`Judge`](super::Judge)'s table. Valid for the judge that gave it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct JudgementId(pub u32);

/// Everything that is said of one end of a flow under one revision.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Judgement {
    /// The direction that was judged.
    pub direction: Direction,
    /// With the enforced policies alone.
    pub enforced: Verdict,
    /// With the staged policies evaluated as though they were enforced.
    pub pending: Verdict,
    /// The one against the other.
    pub outcome: Outcome,
    /// For a would-be deny: the staged policies that each alone, on top of the enforced ones, would deny; if none
    /// does, a smallest set that jointly denies. Empty otherwise.
    pub blame: Vec<PolicyId>,
    /// The staged policies that select the subject in this direction, in the order of evaluation.
    pub staged: Vec<StagedHit>,
}
