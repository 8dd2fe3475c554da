//! Each finding, and what is near it and none.

use crate::evaluate::examples::fixture::{
    PolicyText, allow, cluster, db_in, deny, log, network_set, pass, policy, port, selector, set_of,
};
use crate::evaluate::lint::lint;
use crate::model::{Name, Protocol};
use crate::policy::{
    HttpMatch, IcmpMatch, NamespaceMatch, ServiceEndpoints, ServiceMatch, ServicePort, StagedAction,
};

/// Looks at policies and compares every finding, as `policy path: problem: text`.
#[track_caller]
fn check(policies: impl IntoIterator<Item = PolicyText>, expect: &[&str]) {
    let mut cluster = cluster();
    cluster.services.push(ServiceEndpoints {
        namespace: Name::from("shop"),
        service: Name::from("sigtran"),
        slice: Name::from("sigtran-1"),
        addresses: Vec::new(),
        ports: vec![ServicePort { name: Name::from(""), protocol: Protocol::SCTP, port: Some(2905) }],
    });
    let found: Vec<String> = lint(&set_of(cluster, policies))
        .iter()
        .map(|it| format!("{} {}: {}: {}", it.policy, it.path, it.problem.as_str(), it.text))
        .collect();
    assert_eq!(found, expect);
}

fn np() -> PolicyText {
    policy("np", "shop/p")
}

#[test]
fn a_sound_policy_has_no_findings() {
    check([db_in(), policy("snp", "shop/q").selects("app == 'db'").egress([allow()])], &[]);
}

#[test]
fn a_rule_behind_one_that_matches_everything_is_unreachable() {
    check(
        [np().ingress([log(), allow().protocol("tcp"), deny(), allow().protocol("udp"), log()])],
        &[
            "np:shop/p spec.ingress[3]: unreachable-rule: the rule is never reached: rule 2 before it matches everything",
            "np:shop/p spec.ingress[4]: unreachable-rule: the rule is never reached: rule 2 before it matches everything",
        ],
    );
    check(
        [policy("knp", "shop/p").egress([allow(), allow().protocol("udp")])],
        &[
            "knp:shop/p spec.egress, converted rule 1: unreachable-rule: the rule is never reached: rule 0 before it matches everything",
        ],
    );
}

#[test]
fn a_rule_that_asks_for_the_same_as_one_before_is_unreachable() {
    check(
        [np().egress([pass().to("a == 'x'"), deny().to("a == 'x'"), deny().to("a == 'y'")])],
        &[
            "np:shop/p spec.egress[1]: unreachable-rule: the rule is never reached: rule 0 before it asks for the same",
        ],
    );
}

#[test]
fn log_hides_nothing_and_all_of_a_namespace_is_not_everything() {
    check([np().ingress([log(), log().protocol("tcp"), allow().from("all()"), deny()])], &[]);
    check([np().ingress([allow().in_namespaces("all()"), deny()])], &[]);
}

#[test]
fn selectors_that_contradict_themselves_are_found() {
    let text = "contradictory-selector: no endpoint can satisfy the selector, together with those of namespaces and \
                service accounts";
    check([np().selects("a == 'x' && a == 'y'")], &[&format!("np:shop/p spec.selector: {text}")]);
    check(
        [np().selects("projectcalico.org/namespace == 'ops'")],
        &[&format!("np:shop/p spec.selector: {text}")],
    );
    check([policy("gnp", "p").selects("has(a) && !has(a)")], &[&format!("gnp:p spec.selector: {text}")]);
    check([policy("gnp", "p").namespaces("e == '1'").selects("a == 'x'")], &[]);
}

#[test]
fn selectors_of_rules_that_contradict_themselves_are_found() {
    let text = "contradictory-selector: nothing can satisfy the selector, together with those of namespaces and \
                service accounts";
    check(
        [np().ingress([allow().from("a == 'x' && a == 'y'")])],
        &[&format!("np:shop/p spec.ingress[0].source.selector: {text}")],
    );
    check(
        [np().egress([allow().to("projectcalico.org/namespace == 'ops'")])],
        &[&format!("np:shop/p spec.egress[0].destination.selector: {text}")],
    );
    let not = |own: &str, not: &str| {
        let not = selector(not);
        np().ingress([allow().from(own).source(|it| it.not_selector = Some(not))])
    };
    let text = "contradictory-selector: `notSelector` excludes everything that the rule selects";
    check(
        [not("a in {'x', 'y'}", "has(a)")],
        &[&format!("np:shop/p spec.ingress[0].source.notSelector: {text}")],
    );
    check([not("a in {'x', 'y'}", "a == 'x'")], &[]);
    // An address that belongs to nothing matches.
    let lone = allow().source(|it| it.not_selector = Some(selector("all()")));
    check([policy("gnp", "p").ingress([lone])], &[]);
}

#[test]
fn conditions_that_exclude_each_other_are_found() {
    let not_protocol = allow().protocol("tcp").rule(|it| it.not_protocol = Some(Protocol::TCP));
    check(
        [np().ingress([not_protocol])],
        &["np:shop/p spec.ingress[0].notProtocol: impossible-rule: the rule asks for tcp and excludes it"],
    );
    let not_ports = |text: &str| {
        let ports = text.split_whitespace().map(port).collect();
        allow().protocol("tcp").ports("80 8000:8100").dest(|it| it.not_ports = ports)
    };
    let text = "impossible-rule: the rule excludes every port that it asks for";
    check(
        [np().egress([not_ports("8050:9000 1:100 8000:8049")])],
        &[&format!("np:shop/p spec.egress[0].destination.notPorts: {text}")],
    );
    check([np().egress([not_ports("80 8000:8049 8051:9000")])], &[]);
    let nets = |not: &str| {
        let not = not.parse().unwrap();
        allow().source(|it| {
            it.nets = vec!["10.0.0.0/24".parse().unwrap()];
            it.not_nets = vec![not];
        })
    };
    let text = "impossible-rule: the rule excludes every prefix that it asks for";
    check(
        [np().ingress([nets("10.0.0.0/8")])],
        &[&format!("np:shop/p spec.ingress[0].source.notNets: {text}")],
    );
    check([np().ingress([nets("10.0.0.0/25")])], &[]);
}

#[test]
fn a_staged_policy_that_is_enforced_already_stages_nothing() {
    let staged = policy("snp", "shop/db-in").selects("app == 'db'");
    let same = staged.clone().ingress([allow().protocol("tcp").from("app == 'web'").ports("5432")]);
    check(
        [db_in(), same],
        &["snp:shop/db-in : staged-unchanged: it is np:shop/db-in once more, and stages no change"],
    );
}

#[test]
fn a_staged_edit_stands_beside_what_it_is_to_replace_in_calico() {
    let edit = policy("snp", "shop/db-in").selects("app == 'db'").ingress([deny()]);
    check(
        [db_in(), edit.clone()],
        &[
            "snp:shop/db-in : staged-edit: Calico's pending traces evaluate it beside np:shop/db-in and not in its \
             place; `flowstage evaluate --mode what-if` shows the edit",
        ],
    );
    check([edit], &[]);
}

#[test]
fn what_is_learnt_or_ignored_is_rehearsed_by_calico_all_the_same() {
    let same = policy("snp", "shop/db-in")
        .selects("app == 'db'")
        .ingress([allow().protocol("tcp").from("app == 'web'").ports("5432")]);
    for (action, name) in [(StagedAction::Learn, "Learn"), (StagedAction::Ignore, "Ignore")] {
        let text = format!(
            "snp:shop/db-in spec.stagedAction: staged-undecided: Calico's pending traces evaluate it as though `{name}` \
             were `Set`; `flowstage evaluate --mode what-if` leaves it out"
        );
        let staged = policy("snp", "shop/db-in").action(action).ingress([deny()]);
        check([staged.clone()], &[&text]);
        check([db_in(), staged], &[&text]);
        // Once more what is enforced already, it changes no verdict.
        check(
            [db_in(), same.clone().action(action)],
            &["snp:shop/db-in : staged-unchanged: it is np:shop/db-in once more, and stages no change"],
        );
    }
}

/// Looks at one global policy beside network sets with the labels `feed: NAME` and these prefixes.
#[track_caller]
fn check_sets(sets: &[(&str, &str)], policy: PolicyText, expect: &[&str]) {
    let mut cluster = cluster();
    cluster.network_sets =
        sets.iter().map(|(name, nets)| network_set(name, &format!("feed={name}"), nets)).collect();
    let found: Vec<String> = lint(&set_of(cluster, [policy]))
        .iter()
        .map(|it| format!("{}: {}: {}", it.path, it.problem.as_str(), it.text))
        .collect();
    assert_eq!(found, expect);
}

#[test]
fn rules_that_ask_for_sets_whose_members_a_release_loses_are_told() {
    let lost = "the pending traces of one release of Calico (a snapshot of August 2026) never";
    let asks = |text: &str| policy("gnp", "p").ingress([deny().from(text)]);
    check_sets(
        &[("a", "203.0.113.0/25"), ("b", "203.0.113.0/24 198.51.100.7/32")],
        asks("feed == 'a'"),
        &[&format!(
            "spec.ingress[0].source.selector: short-members: {lost} match 203.0.113.0/25 of the network set a"
        )],
    );
    check_sets(
        &[("a", "203.0.113.0/31 203.0.113.0/28 2001:db8::/121 2001:db8::/120")],
        asks("has(feed)"),
        &[&format!(
            "spec.ingress[0].source.selector: short-members: {lost} match 203.0.113.0/31 of the network set a, nor one \
             prefix more"
        )],
    );
    let excluded = selector("feed == 'a'");
    check_sets(
        &[("a", "2001:db8::/127")],
        policy("gnp", "p").egress([allow().dest(|it| it.not_selector = Some(excluded))]),
        &[&format!(
            "spec.egress[0].destination.notSelector: short-members: {lost} exclude 2001:db8::/127 of the network set a"
        )],
    );
}

#[test]
fn what_an_exclusion_looks_for_in_its_own_namespace_is_told_there() {
    let excluded = selector("feed == 'x'");
    check_sets(
        &[("shop/a", "203.0.113.0/25")],
        np().ingress([allow().source(|it| it.not_selector = Some(excluded))]),
        &[
            "spec.ingress[0].source.notSelector: short-members: the pending traces of one release of Calico (a \
             snapshot of August 2026) never match 203.0.113.0/25 of the network set shop/a",
        ],
    );
}

#[test]
fn sets_that_no_rule_asks_for_or_that_a_shorter_prefix_saves_are_not() {
    let sets =
        [("a", "203.0.113.0/25"), ("b", "203.0.113.0/24 198.51.100.7/32 2001:db8::/64 2001:db8::9/128")];
    let asks = |text: &str| policy("gnp", "p").ingress([deny().from(text)]);
    check_sets(&sets, asks("feed == 'b'"), &[]);
    check_sets(&sets, asks("feed in {'a', 'b'}"), &[]);
    let net = "203.0.113.0/25".parse().unwrap();
    check_sets(&sets, policy("gnp", "p").ingress([deny().source(|it| it.nets = vec![net])]), &[]);
}

#[test]
fn a_staged_removal_is_not_rehearsed_by_calico() {
    let removal = || policy("snp", "shop/db-in").action(StagedAction::Delete);
    check(
        [db_in(), removal()],
        &[
            "snp:shop/db-in spec.stagedAction: staged-delete: Calico's pending traces keep the policy that this \
           removes; only `what-if` shows what is left",
        ],
    );
    check(
        [removal()],
        &["snp:shop/db-in spec.stagedAction: staged-delete-of-nothing: there is no np:shop/db-in to remove"],
    );
}

#[test]
fn what_the_checker_reads_in_another_way_is_told() {
    let named = allow().protocol("tcp").ports("pg 80").dest(|it| it.not_ports = vec![port("a"), port("b")]);
    check(
        [np().ingress([named])],
        &[
            "np:shop/p spec.ingress[0].destination.ports: named-ports: in Calico's pending traces the port `pg` never \
             matches by name",
            "np:shop/p spec.ingress[0].destination.notPorts: named-ports: in Calico's pending traces the ports `a`, \
             `b` never exclude by name",
        ],
    );
    let message = IcmpMatch { icmp_type: Some(8), code: None };
    let icmp = allow().protocol("icmp").rule(|it| it.icmp = Some(message));
    check(
        [np().ingress([icmp])],
        &[
            "np:shop/p spec.ingress[0].icmp: icmp-types: Calico's pending traces match every ICMP message here, \
           whatever its type and code",
        ],
    );
    let not_icmp = allow().protocol("icmp").rule(|it| {
        it.not_icmp = Some(message);
        it.ip_version = Some(4);
    });
    check(
        [np().ingress([not_icmp])],
        &[
            "np:shop/p spec.ingress[0].notICMP: icmp-types: Calico's pending traces exclude no ICMP message here, \
             whatever its type and code",
            "np:shop/p spec.ingress[0].ipVersion: ip-version: Calico's pending traces match IPv6 here too",
        ],
    );
    let http = allow().protocol("tcp").rule(|it| it.http = Some(HttpMatch::default()));
    check(
        [np().ingress([http])],
        &[
            "np:shop/p spec.ingress[0].http: http: Calico's pending traces take the HTTP conditions as fulfilled; flow \
           records cannot tell",
        ],
    );
}

#[test]
fn icmp_messages_that_are_asked_for_and_excluded_match_nothing() {
    let rule = allow().protocol("icmp").rule(|it| {
        it.icmp = Some(IcmpMatch { icmp_type: Some(8), code: Some(0) });
        it.not_icmp = Some(IcmpMatch { icmp_type: Some(8), code: None });
    });
    let mut cluster = cluster();
    cluster.services.clear();
    let found = lint(&set_of(cluster, [np().ingress([rule])]));
    assert_eq!(
        found.first().map(|it| (it.path.as_str(), it.problem.as_str())),
        Some(("spec.ingress[0].notICMP", "impossible-rule"))
    );
}

#[test]
fn services_that_are_called_by_sctp_are_told_in_egress_rules() {
    let to = |name: &str| {
        let service = ServiceMatch { name: Name::from(name), namespace: Some(Name::from("shop")) };
        allow().dest(|it| it.services = Some(service))
    };
    let text = "sctp-service: Calico's pending traces never match the SCTP ports of the Service";
    check(
        [np().egress([to("sigtran"), to("web"), to("web").protocol("sctp"), to("sigtran").protocol("tcp")])],
        &[
            &format!("np:shop/p spec.egress[0].destination.services: {text} shop/sigtran"),
            &format!("np:shop/p spec.egress[2].destination.services: {text} shop/web"),
        ],
    );
}

#[test]
fn policies_in_chains_of_hosts_are_told() {
    let mut untracked = policy("gnp", "p").ingress([allow()]);
    untracked.0.global.do_not_track = true;
    check(
        [untracked],
        &[
            "gnp:p spec.doNotTrack: host-chains: Calico's pending traces do not know these policies for host endpoints",
        ],
    );
    let global = allow().source(|it| it.namespace_selector = Some(NamespaceMatch::Global));
    check([policy("gnp", "p").ingress([global])], &[]);
}
