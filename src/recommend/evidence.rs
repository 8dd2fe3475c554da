//! Reads needs from the edges of a window.

use std::collections::BTreeMap;

use super::config::Config;
use super::need::{NeedKey, Omission, Omitted, Peer, Seen, takes_ports};
use crate::aggregate::{ClosedWindow, Totals, WindowEdge};
use crate::evaluate::{Answer, Connection, Programs};
use crate::model::{
    Direction, Edge, Endpoint, EndpointKind, HitOwner, Name, NameScope, Protocol, ServiceRef,
};
use crate::policy::Tier;

/// What one window says of one need.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Asked {
    pub(super) edges: u64,
    pub(super) totals: Totals,
}

impl Asked {
    pub(super) fn absorb(&mut self, other: &Self) {
        self.edges = self.edges.saturating_add(other.edges);
        self.totals.absorb(&other.totals);
    }

    pub(super) fn seen(&self) -> Seen {
        Seen { first: self.totals.first_seen, last: self.totals.last_seen }
    }
}

/// The needs of one window.
#[derive(Debug, Default)]
pub(super) struct Evidence {
    pub(super) needs: BTreeMap<NeedKey, Asked>,
    pub(super) omitted: Omitted,
}

impl Evidence {
    /// Reads the needs of a window. The order of its edges does not matter.
    pub(super) fn of(window: &ClosedWindow, programs: &Programs, config: &Config) -> Self {
        let mut evidence = Self::default();
        let ours = config.tier_in(programs.set());
        for WindowEdge { edge, totals } in &window.edges {
            let need = need(edge, totals, &window.namespace).and_then(|key| {
                if is_decided_earlier(edge, programs, &ours) {
                    Err(Omission::DecidedEarlier)
                } else {
                    Ok(key)
                }
            });
            match need {
                Ok(key) => {
                    let asked = Asked { edges: 1, totals: *totals };
                    evidence.needs.entry(key).and_modify(|it| it.absorb(&asked)).or_insert(asked);
                }
                Err(omission) => evidence.omitted.count(omission),
            }
        }
        evidence
    }
}

/// Tells what an edge needs.
fn need(edge: &Edge, totals: &Totals, namespace: &Name) -> Result<NeedKey, Omission> {
    let Edge { direction, subject, peer, protocol, port, service } = edge;
    if !is_needed(totals) {
        return Err(Omission::Denied);
    }
    if subject.kind != EndpointKind::Workload || subject.namespace.as_ref() != Some(namespace) {
        return Err(Omission::Subject);
    }
    if is_itself(subject, peer) {
        return Err(Omission::Itself);
    }
    // Number 0 is no protocol that a rule can name.
    if *protocol == Protocol(0) {
        return Err(Omission::Protocol);
    }
    Ok(NeedKey {
        direction: *direction,
        peer: known_peer(peer).ok_or(Omission::PeerUnknown)?,
        service: match direction {
            Direction::Egress => service.clone().filter(is_known_service),
            Direction::Ingress => None,
        },
        protocol: *protocol,
        port: port.filter(|it| takes_ports(*protocol) && *it != 0),
    })
}

/// Tells whether the counts are evidence of a need: some of the flows were allowed.
pub(super) const fn is_needed(totals: &Totals) -> bool {
    totals.flows > totals.flows_denied
}

/// A pod that talks to itself. Replicas that share a name are not the same pod.
pub(super) fn is_itself(subject: &Endpoint, peer: &Endpoint) -> bool {
    if peer.address.is_some_and(|it| it.is_loopback()) {
        return true;
    }
    match (subject.address, peer.address) {
        (Some(own), Some(other)) => own == other,
        (None, _) | (_, None) => {
            subject.name_scope == NameScope::Exact
                && peer.name_scope == NameScope::Exact
                && !subject.name.is_empty()
                && (subject.kind, &subject.namespace, &subject.name)
                    == (peer.kind, &peer.namespace, &peer.name)
        }
    }
}

fn known_peer(peer: &Endpoint) -> Option<Peer> {
    match peer.kind {
        EndpointKind::Workload => peer.namespace.clone().map(Peer::Namespace),
        EndpointKind::NetworkSet if peer.name.is_empty() => None,
        EndpointKind::NetworkSet => {
            Some(Peer::NetworkSet { namespace: peer.namespace.clone(), name: peer.name.clone() })
        }
        EndpointKind::Host => Some(Peer::Host(peer.address)),
        EndpointKind::Network => match (peer.address, peer.name.as_str()) {
            (Some(address), _) => Some(Peer::Address(address)),
            (None, "pvt") => Some(Peer::Private),
            (None, "pub") => Some(Peer::Public),
            (None, _) => None,
        },
    }
}

/// Records write `*` where several Services lead to one backend, and `-` for none.
fn is_known_service(service: &ServiceRef) -> bool {
    let known = |name: &Name| !matches!(name.as_str(), "" | "-" | "*");
    known(&service.namespace) && known(&service.name)
}

/// Tells whether what is enforced decides the edge in a tier before ours: then a policy in ours is never asked.
fn is_decided_earlier(edge: &Edge, programs: &Programs, ours: &Tier) -> bool {
    let enforced = programs.judge(edge.direction, &Connection::from(edge)).enforced;
    let decided_in = match (enforced.answer, enforced.trace.0.last().map(|hit| &hit.owner)) {
        (Answer::Allow | Answer::Deny, Some(HitOwner::Policy { tier, .. })) => tier,
        (Answer::Undetermined(_), _) | (_, Some(HitOwner::Profile(_)) | None) => return false,
    };
    let decided_in = programs.set().tiers().iter().find(|it| it.name == *decided_in);
    decided_in.is_some_and(|it| (it.order, &it.name) < (ours.order, &ours.name))
}
