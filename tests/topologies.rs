//! Whole Kubernetes topologies with everything that may connect in them, as another analyser of network policies
//! computed it (`np-guard/netpol-analyzer`, its tests): every pair of workloads, every piece of the address space, the
//! ports at which an answer could change.

#![allow(clippy::print_stdout, reason = "says how much was compared")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;

use flowstage::evaluate::{Answer, Judge, Programs};
use flowstage::model::{Direction, Edge, Endpoint, EndpointKind, IpAddr, IpNet, Name, NameScope, Protocol};
use flowstage::policy::{Policy, PolicySet, PortMatch};
use support::connectivity::{Connectivity, PROTOCOLS};
use support::topology::Topology;

#[test]
fn connectivity_is_what_the_topologies_say() {
    let Some(data) = support::manifests::test_data("topologies") else { return };
    let folder = data.join("fixtures/k8s-topologies");
    let mut names: Vec<_> = std::fs::read_dir(&folder)
        .expect("the topologies")
        .map(|it| it.expect("an entry").path())
        .filter(|it| it.is_dir())
        .collect();
    names.sort();
    assert!(!names.is_empty(), "no topologies in {}", folder.display());
    let (mut probes, mut wrong) = (0_u64, Vec::new());
    for path in &names {
        let (asked, differences) = check(path);
        probes += asked;
        wrong.extend(differences);
    }
    println!("{} topologies, {probes} probes, {} differences", names.len(), wrong.len());
    let first: Vec<&String> = wrong.iter().take(20).collect();
    assert!(wrong.is_empty(), "{} differences, the first of them: {first:#?}", wrong.len());
}

/// Asks about everything in one topology; gives the number of probes and what differed.
fn check(path: &Path) -> (u64, Vec<String>) {
    let topology = Topology::read(&path.join("manifests"));
    let expected = Connectivity::read(path);
    let set = Arc::new(topology.set());
    let mut judge = Judge::new(Arc::new(Programs::compile(Arc::clone(&set))));
    let ends: BTreeMap<&str, Endpoint> = set
        .cluster()
        .workloads
        .iter()
        .map(|pod| (topology.peer_of(&pod.namespace, &pod.name), pod_end(pod)))
        .collect();
    expected.assert_knows(ends.keys().copied());
    let ports = ports(&set, &expected);
    let mut probes = 0;
    let mut wrong = Vec::new();
    let mut probe = |source: (&str, &Endpoint), dest: (&str, &Endpoint)| {
        let expected = expected.between(source.0, dest.0);
        let mut edges = edges(source.1, dest.1);
        for protocol in PROTOCOLS {
            for port in &ports {
                probes += 1;
                let allowed = allow(&mut judge, &mut edges, protocol, *port);
                if allowed != expected.is_some_and(|it| it.contains(protocol, *port)) {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    wrong.push(format!(
                        "{name}: {} => {} {protocol}/{port}: allowed {allowed}",
                        source.0, dest.0
                    ));
                }
            }
        }
    };
    for source in &ends {
        for dest in &ends {
            if source.0 != dest.0 {
                probe((source.0, source.1), (dest.0, dest.1));
            }
        }
    }
    for piece in pieces(&set, &expected) {
        let outside = outside(piece);
        let name = piece.to_string();
        for pod in &ends {
            probe((&name, &outside), (pod.0, pod.1));
            probe((pod.0, pod.1), (&name, &outside));
        }
    }
    (probes, wrong)
}

/// A connection at those of its ends that have policies: all but addresses outside.
fn edges(source: &Endpoint, dest: &Endpoint) -> Vec<Edge> {
    let edge = |direction, subject: &Endpoint, peer: &Endpoint| Edge {
        direction,
        subject: subject.clone(),
        peer: peer.clone(),
        protocol: Protocol::TCP,
        port: None,
        service: None,
    };
    let both = [edge(Direction::Egress, source, dest), edge(Direction::Ingress, dest, source)];
    both.into_iter().filter(|it| it.subject.kind != EndpointKind::Network).collect()
}

/// Whether every end allows it.
fn allow(judge: &mut Judge, edges: &mut [Edge], protocol: Protocol, port: u16) -> bool {
    edges.iter_mut().all(|edge| {
        edge.protocol = protocol;
        edge.port = Some(port);
        let id = judge.judge(edge);
        match judge.judgement(id).expect("a judgement that was just given").enforced.answer {
            Answer::Allow => true,
            Answer::Deny => false,
            Answer::Undetermined(missing) => panic!("{edge}: undetermined for want of {missing}"),
        }
    })
}

fn pod_end(pod: &flowstage::policy::Workload) -> Endpoint {
    Endpoint {
        kind: EndpointKind::Workload,
        namespace: Some(pod.namespace.clone()),
        name: pod.name.clone(),
        name_scope: NameScope::Exact,
        address: pod.addresses.first().copied(),
        labels: None,
    }
}

fn outside(address: Ipv4Addr) -> Endpoint {
    Endpoint {
        kind: EndpointKind::Network,
        namespace: None,
        name: Name::from(if address.is_private() { "pvt" } else { "pub" }),
        name_scope: NameScope::Aggregated,
        address: Some(IpAddr::V4(address)),
        labels: None,
    }
}

/// The ports at which an answer can change, by policies, named ports or lines: both ends of each range with what is
/// beside them. And one that nobody mentions.
fn ports(set: &PolicySet, expected: &Connectivity) -> Vec<u16> {
    let mut ports: BTreeSet<u16> = expected.ports().collect();
    let mut names = BTreeSet::new();
    for rule in set.policies().iter().flat_map(|it| it.ingress.iter().chain(&it.egress)) {
        for port in &rule.destination.ports {
            match port {
                PortMatch::Range(first, last) => {
                    ports.extend([first.saturating_sub(1).max(1), *first, *last, last.saturating_add(1)]);
                }
                PortMatch::Named(name) => drop(names.insert(name)),
            }
        }
    }
    let of_pods = set.cluster().workloads.iter().flat_map(|it| &it.ports);
    ports.extend(of_pods.filter(|it| names.contains(&it.name)).map(|it| it.port));
    let other = (1..).find(|it| !ports.contains(it)).expect("few ports are mentioned");
    ports.insert(other);
    ports.into_iter().collect()
}

/// The first address of every piece that prefixes of policies and ranges of lines cut the address space into.
fn pieces(set: &PolicySet, expected: &Connectivity) -> Vec<Ipv4Addr> {
    let mut borders: BTreeSet<u32> = expected.borders().collect();
    borders.insert(0);
    let rules = |it: &Arc<Policy>| it.ingress.iter().chain(&it.egress).cloned().collect::<Vec<_>>();
    for rule in set.policies().iter().flat_map(rules) {
        for entity in [&rule.source, &rule.destination] {
            for net in entity.nets.iter().chain(&entity.not_nets) {
                if let IpNet::V4(net) = net {
                    borders.insert(net.network().to_bits());
                    borders.extend(net.broadcast().to_bits().checked_add(1));
                }
            }
        }
    }
    borders.into_iter().map(Ipv4Addr::from_bits).collect()
}
