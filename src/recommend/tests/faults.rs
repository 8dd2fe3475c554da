//! Faults of other recommenders, each one a test for us.

use expect_test::{Expect, expect};

use super::support::{cluster, network_set, observe, print, recommend, service, window};
use crate::evaluate::Programs;
use crate::model::{Direction, Protocol};
use crate::policy::{PolicySet, PortMatch, Revision, StagedAction};
use crate::recommend::{Config, Reason, Recommender, SameNamespace};

#[track_caller]
fn check(lines: &str, expected: &Expect) {
    expected.assert_eq(&print(&recommend(Config::default(), cluster(), lines)));
}

#[test]
fn ports_addresses_and_namespaces_behind_equal_labels_all_survive() {
    check(
        "egress cart-* -> wep data/db-* tcp/5432
         egress cart-* -> wep data/db-* tcp/9187
         egress cart-* -> wep web/db-* tcp/5432
         egress cart-* -> net pub@203.0.113.7 tcp/443
         egress cart-* -> net pub@203.0.113.9 tcp/443",
        &expect![[r#"
            ingress: not governed
            egress allow tcp/5432,9187 to namespace: in projectcalico.org/name == "data"
            egress allow tcp/5432 to namespace: in projectcalico.org/name == "web"
            egress allow tcp/443 to public: 203.0.113.7/32 203.0.113.9/32
        "#]],
    );
}

#[test]
fn namespaces_are_named_by_the_label_that_the_system_gives() {
    let recommendation =
        recommend(Config::default(), cluster(), "ingress cart-* <- wep web/front-* tcp/8080");
    assert!(print(&recommendation).contains(r#"projectcalico.org/name == "web""#));
}

#[test]
fn icmp_sctp_and_numbered_protocols_are_rules_and_none_is_called_unknown() {
    check(
        "egress cart-* -> wep data/db-* icmp
         egress cart-* -> wep data/db-* sctp/3868
         egress cart-* -> wep data/db-* 47
         egress cart-* -> wep data/db-* udplite/7000",
        &expect![[r#"
            ingress: not governed
            egress allow icmp to namespace: in projectcalico.org/name == "data"
            egress allow 47 to namespace: in projectcalico.org/name == "data"
            egress allow sctp/3868 to namespace: in projectcalico.org/name == "data"
            egress allow udplite to namespace: in projectcalico.org/name == "data"
        "#]],
    );
}

#[test]
fn a_protocol_that_no_rule_can_name_becomes_no_other() {
    // Every rule that could be written would deny it, so none is proposed.
    let lines = "egress cart-* -> wep data/db-* tcp/5432
                 egress cart-* -> wep data/db-* hopopt";
    let withheld = observe(Config::default(), cluster(), lines).unwrap().unwrap_err();
    let Reason::WouldDeny { edges: 1, examples } = withheld.reason else { panic!("{withheld:?}") };
    assert_eq!(examples[0].protocol, Protocol(0));
    // Alone it makes no rule at all.
    assert!(observe(Config::default(), cluster(), "egress cart-* -> wep data/db-* hopopt").is_none());
}

#[test]
fn udp_and_tcp_to_one_peer_and_port_are_two_rules() {
    check(
        "egress cart-* -> wep data/cache-* udp/11211
         egress cart-* -> wep data/cache-* tcp/11211",
        &expect![[r#"
            ingress: not governed
            egress allow tcp/11211 to namespace: in projectcalico.org/name == "data"
            egress allow udp/11211 to namespace: in projectcalico.org/name == "data"
        "#]],
    );
}

#[test]
fn dns_over_one_protocol_gets_the_other_and_says_that_it_was_added() {
    check(
        "egress cart-* -> wep kube-system/coredns-* udp/53",
        &expect![[r#"
        ingress: not governed
        egress allow tcp/53 to namespace: in projectcalico.org/name == "kube-system" [added]
        egress allow udp/53 to namespace: in projectcalico.org/name == "kube-system"
    "#]],
    );
}

#[test]
fn dns_seen_over_both_protocols_has_nothing_added() {
    check(
        "egress cart-* -> wep kube-system/coredns-* udp/53
         egress cart-* -> wep kube-system/coredns-* tcp/53",
        &expect![[r#"
            ingress: not governed
            egress allow tcp/53 to namespace: in projectcalico.org/name == "kube-system"
            egress allow udp/53 to namespace: in projectcalico.org/name == "kube-system"
        "#]],
    );
}

#[test]
fn dns_behind_another_port_is_known_by_the_service() {
    check(
        "egress cart-* -> wep openshift-dns/dns-* udp/5353 via openshift-dns/dns-default:dns",
        &expect![[r#"
        ingress: not governed
        egress allow tcp/5353 to namespace: in projectcalico.org/name == "openshift-dns" [added]
        egress allow udp/5353 to namespace: in projectcalico.org/name == "openshift-dns"
    "#]],
    );
}

#[test]
fn a_direction_without_evidence_is_not_governed() {
    let recommendation =
        recommend(Config::default(), cluster(), "ingress cart-* <- wep web/front-* tcp/8080");
    let types = recommendation.policy.types;
    assert!(types.governs(Direction::Ingress) && !types.governs(Direction::Egress));
}

#[test]
fn an_address_is_a_prefix_of_its_own_version() {
    check(
        "egress cart-* -> net pub@2001:db8::7 tcp/443
         egress cart-* -> net pub@203.0.113.7 tcp/443",
        &expect![[r#"
            ingress: not governed
            egress allow tcp/443 to public: 203.0.113.7/32
            egress allow tcp/443 to public: 2001:db8::7/128
        "#]],
    );
}

#[test]
fn many_ports_are_a_list_and_never_any_port() {
    let lines: String =
        (0..30).map(|it| format!("egress cart-* -> wep data/db-* tcp/{}\n", 1_000 + 10 * it)).collect();
    let recommendation = recommend(Config::default(), cluster(), &lines);
    assert_eq!(recommendation.policy.egress[0].destination.ports.len(), 30);
}

#[test]
fn ports_that_the_peer_chooses_are_a_measured_interval_and_flagged() {
    let lines: String =
        (0..20).map(|it| format!("egress cart-* -> wep data/nfs-* tcp/{}\n", 40_000 + 10 * it)).collect();
    check(
        &lines,
        &expect![[r#"
        ingress: not governed
        egress allow tcp/40000-40190 to namespace: in projectcalico.org/name == "data" [dynamic-ports]
    "#]],
    );
}

#[test]
fn more_ports_than_a_rule_takes_are_more_rules() {
    let lines: String =
        (0..120).map(|it| format!("egress cart-* -> wep data/db-* tcp/{}\n", 1_000 + 2 * it)).collect();
    let recommendation = recommend(Config::default(), cluster(), &lines);
    let ports = recommendation.policy.egress.iter().map(|it| it.destination.ports.len());
    assert_eq!(ports.collect::<Vec<_>>(), [50, 50, 20]);
    assert!(recommendation.policy.egress.iter().flat_map(|it| &it.destination.ports).all(|it| matches!(
        it,
        PortMatch::Range(first, last) if first == last
    )));
}

#[test]
fn one_outside_connection_does_not_open_the_world() {
    check(
        "ingress cart-* <- net pub@203.0.113.7 tcp/8080",
        &expect![[r#"
        ingress allow tcp/8080 from public: 203.0.113.7/32
        egress: not governed
    "#]],
    );
}

#[test]
fn too_many_addresses_are_a_range_that_says_so() {
    let lines: String =
        (0..70).map(|it| format!("ingress cart-* <- net pub@203.0.113.{it} tcp/8080\n")).collect();
    check(
        &lines,
        &expect![[r#"
        ingress allow tcp/8080 from public: 0.0.0.0/0 not 10.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 224.0.0.0/4 [any-address]
        egress: not governed
    "#]],
    );
}

#[test]
fn the_cluster_s_own_ranges_are_not_part_of_private_and_public() {
    let ranges = ["10.96.0.0/12", "10.244.0.0/16"].map(|it| it.parse().unwrap()).to_vec();
    let config = Config { cluster_ranges: ranges, ..Config::default() };
    let lines = "egress cart-* -> net pvt tcp/5432\negress cart-* -> net pub tcp/443";
    expect![[r#"
        ingress: not governed
        egress allow tcp/5432 to private: 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 not 10.96.0.0/12 10.244.0.0/16 [any-address]
        egress allow tcp/443 to public: 0.0.0.0/0 not 10.0.0.0/8 10.96.0.0/12 10.244.0.0/16 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 224.0.0.0/4 [any-address]
        egress allow tcp/443 to public: ::/0 not fc00::/7 fe80::/10 ff00::/8 [any-address]
    "#]].assert_eq(&print(&recommend(config, cluster(), lines)));
}

#[test]
fn observed_private_addresses_come_before_ranges() {
    check(
        "egress cart-* -> net pvt@10.1.2.3 tcp/5432",
        &expect![[r#"
        ingress: not governed
        egress allow tcp/5432 to private: 10.1.2.3/32
    "#]],
    );
}

#[test]
fn ports_that_no_service_exposes_survive() {
    let mut cluster = cluster();
    cluster.services.push(service("data", "db", &[("tcp", 5432)]));
    let lines = "egress cart-* -> wep data/db-* tcp/5432 via data/db:pg
                 egress cart-* -> wep data/db-* tcp/9187
                 egress cart-* -> wep data/db-* tcp/9188 via data/db:metrics";
    expect![[r#"
        ingress: not governed
        egress allow tcp to service: service data/db
        egress allow tcp/9187,9188 to namespace: in projectcalico.org/name == "data"
    "#]]
    .assert_eq(&print(&recommend(Config::default(), cluster, lines)));
}

#[test]
fn rules_have_the_pods_port_and_not_the_services() {
    // A Service rule has no ports at all: the API takes none beside a Service.
    let mut cluster = cluster();
    cluster.services.push(service("data", "db", &[("tcp", 5432)]));
    let recommendation =
        recommend(Config::default(), cluster, "egress cart-* -> wep data/db-* tcp/5432 via data/db:pg");
    assert!(recommendation.policy.egress[0].destination.ports.is_empty());
}

#[test]
fn denied_flows_are_no_evidence() {
    let recommendation = recommend(
        Config::default(),
        cluster(),
        "egress cart-* -> wep data/db-* tcp/5432
         egress cart-* -> wep data/db-* tcp/22 denied",
    );
    assert_eq!(recommendation.omitted.denied, 1);
    assert_eq!(recommendation.policy.egress[0].destination.ports, [PortMatch::Range(5432, 5432)]);
    let only_denied = "egress cart-* -> wep data/db-* tcp/22 denied";
    assert!(observe(Config::default(), cluster(), only_denied).is_none());
}

#[test]
fn a_pod_that_talks_to_itself_needs_no_rule_and_replicas_do() {
    let recommendation = recommend(
        Config::default(),
        cluster(),
        "egress cart-0 -> wep shop/cart-0 tcp/8080
         egress cart-* -> wep shop/cart-* tcp/7946",
    );
    assert_eq!(recommendation.omitted.itself, 1);
    expect![[r#"
        ingress: not governed
        egress allow tcp/7946 to same-namespace: in projectcalico.org/name == "shop"
    "#]]
    .assert_eq(&print(&recommendation));
}

#[test]
fn a_peer_that_nobody_names_makes_no_rule_and_is_counted() {
    let recommendation = recommend(
        Config::default(),
        cluster(),
        "egress cart-* -> net pvt@10.1.2.3 tcp/443
         egress cart-* -> net - tcp/443",
    );
    assert_eq!((recommendation.omitted.peer_unknown, recommendation.edges_undetermined), (1, 1));
    assert_eq!(recommendation.policy.egress.len(), 1);
}

#[test]
fn traffic_inside_of_the_namespace_is_allowed_by_port_or_passed_whole() {
    let lines = "egress cart-* -> wep shop/pay-* tcp/8080
                 ingress pay-* <- wep shop/cart-* tcp/8080";
    check(
        lines,
        &expect![[r#"
        ingress allow tcp/8080 from same-namespace: in projectcalico.org/name == "shop"
        egress allow tcp/8080 to same-namespace: in projectcalico.org/name == "shop"
    "#]],
    );
    let config = Config { same_namespace: SameNamespace::Pass, ..Config::default() };
    expect![[r#"
        ingress pass any from same-namespace: in projectcalico.org/name == "shop"
        egress pass any to same-namespace: in projectcalico.org/name == "shop"
    "#]]
    .assert_eq(&print(&recommend(config, cluster(), lines)));
}

#[test]
fn records_without_ports_make_a_rule_without_ports_that_says_so() {
    check(
        "egress cart-* -> wep data/db-* tcp",
        &expect![[r#"
        ingress: not governed
        egress allow tcp to namespace: in projectcalico.org/name == "data" [any-port]
    "#]],
    );
}

#[test]
fn too_many_rules_are_made_wider_step_by_step_and_flagged() {
    let mut cluster = cluster();
    cluster.services.push(service("data", "a", &[("tcp", 1)]));
    cluster.services.push(service("data", "b", &[("tcp", 2)]));
    let lines = "egress cart-* -> wep data/a-* tcp/1 via data/a:x
                 egress cart-* -> wep data/b-* tcp/2 via data/b:x
                 egress cart-* -> net pub@203.0.113.7 tcp/80
                 egress cart-* -> net pub@203.0.113.8 tcp/443";
    let narrowed =
        |rules_max| print(&recommend(Config { rules_max, ..Config::default() }, cluster.clone(), lines));
    expect![[r#"
        ingress: not governed
        egress allow tcp to service: service data/a
        egress allow tcp to service: service data/b
        egress allow tcp/80 to public: 203.0.113.7/32
        egress allow tcp/443 to public: 203.0.113.8/32
    "#]]
    .assert_eq(&narrowed(4));
    expect![[r#"
        ingress: not governed
        egress allow tcp to service: service data/a
        egress allow tcp to service: service data/b
        egress allow tcp/80,443 to public: 0.0.0.0/0 not 10.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 224.0.0.0/4 [any-address] [lifted]
    "#]].assert_eq(&narrowed(3));
    expect![[r#"
        ingress: not governed
        egress allow tcp/1,2 to namespace: in projectcalico.org/name == "data" [lifted]
        egress allow tcp/80,443 to public: 0.0.0.0/0 not 10.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 224.0.0.0/4 [any-address] [lifted]
    "#]].assert_eq(&narrowed(2));
    let withheld = observe(Config { rules_max: 1, ..Config::default() }, cluster.clone(), lines);
    let withheld = withheld.unwrap().unwrap_err();
    assert_eq!(withheld.reason.to_string(), "it would need 2 egress rules, 1 are allowed");
}

#[test]
fn excluded_namespaces_get_no_recommendation() {
    let config = Config { exclude_namespaces: vec!["sho*".to_owned()], ..Config::default() };
    assert!(observe(config, cluster(), "egress cart-* -> wep data/db-* tcp/5432").is_none());
}

#[test]
fn the_policy_is_staged_learns_and_has_a_name_that_the_api_takes() {
    let policy = recommend(Config::default(), cluster(), "egress cart-* -> wep data/db-* tcp/5432").policy;
    assert_eq!(policy.id.to_string(), "snp:shop/namespace-isolation.shop-recommendation");
    assert_eq!(
        (policy.staged_action, policy.tier.as_str()),
        (Some(StagedAction::Learn), "namespace-isolation")
    );
    let long = "n".repeat(63);
    let mut window = window(60, "");
    window.namespace = long.as_str().into();
    let mut edge = super::support::window(60, "egress cart-* -> wep data/db-* tcp/5432").edges.remove(0);
    std::sync::Arc::make_mut(&mut edge.edge).subject.namespace = Some(long.as_str().into());
    window.edges.push(edge);
    let programs = programs_of_nothing();
    let policy = Recommender::new(Config::default()).observe(&window, &programs).unwrap().unwrap().policy;
    assert_eq!(policy.id.name, "namespace-isolation.recommendation");
}

fn programs_of_nothing() -> Programs {
    Programs::compile(std::sync::Arc::new(PolicySet::new(Vec::new(), Vec::new(), cluster(), Revision(7))))
}

#[test]
fn the_same_input_gives_the_same_recommendation_in_any_order() {
    let mut cluster = cluster();
    cluster.network_sets.push(network_set(
        None,
        "partners",
        "projectcalico.org/name=partners",
        "198.51.100.0/24",
    ));
    let lines = "egress cart-* -> wep data/db-* tcp/5432
                 egress cart-* -> wep kube-system/coredns-* udp/53
                 egress cart-* -> ns partners tcp/443
                 egress cart-* -> net pub@203.0.113.7 tcp/443
                 egress cart-* -> net pvt tcp/443
                 ingress cart-* <- wep web/front-* tcp/8080
                 ingress cart-* <- wep shop/pay-* tcp/8080";
    let programs = super::support::programs(Vec::new(), Vec::new(), cluster);
    let observe = |window| Recommender::new(Config::default()).observe(&window, &programs).unwrap().unwrap();
    let first = observe(window(60, lines));
    for turn in 1..7 {
        let mut window = window(60, lines);
        window.edges.rotate_left(turn);
        assert_eq!(format!("{:?}", observe(window)), format!("{first:?}"));
    }
    assert_eq!(first.policy.egress[0].protocol, Some(Protocol::TCP));
}
