//! The cluster of the examples, and short ways to write policies and flows.

use std::sync::Arc;

use crate::evaluate::{Answer, Connection, Judgement, Options, Programs};
use crate::model::{
    Action, Direction, Endpoint, EndpointKind, IcmpMessage, IpAddr, LabelSet, Name, NameScope, PolicyId,
    PolicyKind, Protocol,
};
use crate::policy::{
    Cluster, DefaultAction, EntityRule, GlobalScope, NamedPort, Namespace, NamespaceMatch, NetworkSet, Order,
    Policy, PolicySet, PortMatch, Revision, Rule, RuleAction, Selector, ServiceAccount, StagedAction, Tier,
    Types, Workload,
};

pub(in crate::evaluate) fn labels(text: &str) -> LabelSet {
    text.split_whitespace().filter_map(|it| it.split_once('=')).collect()
}

pub(in crate::evaluate) fn selector(text: &str) -> Selector {
    Selector::parse(text).unwrap()
}

fn namespaced(text: &str) -> (Option<Name>, Name) {
    match text.split_once('/') {
        Some((namespace, name)) => (Some(Name::from(namespace)), Name::from(name)),
        None => (None, Name::from(text)),
    }
}

/// A policy that selects everything and governs nothing yet.
pub(in crate::evaluate) fn policy(short: &str, name: &str) -> PolicyText {
    let kind = PolicyKind::ALL.into_iter().find(|it| it.short() == short).unwrap();
    let (namespace, name) = namespaced(name);
    PolicyText(Policy {
        id: PolicyId { kind, namespace, name },
        tier: Name::from("default"),
        order: Order::LAST,
        selector: None,
        service_account_selector: None,
        types: Types { ingress: false, egress: false },
        ingress: Vec::new(),
        egress: Vec::new(),
        staged_action: kind.is_staged().then_some(StagedAction::Set),
        global: GlobalScope::default(),
        labels: LabelSet::default(),
    })
}

#[derive(Clone)]
pub(in crate::evaluate) struct PolicyText(pub(in crate::evaluate) Policy);

impl PolicyText {
    pub(in crate::evaluate) fn tier(mut self, name: &str) -> Self {
        self.0.tier = Name::from(name);
        self
    }

    pub(in crate::evaluate) fn order(mut self, order: f64) -> Self {
        self.0.order = Order::new(order);
        self
    }

    pub(in crate::evaluate) fn selects(mut self, text: &str) -> Self {
        self.0.selector = Some(selector(text));
        self
    }

    pub(in crate::evaluate) fn namespaces(mut self, text: &str) -> Self {
        self.0.global.namespace_selector = Some(selector(text));
        self
    }

    pub(in crate::evaluate) fn accounts(mut self, text: &str) -> Self {
        self.0.service_account_selector = Some(selector(text));
        self
    }

    pub(in crate::evaluate) fn action(mut self, action: StagedAction) -> Self {
        self.0.staged_action = Some(action);
        self
    }

    pub(in crate::evaluate) fn ingress(mut self, rules: impl IntoIterator<Item = RuleText>) -> Self {
        self.0.types.ingress = true;
        self.0.ingress = rules.into_iter().map(|it| it.0).collect();
        self
    }

    pub(in crate::evaluate) fn egress(mut self, rules: impl IntoIterator<Item = RuleText>) -> Self {
        self.0.types.egress = true;
        self.0.egress = rules.into_iter().map(|it| it.0).collect();
        self
    }
}

pub(in crate::evaluate) fn allow() -> RuleText {
    RuleText(Rule::new(RuleAction::Terminal(Action::Allow)))
}

pub(in crate::evaluate) fn deny() -> RuleText {
    RuleText(Rule::new(RuleAction::Terminal(Action::Deny)))
}

pub(in crate::evaluate) fn pass() -> RuleText {
    RuleText(Rule::new(RuleAction::Terminal(Action::Pass)))
}

pub(in crate::evaluate) fn log() -> RuleText {
    RuleText(Rule::new(RuleAction::Log))
}

#[derive(Clone)]
pub(in crate::evaluate) struct RuleText(pub(in crate::evaluate) Rule);

impl RuleText {
    pub(in crate::evaluate) fn protocol(mut self, text: &str) -> Self {
        self.0.protocol = Some(text.parse().unwrap());
        self
    }

    pub(in crate::evaluate) fn from(mut self, text: &str) -> Self {
        self.0.source.selector = Some(selector(text));
        self
    }

    pub(in crate::evaluate) fn to(mut self, text: &str) -> Self {
        self.0.destination.selector = Some(selector(text));
        self
    }

    pub(in crate::evaluate) fn in_namespaces(mut self, text: &str) -> Self {
        self.0.source.namespace_selector = Some(match text {
            "all()" => NamespaceMatch::Any,
            "global()" => NamespaceMatch::Global,
            text => NamespaceMatch::Labels(selector(text)),
        });
        self
    }

    pub(in crate::evaluate) fn source(mut self, change: impl FnOnce(&mut EntityRule)) -> Self {
        change(&mut self.0.source);
        self
    }

    pub(in crate::evaluate) fn dest(mut self, change: impl FnOnce(&mut EntityRule)) -> Self {
        change(&mut self.0.destination);
        self
    }

    pub(in crate::evaluate) fn rule(mut self, change: impl FnOnce(&mut Rule)) -> Self {
        change(&mut self.0);
        self
    }

    pub(in crate::evaluate) fn ports(self, text: &str) -> Self {
        let ports = text.split_whitespace().map(port).collect();
        self.dest(|it| it.ports = ports)
    }
}

pub(in crate::evaluate) fn port(text: &str) -> PortMatch {
    let (first, last) = text.split_once(':').unwrap_or((text, text));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) => PortMatch::Range(first, last),
        _ => PortMatch::Named(Name::from(text)),
    }
}

pub(in crate::evaluate) fn pod(id: &str, own: &str, address: &str, account: &str) -> Workload {
    let (namespace, name) = namespaced(id);
    Workload {
        namespace: namespace.unwrap(),
        name,
        labels: labels(own),
        service_account: Name::from(account),
        generate_name: None,
        addresses: vec![address.parse().unwrap()],
        ports: Vec::new(),
    }
}

pub(in crate::evaluate) fn network_set(id: &str, own: &str, nets: &str) -> NetworkSet {
    let (namespace, name) = namespaced(id);
    let nets = nets.split_whitespace().map(|it| it.parse().unwrap()).collect();
    NetworkSet { namespace, name, labels: labels(own), nets, domains: Vec::new() }
}

/// The cluster that the examples share.
pub(in crate::evaluate) fn cluster() -> Cluster {
    let namespace = |name, own| Namespace { name: Name::from(name), labels: labels(own) };
    let account = |namespace, name, own| ServiceAccount {
        namespace: Name::from(namespace),
        name: Name::from(name),
        labels: labels(own),
    };
    let mut db = pod("shop/db", "app=db", "10.0.1.20", "default");
    db.ports.push(NamedPort { name: Name::from("pg"), protocol: Protocol::TCP, port: 5432 });
    Cluster {
        namespaces: vec![namespace("shop", "env=prod"), namespace("ops", "env=mgmt")],
        service_accounts: vec![
            account("shop", "web-sa", "team=a"),
            account("shop", "default", ""),
            account("ops", "default", ""),
        ],
        network_sets: vec![
            network_set("corp", "zone=corp", "203.0.113.0/24"),
            network_set("shop/partners", "kind=partner", "198.51.100.0/24"),
        ],
        workloads: vec![
            pod("shop/web", "app=web tier=front", "10.0.1.10", "web-sa"),
            db,
            pod("ops/job", "app=job", "10.0.2.30", "default"),
        ],
        ..Cluster::default()
    }
}

fn tier(name: &str, order: f64, default_action: DefaultAction) -> Tier {
    Tier { name: Name::from(name), order: Order::new(order), default_action }
}

pub(in crate::evaluate) fn set_of(
    cluster: Cluster,
    policies: impl IntoIterator<Item = PolicyText>,
) -> PolicySet {
    let tiers =
        vec![tier("security", 100.0, DefaultAction::Deny), tier("platform", 200.0, DefaultAction::Pass)];
    PolicySet::new(tiers, policies.into_iter().map(|it| it.0).collect(), cluster, Revision(1))
}

pub(in crate::evaluate) fn programs(
    options: &Options,
    policies: impl IntoIterator<Item = PolicyText>,
) -> Programs {
    Programs::compile_with(Arc::new(set_of(cluster(), policies)), options.clone())
}

/// Reads `web`, `shop/web`, an address, `pub`, `pvt`, `hep:node`, or a pod of the cluster by its name.
pub(in crate::evaluate) fn endpoint(programs: &Programs, text: &str) -> Endpoint {
    let plain = |kind, name: &str| Endpoint {
        kind,
        namespace: None,
        name: Name::from(name),
        name_scope: NameScope::Exact,
        address: None,
        labels: None,
    };
    if let Ok(address) = text.parse::<IpAddr>() {
        return Endpoint {
            address: Some(address),
            name_scope: NameScope::Aggregated,
            ..plain(EndpointKind::Network, "pub")
        };
    }
    if text == "pub" || text == "pvt" {
        return Endpoint { name_scope: NameScope::Aggregated, ..plain(EndpointKind::Network, text) };
    }
    if let Some(name) = text.strip_prefix("hep:") {
        return plain(EndpointKind::Host, name);
    }
    let pods = &programs.set().cluster().workloads;
    let pod = pods.iter().find(|it| it.name == text).unwrap();
    Endpoint {
        namespace: Some(pod.namespace.clone()),
        address: pod.addresses.first().copied(),
        labels: Some(pod.labels.clone()),
        ..plain(EndpointKind::Workload, text)
    }
}

/// A connection that owns its ends.
pub(in crate::evaluate) struct OwnedConnection {
    source: Endpoint,
    dest: Endpoint,
    protocol: Protocol,
    dest_port: Option<u16>,
    icmp: Option<IcmpMessage>,
}

impl OwnedConnection {
    pub(in crate::evaluate) fn connection(&self) -> Connection<'_> {
        Connection {
            source: &self.source,
            dest: &self.dest,
            protocol: self.protocol,
            source_port: self.protocol.has_ports().then_some(40_000),
            dest_port: self.dest_port,
            icmp: self.icmp,
        }
    }
}

/// A flow as text: `web -> db tcp/5432`, `db -> 8.8.8.8 icmp:13`.
pub(in crate::evaluate) fn connection_of(programs: &Programs, flow: &str) -> OwnedConnection {
    let words: Vec<&str> = flow.split_whitespace().collect();
    let [source, "->", dest, service] = words.as_slice() else { panic!("not a flow: {flow}") };
    let (protocol, dest_port, icmp) = match (service.split_once('/'), service.split_once(':')) {
        (Some((protocol, port)), _) => (protocol, port.parse().ok(), None),
        (None, Some((protocol, kind))) => {
            (protocol, None, Some(IcmpMessage { icmp_type: kind.parse().unwrap(), code: 0 }))
        }
        (None, None) => (*service, None, None),
    };
    let protocol = if protocol == "0" { Protocol(0) } else { protocol.parse().unwrap() };
    let (source, dest) = (endpoint(programs, source), endpoint(programs, dest));
    OwnedConnection { source, dest, protocol, dest_port, icmp }
}

pub(in crate::evaluate) fn judge(programs: &Programs, direction: Direction, flow: &str) -> Judgement {
    programs.judge(direction, &connection_of(programs, flow).connection())
}

pub(in crate::evaluate) fn text(judgement: &Judgement) -> String {
    let verdict = |name: &str, it: &crate::evaluate::Verdict| {
        let answer = match it.answer {
            Answer::Undetermined(missing) => format!("UNDETERMINED ({missing})"),
            other => other.as_str().to_uppercase(),
        };
        let trace: Vec<String> = it.trace.lines().collect();
        format!("{name} {answer} {}", trace.join(" ")).trim_end().to_owned()
    };
    let enforced = verdict("E", &judgement.enforced);
    let pending = verdict("P", &judgement.pending);
    if enforced.get(1..) == pending.get(1..) {
        return enforced.replacen('E', "E=P", 1);
    }
    format!("{enforced}; {pending}")
}

/// Judges the destination's ingress.
#[track_caller]
pub(in crate::evaluate) fn dst(policies: &[PolicyText], flow: &str, expect: &str) {
    check(&Options::default(), policies, Direction::Ingress, flow, expect);
}

/// Judges the source's egress.
#[track_caller]
pub(in crate::evaluate) fn src(policies: &[PolicyText], flow: &str, expect: &str) {
    check(&Options::default(), policies, Direction::Egress, flow, expect);
}

#[track_caller]
pub(in crate::evaluate) fn check(
    options: &Options,
    policies: &[PolicyText],
    direction: Direction,
    flow: &str,
    expect: &str,
) {
    let programs = programs(options, policies.to_vec());
    assert_eq!(text(&judge(&programs, direction, flow)), expect, "{flow}");
}

/// Example 3: the policy that many examples start from.
pub(in crate::evaluate) fn db_in() -> PolicyText {
    policy("np", "shop/db-in")
        .selects("app == 'db'")
        .ingress([allow().protocol("tcp").from("app == 'web'").ports("5432")])
}
