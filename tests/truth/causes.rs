//! Every cause alone, and what it must not excuse.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use flowstage::decode::parse_trace;
use flowstage::evaluate::{Agreement, Cause, Programs, Recorded, TruthCheck};
use flowstage::manifest;
use flowstage::model::{
    Direction, Edge, Endpoint, EndpointKind, EventTime, LabelSet, NameScope, Protocol, RecordedAction, Trace,
    TraceText,
};

/// Two pods of one deployment with different addresses, and what follows.
const CLUSTER: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Pod
metadata: {name: cart-1, generateName: cart-, namespace: shop, labels: {app: cart}}
spec: {nodeName: node, containers: [{name: c, ports: [{name: api, containerPort: 7070}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.1}]}
---
apiVersion: v1
kind: Pod
metadata: {name: cart-2, generateName: cart-, namespace: shop, labels: {app: cart}}
spec: {nodeName: node, containers: [{name: c, ports: [{name: api, containerPort: 7070}]}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.2}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web-1, generateName: web-, namespace: shop, labels: {app: web}}
spec: {nodeName: node, containers: [{name: c}]}
status: {phase: Running, podIPs: [{ip: 10.0.0.9}]}
";

/// A policy of the default tier for ingress to cart, with these rules.
fn cart(kind: &str, name: &str, rules: &[&str]) -> String {
    let mut text = format!(
        "\n---\napiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{name: {name}, namespace: shop}}\nspec:\n  \
         selector: app == 'cart'\n  types: [Ingress]\n  ingress:\n"
    );
    for rule in rules {
        writeln!(text, "  - {rule}").unwrap();
    }
    text
}

fn programs(cluster: &str, policies: &str) -> Arc<Programs> {
    let objects = manifest::read(&format!("{cluster}{policies}"), "test").unwrap();
    Arc::new(Programs::compile(Arc::new(manifest::assemble(objects).unwrap().set)))
}

fn check_of(policies: &str) -> TruthCheck {
    TruthCheck::new(programs(CLUSTER, policies), Duration::from_secs(5))
}

fn at(seconds: i64) -> EventTime {
    EventTime::from_secs(seconds)
}

fn pod(name: &str) -> Endpoint {
    let app = name.split('-').next().unwrap();
    Endpoint {
        kind: EndpointKind::Workload,
        namespace: Some("shop".into()),
        name: format!("{app}-*").into(),
        name_scope: NameScope::Aggregated,
        address: None,
        labels: Some(LabelSet::from_iter([("app", app)])),
    }
}

fn outside() -> Endpoint {
    Endpoint {
        kind: EndpointKind::Network,
        namespace: None,
        name: "pub".into(),
        name_scope: NameScope::Aggregated,
        address: None,
        labels: None,
    }
}

fn edge(peer: Endpoint, protocol: Protocol) -> Edge {
    let port = protocol.has_ports().then_some(7070);
    Edge { direction: Direction::Ingress, subject: pod("cart"), peer, protocol, port, service: None }
}

/// Reads a trace of hits with a blank between, and says what was done by it.
fn trace(hits: &str) -> (Trace, RecordedAction) {
    let lines: Vec<String> =
        hits.split_whitespace().enumerate().map(|(idx, it)| format!("{idx}|{it}")).collect();
    let trace = parse_trace(TraceText(&lines.join("\n"))).unwrap();
    let denies = lines.last().is_some_and(|it| it.contains("|deny|"));
    (trace, if denies { RecordedAction::Deny } else { RecordedAction::Allow })
}

/// Compares the enforced trace of a record of the seconds from 100 to 110.
#[track_caller]
fn check_enforced(check: &TruthCheck, edge: &Edge, hits: &str, expect: Agreement) {
    let (enforced, action) = trace(hits);
    let (start, end) = (at(100), at(110));
    let recorded = Recorded { edge, start, end, action, enforced: &enforced, pending: &Trace::default() };
    assert_eq!(check.enforced(&recorded), expect, "{hits}");
    assert_eq!(check.pending(&recorded), Agreement::NotRecorded, "{hits}");
}

#[track_caller]
fn check_pending(check: &TruthCheck, edge: &Edge, hits: &str, expect: Agreement) {
    let (pending, _) = trace(hits);
    let (start, end) = (at(100), at(110));
    let action = RecordedAction::Allow;
    let recorded = Recorded { edge, start, end, action, enforced: &Trace::default(), pending: &pending };
    assert_eq!(check.pending(&recorded), expect, "{hits}");
}

const UNEXPLAINED: Agreement = Agreement::Differs(Cause::Unexplained);

#[test]
fn the_same_hits_agree_and_others_are_unexplained() {
    let check =
        check_of(&cart("NetworkPolicy", "cart", &["{action: Allow, source: {selector: app == 'web'}}"]));
    let edge = edge(pod("web"), Protocol::TCP);
    check_enforced(&check, &edge, "default|np:shop/cart|allow|0", Agreement::Agrees);
    check_enforced(&check, &edge, "default|np:shop/cart|allow|1", UNEXPLAINED);
    check_enforced(&check, &edge, "default|np:shop/cart|deny|-1", UNEXPLAINED);
    check_enforced(&check, &edge, "default|np:shop/other|allow|0", UNEXPLAINED);
    check_enforced(&check, &edge, "__PROFILE__|pro:kns.shop|allow|0", UNEXPLAINED);
    // Releases that did not write the rule.
    check_enforced(&check, &edge, "default|np:shop/cart|allow|-", Agreement::Agrees);
}

#[test]
fn an_address_that_is_not_recorded_explains_what_some_address_gives() {
    let rules = [
        "{action: Allow, source: {nets: [198.51.100.0/24]}}",
        "{action: Deny, source: {nets: [192.0.2.0/24]}}",
    ];
    let check = check_of(&cart("NetworkPolicy", "cart", &rules));
    let edge = edge(outside(), Protocol::TCP);
    let address = Agreement::Differs(Cause::Address);
    check_enforced(&check, &edge, "default|np:shop/cart|allow|0", address);
    check_enforced(&check, &edge, "default|np:shop/cart|deny|1", address);
    check_enforced(&check, &edge, "default|np:shop/cart|deny|-1", address);
    check_enforced(&check, &edge, "default|np:shop/cart|allow|1", UNEXPLAINED);
    check_enforced(&check, &edge, "__PROFILE__|pro:kns.shop|allow|0", UNEXPLAINED);
    // It is written, and then it excuses nothing.
    let there = Endpoint { address: Some("198.51.100.7".parse().unwrap()), ..outside() };
    let edge = Edge { peer: there, ..edge };
    check_enforced(&check, &edge, "default|np:shop/cart|allow|0", Agreement::Agrees);
    check_enforced(&check, &edge, "default|np:shop/cart|deny|1", UNEXPLAINED);
}

#[test]
fn an_address_inside_a_private_range_is_not_public() {
    let check = check_of(&cart("NetworkPolicy", "cart", &["{action: Allow, source: {nets: [10.9.0.0/16]}}"]));
    let edge = edge(outside(), Protocol::TCP);
    check_enforced(&check, &edge, "default|np:shop/cart|allow|0", UNEXPLAINED);
    check_enforced(&check, &edge, "default|np:shop/cart|deny|-1", Agreement::Agrees);
}

#[test]
fn an_icmp_message_explains_what_some_message_gives() {
    let rules = ["{action: Allow, protocol: ICMP, icmp: {type: 8}}"];
    let check = check_of(&cart("NetworkPolicy", "cart", &rules));
    let edge = edge(pod("web"), Protocol::ICMP);
    check_enforced(&check, &edge, "default|np:shop/cart|allow|0", Agreement::Differs(Cause::IcmpMessage));
    check_enforced(&check, &edge, "default|np:shop/cart|deny|-1", Agreement::Differs(Cause::IcmpMessage));
    check_enforced(&check, &edge, "default|np:shop/cart|deny|0", UNEXPLAINED);
}

#[test]
fn an_icmp_message_that_the_record_carries_explains_nothing() {
    let rules = ["{action: Allow, protocol: ICMP, icmp: {type: 8}}"];
    let check = check_of(&cart("NetworkPolicy", "cart", &rules));
    let echo = Edge { port: Some(2048), ..edge(pod("web"), Protocol::ICMP) };
    check_enforced(&check, &echo, "default|np:shop/cart|allow|0", Agreement::Agrees);
    check_enforced(&check, &echo, "default|np:shop/cart|deny|-1", UNEXPLAINED);
    let timestamp = Edge { port: Some(13 << 8), ..edge(pod("web"), Protocol::ICMP) };
    check_enforced(&check, &timestamp, "default|np:shop/cart|allow|0", UNEXPLAINED);
    check_enforced(&check, &timestamp, "default|np:shop/cart|deny|-1", Agreement::Agrees);
}

#[test]
fn aggregated_pods_explain_only_what_one_of_them_gets() {
    let rules = [
        "{action: Allow, destination: {nets: [10.0.0.1/32]}}",
        "{action: Deny, destination: {nets: [10.0.0.77/32]}}",
    ];
    let check = check_of(&cart("NetworkPolicy", "cart", &rules));
    let edge = edge(pod("web"), Protocol::TCP);
    check_enforced(&check, &edge, "default|np:shop/cart|allow|0", Agreement::Differs(Cause::AggregatedEnds));
    check_enforced(&check, &edge, "default|np:shop/cart|deny|-1", Agreement::Differs(Cause::AggregatedEnds));
    // No pod of that name has the address.
    check_enforced(&check, &edge, "default|np:shop/cart|deny|1", UNEXPLAINED);
}

#[test]
fn what_nobody_tells_explains_a_trace_that_agrees_as_far_as_it_goes() {
    let check =
        check_of(&cart("NetworkPolicy", "cart", &["{action: Allow, source: {selector: tier == 'front'}}"]));
    // Neither labels, nor a pod of that name.
    let stranger = Endpoint { name: "gone-*".into(), labels: None, ..pod("web") };
    let edge = edge(stranger, Protocol::TCP);
    check_enforced(&check, &edge, "default|np:shop/cart|allow|0", Agreement::Differs(Cause::Attribute));
}

/// A policy that comes at second 105, or at another.
fn changed_at(seconds: i64) -> TruthCheck {
    let mut check = check_of("");
    let rules = ["{action: Allow, source: {selector: app == 'web'}}"];
    check.change(at(seconds), programs(CLUSTER, &cart("NetworkPolicy", "cart", &rules)));
    check
}

#[test]
fn around_a_change_a_record_may_be_of_either_side_and_of_no_other() {
    let (old, new) = ("__PROFILE__|pro:kns.shop|allow|0", "default|np:shop/cart|allow|0");
    let edge = edge(pod("web"), Protocol::TCP);
    let check = changed_at(105);
    check_enforced(&check, &edge, old, Agreement::Agrees);
    check_enforced(&check, &edge, new, Agreement::Differs(Cause::SpansChange));
    // Addresses were not filled in yet, and hits of both sides stand in one trace.
    check_enforced(&check, &edge, "default|np:shop/cart|deny|-1", Agreement::Differs(Cause::SpansChange));
    let both = "default|np:shop/cart|pass|-1 __PROFILE__|pro:kns.shop|allow|0";
    check_enforced(&check, &edge, both, Agreement::Differs(Cause::SpansChange));
    check_enforced(&check, &edge, "default|np:shop/other|deny|-1", UNEXPLAINED);
    check_enforced(&check, &edge, "__PROFILE__|pro:kns.other|allow|0", UNEXPLAINED);
}

#[test]
fn before_a_change_nothing_is_of_the_set_that_is_to_come() {
    let edge = edge(pod("web"), Protocol::TCP);
    let check = changed_at(200);
    check_enforced(&check, &edge, "default|np:shop/cart|allow|0", UNEXPLAINED);
    check_enforced(&check, &edge, "__PROFILE__|pro:kns.shop|allow|0", Agreement::Agrees);
}

#[test]
fn behind_a_change_the_trace_of_before_is_that_of_an_older_connection() {
    let old = "__PROFILE__|pro:kns.shop|allow|0";
    let edge = edge(pod("web"), Protocol::TCP);
    let mut check = changed_at(50);
    check_enforced(&check, &edge, old, Agreement::Differs(Cause::OlderConnection));
    check_enforced(&check, &edge, "default|np:shop/cart|deny|-1", UNEXPLAINED);
    // What is forgotten explains nothing.
    check.keep(1);
    check_enforced(&check, &edge, old, UNEXPLAINED);
    check_enforced(&check, &edge, "default|np:shop/cart|allow|0", Agreement::Agrees);
}

#[test]
fn a_record_may_have_the_labels_of_before_and_the_trace_of_now() {
    let policy = cart("NetworkPolicy", "cart", &["{action: Allow, source: {selector: tier == 'front'}}"]);
    let mut check = check_of(&policy);
    let relabelled = CLUSTER.replace("labels: {app: web}", "labels: {app: web, tier: front}");
    check.change(at(50), programs(&relabelled, &policy));
    let edge = edge(pod("web"), Protocol::TCP);
    let allowed = "default|np:shop/cart|allow|0";
    check_enforced(&check, &edge, allowed, Agreement::Differs(Cause::OlderConnection));
    check_enforced(&check, &edge, "default|np:shop/cart|deny|-1", Agreement::Agrees);
    // These labels no pod ever had.
    let labels = Some(LabelSet::from_iter([("app", "web"), ("tier", "back")]));
    let edge = Edge { peer: Endpoint { labels, ..pod("web") }, ..edge };
    check_enforced(&check, &edge, allowed, UNEXPLAINED);
}

#[test]
fn a_peer_that_went_is_nobody_to_the_checker() {
    let policy = cart("NetworkPolicy", "cart", &["{action: Allow, source: {selector: app == 'web'}}"]);
    let mut check = check_of(&policy);
    let replaced = CLUSTER.replace("web-1", "web-2").replace("10.0.0.9", "10.0.0.10");
    check.change(at(105), programs(&replaced, &policy));
    let edge = edge(pod("web"), Protocol::TCP);
    check_pending(&check, &edge, "default|np:shop/cart|allow|0", Agreement::Agrees);
    check_pending(&check, &edge, "default|np:shop/cart|deny|-1", Agreement::Differs(Cause::SpansChange));
}

#[test]
fn a_pending_trace_may_follow_by_the_checkers_rules_alone() {
    let rules = ["{action: Allow, protocol: TCP, destination: {ports: [api]}}"];
    let check = check_of(&cart("StagedNetworkPolicy", "cart", &rules));
    let edge = edge(pod("web"), Protocol::TCP);
    check_pending(&check, &edge, "default|snp:shop/cart|allow|0", Agreement::Agrees);
    // Named ports never match there.
    check_pending(&check, &edge, "default|snp:shop/cart|deny|-1", Agreement::Differs(Cause::Checker));
    check_pending(&check, &edge, "default|snp:shop/cart|deny|0", UNEXPLAINED);
}

/// A network set of a prefix that the checker loses, told by name alone.
#[test]
fn the_checker_loses_network_sets_of_short_prefixes() {
    let set = "\n---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {name: bad, labels: {bad: 'y'}}\n\
               spec: {nets: [198.51.100.64/27]}\n";
    let rules =
        ["{action: Deny, source: {namespaceSelector: global(), selector: bad == 'y'}}", "{action: Allow}"];
    let check = check_of(&format!("{set}{}", cart("StagedNetworkPolicy", "cart", &rules)));
    let bad = Endpoint { kind: EndpointKind::NetworkSet, name: "bad".into(), ..outside() };
    let edge = edge(bad, Protocol::TCP);
    check_pending(&check, &edge, "default|snp:shop/cart|deny|0", Agreement::Agrees);
    check_pending(&check, &edge, "default|snp:shop/cart|allow|1", Agreement::Differs(Cause::Checker));
}

#[test]
fn without_a_trace_what_was_done_may_differ_but_not_agree() {
    let rules = [
        "{action: Allow, source: {nets: [198.51.100.0/24]}}",
        "{action: Deny, source: {selector: app == 'web'}}",
    ];
    let check = check_of(&cart("NetworkPolicy", "cart", &rules));
    let none = Trace::default();
    let compare = |peer: Endpoint, action| {
        let edge = edge(peer, Protocol::TCP);
        let (start, end) = (at(100), at(110));
        let recorded = Recorded { edge: &edge, start, end, action, enforced: &none, pending: &none };
        check.enforced(&recorded)
    };
    assert_eq!(compare(pod("web"), RecordedAction::Deny), Agreement::NotRecorded);
    assert_eq!(compare(pod("web"), RecordedAction::Allow), UNEXPLAINED);
    assert_eq!(compare(outside(), RecordedAction::Allow), Agreement::NotRecorded);
    assert_eq!(compare(outside(), RecordedAction::Deny), Agreement::NotRecorded);
}
