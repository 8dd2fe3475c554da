//! What rules call their peers.

use expect_test::{Expect, expect};

use super::support::{cluster, host, network_set, print, recommend, service};
use crate::policy::Cluster;
use crate::recommend::Config;

#[track_caller]
fn check(change: impl FnOnce(&mut Cluster), lines: &str, expected: &Expect) {
    let mut cluster = cluster();
    change(&mut cluster);
    expected.assert_eq(&print(&recommend(Config::default(), cluster, lines)));
}

#[test]
fn a_set_is_named_by_a_label_that_it_alone_carries() {
    check(
        |it| {
            it.network_sets.push(network_set(
                None,
                "partners",
                "team=x,projectcalico.org/name=partners",
                "198.51.100.0/24",
            ))
        },
        "egress cart-* -> ns partners tcp/443",
        &expect![[r#"
            ingress: not governed
            egress allow tcp/443 to network-set: in no namespace with projectcalico.org/name == "partners"
        "#]],
    );
}

#[test]
fn a_set_without_a_label_of_its_own_is_named_by_its_prefixes() {
    check(
        |it| {
            it.network_sets.push(network_set(None, "partners", "team=x", "198.51.100.0/24"));
            it.network_sets.push(network_set(None, "others", "team=x", "192.0.2.0/24"));
        },
        "egress cart-* -> ns partners tcp/443",
        &expect![[r#"
            ingress: not governed
            egress allow tcp/443 to network-set: 198.51.100.0/24
        "#]],
    );
}

#[test]
fn a_set_of_the_own_namespace_needs_no_namespace() {
    check(
        |it| {
            it.network_sets.push(network_set(Some("shop"), "banks", "role=banks", "198.51.100.0/24"));
            it.network_sets.push(network_set(Some("web"), "cdn", "role=cdn", "192.0.2.0/24"));
        },
        "egress cart-* -> ns shop/banks tcp/443
         ingress cart-* <- ns web/cdn tcp/8080",
        &expect![[r#"
            ingress allow tcp/8080 from network-set: in projectcalico.org/name == "web" with role == "cdn"
            egress allow tcp/443 to network-set: with role == "banks"
        "#]],
    );
}

#[test]
fn hosts_are_whatever_has_no_namespace_while_there_is_no_global_set() {
    check(
        |it| it.host_endpoints.push(host("node-1", "", "192.168.7.1")),
        "ingress cart-* <- hep node-1 tcp/8080",
        &expect![[r#"
            ingress allow tcp/8080 from host: in no namespace
            egress: not governed
        "#]],
    );
}

#[test]
fn hosts_are_told_from_global_sets_by_a_label_of_every_node() {
    check(
        |it| {
            it.host_endpoints.push(host("node-1", "kubernetes.io/hostname=node-1", "192.168.7.1"));
            it.host_endpoints.push(host("node-2", "kubernetes.io/hostname=node-2", "192.168.7.2"));
            it.network_sets.push(network_set(None, "partners", "team=x", "198.51.100.0/24"));
        },
        "ingress cart-* <- hep node-1 tcp/8080",
        &expect![[r#"
            ingress allow tcp/8080 from host: in no namespace with has(kubernetes.io/hostname)
            egress: not governed
        "#]],
    );
}

#[test]
fn hosts_without_such_a_label_are_named_by_their_addresses_and_flagged() {
    check(
        |it| {
            it.host_endpoints.push(host("node-1", "", "192.168.7.1"));
            it.network_sets.push(network_set(None, "partners", "team=x", "198.51.100.0/24"));
        },
        "ingress cart-* <- hep node-1 tcp/8080
         ingress cart-* <- hep node-2@192.168.7.2 tcp/8080",
        &expect![[r#"
            ingress allow tcp/8080 from host: 192.168.7.1/32 192.168.7.2/32 [brittle]
            egress: not governed
        "#]],
    );
}

#[test]
fn the_api_server_is_named_by_its_service() {
    check(
        |it| it.services.push(service("default", "kubernetes", &[("tcp", 6443)])),
        "egress cart-* -> net pvt@10.0.0.5 tcp/6443 via default/kubernetes:https",
        &expect![[r#"
            ingress: not governed
            egress allow tcp to service: service default/kubernetes
        "#]],
    );
}

#[test]
fn a_backend_that_the_service_is_not_known_to_have_is_named_by_itself() {
    check(
        |it| it.services.push(service("default", "kubernetes", &[("tcp", 6443)])),
        "egress cart-* -> net pvt@10.0.0.6 tcp/6443 via default/kubernetes:https",
        &expect![[r#"
            ingress: not governed
            egress allow tcp/6443 to private: 10.0.0.6/32
        "#]],
    );
}

#[test]
fn dns_by_service_is_added_where_the_service_has_it_and_by_namespace_elsewhere() {
    let lines = "egress cart-* -> wep kube-system/coredns-* udp/53 via kube-system/kube-dns:dns";
    check(
        |it| it.services.push(service("kube-system", "kube-dns", &[("udp", 53), ("tcp", 53)])),
        lines,
        &expect![[r#"
            ingress: not governed
            egress allow tcp to service: service kube-system/kube-dns [added]
            egress allow udp to service: service kube-system/kube-dns
        "#]],
    );
    check(
        |it| it.services.push(service("kube-system", "kube-dns", &[("udp", 53)])),
        lines,
        &expect![[r#"
        ingress: not governed
        egress allow udp to service: service kube-system/kube-dns
        egress allow tcp/53 to namespace: in projectcalico.org/name == "kube-system" [added]
    "#]],
    );
}

#[test]
fn services_can_be_left_out() {
    let mut cluster = cluster();
    cluster.services.push(service("data", "db", &[("tcp", 5432)]));
    let config = Config { service_rules: false, ..Config::default() };
    let lines = "egress cart-* -> wep data/db-* tcp/5432 via data/db:pg";
    expect![[r#"
        ingress: not governed
        egress allow tcp/5432 to namespace: in projectcalico.org/name == "data"
    "#]]
    .assert_eq(&print(&recommend(config, cluster, lines)));
}
