//! The recorded worlds: what Calico's own code answered, flow by flow, verdict and trace.
//!
//! Both evaluators answer every direction in both modes, with nothing but the mode chosen. The expected answers come
//! from Calico's conversion, calculation graph and policy checker, so what holds for all recorded worlds does not hold
//! for a reason that the two evaluators share.

#![allow(clippy::print_stdout, reason = "says how much was compared")]

mod support;

use std::fmt::Write;
use std::io::{BufRead, BufReader};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use flate2::read::GzDecoder;
use flowstage::evaluate::{
    self, Answer, Connection, EndOfTier, Judge, Judgement, Missing, Options, Programs, Verdict,
};
use flowstage::model::{Direction, Edge, Endpoint, EndpointKind, IcmpMessage, Name, NameScope, Protocol};
use flowstage::policy::PolicySet;
use serde_json::Value;
use support::manifests;
use support::reference::{self, Charge, Reference, Scope};

/// The worlds in parts, which run side by side: a part for each mode and range.
macro_rules! parts {
    ($($name:ident: $mode:expr, $range:expr;)*) => {
        $(#[test]
        fn $name() {
            run($mode, $range);
        })*
    };
}

parts! {
    strict_mode_answers_as_the_data_plane_in_worlds_0_to_99: evaluate::Mode::Strict, 0..100;
    strict_mode_answers_as_the_data_plane_in_worlds_100_to_199: evaluate::Mode::Strict, 100..200;
    strict_mode_answers_as_the_data_plane_in_worlds_200_to_299: evaluate::Mode::Strict, 200..300;
    strict_mode_answers_as_the_data_plane_in_worlds_300_and_on: evaluate::Mode::Strict, 300..usize::MAX;
    conformance_mode_answers_as_the_checker_in_worlds_0_to_99: evaluate::Mode::Conformance, 0..100;
    conformance_mode_answers_as_the_checker_in_worlds_100_to_199: evaluate::Mode::Conformance, 100..200;
    conformance_mode_answers_as_the_checker_in_worlds_200_to_299: evaluate::Mode::Conformance, 200..300;
    conformance_mode_answers_as_the_checker_in_worlds_300_and_on: evaluate::Mode::Conformance, 300..usize::MAX;
}

/// What is recorded for a mode of one end; nothing where any answer will do.
fn recorded_for(mode: evaluate::Mode, end: &Value) -> Option<&Value> {
    match mode {
        evaluate::Mode::Strict if end["dataplane"].is_null() => Some(end),
        evaluate::Mode::Strict => Some(&end["dataplane"]),
        evaluate::Mode::Conformance => {
            // A defect of the snapshot that was recorded, which is no rule.
            let mut because = end["dataplane"]["because"].as_array().into_iter().flatten();
            (!because.any(|it| it == "cidr-in-set" || it == "combined")).then_some(end)
        }
    }
}

/// The evaluators of one world in one mode.
struct Evaluators<'a> {
    first: Arc<Programs>,
    last: Programs,
    judge: Judge,
    reference: Reference<'a>,
}

impl<'a> Evaluators<'a> {
    fn new(mode: evaluate::Mode, set: &'a Arc<PolicySet>) -> Self {
        let slow = match mode {
            evaluate::Mode::Strict => reference::Mode::Strict,
            evaluate::Mode::Conformance => reference::Mode::Conformance,
        };
        let compile = |end_of_tier| {
            let options = Options { mode, end_of_tier, ..Options::default() };
            Programs::compile_with(Arc::clone(set), options)
        };
        let first = Arc::new(compile(EndOfTier::First));
        Self {
            judge: Judge::new(Arc::clone(&first)),
            first,
            last: compile(EndOfTier::Last),
            reference: Reference::new(set, slow),
        }
    }

    /// Every answer that is recorded of one end, with both evaluators' answers to it.
    fn answers(
        &self,
        direction: Direction,
        connection: &Connection<'_>,
        recorded: &Value,
    ) -> Vec<(&'static str, Value, Verdict)> {
        let judged = self.first.judge(direction, connection);
        let slow = |scope, charge| self.reference.verdict(scope, charge, direction, connection);
        let (enforced, pending) = (&recorded["enforced"], &recorded["pending"]);
        let mut answers = vec![
            ("fast, enforced", enforced.clone(), judged.enforced),
            ("fast, pending", pending.clone(), judged.pending),
            ("slow, enforced", enforced.clone(), slow(Scope::Enforced, Charge::First)),
            ("slow, pending", pending.clone(), slow(Scope::Pending, Charge::First)),
        ];
        // The other charge is recorded only beside the checker's own answers, and only where it differs.
        if recorded["because"].is_null() {
            let mut charged = enforced.clone();
            if !enforced["trace_eot_last"].is_null() {
                charged["trace"] = enforced["trace_eot_last"].clone();
            }
            let fast = self.last.judge(direction, connection).enforced;
            answers.push(("fast, end of tier to the last", charged.clone(), fast));
            answers.push(("slow, end of tier to the last", charged, slow(Scope::Enforced, Charge::Last)));
        }
        answers
    }

    /// What a judge says of the edge under which the connection would be counted.
    fn by_edge(&mut self, direction: Direction, connection: &Connection<'_>) -> Arc<Judgement> {
        let (subject, peer) = match direction {
            Direction::Egress => (connection.source, connection.dest),
            Direction::Ingress => (connection.dest, connection.source),
        };
        let edge = Edge {
            direction,
            subject: subject.clone(),
            peer: peer.clone(),
            protocol: connection.protocol,
            port: connection.dest_port,
            service: None,
        };
        let id = self.judge.judge(&edge);
        Arc::clone(self.judge.judgement(id).expect("a judgement that was just given"))
    }
}

/// What was counted.
#[derive(Default, Debug)]
struct Tally {
    worlds: u32,
    directions: u32,
    comparisons: u32,
    by_edge: u32,
    by_edge_undetermined: u32,
    differences: u32,
}

fn run(mode: evaluate::Mode, range: Range<usize>) {
    let Some(data) = manifests::test_data("cases") else { return };
    let mut tally = Tally::default();
    let mut shown: Vec<String> = Vec::new();
    let path = data.join("cases/calico-worlds.jsonl.gz");
    for line in lines(&path).skip(range.start).take(range.len()) {
        let world: Value = serde_json::from_str(&line).expect("JSON");
        tally.worlds += 1;
        let before = tally.differences;
        let differences = check(mode, &world, &mut tally);
        if before == 0 && tally.differences > 0 {
            shown.push(readable(&world));
        }
        shown.extend(differences.into_iter().take(10));
    }
    eprintln!("{mode:?} from world {}: {tally:?}", range.start);
    assert!(tally.comparisons > 0, "nothing was compared");
    shown.truncate(20);
    assert!(tally.differences == 0, "{} differences\n{}", tally.differences, shown.join("\n\n"));
}

/// Asks everything that is recorded of a world; says what differed.
fn check(mode: evaluate::Mode, world: &Value, tally: &mut Tally) -> Vec<String> {
    let set = Arc::new(set(world));
    let mut evaluators = Evaluators::new(mode, &set);
    let mut differences = Vec::new();
    for flow in world["flows"].as_array().expect("flows") {
        let (source, dest) = (end(flow, "src"), end(flow, "dst"));
        let connection = connection(flow, &source, &dest);
        for direction in [Direction::Egress, Direction::Ingress] {
            let recorded = &flow["expect"][direction.as_str()];
            if recorded.is_null() {
                continue;
            }
            tally.directions += 1;
            let Some(recorded) = recorded_for(mode, recorded) else { continue };
            let mut differs = |who: &str, expected: &str, given: &str| {
                tally.differences += 1;
                let world = &world["world"];
                differences.push(format!(
                    "{world}, {direction} of {flow}\n{who}\n  expected {expected}\n  given    {given}"
                ));
            };
            for (who, expected, verdict) in evaluators.answers(direction, &connection, recorded) {
                tally.comparisons += 1;
                let (expected, given) = (expected_text(&expected), given_text(&verdict));
                if expected != given {
                    differs(who, &expected, &given);
                }
            }
            let judged = evaluators.by_edge(direction, &connection);
            for (scope, verdict) in [("enforced", &judged.enforced), ("pending", &judged.pending)] {
                tally.by_edge += 1;
                let expected = text(&recorded[scope]["verdict"]);
                match verdict.answer {
                    Answer::Undetermined(missing) if is_of_edges(missing) => tally.by_edge_undetermined += 1,
                    answer if answer.as_str() == expected => {}
                    _ => differs(&format!("by edge, {scope}"), expected, &given_text(verdict)),
                }
            }
        }
    }
    differences
}

/// Whether nothing is missing but what no edge has: the source port and the ICMP message.
fn is_of_edges(missing: Missing) -> bool {
    missing.without(Missing::SOURCE_PORT.union(Missing::ICMP)).is_nothing()
}

fn lines(path: &Path) -> impl Iterator<Item = String> {
    let file = std::fs::File::open(path).expect("the recorded worlds");
    BufReader::new(GzDecoder::new(file)).lines().map(|it| it.expect("a line"))
}

/// Reads the world's resources as a user's manifests, with a pod for each endpoint.
fn set(world: &Value) -> PolicySet {
    let mut objects = array(&world["resources"]);
    objects.extend(array(&world["endpoints"]).iter().map(|it| {
        let ports: Vec<Value> = array(&it["ports"])
            .into_iter()
            .map(|port| {
                serde_json::json!({
                    "name": port["name"], "containerPort": port["port"], "protocol": port["protocol"],
                })
            })
            .collect();
        let ips: Vec<String> = array(&it["ips"]).iter().map(|ip| text(ip).to_owned()).collect();
        manifests::pod(
            text(&it["namespace"]),
            text(&it["name"]),
            &it["labels"],
            text(&it["serviceAccount"]),
            &ips,
            &ports,
        )
    }));
    manifests::assemble(&objects)
}

/// One end of a flow: a pod by name and address, or an address that belongs to nothing.
fn end(flow: &Value, side: &str) -> Endpoint {
    let address = text(&flow[format!("{side}_ip")]).parse().expect("an address");
    match flow[side].as_str().map(|id| id.split_once('/').expect("namespace and name")) {
        Some((namespace, name)) => Endpoint {
            kind: EndpointKind::Workload,
            namespace: Some(Name::from(namespace)),
            name: Name::from(name),
            name_scope: NameScope::Exact,
            address: Some(address),
            labels: None,
        },
        None => Endpoint {
            kind: EndpointKind::Network,
            namespace: None,
            name: Name::from(""),
            name_scope: NameScope::Aggregated,
            address: Some(address),
            labels: None,
        },
    }
}

fn connection<'a>(flow: &Value, source: &'a Endpoint, dest: &'a Endpoint) -> Connection<'a> {
    let byte = |field: &str| flow[field].as_u64().map(|it| u8::try_from(it).expect("a byte"));
    let protocol = Protocol(byte("proto").expect("a protocol"));
    let port = |field: &str| {
        let port = u16::try_from(flow[field].as_u64().expect("a port")).expect("a port");
        protocol.has_ports().then_some(port)
    };
    let icmp = byte("icmp_type").zip(byte("icmp_code"));
    Connection {
        source,
        dest,
        protocol,
        source_port: port("src_port"),
        dest_port: port("dst_port"),
        icmp: icmp.map(|(icmp_type, code)| IcmpMessage { icmp_type, code }),
    }
}

fn expected_text(answer: &Value) -> String {
    let trace: Vec<String> = array(&answer["trace"]).iter().map(|it| text(it).to_owned()).collect();
    format!("{} by {}", text(&answer["verdict"]), trace.join(", "))
}

fn given_text(verdict: &Verdict) -> String {
    let trace: Vec<String> = verdict.trace.lines().collect();
    format!("{} by {}", verdict.answer.as_str(), trace.join(", "))
}

fn array(value: &Value) -> Vec<Value> {
    value.as_array().cloned().unwrap_or_default()
}

#[track_caller]
fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// A world as a person reads it.
fn readable(world: &Value) -> String {
    let mut text = format!("world {}\n", world["world"]);
    for object in array(&world["resources"]).iter().chain(&array(&world["endpoints"])) {
        let yaml = serde_saphyr::to_string(object).unwrap_or_else(|_| object.to_string());
        write!(text, "---\n{yaml}").expect("text");
    }
    text
}
