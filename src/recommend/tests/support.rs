//! A small language for windows, and a small print for policies.
//!
//! ```text
//!   egress cart-* -> wep data/db-* tcp/5432 via data/db:pg
//!   ingress cart-* <- net pvt@10.1.2.3 tcp/8080 denied
//! ```

use std::fmt::Write as _;
use std::sync::Arc;

use crate::aggregate::{ClosedWindow, Totals, WindowEdge};
use crate::evaluate::Programs;
use crate::model::{
    Direction, Edge, Endpoint, EndpointKind, EventTime, LabelSet, Name, NameScope, ServiceRef,
};
use crate::policy::{
    Cluster, EntityRule, HostEndpoint, Namespace, NamespaceMatch, NetworkSet, Policy, PolicySet, PortMatch,
    Revision, Rule, RuleAction, ServiceEndpoints, ServicePort, Tier,
};
use crate::recommend::{Config, Recommendation, Recommender, RuleEvidence, Withheld};

/// Begin of the first window of every test.
pub(super) const START: EventTime = EventTime::from_secs(1_790_000_000);

/// The moment `secs` after [`START`].
pub(super) fn at(secs: i64) -> EventTime {
    EventTime::from_millis(START.as_millis() + secs * 1_000)
}

/// A window of `shop` that ends `end` seconds after [`START`] and is a minute long.
pub(super) fn window(end: i64, lines: &str) -> ClosedWindow {
    let mut edges: Vec<WindowEdge> = lines
        .lines()
        .map(str::trim)
        .filter(|it| !it.is_empty())
        .map(|line| {
            let (line, denied) = match line.strip_suffix(" denied") {
                Some(rest) => (rest, 2),
                None => (line, 0),
            };
            let totals = Totals {
                flows: 2,
                flows_denied: denied,
                connections_started: 1,
                connections_completed: 1,
                packets_in: 10,
                packets_out: 10,
                bytes_in: 1_000,
                bytes_out: 1_000,
                first_seen: at(end - 50),
                last_seen: at(end - 10),
            };
            WindowEdge { edge: Arc::new(edge(line)), totals }
        })
        .collect();
    edges.sort_by(|a, b| a.edge.cmp(&b.edge));
    ClosedWindow { namespace: "shop".into(), start: at(end - 60), end: at(end), edges }
}

fn edge(line: &str) -> Edge {
    let words: Vec<&str> = line.split_whitespace().collect();
    let (protocol, port) = words[5].split_once('/').unwrap_or((words[5], ""));
    let service = words.get(7).map(|text| {
        let (namespace, rest) = text.split_once('/').expect("a service is namespace/name:port");
        let (name, port_name) = rest.split_once(':').unwrap_or((rest, ""));
        ServiceRef { namespace: namespace.into(), name: name.into(), port_name: port_name.into() }
    });
    let direction = match words[0] {
        "egress" => Direction::Egress,
        "ingress" => Direction::Ingress,
        other => panic!("`{other}` is no direction"),
    };
    Edge {
        direction,
        subject: endpoint("wep", &format!("shop/{}", words[1])),
        peer: endpoint(words[3], words[4]),
        protocol: protocol.parse().unwrap_or(crate::model::Protocol(0)),
        port: port.parse().ok(),
        service,
    }
}

fn endpoint(kind: &str, text: &str) -> Endpoint {
    let (text, address) = match text.split_once('@') {
        Some((text, address)) => (text, Some(address.parse().expect("an address follows `@`"))),
        None => (text, None),
    };
    let (namespace, name) = match text.split_once('/') {
        Some((namespace, name)) => (Some(Name::from(namespace)), name),
        None => (None, text),
    };
    Endpoint {
        kind: match kind {
            "wep" => EndpointKind::Workload,
            "hep" => EndpointKind::Host,
            "ns" => EndpointKind::NetworkSet,
            "net" => EndpointKind::Network,
            other => panic!("`{other}` is no kind of endpoint"),
        },
        namespace,
        name: Name::from(if name == "-" { "" } else { name }),
        name_scope: if kind == "net" || name.ends_with('*') {
            NameScope::Aggregated
        } else {
            NameScope::Exact
        },
        address,
        labels: (kind == "wep").then(LabelSet::default),
    }
}

/// A cluster with the namespaces that the tests speak of.
pub(super) fn cluster() -> Cluster {
    let namespace = |name: &str| Namespace {
        name: name.into(),
        labels: [("kubernetes.io/metadata.name", name)].into_iter().collect(),
    };
    Cluster {
        namespaces: ["shop", "data", "web", "kube-system"].map(namespace).to_vec(),
        ..Cluster::default()
    }
}

/// Endpoints of a Service: `10.0.0.5` on one port.
pub(super) fn service(namespace: &str, name: &str, ports: &[(&str, u16)]) -> ServiceEndpoints {
    let port = |(protocol, port): &(&str, u16)| ServicePort {
        name: Name::from(""),
        protocol: protocol.parse().expect("a protocol"),
        port: Some(*port),
    };
    ServiceEndpoints {
        namespace: namespace.into(),
        service: name.into(),
        slice: Name::from(format!("{name}-1")),
        addresses: vec!["10.0.0.5".parse().expect("an address")],
        ports: ports.iter().map(port).collect(),
    }
}

/// A network set with labels `k=v,…` and one prefix.
pub(super) fn network_set(namespace: Option<&str>, name: &str, labels: &str, net: &str) -> NetworkSet {
    NetworkSet {
        namespace: namespace.map(Name::from),
        name: name.into(),
        labels: labels.split(',').filter_map(|it| it.split_once('=')).collect(),
        nets: vec![net.parse().expect("a prefix")],
        domains: Vec::new(),
    }
}

/// A host endpoint with labels `k=v,…`.
pub(super) fn host(name: &str, labels: &str, address: &str) -> HostEndpoint {
    HostEndpoint {
        name: name.into(),
        node: name.into(),
        interface_name: Some("*".into()),
        labels: labels.split(',').filter_map(|it| it.split_once('=')).collect(),
        expected_ips: vec![address.parse().expect("an address")],
        profiles: vec!["projectcalico-default-allow".into()],
        ports: Vec::new(),
    }
}

/// Compiles a set.
pub(super) fn programs(tiers: Vec<Tier>, policies: Vec<Policy>, cluster: Cluster) -> Programs {
    Programs::compile(Arc::new(PolicySet::new(tiers, policies, cluster, Revision(7))))
}

/// Observes one window with fresh eyes.
pub(super) fn observe(
    config: Config,
    cluster: Cluster,
    lines: &str,
) -> Option<Result<Recommendation, Withheld>> {
    Recommender::new(config).observe(&window(60, lines), &programs(Vec::new(), Vec::new(), cluster))
}

/// Observes one window and returns the recommendation.
#[track_caller]
pub(super) fn recommend(config: Config, cluster: Cluster, lines: &str) -> Recommendation {
    observe(config, cluster, lines).expect("nothing is recommended").expect("the recommendation is withheld")
}

/// Prints the rules, each with its flags.
pub(super) fn print(recommendation: &Recommendation) -> String {
    let Recommendation { policy, evidence, .. } = recommendation;
    let mut text = String::new();
    for direction in [Direction::Ingress, Direction::Egress] {
        if !policy.types.governs(direction) {
            writeln!(text, "{direction}: not governed").unwrap();
        }
        for (place, rule) in policy.rules(direction).iter().enumerate() {
            let why = evidence.iter().find(|it| it.direction == direction && it.rule as usize == place);
            writeln!(text, "{direction} {}", print_rule(rule, direction, why.unwrap())).unwrap();
        }
    }
    text
}

fn print_rule(rule: &Rule, direction: Direction, why: &RuleEvidence) -> String {
    let RuleAction::Terminal(action) = rule.action else { panic!("a rule that logs") };
    let (peer, arrow) = match direction {
        Direction::Ingress => (&rule.source, "from"),
        Direction::Egress => (&rule.destination, "to"),
    };
    let protocol = rule.protocol.map_or("any".to_owned(), |it| it.to_string());
    let ports: Vec<String> = rule.destination.ports.iter().map(print_port).collect();
    let ports = if ports.is_empty() { String::new() } else { format!("/{}", ports.join(",")) };
    let flags: String = why.flags.iter().map(|it| format!(" [{}]", it.as_str())).collect();
    format!("{action} {protocol}{ports} {arrow} {}: {}{flags}", why.class.as_str(), print_peer(peer))
}

fn print_port(port: &PortMatch) -> String {
    match port {
        PortMatch::Range(first, last) if first == last => first.to_string(),
        PortMatch::Range(first, last) => format!("{first}-{last}"),
        PortMatch::Named(name) => name.to_string(),
    }
}

fn print_peer(peer: &EntityRule) -> String {
    let mut words = Vec::new();
    match &peer.namespace_selector {
        None => {}
        Some(NamespaceMatch::Any) => words.push("in any namespace".to_owned()),
        Some(NamespaceMatch::Global) => words.push("in no namespace".to_owned()),
        Some(NamespaceMatch::Labels(selector)) => words.push(format!("in {selector}")),
    }
    words.extend(peer.selector.iter().map(|it| format!("with {it}")));
    words.extend(peer.services.iter().map(|it| {
        let namespace = it.namespace.as_deref().unwrap_or("-");
        format!("service {namespace}/{}", it.name)
    }));
    let list = |nets: &[ipnet::IpNet]| nets.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
    if !peer.nets.is_empty() {
        words.push(list(&peer.nets));
    }
    if !peer.not_nets.is_empty() {
        words.push(format!("not {}", list(&peer.not_nets)));
    }
    words.join(" ")
}
