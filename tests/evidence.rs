//! Recorded traces as evidence, on random worlds: does what they settle ever contradict what was so?
//!
//! ```text
//!   a whole flow, which leaves nothing open --enforced--> its trace      --candidates in force--> the answer
//!     | take away addresses, labels, ports                  | as evidence
//!   the flow as a record has it ----------------------------+--candidates in force--> the same answer, or none
//! ```

#![allow(clippy::print_stdout, reason = "says how much was compared")]

mod support;

use std::sync::Arc;

use flowstage::evaluate::{
    Answer, EndOfTier, Evidence, Options, Programs, Supposed, Truth, Verdict, explain,
};
use flowstage::model::{
    Direction, Endpoint, EndpointKind, IcmpMessage, IpAddr, LabelSet, Name, NameScope, Protocol,
    RecordedAction, Trace,
};
use flowstage::policy::{Cluster, Namespace, Order, Policy, ServiceAccount, StagedAction, Workload};
use rand::seq::{IndexedRandom, SliceRandom};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use support::worlds::{Question, World};

const QUESTIONS: usize = 20;

fn worlds() -> u64 {
    let is_long = std::env::var("FLOWSTAGE_TEST_LONG").is_ok_and(|it| it == "1");
    if is_long { 10_000 } else { 600 }
}

/// A world of which only records tell the pods.
struct Scene {
    world: World,
    pods: Vec<Workload>,
}

impl Scene {
    fn of(seed: u64) -> Self {
        let mut world = World::of(seed);
        let pods = std::mem::take(&mut world.cluster.workloads);
        let Cluster { namespaces, service_accounts, .. } = &mut world.cluster;
        // What the catalog lacks would be open in every flow.
        for pod in &pods {
            if !namespaces.iter().any(|it| it.name == pod.namespace) {
                namespaces.push(Namespace { name: pod.namespace.clone(), labels: LabelSet::default() });
            }
            let (namespace, name) = (pod.namespace.clone(), pod.service_account.clone());
            if !service_accounts.iter().any(|it| it.namespace == namespace && it.name == name) {
                service_accounts.push(ServiceAccount { namespace, name, labels: LabelSet::default() });
            }
        }
        Self { world, pods }
    }

    /// An address that is of two things tells what one of them alone does not.
    fn is_of_host(&self, address: &IpAddr) -> bool {
        self.world.cluster.host_endpoints.iter().any(|it| it.expected_ips.contains(address))
    }

    /// Who somebody may talk to, or be: with everything that there is to say of them.
    fn pod(&self, rng: &mut ChaCha8Rng, is_v4: bool) -> Option<Endpoint> {
        let pod = self.pods.choose(rng)?;
        let address = pod.addresses.iter().copied().find(|it| it.is_ipv4() == is_v4)?;
        if self.is_of_host(&address) {
            return None;
        }
        let mut labels = pod.labels.clone();
        labels.insert(Name::from("projectcalico.org/serviceaccount"), pod.service_account.clone());
        Some(Endpoint {
            kind: EndpointKind::Workload,
            namespace: Some(pod.namespace.clone()),
            name: pod.name.clone(),
            name_scope: NameScope::Exact,
            address: Some(address),
            labels: Some(labels),
        })
    }

    /// Something that no policy applies to: an address of a set, or of nobody.
    fn outsider(&self, rng: &mut ChaCha8Rng, is_v4: bool) -> Option<Endpoint> {
        let address: IpAddr = support::worlds::address(rng, is_v4);
        if self.is_of_host(&address) {
            return None;
        }
        let plain = |kind, name: &str| Endpoint {
            kind,
            namespace: None,
            name: Name::from(name),
            name_scope: NameScope::Exact,
            address: Some(address),
            labels: None,
        };
        let set = self
            .world
            .cluster
            .network_sets
            .iter()
            .find(|it| it.nets.iter().any(|net| net.contains(&address)));
        Some(match (set, address) {
            (Some(set), _) => {
                Endpoint { namespace: set.namespace.clone(), ..plain(EndpointKind::NetworkSet, &set.name) }
            }
            (None, IpAddr::V4(it)) if it.is_private() => plain(EndpointKind::Network, "pvt"),
            (None, _) => plain(EndpointKind::Network, "pub"),
        })
    }

    fn question(&self, rng: &mut ChaCha8Rng) -> Option<Question> {
        let is_v4 = rng.random_bool(0.7);
        let subject = self.pod(rng, is_v4)?;
        let peer = if rng.random_bool(0.6) { self.pod(rng, is_v4)? } else { self.outsider(rng, is_v4)? };
        let direction = *[Direction::Ingress, Direction::Egress].choose(rng)?;
        let (source, dest) = match direction {
            Direction::Egress => (subject, peer),
            Direction::Ingress => (peer, subject),
        };
        let messages = if is_v4 { Protocol::ICMP } else { Protocol::ICMPV6 };
        let protocol = *[Protocol::TCP, Protocol::TCP, Protocol::UDP, messages].choose(rng)?;
        let port = |rng: &mut ChaCha8Rng| protocol.has_ports().then(|| rng.random_range(50..500));
        let known = *[53, 80, 443, 5432, 8080].choose(rng)?;
        Some(Question {
            direction,
            source,
            dest,
            protocol,
            source_port: port(rng),
            dest_port: protocol.has_ports().then_some(known),
            icmp: (!protocol.has_ports())
                .then(|| IcmpMessage { icmp_type: *[8, 13].choose(rng).unwrap(), code: 0 }),
        })
    }

    /// The staged policies, and edits and removals of some that are in force.
    fn candidates(&self, rng: &mut ChaCha8Rng) -> Vec<Policy> {
        let mut candidates = Vec::new();
        for policy in &self.world.policies {
            let mut edit = policy.clone();
            match policy.staged_action {
                Some(StagedAction::Set | StagedAction::Delete) => {}
                Some(_) => continue,
                None if rng.random_bool(0.6) => continue,
                None => match rng.random_range(0..5) {
                    // A removal goes by what it removes, whatever kind that is.
                    0 | 1 => edit.staged_action = Some(StagedAction::Delete),
                    2 => edit.order = Order::new(5.0),
                    3 => drop((edit.ingress.pop(), edit.egress.pop())),
                    _ => edit.ingress.extend(policy.egress.iter().cloned()),
                },
            }
            candidates.push(edit);
        }
        candidates.shuffle(rng);
        candidates
    }
}

/// The flow as a record might have it.
fn recorded(rng: &mut ChaCha8Rng, whole: &Question) -> Question {
    let mut it = whole.clone();
    for end in [&mut it.source, &mut it.dest] {
        if rng.random_bool(0.6) {
            end.address = None;
        }
        if end.kind == EndpointKind::Workload {
            end.name = Name::from("some-*");
            end.name_scope = NameScope::Aggregated;
            if rng.random_bool(0.6) {
                end.labels = None;
            }
        }
    }
    it.source_port = None;
    it.dest_port = it.dest_port.filter(|_| rng.random_bool(0.7));
    it.icmp = None;
    it
}

/// Whether nothing is open of a flow: whether each policy applies that may, and whether each rule matches.
fn leaves_nothing_open(programs: &Programs, question: &Question) -> bool {
    let explanation = explain(programs, question.direction, &question.connection());
    let is_known = |it: &Truth| !matches!(it, Truth::Unknown(_));
    explanation
        .tiers
        .iter()
        .flat_map(|it| &it.policies)
        .all(|it| is_known(&it.selects) && it.rules.iter().all(|rule| is_known(&rule.matches)))
}

fn action(verdict: &Verdict) -> RecordedAction {
    match verdict.answer {
        Answer::Allow => RecordedAction::Allow,
        Answer::Deny => RecordedAction::Deny,
        Answer::Undetermined(_) => panic!("a whole flow leaves nothing open"),
    }
}

#[derive(Default, Debug)]
struct Tally {
    flows: u32,
    open: u32,
    settled: u32,
    enforced_open: u32,
    enforced_settled: u32,
    foreign: u32,
}

/// What is settled is right, and nothing else changes.
#[track_caller]
fn check(seed: u64, so: Option<&Verdict>, without: &Verdict, with: &Verdict) -> (u32, u32) {
    match (without.answer, with.answer) {
        (Answer::Undetermined(before), Answer::Undetermined(after)) => {
            assert!(before.contains(after), "seed {seed}: {after} was not missing before");
            (1, 0)
        }
        (Answer::Undetermined(_), answer) => {
            let so = so.map_or(answer, |it| it.answer);
            assert_eq!(answer, so, "seed {seed}: evidence contradicts what was so");
            (1, 1)
        }
        (before, after) => {
            assert_eq!(before, after, "seed {seed}: evidence changes what is known");
            (0, 0)
        }
    }
}

#[test]
fn evidence_never_contradicts_what_was_so() {
    let mut tally = Tally::default();
    for seed in 0..worlds() {
        let rng = &mut ChaCha8Rng::seed_from_u64(seed);
        let scene = Scene::of(seed);
        // As flow logs charge it, from which traces are.
        let options = Options { end_of_tier: EndOfTier::Last, ..Options::default() };
        let programs = Programs::compile_with(Arc::new(scene.world.set()), options);
        let supposed = Supposed::new(&programs, &scene.candidates(rng), &[]);
        let mut foreign: Option<(Trace, RecordedAction)> = None;
        for _ in 0..QUESTIONS {
            let Some(whole) = scene.question(rng).filter(|it| leaves_nothing_open(&programs, it)) else {
                continue;
            };
            let question = recorded(rng, &whole);
            let (direction, connection) = (question.direction, question.connection());
            let so = programs.enforced(direction, &whole.connection(), None);
            let would_be = supposed.enforced(direction, &whole.connection(), None);
            let evidence = programs.evidence(direction, &connection, &so.trace, action(&so));
            assert!(
                evidence.is_some(),
                "seed {seed}: no evidence in {:?}\n{}---\n{}\n{}",
                so.trace,
                scene.world.yaml(),
                whole.yaml(),
                question.yaml()
            );
            let verdicts = |evidence: Option<&Evidence>| {
                let enforced = programs.enforced(direction, &connection, evidence);
                (enforced, supposed.enforced(direction, &connection, evidence))
            };
            let (enforced, pending) = verdicts(None);
            let (enforced_with, pending_with) = verdicts(evidence.as_ref());
            tally.flows += 1;
            let (open, settled) = check(seed, Some(&so), &enforced, &enforced_with);
            tally.enforced_open += open;
            tally.enforced_settled += settled;
            let (open, settled) = check(seed, Some(&would_be), &pending, &pending_with);
            tally.open += open;
            tally.settled += settled;
            // The trace of another flow, which may be any: what is known stands.
            let trace = foreign.replace((so.trace.clone(), action(&so)));
            let other =
                trace.and_then(|(trace, action)| programs.evidence(direction, &connection, &trace, action));
            if let Some(other) = &other {
                let (enforced_with, pending_with) = verdicts(Some(other));
                check(seed, None, &enforced, &enforced_with);
                check(seed, None, &pending, &pending_with);
                tally.foreign += 1;
            }
        }
    }
    println!("{tally:?}");
    let Tally { flows, open, settled, enforced_open, enforced_settled, foreign } = tally;
    assert!(open > flows / 10 && settled > open / 10 && settled < open, "{settled} of {open} in {flows}");
    assert!(enforced_settled > enforced_open / 2 && foreign > 0, "{enforced_settled} of {enforced_open}");
}
