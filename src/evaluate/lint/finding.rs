//! What is found.

use crate::model::PolicyId;

/// One thing that is wrong with a policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// The policy.
    pub policy: PolicyId,
    /// The field, as `spec.ingress[2].destination.ports`; of kinds whose rules are converted before they are
    /// evaluated, the number of the converted rule.
    pub path: String,
    /// What it is.
    pub problem: Problem,
    /// A sentence that says so, without a full stop.
    pub text: String,
}

/// What a problem means for whoever relies on the policy.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Concern {
    /// A part of the policy never does anything.
    Idle,
    /// Calico's checker, which computes its pending traces, does otherwise than the data plane will.
    Diverges,
}

impl Concern {
    /// Returns `idle` or `diverges`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "idle",
            Self::Diverges => "diverges",
        }
    }
}

/// The kinds of problem.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Problem {
    /// A rule stands behind one that leaves nothing over.
    UnreachableRule,
    /// A selector contradicts itself, or what it is joined with.
    ContradictorySelector,
    /// Protocols, ports, prefixes or ICMP types of a rule exclude each other.
    ImpossibleRule,
    /// A staged policy is what is enforced already.
    StagedUnchanged,
    /// A staged removal has nothing to remove.
    StagedDeleteOfNothing,
    /// A staged removal, which Calico does not rehearse.
    StagedDelete,
    /// A staged edit, which Calico rehearses beside what it is to replace.
    StagedEdit,
    /// A staged policy to be learnt or ignored, which Calico rehearses all the same.
    StagedUndecided,
    /// Ports by name.
    NamedPorts,
    /// Types and codes of ICMP.
    IcmpTypes,
    /// `ipVersion`.
    IpVersion,
    /// SCTP ports of a Service.
    SctpService,
    /// Prefixes of network sets that a release of the checker loses.
    ShortMembers,
    /// A condition on HTTP.
    Http,
    /// Policies for host endpoints before connection tracking or translation.
    HostChains,
}

impl Problem {
    /// Returns the stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UnreachableRule => "unreachable-rule",
            Self::ContradictorySelector => "contradictory-selector",
            Self::ImpossibleRule => "impossible-rule",
            Self::StagedUnchanged => "staged-unchanged",
            Self::StagedDeleteOfNothing => "staged-delete-of-nothing",
            Self::StagedDelete => "staged-delete",
            Self::StagedEdit => "staged-edit",
            Self::StagedUndecided => "staged-undecided",
            Self::NamedPorts => "named-ports",
            Self::IcmpTypes => "icmp-types",
            Self::IpVersion => "ip-version",
            Self::SctpService => "sctp-service",
            Self::ShortMembers => "short-members",
            Self::Http => "http",
            Self::HostChains => "host-chains",
        }
    }

    /// Returns what it means.
    #[must_use]
    pub const fn concern(self) -> Concern {
        match self {
            Self::UnreachableRule
            | Self::ContradictorySelector
            | Self::ImpossibleRule
            | Self::StagedUnchanged
            | Self::StagedDeleteOfNothing => Concern::Idle,
            Self::StagedDelete
            | Self::StagedEdit
            | Self::StagedUndecided
            | Self::NamedPorts
            | Self::IcmpTypes
            | Self::IpVersion
            | Self::SctpService
            | Self::ShortMembers
            | Self::Http
            | Self::HostChains => Concern::Diverges,
        }
    }
}
