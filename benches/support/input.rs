//! The same records and the same policies for everybody who is measured.

use std::collections::BTreeSet;
use std::sync::Arc;

use flowstage::decode::{Decoder, Format};
use flowstage::evaluate::Programs;
use flowstage::generate::{Settings, Traffic, verdicts_of};
use flowstage::model::{Action, LabelSet, Name, PolicyId, PolicyKind, Protocol};
use flowstage::policy::{
    Cluster, EntityRule, GlobalScope, Order, Policy, PolicySet, PortMatch, Revision, Rule, RuleAction,
    Selector, StagedAction, Types,
};

/// A staged ingress policy in the simplest terms: pods of a namespace with one label, and who may call them.
#[derive(Clone, Debug)]
pub(crate) struct SimplePolicy {
    pub(crate) namespace: String,
    pub(crate) label: (String, String),
    pub(crate) allow: Vec<(Option<(String, String)>, u16)>,
}

/// Returns records of the demonstration applications filled up to `edges` edges, of 1.1 KB on average: as an exporter
/// writes them that knows neither processes nor what an address was before translation, and writes no trace twice.
pub(crate) fn records(flows: u64, edges: u64) -> Vec<Vec<u8>> {
    let set = Arc::new(PolicySet::new(vec![], vec![], Cluster::default(), Revision(0)));
    let verdicts = verdicts_of(Arc::new(Programs::compile(set)));
    let settings = Settings { seed: 7, flows, edges: Some(edges), rate: 5_000, ..Settings::default() };
    let traffic = Traffic::new(settings, verdicts).expect("the settings are within bounds");
    traffic.map(|it| trimmed(&it.value)).collect()
}

/// Leaves out the members of a record that such an exporter leaves out.
fn trimmed(record: &[u8]) -> Vec<u8> {
    let text = std::str::from_utf8(record).expect("the generator writes text");
    let (begin, rest) = text.split_once("\"all_policies\":[").expect("the generator writes this list");
    let (_, rest) = rest.split_once("],").expect("it ends before another one");
    let (middle, rest) = rest.split_once("\"process_name\":").expect("the generator writes process names");
    let (_, end) = rest.split_once("\"bytes_in\":").expect("bytes follow them");
    [begin, middle, "\"bytes_in\":", end].concat().into_bytes()
}

/// Returns `count` policies over workloads that the records show: each selects by one label and allows some of the
/// callers that were seen, on the ports that were seen.
pub(crate) fn policies(records: &[Vec<u8>], count: usize) -> Vec<SimplePolicy> {
    let mut decoder = Decoder::new(Format::Calico);
    let mut seen = BTreeSet::new();
    for record in records {
        let Ok(flow) = decoder.decode(record) else { continue };
        let Some((namespace, port)) = flow.dest.namespace.zip(flow.dest_port) else { continue };
        let first =
            |labels: LabelSet| labels.iter().next().map(|(key, value)| (key.to_string(), value.to_string()));
        let label = flow.dest.labels.and_then(|it| first(it.parse()));
        let caller = flow.source.labels.and_then(|it| first(it.parse()));
        if let Some(label) = label {
            seen.insert((namespace.to_owned(), label, caller, port));
        }
        if seen.len() > 4 * count {
            break;
        }
    }
    let seen: Vec<_> = seen.into_iter().collect();
    let policy = |idx: usize| {
        let (namespace, label, _, _) = &seen[idx * 7 % seen.len()];
        let allow = (0..3).map(|rule| {
            let (_, _, caller, port) = &seen[(idx * 7 + rule) % seen.len()];
            (caller.clone(), *port)
        });
        SimplePolicy { namespace: namespace.clone(), label: label.clone(), allow: allow.collect() }
    };
    (0..count).map(policy).collect()
}

/// Compiles the policies, as staged ones in the default tier.
pub(crate) fn programs(policies: &[SimplePolicy]) -> Arc<Programs> {
    let policies = policies.iter().enumerate().map(|(idx, it)| staged(idx, it)).collect();
    Arc::new(Programs::compile(Arc::new(PolicySet::new(vec![], policies, Cluster::default(), Revision(1)))))
}

fn staged(idx: usize, simple: &SimplePolicy) -> Policy {
    let selector = |(key, value): &(String, String)| {
        Selector::parse(&format!("{key} == '{value}'")).expect("labels of the generator make selectors")
    };
    let rule = |(caller, port): &(Option<(String, String)>, u16)| Rule {
        protocol: Some(Protocol::TCP),
        source: EntityRule { selector: caller.as_ref().map(selector), ..EntityRule::default() },
        destination: EntityRule { ports: vec![PortMatch::Range(*port, *port)], ..EntityRule::default() },
        ..Rule::new(RuleAction::Terminal(Action::Allow))
    };
    Policy {
        id: PolicyId {
            kind: PolicyKind::StagedNetworkPolicy,
            namespace: Some(Name::from(simple.namespace.as_str())),
            name: Name::from(format!("policy-{idx}")),
        },
        tier: Name::from("default"),
        order: Order::new(100.0),
        selector: Some(selector(&simple.label)),
        service_account_selector: None,
        types: Types { ingress: true, egress: false },
        ingress: simple.allow.iter().map(rule).collect(),
        egress: vec![],
        staged_action: Some(StagedAction::Set),
        global: GlobalScope::default(),
        labels: LabelSet::default(),
    }
}
