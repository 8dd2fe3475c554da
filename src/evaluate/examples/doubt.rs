//! What records do not carry: when a verdict stands nevertheless, and when it does not.

use std::sync::Arc;

use super::fixture::{PolicyText, allow, cluster, deny, network_set, pass, pod, policy, set_of, text};
use crate::evaluate::{Connection, Programs};
use crate::model::{Direction, Endpoint, EndpointKind, LabelSet, Name, NameScope, Protocol};
use crate::policy::Cluster;

fn replicas(namespace: &str, name: &str, labels: Option<&str>) -> Endpoint {
    Endpoint {
        kind: EndpointKind::Workload,
        namespace: Some(Name::from(namespace)),
        name: Name::from(name),
        name_scope: NameScope::Aggregated,
        address: None,
        labels: labels.map(super::fixture::labels),
    }
}

fn network(name: &str) -> Endpoint {
    Endpoint {
        kind: EndpointKind::Network,
        namespace: None,
        name: Name::from(name),
        name_scope: NameScope::Aggregated,
        address: None,
        labels: None,
    }
}

#[track_caller]
fn ingress(cluster: Cluster, policies: Vec<PolicyText>, source: &Endpoint, dest: &Endpoint, expect: &str) {
    let programs = Programs::compile(Arc::new(set_of(cluster, policies)));
    let connection = Connection {
        source,
        dest,
        protocol: Protocol::TCP,
        source_port: None,
        dest_port: Some(80),
        icmp: None,
    };
    assert_eq!(text(&programs.judge(Direction::Ingress, &connection)), expect);
}

/// The database; its address tells that the connection is of IPv4.
fn db() -> Endpoint {
    Endpoint { address: Some("10.0.1.20".parse().unwrap()), ..replicas("shop", "db-*", Some("app=db")) }
}

fn p(rules: impl IntoIterator<Item = super::fixture::RuleText>) -> Vec<PolicyText> {
    vec![policy("np", "shop/p").selects("app == 'db'").ingress(rules)]
}

#[test]
fn labels_that_are_not_known_leave_a_selector_open() {
    let web = replicas("shop", "web-*", None);
    let rule = || allow().from("app == 'web'");
    ingress(cluster(), p([rule()]), &web, &db(), "E=P UNDETERMINED (source labels)");
    let all = "E=P ALLOW 0|default|np:shop/p|allow|0";
    ingress(cluster(), p([allow().from("all()")]), &web, &db(), all);
    // The same end from elsewhere is out of scope whatever its labels are.
    let other = replicas("ops", "web-*", None);
    ingress(cluster(), p([rule()]), &other, &db(), "E=P DENY 0|default|np:shop/p|deny|-1");
}

#[test]
fn doubt_that_does_not_matter_is_not_reported() {
    let web = replicas("shop", "web-*", None);
    let allows = [allow().from("app == 'web'"), allow()];
    ingress(cluster(), p(allows), &web, &db(), "E=P ALLOW 0|default|np:shop/p|allow|1");
    let denies = [deny().from("app == 'web'")];
    ingress(cluster(), p(denies), &web, &db(), "E=P DENY 0|default|np:shop/p|deny|-1");
}

#[test]
fn a_policy_that_may_apply_may_end_the_tier() {
    let any = replicas("shop", "x-*", None);
    let web = replicas("shop", "web-*", Some("app=web"));
    ingress(cluster(), p([]), &web, &any, "E=P UNDETERMINED (destination labels)");
    ingress(cluster(), p([allow()]), &web, &any, "E=P ALLOW 0|__PROFILE__|pro:kns.shop|allow|0");
    let mut both = p([pass()]);
    both.push(policy("gnp", "later").ingress([]).tier("kube-baseline"));
    let hit = "E=P ALLOW 0|kube-baseline|gnp:later|pass|-1 1|__PROFILE__|pro:kns.shop|allow|0";
    ingress(cluster(), both, &web, &any, hit);
}

#[test]
fn replicas_in_the_catalog_lend_what_they_agree_on() {
    let replica = |name: &str, labels: &str, address: &str| {
        let mut it = pod(name, labels, address, "web-sa");
        it.generate_name = Some(Name::from("web-"));
        it
    };
    let mut known = cluster();
    known.workloads.push(replica("shop/web-1", "app=web version=1", "10.0.1.11"));
    known.workloads.push(replica("shop/web-2", "app=web version=2", "10.0.1.12"));
    let web = replicas("shop", "web-*", None);
    let allowed = "E=P ALLOW 0|default|np:shop/p|allow|0";
    ingress(known.clone(), p([allow().from("app == 'web'")]), &web, &db(), allowed);
    let undetermined = "E=P UNDETERMINED (source labels)";
    ingress(known.clone(), p([allow().from("version == '2'")]), &web, &db(), undetermined);
    let nets = |text: &str| {
        let net = text.parse().unwrap();
        p([allow().source(|it| it.nets = vec![net])])
    };
    ingress(known.clone(), nets("10.0.1.0/24"), &web, &db(), allowed);
    ingress(known.clone(), nets("10.0.1.11/32"), &web, &db(), "E=P UNDETERMINED (source address)");
    ingress(known.clone(), p([allow().from("has(version)")]), &web, &db(), allowed);
    ingress(known.clone(), p([allow().from("version starts with ''")]), &web, &db(), allowed);
    known.workloads.pop();
    ingress(known.clone(), nets("10.0.1.0/24"), &web, &db(), allowed);
    ingress(known, nets("10.9.0.0/16"), &web, &db(), "E=P DENY 0|default|np:shop/p|deny|-1");
}

#[test]
fn a_pod_of_two_addresses_is_at_one_of_them() {
    let mut known = cluster();
    known.workloads[0].addresses.push("fd00::10".parse().unwrap());
    let web = Endpoint { name_scope: NameScope::Exact, ..replicas("shop", "web", None) };
    let nets = |text: &str| p([allow().source(|it| it.nets = vec![text.parse().unwrap()])]);
    let allowed = "E=P ALLOW 0|default|np:shop/p|allow|0";
    let denied = "E=P DENY 0|default|np:shop/p|deny|-1";
    ingress(known.clone(), nets("10.0.1.0/24"), &web, &db(), allowed);
    ingress(known.clone(), nets("192.168.0.0/16"), &web, &db(), denied);
    let nameless = Endpoint { address: None, ..db() };
    ingress(known, nets("192.168.0.0/16"), &web, &nameless, denied);
}

#[test]
fn a_host_of_several_addresses_is_at_one_of_them() {
    let mut known = cluster();
    known.host_endpoints.push(crate::policy::HostEndpoint {
        name: Name::from("edge"),
        node: Name::from("a"),
        interface_name: None,
        labels: LabelSet::default(),
        expected_ips: vec!["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()],
        profiles: Vec::new(),
        ports: Vec::new(),
    });
    let edge = Endpoint { kind: EndpointKind::Host, namespace: None, ..replicas("shop", "edge", None) };
    let nets = |text: &str| p([allow().source(|it| it.nets = vec![text.parse().unwrap()])]);
    ingress(known.clone(), nets("192.0.2.0/24"), &edge, &db(), "E=P ALLOW 0|default|np:shop/p|allow|0");
    ingress(known, nets("192.0.2.1/32"), &edge, &db(), "E=P UNDETERMINED (source address)");
}

#[test]
fn an_aggregated_name_is_not_that_of_a_pod_without_one() {
    let web = Endpoint { address: Some("10.0.1.10".parse().unwrap()), ..replicas("shop", "x-*", None) };
    // The address belongs to the pod `web` now, which was not made from `x-`; so both are asked.
    let rule = allow().from("tier == 'front'");
    ingress(cluster(), p([rule]), &web, &db(), "E=P ALLOW 0|default|np:shop/p|allow|0");
    let rule = allow().from("tier != 'front'");
    ingress(cluster(), p([rule]), &web, &db(), "E=P UNDETERMINED (source labels)");
}

#[test]
fn an_account_that_is_not_known_has_a_name() {
    let web = replicas("shop", "x-*", None);
    let by = |text: &str| p([allow().from(text)]);
    let allowed = "E=P ALLOW 0|default|np:shop/p|allow|0";
    ingress(cluster(), by("has(pcsa.projectcalico.org/name)"), &web, &db(), allowed);
    ingress(cluster(), by("has(pcsa.team)"), &web, &db(), "E=P UNDETERMINED (source service account)");
}

#[test]
fn names_behind_an_address_do_not_count_where_it_calls() {
    let mut known = cluster();
    let mut set = network_set("named", "zone=named", "");
    set.domains.push("example.org".to_owned());
    known.network_sets.push(set);
    let not_named = |kind: &str| {
        vec![policy(kind, "p").ingress([allow().source(|it| {
            it.not_selector = Some(super::fixture::selector("zone == 'named'"));
        })])]
    };
    ingress(known.clone(), not_named("gnp"), &network("pub"), &db(), "E=P ALLOW 0|default|gnp:p|allow|0");
    // Nor do they where the set's namespace is not known.
    let mut far = network_set("far/named", "", "");
    far.domains.push("example.org".to_owned());
    known.network_sets.push(far);
    let by_namespace = p([allow().in_namespaces("tier == 'far'")]);
    ingress(known, by_namespace, &network("pub"), &db(), "E=P DENY 0|default|np:shop/p|deny|-1");
}

#[test]
fn accounts_of_replicas_are_agreed_on_label_by_label() {
    let replica = |name: &str, address: &str, account: &str| {
        let mut it = pod(name, "app=web", address, account);
        it.generate_name = Some(Name::from("web-"));
        it
    };
    let mut known = cluster();
    known.workloads.push(replica("shop/web-1", "10.0.1.11", "web-sa"));
    known.workloads.push(replica("shop/web-2", "10.0.1.12", "other"));
    let own = |team: &str| crate::policy::ServiceAccount {
        namespace: Name::from("shop"),
        name: Name::from("other"),
        labels: super::fixture::labels(team),
    };
    known.service_accounts.push(own("team=b"));
    let web = replicas("shop", "web-*", Some("app=web"));
    let by = |text: &str| p([allow().from(text)]);
    let allowed = "E=P ALLOW 0|default|np:shop/p|allow|0";
    let undetermined = "E=P UNDETERMINED (source service account)";
    ingress(known.clone(), by("has(pcsa.team)"), &web, &db(), allowed);
    ingress(known.clone(), by("pcsa.team == 'a'"), &web, &db(), undetermined);
    ingress(known, by("has(pcsa.zone)"), &web, &db(), "E=P DENY 0|default|np:shop/p|deny|-1");
}

#[test]
fn labels_of_the_record_win_over_the_catalog() {
    let mut known = cluster();
    let mut replica = pod("shop/web-1", "app=new", "10.0.1.11", "web-sa");
    replica.generate_name = Some(Name::from("web-"));
    known.workloads.push(replica);
    let web = replicas("shop", "web-*", Some("app=web"));
    let allowed = "E=P ALLOW 0|default|np:shop/p|allow|0";
    ingress(known, p([allow().from("app == 'web'")]), &web, &db(), allowed);
}

#[test]
fn a_namespace_that_is_not_known_is_known_by_its_name_alone() {
    let far = replicas("far", "x-*", Some(""));
    let allowed = "E=P ALLOW 0|default|np:shop/p|allow|0";
    let by = |text: &str| p([allow().in_namespaces(text)]);
    ingress(cluster(), by("kubernetes.io/metadata.name == 'far'"), &far, &db(), allowed);
    ingress(cluster(), by("projectcalico.org/name == 'far'"), &far, &db(), allowed);
    ingress(
        cluster(),
        by("env == 'prod'"),
        &far,
        &db(),
        "E=P UNDETERMINED (source address, source namespace)",
    );
}

#[test]
fn a_service_account_that_is_not_known_is_named_as_missing() {
    let web = replicas("shop", "web-*", Some("app=web"));
    let rule = allow().source(|it| {
        it.service_accounts =
            Some(crate::policy::ServiceAccountMatch { names: vec![Name::from("web-sa")], selector: None });
    });
    ingress(cluster(), p([rule]), &web, &db(), "E=P UNDETERMINED (source service account)");
}

#[test]
fn an_address_typed_net_belongs_to_no_set_and_pub_is_never_private() {
    let nets = |text: &str| {
        let net = text.parse().unwrap();
        p([allow().source(|it| it.nets = vec![net])])
    };
    let denied = "E=P DENY 0|default|np:shop/p|deny|-1";
    let allowed = "E=P ALLOW 0|default|np:shop/p|allow|0";
    let corp = p([allow().from("zone == 'corp'").in_namespaces("global()")]);
    ingress(cluster(), corp, &network("pub"), &db(), denied);
    ingress(cluster(), nets("10.0.0.0/8"), &network("pub"), &db(), denied);
    ingress(cluster(), nets("0.0.0.0/0"), &network("pub"), &db(), allowed);
    ingress(cluster(), nets("203.0.113.0/24"), &network("pvt"), &db(), denied);
    ingress(cluster(), nets("203.0.113.0/24"), &network("pub"), &db(), "E=P UNDETERMINED (source address)");
}

#[test]
fn without_any_address_the_ip_version_is_open_too() {
    let v4 = || allow().source(|it| it.nets = vec!["0.0.0.0/0".parse().unwrap()]);
    let both = || allow().source(|it| it.nets = vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()]);
    let from = network("pub");
    let dest = replicas("shop", "other-*", Some("app=db"));
    ingress(cluster(), p([v4()]), &from, &dest, "E=P UNDETERMINED (source address)");
    ingress(cluster(), p([both()]), &from, &dest, "E=P ALLOW 0|default|np:shop/p|allow|0");
    let version = allow().rule(|it| it.ip_version = Some(4));
    let missing = "E=P UNDETERMINED (source address, destination address)";
    ingress(cluster(), p([version]), &from, &dest, missing);
}

#[test]
fn a_set_that_may_cover_a_pod_leaves_its_selector_open() {
    let web = replicas("shop", "web-*", Some("app=web"));
    let lan = || p([allow().from("zone == 'lan'").in_namespaces("global()")]);
    let with = |nets: &str| {
        let mut it = cluster();
        it.network_sets.push(network_set("lan", "zone=lan", nets));
        it
    };
    let denied = "E=P DENY 0|default|np:shop/p|deny|-1";
    ingress(with("10.0.7.0/24"), lan(), &web, &db(), "E=P UNDETERMINED (source address)");
    ingress(with("192.0.2.0/24"), lan(), &web, &db(), "E=P UNDETERMINED (source address)");
    ingress(with("0.0.0.0/1 128.0.0.0/1 ::/0"), lan(), &web, &db(), "E=P ALLOW 0|default|np:shop/p|allow|0");
    let options = crate::evaluate::Options {
        pod_networks: vec!["10.0.0.0/16".parse().unwrap()],
        ..crate::evaluate::Options::default()
    };
    let judge = |nets: &str| {
        let set = Arc::new(set_of(with(nets), lan()));
        let programs = Programs::compile_with(set, options.clone());
        let dest = db();
        let connection = Connection {
            source: &web,
            dest: &dest,
            protocol: Protocol::TCP,
            source_port: None,
            dest_port: Some(80),
            icmp: None,
        };
        text(&programs.judge(Direction::Ingress, &connection))
    };
    assert_eq!(judge("192.0.2.0/24"), denied, "apart from the pods' networks");
    assert_eq!(judge("10.0.7.0/24"), "E=P UNDETERMINED (source address)");
}

#[test]
fn a_network_set_by_name_is_known_from_the_catalog() {
    let corp = Endpoint { kind: EndpointKind::NetworkSet, ..network("corp") };
    let by = |text: &str| p([allow().from(text).in_namespaces("global()")]);
    let allowed = "E=P ALLOW 0|default|np:shop/p|allow|0";
    ingress(cluster(), by("zone == 'corp'"), &corp, &db(), allowed);
    let nets = p([allow().source(|it| it.nets = vec!["203.0.0.0/16".parse().unwrap()])]);
    ingress(cluster(), nets, &corp, &db(), allowed);
    let unknown = Endpoint { labels: None::<LabelSet>, name: Name::from("gone"), ..corp };
    ingress(
        cluster(),
        by("zone == 'corp'"),
        &unknown,
        &db(),
        "E=P UNDETERMINED (source labels, source address)",
    );
}

#[test]
fn a_port_that_was_aggregated_away_leaves_port_rules_open() {
    let programs = Programs::compile(Arc::new(set_of(cluster(), p([allow().protocol("tcp").ports("80")]))));
    let (source, dest) = (replicas("shop", "web-*", Some("app=web")), db());
    let connection = Connection {
        source: &source,
        dest: &dest,
        protocol: Protocol::TCP,
        source_port: None,
        dest_port: None,
        icmp: None,
    };
    let judgement = programs.judge(Direction::Ingress, &connection);
    assert_eq!(text(&judgement), "E=P UNDETERMINED (destination port)");
}

#[test]
fn a_pod_whose_namespace_is_not_known_may_be_of_any() {
    let web = Endpoint { namespace: None, ..replicas("shop", "web-*", Some("app=web")) };
    let g = |rule| vec![policy("gnp", "g").selects("app == 'db'").ingress([rule])];
    let allowed = "E=P ALLOW 0|default|gnp:g|allow|0";
    ingress(cluster(), g(allow().from("app == 'web'")), &web, &db(), allowed);
    ingress(cluster(), g(allow().from("has(projectcalico.org/namespace)")), &web, &db(), allowed);
    let of_namespace = "E=P UNDETERMINED (source namespace)";
    ingress(cluster(), p([allow().from("app == 'web'")]), &web, &db(), of_namespace);
    // An address that one pod has tells the pod, and so its namespace.
    let at = Endpoint { address: Some("10.0.1.10".parse().unwrap()), ..replicas("shop", "", None) };
    let at = Endpoint { namespace: None, ..at };
    ingress(
        cluster(),
        p([allow().from("app == 'web'")]),
        &at,
        &db(),
        "E=P ALLOW 0|default|np:shop/p|allow|0",
    );
}
