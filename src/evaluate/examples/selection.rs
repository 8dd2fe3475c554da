//! Which policies apply, and what a rule's two ends mean.

use super::fixture::{allow, db_in, deny, dst, log, policy, port, src};
use crate::model::{Name, Protocol};
use crate::policy::{ServiceAccountMatch, ServiceMatch};

const SHOP: &str = "E=P ALLOW 0|__PROFILE__|pro:kns.shop|allow|0";
const DB_IN: &str = "E=P ALLOW 0|default|np:shop/db-in|allow|0";
const DB_IN_END: &str = "E=P DENY 0|default|np:shop/db-in|deny|-1";

#[test]
fn without_policies_the_namespace_profile_allows() {
    src(&[], "web -> db tcp/5432", SHOP);
    dst(&[], "web -> db tcp/5432", SHOP);
    src(&[], "job -> db tcp/80", "E=P ALLOW 0|__PROFILE__|pro:kns.ops|allow|0");
    dst(&[], "job -> db tcp/80", SHOP);
}

#[test]
fn a_policy_isolates_what_it_selects_and_nothing_else() {
    src(&[db_in()], "web -> db tcp/5432", SHOP);
    dst(&[db_in()], "web -> db tcp/5432", DB_IN);
    dst(&[db_in()], "web -> db tcp/8080", DB_IN_END);
}

#[test]
fn a_selector_stays_in_the_policys_namespace() {
    dst(&[db_in()], "job -> db tcp/5432", DB_IN_END);
}

#[test]
fn a_namespace_selector_opens_it() {
    let mut wider = db_in();
    wider.0.ingress.push(allow().from("app == 'job'").in_namespaces("env == 'mgmt'").0);
    dst(&[wider], "job -> db tcp/5432", "E=P ALLOW 0|default|np:shop/db-in|allow|1");
}

#[test]
fn a_global_set_needs_global_in_a_namespaced_policy() {
    let by = |rule| [policy("np", "shop/p").selects("app == 'db'").ingress([rule])];
    let corp = allow().from("zone == 'corp'");
    dst(&by(corp.clone()), "203.0.113.9 -> db tcp/1", "E=P DENY 0|default|np:shop/p|deny|-1");
    dst(
        &by(corp.in_namespaces("global()")),
        "203.0.113.9 -> db tcp/1",
        "E=P ALLOW 0|default|np:shop/p|allow|0",
    );
    let partner = allow().from("kind == 'partner'");
    dst(&by(partner), "198.51.100.7 -> db tcp/1", "E=P ALLOW 0|default|np:shop/p|allow|0");
}

#[track_caller]
fn allows(short: &str, rule: super::fixture::RuleText, flow: &str, expect: bool) {
    let name = if short == "np" { "shop/p" } else { "p" };
    let policy = policy(short, name).selects("app == 'db' || app == 'web'").ingress([rule]);
    let owner = format!("0|default|{short}:{name}");
    let text =
        if expect { format!("E=P ALLOW {owner}|allow|0") } else { format!("E=P DENY {owner}|deny|-1") };
    dst(&[policy], flow, &text);
}

#[test]
fn no_selector_is_any_address_and_all_is_any_known_one() {
    allows("np", allow(), "8.8.8.8 -> db tcp/1", true);
    allows("np", allow().from("all()"), "8.8.8.8 -> db tcp/1", false);
    allows("np", allow().from("all()"), "web -> db tcp/1", true);
    allows("np", allow().from("all()"), "job -> db tcp/1", false);
    allows("gnp", allow().from("all()"), "job -> db tcp/1", true);
    allows("gnp", allow().from("all()"), "203.0.113.9 -> db tcp/1", true);
}

#[test]
fn not_selector_alone_is_scoped_in_a_namespaced_policy() {
    let rule = || allow().source(|it| it.not_selector = Some(super::fixture::selector("app == 'web'")));
    allows("np", rule(), "web -> db tcp/1", false);
    allows("np", rule(), "db -> web tcp/1", true);
    allows("np", rule(), "job -> db tcp/1", false);
    allows("np", rule(), "8.8.8.8 -> db tcp/1", false);
    allows("gnp", rule(), "web -> db tcp/1", false);
    allows("gnp", rule(), "job -> db tcp/1", true);
    allows("gnp", rule(), "8.8.8.8 -> db tcp/1", true);
}

#[test]
fn service_accounts_are_scoped_as_selectors_are() {
    let named = allow().source(|it| {
        it.service_accounts = Some(ServiceAccountMatch { names: vec![Name::from("web-sa")], selector: None });
    });
    allows("np", named.clone(), "web -> db tcp/1", true);
    allows("np", named.clone(), "db -> web tcp/1", false);
    allows("np", named, "job -> db tcp/1", false);
    let labelled = allow().source(|it| {
        let selector = Some(super::fixture::selector("team == 'a'"));
        it.service_accounts = Some(ServiceAccountMatch { names: Vec::new(), selector });
    });
    allows("gnp", labelled.clone(), "web -> db tcp/1", true);
    allows("gnp", labelled, "job -> db tcp/1", false);
}

#[test]
fn a_direction_that_no_policy_governs_is_open() {
    let policy = [policy("np", "shop/empty").selects("app == 'db'").ingress([])];
    dst(&policy, "web -> db tcp/1", "E=P DENY 0|default|np:shop/empty|deny|-1");
    src(&policy, "db -> 8.8.8.8 tcp/1", SHOP);
}

#[test]
fn ranges_include_both_ends_and_named_ports_are_the_endpoints_own() {
    for (port, expect) in [(5432, true), (5000, true), (5433, false), (4999, false)] {
        allows("np", allow().protocol("tcp").ports("5000:5432"), &format!("web -> db tcp/{port}"), expect);
    }
    allows("np", allow().from("app == 'web'").ports("pg"), "web -> db tcp/5432", true);
    allows("np", allow().from("app == 'web'").ports("pg"), "web -> db udp/5432", false);
    allows("np", allow().from("app == 'web'").ports("pg"), "web -> db tcp/80", false);
    allows("np", allow().from("app == 'web'").ports("pg 80"), "web -> db tcp/80", true);
    let not_pg = allow().protocol("tcp").dest(|it| it.not_ports = vec![port("pg")]);
    allows("np", not_pg.clone(), "web -> db tcp/5432", false);
    allows("np", not_pg, "web -> db tcp/80", true);
}

#[test]
fn a_named_port_counts_where_the_selector_matches_its_owner() {
    allows("np", allow().to("app == 'db'").ports("pg"), "web -> db tcp/5432", true);
    allows("np", allow().to("app == 'web'").ports("pg"), "web -> db tcp/5432", false);
}

#[test]
fn protocols_compare_by_number() {
    allows("np", allow().rule(|it| it.protocol = Some(Protocol(132))), "web -> db sctp/1", true);
    allows("np", allow().protocol("udplite"), "web -> db 136/1", true);
    allows("np", allow().protocol("tcp"), "web -> db 0", false);
    let not_udp = || allow().rule(|it| it.not_protocol = Some(Protocol::UDP));
    allows("np", not_udp(), "web -> db tcp/1", true);
    allows("np", not_udp(), "web -> db icmp:8", true);
    allows("np", not_udp(), "web -> db udp/1", false);
}

#[test]
fn services_are_addresses_with_their_ports() {
    let of = |namespace: Option<&str>| {
        allow().dest(|it| {
            let namespace = namespace.map(Name::from);
            it.services = Some(ServiceMatch { name: Name::from("db-svc"), namespace });
        })
    };
    let mut cluster = super::fixture::cluster();
    cluster.services.push(crate::policy::ServiceEndpoints {
        namespace: Name::from("shop"),
        service: Name::from("db-svc"),
        slice: Name::from("db-svc-1"),
        addresses: vec!["10.0.1.20".parse().unwrap()],
        ports: vec![crate::policy::ServicePort {
            name: Name::from(""),
            protocol: Protocol::TCP,
            port: Some(5432),
        }],
    });
    let judge = |rule, flow| {
        let policy = policy("np", "shop/p").selects("app == 'web'").egress([rule]);
        let set = super::fixture::set_of(cluster.clone(), [policy]);
        let programs = crate::evaluate::Programs::compile(std::sync::Arc::new(set));
        let judgement = super::fixture::judge(&programs, crate::model::Direction::Egress, flow);
        judgement.enforced.answer.as_str()
    };
    assert_eq!(judge(of(Some("shop")), "web -> db tcp/5432"), "allow");
    assert_eq!(judge(of(Some("shop")), "web -> db tcp/9090"), "deny");
    assert_eq!(judge(of(Some("shop")), "web -> db udp/5432"), "deny");
    assert_eq!(judge(of(None), "web -> db tcp/5432"), "deny", "a Service without a namespace is none");
}

#[test]
fn a_judge_tells_the_addresses_of_a_service_from_their_neighbours() {
    let mut cluster = super::fixture::cluster();
    cluster.services.push(crate::policy::ServiceEndpoints {
        namespace: Name::from("shop"),
        service: Name::from("outside"),
        slice: Name::from("outside-1"),
        addresses: vec!["192.0.2.9".parse().unwrap()],
        ports: vec![crate::policy::ServicePort {
            name: Name::from(""),
            protocol: Protocol::TCP,
            port: Some(5432),
        }],
    });
    let to_outside = allow().dest(|it| {
        let namespace = Some(Name::from("shop"));
        it.services = Some(ServiceMatch { name: Name::from("outside"), namespace });
    });
    let policy = policy("np", "shop/p").selects("app == 'web'").egress([to_outside]);
    let set = super::fixture::set_of(cluster, [policy]);
    let programs = std::sync::Arc::new(crate::evaluate::Programs::compile(std::sync::Arc::new(set)));
    let mut judge = crate::evaluate::Judge::new(std::sync::Arc::clone(&programs));
    for (peer, expect) in [("192.0.2.8", "deny"), ("192.0.2.9", "allow"), ("192.0.2.10", "deny")] {
        let edge = crate::model::Edge {
            direction: crate::model::Direction::Egress,
            subject: super::fixture::endpoint(&programs, "web"),
            peer: super::fixture::endpoint(&programs, peer),
            protocol: Protocol::TCP,
            port: Some(5432),
            service: None,
        };
        let id = judge.judge(&edge);
        assert_eq!(judge.judgement(id).unwrap().enforced.answer.as_str(), expect, "{peer}");
    }
}

#[test]
fn a_kubernetes_policy_never_selects_network_sets() {
    let to_pods = allow().to("projectcalico.org/orchestrator == 'k8s'");
    let policy = || [policy("knp", "shop/web").selects("app == 'web'").egress([to_pods.clone()])];
    src(&policy(), "web -> db tcp/1", "E=P ALLOW 0|default|knp:shop/web|allow|0");
    src(&policy(), "web -> 198.51.100.7 tcp/1", "E=P DENY 0|default|knp:shop/web|deny|-1");
}

#[test]
fn nets_and_their_exceptions_must_both_hold() {
    let block = || {
        allow().source(|it| {
            it.nets = vec!["0.0.0.0/0".parse().unwrap()];
            it.not_nets = vec!["203.0.113.0/24".parse().unwrap()];
        })
    };
    allows("np", block(), "203.0.113.9 -> db tcp/1", false);
    allows("np", block(), "8.8.8.8 -> db tcp/1", true);
    let both = || allow().from("app == 'web'").source(|it| it.nets = vec!["10.0.1.0/24".parse().unwrap()]);
    allows("np", both(), "web -> db tcp/1", true);
    allows("gnp", both(), "job -> db tcp/1", false);
    allows("gnp", both(), "db -> web tcp/1", false);
}

#[test]
fn all_narrows_to_pods_beside_a_namespace_selector() {
    let policy = policy("gnp", "g").selects("all()").namespaces("env == 'prod'").ingress([deny()]);
    dst(std::slice::from_ref(&policy), "job -> db tcp/1", "E=P DENY 0|default|gnp:g|deny|0");
    dst(&[policy], "web -> job tcp/1", "E=P ALLOW 0|__PROFILE__|pro:kns.ops|allow|0");
}

#[test]
fn a_service_account_selector_selects_pods_of_the_account() {
    let policy = policy("gnp", "g").accounts("team == 'a'").ingress([deny()]);
    dst(std::slice::from_ref(&policy), "db -> web tcp/1", "E=P DENY 0|default|gnp:g|deny|0");
    dst(&[policy], "web -> db tcp/1", SHOP);
}

#[test]
fn a_namespace_selector_alone_reaches_pods_and_sets_of_it() {
    allows("np", allow().in_namespaces("env == 'mgmt'"), "job -> db tcp/1", true);
    allows("np", allow().in_namespaces("env == 'mgmt'"), "203.0.113.9 -> db tcp/1", false);
    allows("np", allow().in_namespaces("env == 'prod'"), "198.51.100.7 -> db tcp/1", true);
    allows("np", allow().in_namespaces("global()"), "203.0.113.9 -> db tcp/1", true);
    allows("np", allow().in_namespaces("global()"), "job -> db tcp/1", false);
}

#[test]
fn a_set_that_covers_a_pod_lends_it_its_labels() {
    let mut cluster = super::fixture::cluster();
    cluster.network_sets.push(super::fixture::network_set("wide", "zone=lan", "10.0.0.0/8"));
    let policy = policy("gnp", "g").selects("app == 'db'").ingress([allow().from("zone == 'lan'")]);
    let set = super::fixture::set_of(cluster, [policy]);
    let programs = crate::evaluate::Programs::compile(std::sync::Arc::new(set));
    for flow in ["web -> db tcp/1", "job -> db tcp/1"] {
        let judgement = super::fixture::judge(&programs, crate::model::Direction::Ingress, flow);
        assert_eq!(judgement.enforced.answer.as_str(), "allow", "{flow}");
    }
}

#[test]
fn an_empty_set_of_values_matches_nothing_and_its_negation_everything_known() {
    allows("gnp", allow().from("app in {}"), "web -> db tcp/1", false);
    allows("gnp", allow().from("app not in {}"), "web -> db tcp/1", true);
    allows("gnp", allow().from("app not in {}"), "203.0.113.9 -> db tcp/1", true);
    allows("gnp", allow().from("app not in {}"), "8.8.8.8 -> db tcp/1", false);
}

#[test]
fn a_log_rule_counts_and_leaves_no_hit() {
    let policy = policy("np", "shop/p").selects("app == 'db'").ingress([log().protocol("tcp"), allow()]);
    dst(&[policy], "web -> db tcp/1", "E=P ALLOW 0|default|np:shop/p|allow|1");
}
