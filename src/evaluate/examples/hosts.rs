//! Host endpoints, as far as a flow can show what happens at them.

use std::sync::Arc;

use super::fixture::{PolicyText, allow, cluster, deny, judge, labels, policy, set_of, text};
use crate::evaluate::{Mode, Options, Programs};
use crate::model::{Action, Direction, Name};
use crate::policy::{HostEndpoint, Profile, Rule, RuleAction};

fn host(profiles: &[&str]) -> HostEndpoint {
    HostEndpoint {
        name: Name::from("node-1"),
        node: Name::from("node-1"),
        interface_name: Some(Name::from("*")),
        labels: labels("role=edge env=prod"),
        expected_ips: vec!["172.18.0.2".parse().unwrap()],
        profiles: profiles.iter().map(|it| Name::from(*it)).collect(),
        ports: Vec::new(),
    }
}

#[track_caller]
fn check(options: &Options, profiles: &[&str], policies: Vec<PolicyText>, flow: &str, expect: &str) {
    let mut cluster = cluster();
    cluster.host_endpoints.push(host(profiles));
    let mut rule = Rule::new(RuleAction::Terminal(Action::Deny));
    rule.protocol = Some(crate::model::Protocol::UDP);
    cluster.profiles.push(Profile {
        name: Name::from("no-udp"),
        labels_to_apply: labels("owner=infra"),
        ingress: vec![rule],
        egress: Vec::new(),
    });
    let programs = Programs::compile_with(Arc::new(set_of(cluster, policies)), options.clone());
    assert_eq!(text(&judge(&programs, Direction::Ingress, flow)), expect);
}

#[test]
fn a_host_without_policy_or_profile_is_closed() {
    check(&Options::default(), &[], vec![], "web -> hep:node-1 tcp/80", "E=P DENY");
    let open = "E=P ALLOW 0|__PROFILE__|pro:projectcalico-default-allow|allow|0";
    check(&Options::default(), &["projectcalico-default-allow"], vec![], "web -> hep:node-1 tcp/80", open);
}

#[test]
fn a_profile_that_does_not_exist_denies_and_the_checker_skips_it() {
    let (strict, flow) = (Options::default(), "web -> hep:node-1 tcp/80");
    check(&strict, &["gone"], vec![], flow, "E=P DENY 0|__PROFILE__|pro:gone|deny|0");
    check(&strict, &["kns.shop", "gone"], vec![], flow, "E=P ALLOW 0|__PROFILE__|pro:kns.shop|allow|0");
    let checker = Options { mode: Mode::Conformance, ..Options::default() };
    check(&checker, &["gone", "kns.shop"], vec![], flow, "E=P ALLOW 0|__PROFILE__|pro:kns.shop|allow|0");
}

#[test]
fn a_profiles_own_rules_are_evaluated_and_no_match_leaves_no_entry() {
    let strict = Options::default();
    check(
        &strict,
        &["no-udp"],
        vec![],
        "web -> hep:node-1 udp/80",
        "E=P DENY 0|__PROFILE__|pro:no-udp|deny|0",
    );
    check(&strict, &["no-udp"], vec![], "web -> hep:node-1 tcp/80", "E=P DENY");
}

#[test]
fn a_host_inherits_labels_from_its_profiles() {
    let policy = policy("gnp", "g").selects("owner == 'infra'").ingress([allow()]);
    let flow = "web -> hep:node-1 tcp/80";
    check(&Options::default(), &["no-udp"], vec![policy], flow, "E=P ALLOW 0|default|gnp:g|allow|0");
}

#[test]
fn failsafe_ports_stay_open() {
    let policy = || vec![policy("gnp", "g").selects("role == 'edge'").ingress([])];
    check(&Options::default(), &[], policy(), "8.8.8.8 -> hep:node-1 tcp/22", "E=P ALLOW");
    let closed = "E=P DENY 0|default|gnp:g|deny|-1";
    check(&Options::default(), &[], policy(), "8.8.8.8 -> hep:node-1 tcp/23", closed);
}

#[test]
fn a_port_that_is_not_known_may_be_failsafe() {
    let policy = || vec![policy("gnp", "g").selects("role == 'edge'").ingress([])];
    let expect = "E=P UNDETERMINED (destination port)";
    check(&Options::default(), &[], policy(), "8.8.8.8 -> hep:node-1 tcp", expect);
    let closed = "E=P DENY 0|default|gnp:g|deny|-1";
    check(&Options::default(), &[], policy(), "8.8.8.8 -> hep:node-1 sctp", closed);
}

#[test]
fn a_namespace_selector_keeps_hosts_out() {
    let pods = policy("gnp", "g").selects("all()").namespaces("env == 'prod'").ingress([deny()]);
    let open = &["projectcalico-default-allow"];
    let expect = "E=P ALLOW 0|__PROFILE__|pro:projectcalico-default-allow|allow|0";
    check(&Options::default(), open, vec![pods], "web -> hep:node-1 tcp/80", expect);
    let all = policy("gnp", "g").selects("all()").ingress([deny()]);
    let expect = "E=P DENY 0|default|gnp:g|deny|0";
    check(&Options::default(), open, vec![all], "web -> hep:node-1 tcp/80", expect);
}

#[test]
fn untracked_policies_fall_through_and_never_reach_pods() {
    let untracked = || {
        let mut it = policy("gnp", "u").ingress([allow().protocol("udp")]);
        it.0.global.do_not_track = true;
        it
    };
    let strict = Options::default();
    let hit = "E=P ALLOW 0|default|gnp:u|allow|0";
    check(&strict, &[], vec![untracked()], "web -> hep:node-1 udp/80", hit);
    check(&strict, &[], vec![untracked()], "web -> hep:node-1 tcp/80", "E=P DENY");
    let pod = "E=P ALLOW 0|__PROFILE__|pro:kns.shop|allow|0";
    check(&strict, &[], vec![untracked()], "web -> db tcp/80", pod);
}

#[test]
fn a_rule_before_translation_cannot_be_decided_by_the_translated_port() {
    let mut it = policy("gnp", "n").ingress([deny().protocol("tcp").ports("30080")]);
    it.0.global.pre_dnat = true;
    let open = &["projectcalico-default-allow"];
    let expect = "E=P UNDETERMINED (destination address, destination port)";
    check(&Options::default(), open, vec![it], "8.8.8.8 -> hep:node-1 tcp/80", expect);
}

#[test]
fn the_checker_has_no_pending_verdict_for_hosts() {
    let staged = || vec![policy("sgnp", "s").selects("role == 'edge'").ingress([])];
    let open = &["projectcalico-default-allow"];
    let profile = "0|__PROFILE__|pro:projectcalico-default-allow|allow|0";
    let flow = "8.8.8.8 -> hep:node-1 tcp/80";
    let strict = format!("E ALLOW {profile}; P DENY 0|default|sgnp:s|deny|-1");
    check(&Options::default(), open, staged(), flow, &strict);
    let checker = Options { mode: Mode::Conformance, ..Options::default() };
    check(&checker, open, staged(), flow, &format!("E=P ALLOW {profile}"));
}
