//! Where Calico's checker and its data plane differ, one switch each.

use super::fixture::{PolicyText, allow, deny, judge, policy, port, programs};
use crate::evaluate::{Mode, Options, Switches};
use crate::model::{Direction, Protocol};

#[track_caller]
fn differs(policy: &PolicyText, flow: &str, strict: &str, checker: &str, only: impl FnOnce(&mut Switches)) {
    let mut one = Switches::DATA_PLANE;
    only(&mut one);
    let answer = |options: &Options| {
        let programs = programs(options, [policy.clone()]);
        judge(&programs, Direction::Ingress, flow).enforced.answer.as_str()
    };
    assert_eq!(answer(&Options::default()), strict, "data plane");
    assert_eq!(answer(&Options { mode: Mode::Conformance, ..Options::default() }), checker, "checker");
    assert_eq!(answer(&Options { switches: Some(one), ..Options::default() }), checker, "one switch");
}

fn db(rules: impl IntoIterator<Item = super::fixture::RuleText>) -> PolicyText {
    policy("np", "shop/p").selects("app == 'db'").ingress(rules)
}

#[test]
fn the_checker_does_not_look_at_icmp_types() {
    let rule = allow().protocol("icmp").rule(|it| {
        it.icmp = Some(crate::policy::IcmpMatch { icmp_type: Some(8), code: None });
    });
    differs(&db([rule]), "web -> db icmp:13", "deny", "allow", |it| it.icmp_ignored = true);
}

#[test]
fn the_checker_does_not_look_at_ip_versions() {
    let v6 = deny().rule(|it| it.ip_version = Some(6));
    differs(&db([v6, allow()]), "web -> db tcp/1", "allow", "deny", |it| it.ip_version_ignored = true);
}

#[test]
fn the_checker_does_not_know_named_ports() {
    differs(&db([allow().ports("pg")]), "web -> db tcp/5432", "allow", "deny", |it| {
        it.named_ports_never_match = true;
    });
    let not_pg = allow().protocol("tcp").dest(|it| it.not_ports = vec![port("pg")]);
    differs(&db([not_pg]), "web -> db tcp/5432", "deny", "allow", |it| {
        it.named_not_ports_never_exclude = true;
    });
}

#[test]
fn exceptions_of_the_other_version_are_fulfilled_unless_switched_off() {
    let rule = allow().source(|it| it.not_nets = vec!["2001:db8::/32".parse().unwrap()]);
    let mut not_rendered = Switches::DATA_PLANE;
    not_rendered.not_nets_of_other_version_hold = false;
    for (options, expect) in [
        (Options::default(), "allow"),
        (Options { mode: Mode::Conformance, ..Options::default() }, "allow"),
        (Options { switches: Some(not_rendered), ..Options::default() }, "deny"),
    ] {
        let programs = programs(&options, [db([rule.clone()])]);
        let judgement = judge(&programs, Direction::Ingress, "web -> db tcp/1");
        assert_eq!(judgement.enforced.answer.as_str(), expect, "{options:?}");
    }
}

#[test]
fn the_checker_matches_nothing_to_protocol_zero() {
    let rule = allow().rule(|it| it.not_protocol = Some(Protocol::UDP));
    differs(&db([rule]), "web -> db 0", "allow", "deny", |it| it.protocol_zero_never_matches = true);
}

#[test]
fn the_checker_takes_an_http_clause_as_fulfilled() {
    let get = crate::policy::HttpMatch { methods: vec!["GET".to_owned()], paths: Vec::new() };
    let rule = allow().rule(|it| it.http = Some(get));
    let mut switches = Switches::DATA_PLANE;
    switches.http_is_undetermined = false;
    for (options, expect) in [
        (Options::default(), "undetermined"),
        (Options { mode: Mode::Conformance, ..Options::default() }, "allow"),
        (Options { switches: Some(switches), ..Options::default() }, "allow"),
    ] {
        let programs = programs(&options, [db([rule.clone()])]);
        let judgement = judge(&programs, Direction::Ingress, "web -> db tcp/1");
        assert_eq!(judgement.enforced.answer.as_str(), expect);
    }
}

#[test]
fn short_members_of_a_set_are_lost_on_request() {
    let mut cluster = super::fixture::cluster();
    cluster.network_sets.push(super::fixture::network_set(
        "short",
        "zone=short",
        "192.0.2.0/25 192.0.2.1/32",
    ));
    let set = super::fixture::set_of(
        cluster,
        [policy("gnp", "g").selects("app == 'db'").ingress([allow().from("zone == 'short'")])],
    );
    let set = std::sync::Arc::new(set);
    let mut switches = Switches::CHECKER;
    switches.short_set_members_lost = true;
    for (switches, expect) in [(Switches::CHECKER, "allow"), (switches, "deny")] {
        let options = Options { switches: Some(switches), ..Options::default() };
        let programs = crate::evaluate::Programs::compile_with(std::sync::Arc::clone(&set), options);
        for flow in ["192.0.2.9 -> db tcp/1", "192.0.2.1 -> db tcp/1"] {
            let judgement = judge(&programs, Direction::Ingress, flow);
            assert_eq!(judgement.enforced.answer.as_str(), expect, "{flow}");
        }
    }
}
