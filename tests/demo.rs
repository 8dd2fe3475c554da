//! The demonstration: its policies, judged on its traffic.

use std::collections::BTreeMap;
use std::sync::Arc;

use flowstage::aggregate::Observation;
use flowstage::decode::{Decoder, Format, parse_single_trace, parse_trace};
use flowstage::evaluate::{Answer, Connection, Options, Outcome, Programs};
use flowstage::generate::{
    DEMO_MANIFESTS, ExpectedEdge, Settings, Traffic, recorded_verdicts_of, verdicts_of,
};
use flowstage::manifest::{assemble, read};

fn programs() -> Arc<Programs> {
    let mut objects = Vec::new();
    for (name, text) in DEMO_MANIFESTS {
        objects.extend(read(text, name).unwrap_or_else(|errors| panic!("{errors:#?}")));
    }
    let assembled = assemble(objects).unwrap_or_else(|errors| panic!("{errors:#?}"));
    assert!(assembled.warnings.is_empty(), "{:#?}", assembled.warnings);
    Arc::new(Programs::compile_with(Arc::new(assembled.set), Options::private_pods()))
}

fn edges() -> Vec<ExpectedEdge> {
    let settings = Settings { flows: 20_000, skew: 0.5, ..Settings::default() };
    let mut traffic = Traffic::new(settings, verdicts_of(programs())).unwrap().with_account();
    assert_eq!(traffic.by_ref().count(), 20_000);
    let edges = traffic.expected().unwrap();
    assert_eq!(u64::try_from(edges.len()).unwrap(), traffic.edges());
    edges
}

#[test]
fn only_the_wrong_policy_would_deny_and_everything_can_be_judged() {
    let mut would_deny = Vec::new();
    let mut problems = Vec::new();
    for it in edges() {
        match &it.judgement.outcome {
            Outcome::Agrees => {}
            Outcome::WouldDeny { charged, .. } => would_deny.push((it.edge.to_string(), charged.to_string())),
            Outcome::WouldAllow { .. } | Outcome::Undetermined { .. } => {
                problems.push(format!("{}: {:?}", it.edge, it.judgement.outcome));
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!(would_deny.len(), 1, "{would_deny:#?}");
    let (edge, charged) = &would_deny[0];
    assert!(edge.contains("/checkoutservice-") && edge.contains("tcp/8080 (ingress)"), "{edge}");
    assert_eq!(charged, "snp:online-boutique/application.emailservice");
}

#[test]
fn what_was_done_is_what_the_policies_say_of_the_record() {
    let mut denied = BTreeMap::new();
    for it in edges() {
        let is_denied = it.judgement.enforced.answer == Answer::Deny;
        assert_eq!(it.flows_denied, if is_denied { it.flows } else { 0 }, "{}", it.edge);
        if is_denied {
            let target = it.edge.dest().name.split('-').next().unwrap_or_default().to_owned();
            *denied.entry((target, it.edge.direction.as_str())).or_insert(0) += 1;
        }
    }
    // The attacker and a stranger at the frontend, the listed address at its source.
    let denied: Vec<_> = denied.iter().map(|((name, at), count)| format!("{count} {name} {at}")).collect();
    assert_eq!(
        denied,
        [
            "1 backend ingress",
            "2 frontend ingress",
            "1 microservice1 ingress",
            "1 microservice2 ingress",
            "1 tor egress"
        ]
    );
}

#[test]
fn recorded_traces_read_back_whole() {
    let settings = Settings { flows: 5_000, ..Settings::default() };
    let traffic = Traffic::new(settings, verdicts_of(programs())).unwrap();
    let mut decoder = Decoder::new(Format::Auto);
    let (mut hits, mut staged, mut bytes) = (0, 0, 0);
    for record in traffic {
        bytes += record.value.len();
        let flow = decoder.decode(&record.value).unwrap();
        let enforced = parse_trace(flow.enforced).unwrap();
        let pending = parse_trace(flow.pending).unwrap();
        assert!(!enforced.0.is_empty() && !pending.0.is_empty());
        hits += enforced.0.len();
        staged += usize::from(flow.pending.0 != flow.enforced.0);
    }
    assert!(hits > 7_500 && staged > 500, "{hits} {staged}");
    assert!((1_000..1_500).contains(&(bytes / 5_000)), "{}", bytes / 5_000);
}

/// Like those that Calico writes.
#[test]
fn recorded_traces_are_evidence_about_the_policies() {
    let programs = programs();
    let settings = Settings { flows: 5_000, ..Settings::default() };
    let mut decoder = Decoder::new(Format::Auto);
    for record in Traffic::new(settings, recorded_verdicts_of(&programs)).unwrap() {
        let flow = decoder.decode(&record.value).unwrap();
        let seen = Observation::of(&flow).unwrap();
        let (source, dest) = (flow.source.to_endpoint(), flow.dest.to_endpoint());
        let connection = Connection {
            source: &source,
            dest: &dest,
            protocol: flow.protocol,
            source_port: flow.source_port,
            dest_port: flow.dest_port,
            icmp: None,
        };
        let trace = parse_single_trace(flow.enforced).unwrap();
        let evidence = programs.evidence(seen.direction, &connection, &trace, flow.action);
        assert!(evidence.is_some(), "{source} {dest}: {:?}", trace.lines().collect::<Vec<_>>());
    }
}
