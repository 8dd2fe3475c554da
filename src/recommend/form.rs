//! The form of a rule: what it says, before it is written in the language of policies.

use std::collections::BTreeSet;

use super::evidence::Asked;
use super::need::Seen;
use super::recommendation::{Flag, PeerClass};
use crate::model::{Direction, IpNet, Name, Protocol};

/// A version of the Internet Protocol. A rule never mixes the two.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Family {
    V4,
    V6,
}

impl Family {
    pub(super) const BOTH: [Self; 2] = [Self::V4, Self::V6];

    pub(super) const fn of(net: &IpNet) -> Self {
        match net {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    /// Tells whether packets of the protocol can have this version: each version has its own ICMP.
    pub(super) fn carries(self, protocol: Protocol) -> bool {
        match self {
            Self::V4 => protocol != Protocol::ICMPV6,
            Self::V6 => protocol != Protocol::ICMP,
        }
    }
}

/// Whom a rule speaks about.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Target {
    /// Workloads of a namespace.
    Namespace(Name),
    /// The endpoints of a Service.
    Service { namespace: Name, name: Name },
    /// What carries a label, in a namespace or, without one, among all that has none.
    Labelled { namespace: Option<Name>, key: Name, value: Name },
    /// What carries a label, whatever its value, among all that has no namespace.
    GlobalWith(Name),
    /// All that has no namespace.
    Global,
    /// Prefixes of one version, sorted.
    Nets(Vec<IpNet>),
    /// All private addresses of a version but the cluster's own.
    Private(Family),
    /// All addresses of a version but the private ones and the cluster's own.
    Public(Family),
}

/// One rule to be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Form {
    pub(super) direction: Direction,
    pub(super) class: PeerClass,
    pub(super) target: Target,
    /// Nothing for any: traffic inside of a namespace that is left to the next tier.
    pub(super) protocol: Option<Protocol>,
    /// First and last port of each entry; empty for any.
    pub(super) ports: Vec<(u16, u16)>,
    pub(super) flags: BTreeSet<Flag>,
    pub(super) seen: Seen,
    /// What the window says; nothing when only earlier windows asked for it.
    pub(super) asked: Option<Asked>,
}

/// What is known of needs: since when and until when it was seen, and what the window says of it.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) seen: Seen,
    pub(super) asked: Option<Asked>,
    pub(super) flags: BTreeSet<Flag>,
}

impl Known {
    pub(super) fn join(&mut self, other: &Self) {
        self.seen = self.seen.join(other.seen);
        self.flags.extend(&other.flags);
        match (&mut self.asked, &other.asked) {
            (Some(asked), Some(more)) => asked.absorb(more),
            (None, Some(more)) => self.asked = Some(*more),
            (_, None) => {}
        }
    }
}

/// How many prefixes the API takes in one list of nets.
const NETS_PER_RULE_MAX: usize = 256;

/// Parts prefixes by version, and into as many as one rule takes.
pub(super) fn net_targets(nets: &[IpNet], protocol: Protocol) -> Vec<Target> {
    let mut targets = Vec::new();
    for family in Family::BOTH.into_iter().filter(|it| it.carries(protocol)) {
        let of_family: Vec<IpNet> = nets.iter().copied().filter(|it| Family::of(it) == family).collect();
        targets.extend(of_family.chunks(NETS_PER_RULE_MAX).map(|it| Target::Nets(it.to_vec())));
    }
    targets
}
