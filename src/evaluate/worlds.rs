//! The ways in which what a record leaves open may have been.
//!
//! An aggregated name is one of its pods, an address that is not written lies somewhere, an ICMP message is of some
//! type. Each choice is a *world* in which nothing of that is left open. Ends that answer every question of the
//! policies alike are one, so worlds are few.

use std::collections::{BTreeSet, HashSet};

use super::connection::Connection;
use super::judging::Which;
use super::programs::Programs;
use super::verdict::Verdict;
use super::whereabouts::Family;
use crate::model::{Edge, Endpoint, EndpointKind, IcmpMessage, IpAddr, IpNet, NameScope, Protocol};
use crate::policy::{IcmpMatch, Rule, Workload};

/// Kinds of an end that are told apart, and worlds that are looked at; what is beyond is left out. A world costs up to
/// a tenth of a millisecond where policies ask thousands of questions, once for an edge and a trace, and a recorded
/// trace is nearly always among the first.
const KINDS_MAX: usize = 128;
const WORLDS_MAX: usize = 1_024;

/// What is put in the place of what a record leaves open. Each includes what stands before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Open {
    /// The pods behind aggregated names.
    Pods,
    /// And the ICMP message.
    Messages,
    /// And the addresses of ends outside.
    Addresses,
}

impl Open {
    pub(super) const ALL: [Self; 3] = [Self::Pods, Self::Messages, Self::Addresses];
}

/// Gives the verdict of every world to `visit`, until it has seen enough.
pub(super) fn worlds(
    programs: &Programs,
    edge: &Edge,
    which: Which,
    open: Open,
    mut visit: impl FnMut(Verdict) -> Enough,
) {
    let sources = kinds(programs, edge.source(), edge.protocol, open);
    let dests = kinds(programs, edge.dest(), edge.protocol, open);
    let messages = match edge.icmp() {
        None if open >= Open::Messages => messages(programs, edge.protocol),
        known => vec![known],
    };
    let ends = sources.iter().flat_map(|source| dests.iter().map(move |dest| (source, dest)));
    let all = ends.flat_map(|(source, dest)| messages.iter().map(move |icmp| (source, dest, *icmp)));
    for (source, dest, icmp) in all.take(WORLDS_MAX) {
        let connection = Connection { source, dest, icmp, ..Connection::from(edge) };
        if visit(programs.verdict(which, edge.direction, &connection)) == Enough::Yes {
            return;
        }
    }
}

/// Whether a visitor has seen enough.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Enough {
    Yes,
    No,
}

/// Returns what an end may have been, one of each class.
fn kinds(programs: &Programs, endpoint: &Endpoint, protocol: Protocol, open: Open) -> Vec<Endpoint> {
    let candidates = match endpoint.kind {
        _ if endpoint.address.is_some() => Vec::new(),
        EndpointKind::Workload => pods_apart(programs, endpoint),
        EndpointKind::Host | EndpointKind::NetworkSet | EndpointKind::Network if open >= Open::Addresses => {
            places(programs, endpoint)
        }
        EndpointKind::Host | EndpointKind::NetworkSet | EndpointKind::Network => Vec::new(),
    };
    let mut seen = HashSet::new();
    let mut kinds: Vec<Endpoint> = candidates
        .into_iter()
        .filter(|it| {
            let party = programs.party(it);
            let family =
                programs.family(party.whereabouts.families(), party.whereabouts.families(), protocol);
            seen.insert(programs.class(&party, family))
        })
        .take(KINDS_MAX)
        .collect();
    if kinds.is_empty() {
        kinds.push(endpoint.clone());
    }
    kinds
}

/// Returns the pods that an end may be, but for those that nothing tells apart from another: thousands of replicas are
/// a few ranges of addresses.
fn pods_apart(programs: &Programs, endpoint: &Endpoint) -> Vec<Endpoint> {
    let roster = programs.roster();
    let asks_for_services =
        rules(programs).any(|it| it.source.services.is_some() || it.destination.services.is_some());
    let mut seen = BTreeSet::new();
    let party = programs.party(endpoint);
    let all = party.pods().flat_map(|pod| pod.addresses.iter().map(move |address| (pod, *address)));
    all.filter(|(pod, address)| {
        seen.insert((
            (&pod.labels, &pod.service_account, &pod.ports),
            (Family::of(address), roster.longest_set_net(*address)),
            programs.questions().longest_net(*address),
            (asks_for_services && roster.serves(address)).then_some(*address),
        ))
    })
    .map(|(pod, address)| pod_at(endpoint, pod, address))
    .collect()
}

fn pod_at(endpoint: &Endpoint, pod: &Workload, address: IpAddr) -> Endpoint {
    Endpoint {
        name: pod.name.clone(),
        name_scope: NameScope::Exact,
        address: Some(address),
        ..endpoint.clone()
    }
}

/// Returns the pods that an end may be, each at each of its addresses. Labels stay those of the record.
pub(super) fn pods(programs: &Programs, endpoint: &Endpoint) -> Vec<Endpoint> {
    let party = programs.party(endpoint);
    let pods = party.pods();
    pods.flat_map(|pod| pod.addresses.iter().map(|address| pod_at(endpoint, pod, *address))).collect()
}

/// Returns an end at one address of every range that the policies or the network sets tell apart.
fn places(programs: &Programs, endpoint: &Endpoint) -> Vec<Endpoint> {
    let whereabouts = programs.party(endpoint).whereabouts;
    let roster = programs.roster();
    // What belongs to a set or to a pod would be named after it.
    let is_nobodys = |it: &IpAddr| roster.sets_at(*it).next().is_none() && roster.holders(it).is_empty();
    let mut ranges = HashSet::new();
    let mut places = Vec::new();
    for address in nets(programs).flat_map(|it| corners(&it)) {
        let may_be =
            whereabouts.may_be(&address) && (endpoint.kind != EndpointKind::Network || is_nobodys(&address));
        let range = (
            Family::of(&address),
            roster.longest_set_net(address),
            programs.questions().longest_net(address),
        );
        if may_be && ranges.insert(range) {
            places.push(Endpoint { address: Some(address), ..endpoint.clone() });
        }
    }
    places
}

/// Returns every prefix that rules or network sets name.
fn nets(programs: &Programs) -> impl Iterator<Item = IpNet> + '_ {
    let of_rules = rules(programs)
        .flat_map(|it| [&it.source, &it.destination])
        .flat_map(|it| it.nets.iter().chain(&it.not_nets));
    let of_sets = programs.set().cluster().network_sets.iter().flat_map(|it| &it.nets);
    of_rules.chain(of_sets).map(IpNet::trunc)
}

fn rules(programs: &Programs) -> impl Iterator<Item = &Rule> {
    programs.set().policies().iter().flat_map(|it| it.ingress.iter().chain(&it.egress))
}

/// Returns the first and the last address of a prefix, and those right before and behind it. Whatever prefixes leave
/// of one another begins or ends at one of these.
fn corners(net: &IpNet) -> impl Iterator<Item = IpAddr> + use<> {
    let around = match net {
        IpNet::V4(net) => {
            let (first, last) = (u32::from(net.network()), u32::from(net.broadcast()));
            let around = [first.checked_sub(1), last.checked_add(1)];
            around.map(|it| it.map(|it| IpAddr::V4(it.into())))
        }
        IpNet::V6(net) => {
            let (first, last) = (u128::from(net.network()), u128::from(net.broadcast()));
            let around = [first.checked_sub(1), last.checked_add(1)];
            around.map(|it| it.map(|it| IpAddr::V6(it.into())))
        }
    };
    [net.network(), net.broadcast()].into_iter().chain(around.into_iter().flatten())
}

/// Returns a message of every kind that rules tell apart, and one that none names; nothing else for a protocol
/// without messages.
fn messages(programs: &Programs, protocol: Protocol) -> Vec<Option<IcmpMessage>> {
    if !protocol.is_icmp() {
        return vec![None];
    }
    let named = rules(programs).flat_map(|it| [it.icmp, it.not_icmp]).flatten();
    let mut messages: Vec<IcmpMessage> = named.flat_map(messages_of).collect();
    // 255 is reserved, for either version.
    messages.push(IcmpMessage { icmp_type: u8::MAX, code: u8::MAX });
    messages.sort_unstable();
    messages.dedup();
    messages.into_iter().map(Some).collect()
}

fn messages_of(condition: IcmpMatch) -> impl Iterator<Item = IcmpMessage> {
    let icmp_type = condition.icmp_type.unwrap_or(u8::MAX);
    // The one that is named, and one of the same type that is not.
    [condition.code.unwrap_or(0), u8::MAX].into_iter().map(move |code| IcmpMessage { icmp_type, code })
}
