//! All links of a run: those of the applications, stored, and those that fill up, computed from their number.

use std::net::Ipv4Addr;

use super::application::{APPLICATIONS, Call, Controller, Party, Workload, calls_around, scrape_of_node};
use super::identity::{hash_of, mix};
use super::link::{End, Link, Via, node_of_replica};
use crate::model::{Name, Protocol, ServiceRef};

/// The links of a run, by their number.
///
/// Memory is that of the applications and of one link for each node, however many links there are.
#[derive(Debug)]
pub(super) struct Topology {
    fixed: Vec<Link>,
    filling: Filling,
}

impl Topology {
    /// Lays out links that show `edges` edges; without a number, those of the applications alone.
    ///
    /// `edges_of` tells how many edges a link shows: two between pods, one where only one end reports or where the
    /// other end is never reached.
    pub(super) fn new(edges: Option<u64>, nodes: u32, edges_of: &mut dyn FnMut(&Link) -> u64) -> Self {
        let mut fixed = application_links(nodes);
        let Some(mut left) = edges else {
            return Self { fixed, filling: Filling { links: 0, workloads: 0, has_tail: false, nodes } };
        };
        fixed.retain(|link| {
            let shown = edges_of(link);
            let fits = shown <= left;
            if fits {
                left -= shown;
            }
            fits
        });
        Self { fixed, filling: Filling::new(left, nodes) }
    }

    /// Returns how many links there are.
    pub(super) fn len(&self) -> u64 {
        self.fixed_len().saturating_add(self.filling.links)
    }

    /// Returns how many of them are the applications'; they come first.
    pub(super) fn fixed_len(&self) -> u64 {
        u64::try_from(self.fixed.len()).unwrap_or(u64::MAX)
    }

    /// Returns the link of a number below [`Topology::len`].
    pub(super) fn link(&self, number: u64) -> Link {
        match usize::try_from(number).ok().and_then(|it| self.fixed.get(it)) {
            Some(link) => link.clone(),
            None => self.filling.link(number.saturating_sub(self.fixed_len())),
        }
    }
}

/// Links between workloads that belong to no application, each computed from its number.
///
/// Workloads stand in a ring, twenty to a namespace, and each calls a few that stand a fixed way further on: most
/// calls stay in the namespace or reach the next, as they do in real clusters. A link of two pods shows two edges;
/// an odd edge is a call to the outside.
#[derive(Debug)]
struct Filling {
    links: u64,
    workloads: u64,
    has_tail: bool,
    nodes: u32,
}

/// How far on in the ring the called workloads stand. Distinct, and below the smallest ring.
const STRIDES: [u64; 16] = [1, 2, 3, 4, 5, 7, 9, 11, 13, 17, 19, 23, 29, 37, 47, 59];

/// The smallest ring; above the longest stride, so that no two links of a workload are the same.
const WORKLOADS_MIN: u64 = 64;

/// Workloads of one namespace. With sixteen links of two edges each this stays far below the bound of edges that
/// one namespace may have in a pane (10,000).
const WORKLOADS_PER_NAMESPACE: u64 = 20;

impl Filling {
    fn new(edges: u64, nodes: u32) -> Self {
        let pairs = edges / 2;
        let has_tail = !edges.is_multiple_of(2);
        let strides = u64::try_from(STRIDES.len()).unwrap_or(u64::MAX);
        let workloads = pairs.div_ceil(strides).max(WORKLOADS_MIN);
        Self { links: pairs + u64::from(has_tail), workloads, has_tail, nodes }
    }

    fn link(&self, number: u64) -> Link {
        if self.has_tail && number + 1 == self.links {
            let address = Ipv4Addr::new(203, 0, 113, 250);
            return Link {
                source: self.end(0),
                dest: End::network(address, &[]),
                protocol: Protocol::TCP,
                port: Some(443),
                via: None,
            };
        }
        let caller = number % self.workloads;
        let stride = usize::try_from(number / self.workloads).ok().and_then(|it| STRIDES.get(it)).copied();
        let called = (caller + stride.unwrap_or(1)) % self.workloads;
        let (port, port_name) = port_of(called);
        let service = ServiceRef {
            namespace: namespace_of(called),
            name: Name::from(name_of(called)),
            port_name: Name::from(port_name),
        };
        Link {
            source: self.end(caller),
            dest: self.end(called),
            protocol: Protocol::TCP,
            port: Some(port),
            via: Some(Via { service, port: if port == 8080 { 80 } else { port } }),
        }
    }

    fn end(&self, workload: u64) -> End {
        let name = name_of(workload);
        let namespace = namespace_of(workload);
        let (layer, _) = role_of(workload);
        let labels = [
            ("app.kubernetes.io/name", name.as_str()),
            ("app.kubernetes.io/part-of", namespace.as_str()),
            ("layer", layer),
        ];
        let replicas = 1 + u8::try_from(mix(workload) % 4).unwrap_or(0);
        End::pods(&namespace, &name, labels.into_iter(), Controller::Deployment, replicas, self.nodes)
    }
}

/// What workloads beyond the applications are called, and where in their application they stand.
const ROLES: [(&str, &str); 6] = [
    ("edge", "gateway"),
    ("service", "orders"),
    ("service", "billing"),
    ("service", "search"),
    ("worker", "mailer"),
    ("data", "store"),
];

fn role_of(workload: u64) -> (&'static str, &'static str) {
    let place = usize::try_from(workload % 6).ok();
    place.and_then(|it| ROLES.get(it)).copied().unwrap_or(("service", "orders"))
}

fn name_of(workload: u64) -> String {
    let (_, role) = role_of(workload);
    format!("{role}-{workload}")
}

fn namespace_of(workload: u64) -> Name {
    Name::from(format!("team-{:05}", workload / WORKLOADS_PER_NAMESPACE))
}

fn port_of(workload: u64) -> (u16, &'static str) {
    match workload % 6 {
        0 | 1 => (8080, "http"),
        2 => (8443, "https"),
        3 => (9090, "grpc"),
        4 => (5672, "amqp"),
        _ => (5432, "postgres"),
    }
}

fn application_links(nodes: u32) -> Vec<Link> {
    let workloads: Vec<&Workload> = APPLICATIONS.into_iter().flat_map(|it| it.workloads).collect();
    let mut links: Vec<Link> = Vec::new();
    let mut add = |call: &Call| links.push(link_of(call, &workloads, nodes));
    for call in APPLICATIONS.into_iter().flat_map(|it| it.calls) {
        add(call);
    }
    for (place, workload) in workloads.iter().enumerate() {
        let node = node_of_replica(hash_of(&[workload.namespace, workload.name]), 0, nodes);
        for call in calls_around(workload, place, node) {
            add(&call);
        }
    }
    for node in 0..nodes {
        add(&scrape_of_node(node));
    }
    links
}

fn link_of(call: &Call, workloads: &[&Workload], nodes: u32) -> Link {
    let end = |party: &Party| match *party {
        Party::Pods(namespace, name) => {
            let known = workloads.iter().find(|it| it.namespace == namespace && it.name == name);
            known.map_or_else(
                || End::workload(&Workload::deployment(namespace, name, &[]), nodes),
                |it| End::workload(it, nodes),
            )
        }
        Party::Node(node) => End::node(node % nodes.max(1)),
        Party::Set(set) => End::set(set),
        Party::Address(address, domains) => End::network(address, domains),
    };
    let mut link = Link {
        source: end(&call.from),
        dest: end(&call.to),
        protocol: call.protocol,
        port: call.port,
        via: call.service.map(Via::from),
    };
    // A kubelet probes the pods of its own node.
    if let Party::Node(node) = call.from {
        link.dest.nodes = vec![node % nodes.max(1)];
    }
    link
}
