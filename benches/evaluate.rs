//! Judging: the first judgement of an edge, a remembered one, compilation, and recompilation after one change.
//!
//! A cluster of 100 namespaces, 3,000 pods each of its own labels, and policies spread over them: three rules each,
//! one in ten staged, one in fifty global. The same seed gives the same cluster.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flowstage::evaluate::{Judge, Programs};
use flowstage::model::{
    Action, Direction, Edge, Endpoint, EndpointKind, LabelSet, Name, NameScope, PolicyId, PolicyKind,
    Protocol,
};
use flowstage::policy::selector::Node;
use flowstage::policy::{
    Cluster, GlobalScope, Namespace, NamespaceMatch, Order, Policy, PolicySet, PortMatch, Revision, Rule,
    RuleAction, Selector, StagedAction, Types, Workload,
};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

const NAMESPACES: usize = 100;
const PODS: usize = 3_000;
const APPS: usize = 30;
const EDGES: usize = 100_000;

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

fn policy(number: usize, random: &mut ChaCha8Rng) -> Policy {
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
        ingress: (0..3).map(|_| rule(random)).collect(),
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
    Cluster { namespaces, workloads, ..Cluster::default() }
}

fn set(count: usize) -> PolicySet {
    let mut random = ChaCha8Rng::seed_from_u64(17);
    let policies = (0..count).map(|it| policy(it, &mut random)).collect();
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

/// Edges between random pods. `port` is of another class for each pass, so that no pass finds the answers of another.
fn edges(set: &PolicySet) -> Vec<Edge> {
    let mut random = ChaCha8Rng::seed_from_u64(18);
    let ends: Vec<Endpoint> = set.cluster().workloads.iter().map(endpoint).collect();
    (0..EDGES)
        .map(|_| Edge {
            direction: Direction::Ingress,
            subject: ends[random.random_range(0..PODS)].clone(),
            peer: ends[random.random_range(0..PODS)].clone(),
            protocol: Protocol::TCP,
            port: Some(8_000 + random.random_range(0..500)),
            service: None,
        })
        .collect()
}

/// A judge that has met every end, and judged nothing between them on the ports of the edges.
fn warm(programs: &Arc<Programs>, edges: &[Edge]) -> Judge {
    let mut judge = Judge::new(Arc::clone(programs));
    for edge in edges {
        let _id = judge.judge(&Edge { port: None, peer: edge.subject.clone(), ..edge.clone() });
    }
    judge
}

fn judging(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("judge");
    group.throughput(Throughput::Elements(EDGES as u64)).sample_size(10);
    for count in [100, 1_000, 10_000] {
        let set = Arc::new(set(count));
        let programs = Arc::new(Programs::compile(Arc::clone(&set)));
        let edges = edges(&set);
        let mut known = warm(&programs, &edges);
        let all = |judge: &mut Judge| {
            for edge in &edges {
                black_box(judge.judge(edge));
            }
        };
        all(&mut known);
        eprintln!(
            "{count} policies: compiled {} KiB; {} classes, {} judgements, judge {} KiB",
            programs.bytes() / 1024,
            known.classes(),
            known.len(),
            known.bytes() / 1024
        );
        group.bench_function(BenchmarkId::new("first", count), |bench| {
            bench.iter_batched_ref(|| warm(&programs, &edges), |judge| all(judge), BatchSize::PerIteration);
        });
        group.bench_function(BenchmarkId::new("remembered", count), |bench| bench.iter(|| all(&mut known)));
    }
    group.finish();
}

fn compiling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("compile");
    group.sample_size(10);
    for count in [100, 1_000, 10_000] {
        let set = Arc::new(set(count));
        group.bench_function(BenchmarkId::new("anew", count), |bench| {
            bench.iter(|| Programs::compile(Arc::clone(&set)));
        });
        let programs = Programs::compile(Arc::clone(&set));
        let mut policies = set.policies().to_vec();
        policies[count / 2].ingress.truncate(1);
        let changed = PolicySet::new(Vec::new(), policies, set.cluster().clone(), Revision(2));
        let changed = Arc::new(changed);
        group.bench_function(BenchmarkId::new("one changed", count), |bench| {
            bench.iter(|| programs.recompile(Arc::clone(&changed)));
        });
    }
    group.finish();
}

criterion_group!(benches, judging, compiling);
criterion_main!(benches);
