//! A generated cluster with its policies, and edges in it.
//!
//! 100 namespaces, 3,000 pods each of its own labels and so each a class of its own, and policies spread over them:
//! one in ten staged, one in fifty global and for one pod. The same seed gives the same world.

use std::collections::HashSet;
use std::sync::Arc;

use flowstage::evaluate::{Connection, Programs};
use flowstage::model::{
    Action, Direction, Edge, Endpoint, EndpointKind, HitOwner, LabelSet, Name, NameScope, PolicyId,
    PolicyKind, Protocol,
};
use flowstage::policy::selector::Node;
use flowstage::policy::{
    Cluster, GlobalScope, Namespace, NamespaceMatch, NetworkSet, Order, Policy, PolicySet, PortMatch,
    Revision, Rule, RuleAction, Selector, StagedAction, Types, Workload,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const NAMESPACES: usize = 100;
const PODS: usize = 3_000;
const APPS: usize = 30;

fn name(prefix: &str, number: usize) -> Name {
    Name::from(format!("{prefix}{number}"))
}

fn app(number: usize) -> Selector {
    Selector::from_node(Node::Eq(Name::from("app"), name("app-", number)))
}

fn rule(random: &mut ChaCha8Rng) -> Rule {
    let action = if random.random_ratio(1, 8) { Action::Deny } else { Action::Allow };
    let mut rule = Rule::new(RuleAction::Terminal(action));
    rule.protocol = Some(Protocol::TCP);
    rule.source.selector = Some(app(random.random_range(0..APPS)));
    if random.random_ratio(1, 3) {
        let team = Node::Eq(Name::from("team"), name("team-", random.random_range(0..10)));
        rule.source.namespace_selector = Some(NamespaceMatch::Labels(Selector::from_node(team)));
    }
    let port = 8_000 + 10 * random.random_range(0..50);
    rule.destination.ports = vec![PortMatch::Range(port, port + 4)];
    rule
}

fn policy(number: usize, rules: usize, random: &mut ChaCha8Rng) -> Policy {
    let is_staged = number.is_multiple_of(10);
    let is_global = number.is_multiple_of(50);
    let kind = match (is_global, is_staged) {
        (true, _) => PolicyKind::GlobalNetworkPolicy,
        (false, true) => PolicyKind::StagedNetworkPolicy,
        (false, false) => PolicyKind::NetworkPolicy,
    };
    let namespace = (!is_global).then(|| name("ns-", number % NAMESPACES));
    let mut selector = app(random.random_range(0..APPS));
    if is_global {
        selector =
            Selector::from_node(Node::Eq(Name::from("pod"), name("pod-", random.random_range(0..PODS))));
    }
    Policy {
        id: PolicyId { kind, namespace, name: name("policy-", number) },
        tier: Name::from("default"),
        order: Order::new(f64::from(random.random_range(0..1_000_u32))),
        selector: Some(selector),
        service_account_selector: None,
        types: Types { ingress: true, egress: false },
        ingress: (0..rules).map(|_| rule(random)).collect(),
        egress: Vec::new(),
        staged_action: kind.is_staged().then_some(StagedAction::Set),
        global: GlobalScope::default(),
        labels: LabelSet::default(),
    }
}

fn cluster() -> Cluster {
    let namespaces = (0..NAMESPACES)
        .map(|it| Namespace {
            name: name("ns-", it),
            labels: [(Name::from("team"), name("team-", it % 10))].into_iter().collect(),
        })
        .collect();
    let workloads = (0..PODS)
        .map(|it| Workload {
            namespace: name("ns-", it % NAMESPACES),
            name: name("pod-", it),
            labels: [
                (Name::from("app"), name("app-", it / NAMESPACES)),
                (Name::from("pod"), name("pod-", it)),
            ]
            .into_iter()
            .collect(),
            service_account: Name::from("default"),
            generate_name: None,
            addresses: vec![std::net::Ipv4Addr::from(0x0a00_0000 + u32::try_from(it).unwrap()).into()],
            ports: Vec::new(),
        })
        .collect();
    let network_sets = (0..APPS)
        .map(|it| NetworkSet {
            namespace: None,
            name: name("set-", it),
            labels: [(Name::from("app"), name("app-", it))].into_iter().collect(),
            nets: vec![format!("192.0.{it}.0/24").parse().unwrap()],
            domains: Vec::new(),
        })
        .collect();
    Cluster { namespaces, workloads, network_sets, ..Cluster::default() }
}

/// A set of `count` policies with as many `rules` each.
pub(crate) fn set(count: usize, rules: usize) -> PolicySet {
    let mut random = ChaCha8Rng::seed_from_u64(17);
    let policies = (0..count).map(|it| policy(it, rules, &mut random)).collect();
    PolicySet::new(Vec::new(), policies, cluster(), Revision(1))
}

fn endpoint(pod: &Workload) -> Endpoint {
    Endpoint {
        kind: EndpointKind::Workload,
        namespace: Some(pod.namespace.clone()),
        name: pod.name.clone(),
        name_scope: NameScope::Exact,
        address: pod.addresses.first().copied(),
        labels: Some(pod.labels.clone()),
    }
}

/// Which pods edges end at.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Subjects {
    /// Any.
    All,
    /// Those that some policy selects.
    Selected,
}

/// Returns the pods that some policy selects, by their places: something stands in their traces before the profile.
fn selected(set: &PolicySet, ends: &[Endpoint]) -> Vec<usize> {
    let programs = Programs::compile(Arc::new(set.clone()));
    let is_selected = |it: &usize| {
        let connection = Connection {
            source: &ends[*it],
            dest: &ends[*it],
            protocol: Protocol::TCP,
            source_port: None,
            dest_port: Some(1),
            icmp: None,
        };
        let trace = programs.judge(Direction::Ingress, &connection).pending.trace;
        matches!(trace.0[0].owner, HitOwner::Policy { .. })
    };
    (0..ends.len()).filter(is_selected).collect()
}

/// As many edges between random pods, no two alike in pods and port: 500 ports in 100 classes.
pub(crate) fn edges(set: &PolicySet, count: usize, subjects: Subjects) -> Vec<Edge> {
    let mut random = ChaCha8Rng::seed_from_u64(18);
    let ends: Vec<Endpoint> = set.cluster().workloads.iter().map(endpoint).collect();
    let subjects = match subjects {
        Subjects::All => (0..PODS).collect(),
        Subjects::Selected => selected(set, &ends),
    };
    let mut seen = HashSet::new();
    let draw = || {
        let subject = subjects[random.random_range(0..subjects.len())];
        let drawn: (usize, usize, u16) =
            (subject, random.random_range(0..PODS), 8_000 + random.random_range(0..500));
        seen.insert(drawn).then_some(drawn)
    };
    let edge = |(subject, peer, port): (usize, usize, u16)| Edge {
        direction: Direction::Ingress,
        subject: ends[subject].clone(),
        peer: ends[peer].clone(),
        protocol: Protocol::TCP,
        port: Some(port),
        service: None,
    };
    std::iter::repeat_with(draw).flatten().take(count).map(edge).collect()
}

/// What may change in a catalog.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Edit {
    /// A policy selects what none did, and loses two rules.
    Policy,
    /// One label of a namespace changes, which its thirty pods inherit.
    Label,
    /// A network set gets a prefix that holds sixty-four pods.
    NetworkSet,
}

/// The set after an edit. As in a catalog that is read again, what did not change is held in common.
pub(crate) fn edited(set: &PolicySet, edit: Edit) -> PolicySet {
    let mut policies: Vec<Policy> = set.policies().iter().map(|it| Policy::clone(it)).collect();
    let mut cluster = Cluster::clone(set.cluster());
    match edit {
        Edit::Policy => {
            let middle = policies.len() / 2;
            let policy = &mut policies[middle];
            let both = [app(1), app(2)].map(Selector::into_root);
            policy.selector = Some(Selector::from_node(Node::Or(both.to_vec())));
            policy.ingress.truncate(1);
        }
        Edit::Label => cluster.namespaces[7].labels.insert(Name::from("team"), Name::from("team-8")),
        Edit::NetworkSet => cluster.network_sets[7].nets.push("10.0.0.0/26".parse().unwrap()),
    }
    PolicySet::new(set.tiers().to_vec(), policies, cluster, Revision(2)).sharing(set)
}
