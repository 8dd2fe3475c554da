//! Random questions: connections as records put them, complete, aggregated, or of things that are not known.

use flowstage::model::{
    Direction, Endpoint, EndpointKind, IcmpMessage, IpAddr, LabelSet, Name, NameScope, Protocol,
};
use flowstage::policy::{Cluster, HostEndpoint, Workload};
use rand::Rng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;

use super::Question;
use super::vocabulary::{ACCOUNTS, FAILSAFE_PORTS, NAMESPACES, PORTS, address, labels, maybe, name, pick};

pub fn draw(rng: &mut ChaCha8Rng, cluster: &Cluster) -> Question {
    let is_v4 = rng.random_bool(0.7);
    let direction = pick(rng, &[Direction::Ingress, Direction::Egress]);
    let subject = match rng.random_range(0..20) {
        0 => endpoint(rng, cluster, is_v4),
        1 => host(rng, cluster, is_v4),
        _ => workload(rng, cluster, is_v4),
    };
    let peer = endpoint(rng, cluster, is_v4);
    let is_at_host = subject.kind == EndpointKind::Host;
    let (source, dest) = match direction {
        Direction::Egress => (subject, peer),
        Direction::Ingress => (peer, subject),
    };
    let icmp = if is_v4 { Protocol::ICMP } else { Protocol::ICMPV6 };
    let protocol = match rng.random_range(0..20) {
        0..=10 => Protocol::TCP,
        11..=14 => Protocol::UDP,
        15..=16 => Protocol::SCTP,
        17..=18 => icmp,
        19 if rng.random_bool(0.2) => Protocol(0),
        _ => Protocol(47),
    };
    let port = |rng: &mut ChaCha8Rng| {
        let known: &[u16] = if is_at_host && rng.random_bool(0.3) { &FAILSAFE_PORTS } else { &PORTS };
        maybe(rng, 0.85, |rng| pick(rng, known))
    };
    let has_ports = protocol.has_ports();
    Question {
        direction,
        source,
        dest,
        protocol,
        source_port: if has_ports { port(rng) } else { None },
        dest_port: if has_ports { port(rng) } else { None },
        icmp: if protocol == icmp {
            maybe(rng, 0.6, |rng| IcmpMessage { icmp_type: pick(rng, &[8, 13]), code: pick(rng, &[0, 1]) })
        } else {
            None
        },
    }
}

fn endpoint(rng: &mut ChaCha8Rng, cluster: &Cluster, is_v4: bool) -> Endpoint {
    match rng.random_range(0..20) {
        0..=10 => workload(rng, cluster, is_v4),
        11 => host(rng, cluster, is_v4),
        12..=13 => network_set(rng, cluster, is_v4),
        _ => network(rng, is_v4),
    }
}

/// A pod: of the catalog by name, by address, or as one of its replicas; or one that the catalog has not.
fn workload(rng: &mut ChaCha8Rng, cluster: &Cluster, is_v4: bool) -> Endpoint {
    let known: Vec<&Workload> = cluster.workloads.iter().filter(|it| may_have(it, is_v4)).collect();
    let Some(pod) = known.choose(rng).filter(|_| rng.random_bool(0.85)) else {
        return stranger(rng, is_v4);
    };
    let own = pod.addresses.iter().copied().find(|it| it.is_ipv4() == is_v4);
    let mut end = Endpoint {
        kind: EndpointKind::Workload,
        namespace: Some(pod.namespace.clone()),
        name: pod.name.clone(),
        name_scope: NameScope::Exact,
        address: own.filter(|_| rng.random_bool(0.6)),
        labels: maybe(rng, 0.4, |rng| recorded_labels(rng, pod)),
    };
    match (rng.random_range(0..10), &pod.generate_name) {
        (0..=3, Some(prefix)) => {
            end.name = Name::from(format!("{prefix}*"));
            end.name_scope = NameScope::Aggregated;
            end.address = own.filter(|_| rng.random_bool(0.15));
        }
        (4, _) => {
            end.name = Name::from("");
            end.name_scope = NameScope::Aggregated;
            end.address = own;
        }
        (5, _) if rng.random_bool(0.3) => end.namespace = None,
        _ => {}
    }
    end
}

/// Whether a record of that IP version may speak of the pod.
fn may_have(pod: &Workload, is_v4: bool) -> bool {
    pod.addresses.is_empty() || pod.addresses.iter().any(|it| it.is_ipv4() == is_v4)
}

/// Mostly what the pod has; at times with the labels that Calico adds, or of an older revision.
fn recorded_labels(rng: &mut ChaCha8Rng, pod: &Workload) -> LabelSet {
    let mut set = if rng.random_bool(0.7) { pod.labels.clone() } else { labels(rng) };
    if rng.random_bool(0.4) {
        let account = if rng.random_bool(0.7) { pod.service_account.clone() } else { name(rng, &ACCOUNTS) };
        set.insert(Name::from("projectcalico.org/serviceaccount"), account);
        set.insert(Name::from("projectcalico.org/namespace"), pod.namespace.clone());
        set.insert(Name::from("projectcalico.org/orchestrator"), Name::from("k8s"));
    }
    set
}

/// A pod that the catalog does not have.
fn stranger(rng: &mut ChaCha8Rng, is_v4: bool) -> Endpoint {
    let is_exact = rng.random_bool(0.5);
    Endpoint {
        kind: EndpointKind::Workload,
        namespace: Some(name(rng, &NAMESPACES)),
        name: Name::from(if is_exact { "stranger" } else { "stranger-*" }),
        name_scope: if is_exact { NameScope::Exact } else { NameScope::Aggregated },
        address: maybe(rng, 0.3, |_| free_address(is_v4)),
        labels: maybe(rng, 0.5, labels),
    }
}

/// An address in the pods' range that no pod has.
fn free_address(is_v4: bool) -> IpAddr {
    let text = if is_v4 { "10.0.1.99" } else { "fd00::99" };
    text.parse().expect("an address")
}

fn host(rng: &mut ChaCha8Rng, cluster: &Cluster, is_v4: bool) -> Endpoint {
    let fits = |it: &HostEndpoint| {
        it.expected_ips.is_empty() || it.expected_ips.iter().any(|it| it.is_ipv4() == is_v4)
    };
    let known = cluster.host_endpoints.first().filter(|it| fits(it)).filter(|_| rng.random_bool(0.8));
    let addresses = known.map_or(&[] as &[IpAddr], |it| it.expected_ips.as_slice());
    let own = addresses.iter().copied().find(|it| it.is_ipv4() == is_v4);
    Endpoint {
        kind: EndpointKind::Host,
        namespace: None,
        name: known.map_or(Name::from("node-x"), |it| it.name.clone()),
        name_scope: NameScope::Exact,
        address: own.filter(|_| rng.random_bool(0.6)),
        labels: maybe(rng, 0.3, |rng| known.map_or_else(|| labels(rng), |it| it.labels.clone())),
    }
}

fn network_set(rng: &mut ChaCha8Rng, cluster: &Cluster, is_v4: bool) -> Endpoint {
    let known = cluster.network_sets.choose(rng).filter(|_| rng.random_bool(0.9));
    let inside = known.and_then(|set| {
        (0..20).map(|_| address(rng, is_v4)).find(|it| set.nets.iter().any(|net| net.contains(it)))
    });
    Endpoint {
        kind: EndpointKind::NetworkSet,
        namespace: known.and_then(|it| it.namespace.clone()),
        name: known.map_or(Name::from("set-x"), |it| it.name.clone()),
        name_scope: NameScope::Exact,
        address: inside.filter(|_| rng.random_bool(0.5)),
        labels: maybe(rng, 0.3, |rng| known.map_or_else(|| labels(rng), |it| it.labels.clone())),
    }
}

/// An address that belongs to nothing. A private one is IPv4.
fn network(rng: &mut ChaCha8Rng, is_v4: bool) -> Endpoint {
    let is_private = |it: &IpAddr| matches!(it, IpAddr::V4(it) if it.is_private());
    let address = maybe(rng, 0.6, |rng| address(rng, is_v4));
    let name = match address {
        Some(address) if is_private(&address) => "pvt",
        Some(_) => "pub",
        None if !is_v4 => "pub",
        None => pick(rng, &["pub", "pvt", "pvt", ""]),
    };
    Endpoint {
        kind: EndpointKind::Network,
        namespace: None,
        name: Name::from(name),
        name_scope: NameScope::Aggregated,
        address,
        labels: None,
    }
}
