//! The manual's worked examples that concern the evaluation, by their numbers.
//!
//! What is enforced is judged by the data plane's rules, with the end of a tier charged to its last policy, as Felix
//! reports it; what is pending by the checker's. Each is asked of both evaluators.

mod support;

use flowstage::decode::parse_hit;
use flowstage::model::Direction;
use support::example::{Example, example, gnp, np, object, sgnp, snp};

const SHOP: &str = "0|__PROFILE__|pro:kns.shop|allow|0";
const OPS: &str = "0|__PROFILE__|pro:kns.ops|allow|0";

/// A policy on `db` that allows one source in.
fn db_from(kind: fn(&str, &str) -> String, id: &str, source: &str) -> String {
    kind(
        id,
        &format!(
            "{{selector: app == 'db', types: [Ingress], ingress: [{{action: Allow, source: {source}}}]}}"
        ),
    )
}

fn db_in() -> String {
    np(
        "shop/db-in",
        "{tier: default, order: 20, selector: app == 'db', types: [Ingress], ingress: [{action: Allow, protocol: TCP, \
         source: {selector: app == 'web'}, destination: {ports: [5432]}}]}",
    )
}

/// A policy in a tier with one rule for every ingress.
fn every(kind: fn(&str, &str) -> String, id: &str, tier: &str, order: &str, action: &str) -> String {
    kind(id, &format!("{{tier: {tier}, order: {order}, types: [Ingress], ingress: [{{action: {action}}}]}}"))
}

/// A policy in a tier whose only rule never matches.
fn idle(kind: fn(&str, &str) -> String, id: &str, tier: &str, order: &str) -> String {
    kind(
        id,
        &format!(
            "{{tier: {tier}, order: {order}, selector: app == 'db', types: [Ingress], ingress: [{{action: Allow, \
             source: {{nets: [192.0.2.1/32]}}}}]}}"
        ),
    )
}

fn allowed(example: &Example, flow: &str, hit: &str) {
    example.dst_both(flow, &format!("0|default|{hit}|allow|0"));
}

fn denied(example: &Example, flow: &str, hit: &str) {
    example.dst_both(flow, &format!("0|default|{hit}|deny|-1"));
}

#[test]
fn ex_01_02_without_policies_everything_is_allowed() {
    let none = example(&[]);
    none.src_both("web -> db:5432", SHOP).dst_both("web -> db:5432", SHOP);
    none.src_both("job -> db:80", OPS).dst_both("job -> db:80", SHOP);
}

#[test]
fn ex_03_04_05_a_simple_ingress_allow() {
    let it = example(&[db_in()]);
    it.src_both("web -> db:5432", SHOP);
    allowed(&it, "web -> db:5432", "np:shop/db-in");
    denied(&it, "web -> db:8080", "np:shop/db-in");
    denied(&it, "job -> db:5432", "np:shop/db-in");
}

#[test]
fn ex_06_a_namespace_selector_opens_it() {
    let it = example(&[np(
        "shop/db-in",
        "{selector: app == 'db', types: [Ingress], ingress: [{action: Allow, source: {selector: app == 'web'}}, \
         {action: Allow, source: {namespaceSelector: env == 'mgmt', selector: app == 'job'}}]}",
    )]);
    it.dst_both("job -> db:5432", "0|default|np:shop/db-in|allow|1");
}

#[test]
fn ex_07_a_global_set_is_reached_by_global_alone() {
    let scoped = example(&[db_from(np, "shop/p", "{selector: zone == 'corp'}")]);
    denied(&scoped, "203.0.113.9 -> db:80", "np:shop/p");
    let global = example(&[db_from(np, "shop/p", "{namespaceSelector: global(), selector: zone == 'corp'}")]);
    allowed(&global, "203.0.113.9 -> db:80", "np:shop/p");
}

#[test]
fn ex_08_a_namespaced_set_needs_no_namespace_selector() {
    let it = example(&[db_from(np, "shop/p", "{selector: kind == 'partner'}")]);
    allowed(&it, "198.51.100.7 -> db:80", "np:shop/p");
}

#[test]
fn ex_09_no_entity_is_anything_but_all_is_what_is_known() {
    let anything = example(&[db_from(np, "shop/p", "{}")]);
    allowed(&anything, "8.8.8.8 -> db:80", "np:shop/p");
    let all = example(&[db_from(np, "shop/p", "{selector: all()}")]);
    denied(&all, "8.8.8.8 -> db:80", "np:shop/p");
    allowed(&all, "web -> db:80", "np:shop/p");
    denied(&all, "job -> db:80", "np:shop/p");
}

#[test]
fn ex_10_a_lone_not_selector_is_bound_to_the_namespace_of_a_namespaced_policy() {
    let scoped = example(&[db_from(np, "shop/p", "{notSelector: app == 'web'}")]);
    denied(&scoped, "web -> db:80", "np:shop/p");
    allowed(&scoped, "db -> db:80", "np:shop/p");
    denied(&scoped, "job -> db:80", "np:shop/p");
    denied(&scoped, "8.8.8.8 -> db:80", "np:shop/p");
    let global = example(&[db_from(gnp, "p", "{notSelector: app == 'web'}")]);
    denied(&global, "web -> db:80", "gnp:p");
    allowed(&global, "job -> db:80", "gnp:p");
    allowed(&global, "8.8.8.8 -> db:80", "gnp:p");
}

#[test]
fn ex_11_a_namespace_selector_of_all_selects_every_pod() {
    let it = example(&[gnp("g", "{selector: all(), namespaceSelector: all(), types: [Ingress]}")]);
    denied(&it, "8.8.8.8 -> db:80", "gnp:g");
    denied(&it, "8.8.8.8 -> job:80", "gnp:g");
}

#[test]
fn ex_12_global_in_a_rule_is_sets_and_hosts_without_pods() {
    let it = example(&[db_from(np, "shop/p", "{namespaceSelector: global()}")]);
    allowed(&it, "203.0.113.9 -> db:80", "np:shop/p");
    denied(&it, "198.51.100.7 -> db:80", "np:shop/p");
    denied(&it, "web -> db:80", "np:shop/p");
    denied(&it, "8.8.8.8 -> db:80", "np:shop/p");
}

#[test]
fn ex_13_service_accounts() {
    let by_name = example(&[db_from(np, "shop/p", "{serviceAccounts: {names: [web-sa]}}")]);
    allowed(&by_name, "web -> db:80", "np:shop/p");
    denied(&by_name, "db -> db:80", "np:shop/p");
    denied(&by_name, "job -> db:80", "np:shop/p");
    let by_labels = example(&[db_from(gnp, "p", "{serviceAccounts: {selector: team == 'a'}}")]);
    allowed(&by_labels, "web -> db:80", "gnp:p");
    denied(&by_labels, "job -> db:80", "gnp:p");
}

#[test]
fn ex_14_without_types_and_rules_a_policy_governs_ingress() {
    let it = example(&[np("shop/empty", "{selector: app == 'db'}")]);
    denied(&it, "web -> db:80", "np:shop/empty");
    it.src_both("db -> 8.8.8.8:80", SHOP);
}

#[test]
fn ex_15_without_the_type_a_direction_is_not_governed() {
    let it = example(&[np("shop/p", "{selector: app == 'db', types: [Egress]}")]);
    it.dst_both("web -> db:80", SHOP);
    it.src_both("db -> web:80", "0|default|np:shop/p|deny|-1");
}

#[test]
fn ex_16_port_ranges_and_named_ports() {
    let ports = |ports: &str, protocol: &str| {
        example(&[np(
            "shop/p",
            &format!(
                "{{selector: app == 'db', types: [Ingress], ingress: [{{action: Allow, {protocol}source: {{selector: \
                 app == 'web'}}, destination: {{ports: [{ports}]}}}}]}}"
            ),
        )])
    };
    let range = ports("'5000:5432'", "protocol: TCP, ");
    allowed(&range, "web -> db:5432", "np:shop/p");
    allowed(&range, "web -> db:5000", "np:shop/p");
    denied(&range, "web -> db:5433", "np:shop/p");
    // The checker knows no named ports.
    let named = ports("pg", "protocol: TCP, ");
    named.dst("web -> db:5432", "0|default|np:shop/p|allow|0", "0|default|np:shop/p|deny|-1");
    denied(&named, "job -> db:5432", "np:shop/p");
    denied(&named, "udp web -> db:5432", "np:shop/p");
}

#[test]
fn ex_17_protocols_by_name_and_by_number() {
    let it = example(&[np(
        "shop/p",
        "{selector: app == 'db', types: [Ingress], ingress: [{action: Allow, protocol: 132}, {action: Allow, protocol: \
         UDPLite}]}",
    )]);
    it.dst_both("sctp web -> db:80", "0|default|np:shop/p|allow|0");
    it.dst_both("136 web -> db:80", "0|default|np:shop/p|allow|1");
    denied(&it, "web -> db:80", "np:shop/p");
}

#[test]
fn ex_18_services_on_egress() {
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {namespace: shop, name: db-svc-1, \
                 labels: {kubernetes.io/service-name: db-svc}}\naddressType: IPv4\nendpoints: [{addresses: \
                 [10.0.1.20]}]\nports: [{port: 5432, protocol: TCP}]\n";
    let to = |service: &str| {
        example(&[
            slice.to_owned(),
            np(
                "shop/p",
                &format!(
                    "{{selector: app == 'web', types: [Egress], egress: [{{action: Allow, destination: {{services: \
                     {service}}}}}]}}"
                ),
            ),
        ])
    };
    let named = to("{name: db-svc, namespace: shop}");
    named.src_both("web -> db:5432", "0|default|np:shop/p|allow|0");
    named.src_both("web -> db:9090", "0|default|np:shop/p|deny|-1");
    named.src_both("udp web -> db:5432", "0|default|np:shop/p|deny|-1");
    let without_namespace = to("{name: db-svc}");
    without_namespace.src_both("web -> db:5432", "0|default|np:shop/p|deny|-1");
}

#[test]
fn ex_19_a_kubernetes_policy_never_matches_network_sets() {
    let it = example(&[object(
        "NetworkPolicy.k8s",
        "shop/deny-web",
        "{podSelector: {matchLabels: {app: web}}, policyTypes: [Egress], egress: [{to: [{podSelector: {}}]}]}",
    )]);
    it.src_both("web -> db:80", "0|default|knp:shop/deny-web|allow|0");
    it.src_both("web -> 198.51.100.7:80", "0|default|knp:shop/deny-web|deny|-1");
}

#[test]
fn ex_20_an_ip_block_with_an_exception() {
    let it = example(&[object(
        "NetworkPolicy.k8s",
        "shop/p",
        "{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 0.0.0.0/0, \
         except: [203.0.113.0/24]}}]}]}",
    )]);
    denied(&it, "203.0.113.9 -> db:80", "knp:shop/p");
    allowed(&it, "8.8.8.8 -> db:80", "knp:shop/p");
}

#[test]
fn ex_21_22_23_order_in_a_tier() {
    let by_order =
        example(&[every(gnp, "a", "security", "10", "Deny"), every(gnp, "b", "security", "20", "Allow")]);
    by_order.dst_both("web -> db:80", "0|security|gnp:a|deny|0");
    let none_is_last = example(&[
        gnp("a", "{tier: security, types: [Ingress], ingress: [{action: Deny}]}"),
        every(gnp, "z", "security", "9000", "Allow"),
    ]);
    none_is_last.dst_both("web -> db:80", "0|security|gnp:z|allow|0");
    let by_text =
        example(&[every(gnp, "a", "security", "1", "Deny"), every(gnp, "a-b", "security", "1", "Allow")]);
    by_text.dst_both("web -> db:80", "0|security|gnp:a-b|allow|0");
}

#[test]
fn ex_24_tiers_of_one_order_go_by_name() {
    let tier = |name: &str| object("Tier", name, "{order: 5, defaultAction: Deny}");
    let it = example(&[
        tier("z"),
        tier("x"),
        every(gnp, "p", "z", "1", "Deny"),
        every(gnp, "q", "x", "1", "Allow"),
    ]);
    it.dst_both("web -> db:80", "0|x|gnp:q|allow|0");
}

#[test]
fn ex_25_26_pass_leaves_the_tier() {
    let passed = "0|security|gnp:p|pass|0, 1|default|np:shop/db-in|allow|0";
    let alone = example(&[every(gnp, "p", "security", "1", "Pass"), db_in()]);
    alone.dst_both("web -> db:5432", passed);
    let before_another = example(&[
        every(gnp, "p", "security", "1", "Pass"),
        every(gnp, "q", "security", "2", "Deny"),
        db_in(),
    ]);
    before_another.dst_both("web -> db:5432", passed);
}

#[test]
fn ex_27_a_tier_that_ends_in_pass() {
    let it = example(&[idle(gnp, "plat", "platform", "1")]);
    it.dst_both("web -> db:80", "0|platform|gnp:plat|pass|-1, 1|__PROFILE__|pro:kns.shop|allow|0");
}

#[test]
fn ex_28_the_end_of_a_tier_is_charged_to_the_last_enforced_and_the_first_pending() {
    let it = example(&[idle(np, "shop/np-a", "default", "10"), idle(np, "shop/np-b", "default", "20")]);
    it.dst("web -> db:80", "0|default|np:shop/np-b|deny|-1", "0|default|np:shop/np-a|deny|-1");
}

#[test]
fn ex_29_a_tier_is_skipped_in_a_direction_that_none_of_its_policies_governs() {
    let it = example(&[every(gnp, "p", "security", "1", "Deny")]);
    it.src_both("db -> web:80", SHOP);
}

#[test]
fn ex_30_a_log_rule_counts_and_leaves_no_hit() {
    let it = example(&[np(
        "shop/p",
        "{selector: app == 'db', types: [Ingress], ingress: [{action: Log, protocol: TCP}, {action: Allow, protocol: \
         TCP}]}",
    )]);
    it.dst_both("web -> db:80", "0|default|np:shop/p|allow|1");
}

#[test]
fn ex_31_the_tier_is_what_the_spec_says() {
    let it = example(&[np("shop/security.foo", "{tier: default, selector: app == 'db', types: [Ingress]}")]);
    denied(&it, "web -> db:80", "np:shop/security.foo");
}

/// The chain of admin, default and baseline tier. `middle` stands in the default tier.
fn cluster_policies(middle: String) -> Example {
    example(&[
        object(
            "ClusterNetworkPolicy",
            "guard",
            "{tier: Admin, priority: 1, subject: {namespaces: {}}, egress: [{action: Pass, to: [{networks: \
             [0.0.0.0/0]}]}]}",
        ),
        middle,
        object(
            "ClusterNetworkPolicy",
            "base",
            "{tier: Baseline, priority: 1, subject: {namespaces: {}}, egress: [{action: Deny, to: [{networks: \
             [203.0.113.0/24]}]}]}",
        ),
    ])
}

#[test]
fn ex_32_cluster_network_policies() {
    let passed = cluster_policies(gnp("pass-all", "{types: [Egress], egress: [{action: Pass}]}"));
    passed.src_both(
        "job -> 203.0.113.9:80",
        "0|kube-admin|kcnp:guard|pass|0, 1|default|gnp:pass-all|pass|0, 2|kube-baseline|kcnp:base|deny|0",
    );
    let ended = cluster_policies(np("ops/p", "{types: [Egress]}"));
    ended.src_both("job -> 203.0.113.9:80", "0|kube-admin|kcnp:guard|pass|0, 1|default|np:ops/p|deny|-1");
}

/// An admin policy with one egress rule, whose peer is not one.
fn malformed(action: &str) -> Example {
    example(&[object(
        "ClusterNetworkPolicy",
        "c",
        &format!(
            "{{tier: Admin, priority: 1, subject: {{namespaces: {{}}}}, egress: [{{action: {action}, to: [{{networks: \
             [not-a-cidr]}}]}}]}}"
        ),
    )])
}

#[test]
fn ex_33_a_malformed_cluster_rule_that_denies_denies_everything() {
    malformed("Deny").src_both("web -> db:80", "0|kube-admin|kcnp:c|deny|0");
    // One that accepts is dropped, which leaves a policy without rules: it governs nothing.
    malformed("Accept").src_both("web -> db:80", SHOP);
}

#[test]
fn ex_34_35_a_tier_with_none_but_staged_policies() {
    let idle = example(&[idle(sgnp, "stg", "security", "1")]);
    idle.dst("web -> db:80", SHOP, "0|security|sgnp:stg|deny|-1");
    let matching = example(&[
        every(sgnp, "stg", "security", "1", "Allow"),
        every(sgnp, "later", "default", "1", "Deny"),
    ]);
    matching.dst("web -> db:80", SHOP, "0|security|sgnp:stg|allow|0");
}

#[test]
fn ex_36_38_a_staged_deny_before_and_behind_an_enforced_allow() {
    let before = example(&[every(snp, "shop/stg-deny", "default", "10", "Deny"), db_in()]);
    before.dst("web -> db:5432", "0|default|np:shop/db-in|allow|0", "0|default|snp:shop/stg-deny|deny|0");
    let behind = example(&[every(snp, "shop/stg-deny", "default", "30", "Deny"), db_in()]);
    allowed(&behind, "web -> db:5432", "np:shop/db-in");
}

#[test]
fn ex_37_a_staged_allow_behind_an_enforced_policy_that_does_not_match() {
    let it = example(&[
        db_in(),
        snp(
            "shop/stg",
            "{order: 20, selector: app == 'db', types: [Ingress], ingress: [{action: Allow, protocol: TCP, destination: \
             {ports: [8080]}}]}",
        ),
    ]);
    it.dst("web -> db:8080", "0|default|np:shop/db-in|deny|-1", "0|default|snp:shop/stg|allow|0");
}

#[test]
fn ex_39_the_end_of_a_mixed_tier() {
    let it = example(&[idle(snp, "shop/first", "default", "5"), idle(np, "shop/second", "default", "10")]);
    it.dst("web -> db:80", "0|default|np:shop/second|deny|-1", "0|default|snp:shop/first|deny|-1");
}

#[test]
fn ex_40_a_staged_policy_in_a_tier_that_passes() {
    let it = example(&[idle(snp, "shop/s", "platform", "1")]);
    it.dst("web -> db:80", SHOP, "0|platform|snp:shop/s|pass|-1, 1|__PROFILE__|pro:kns.shop|allow|0");
}

#[test]
fn ex_41_a_staged_pass() {
    let it = example(&[
        every(snp, "shop/s", "security", "1", "Pass"),
        every(gnp, "sec-deny", "security", "2", "Deny"),
    ]);
    it.dst(
        "web -> db:80",
        "0|security|gnp:sec-deny|deny|0",
        "0|security|snp:shop/s|pass|0, 1|__PROFILE__|pro:kns.shop|allow|0",
    );
}

#[test]
fn ex_42_a_staged_edit_does_not_replace_its_namesake() {
    let it = example(&[
        np(
            "shop/web-in",
            "{order: 10, selector: app == 'web', types: [Ingress], ingress: [{action: Allow, protocol: TCP, destination: \
             {ports: [80]}}]}",
        ),
        every(snp, "shop/web-in", "default", "10", "Deny"),
    ]);
    allowed(&it, "db -> web:80", "np:shop/web-in");
    it.dst("db -> web:81", "0|default|np:shop/web-in|deny|-1", "0|default|snp:shop/web-in|deny|0");
}

#[test]
fn ex_43_44_staged_removals_are_dropped_and_dismissed_ones_evaluated() {
    let removal = example(&[db_in(), snp("shop/db-in", "{stagedAction: Delete}")]);
    allowed(&removal, "web -> db:5432", "np:shop/db-in");
    denied(&removal, "web -> db:80", "np:shop/db-in");
    let dismissed = example(&[snp(
        "shop/s",
        "{stagedAction: Ignore, selector: app == 'db', types: [Ingress], ingress: [{action: Deny}]}",
    )]);
    dismissed.dst("web -> db:80", SHOP, "0|default|snp:shop/s|deny|0");
}

#[test]
fn ex_45_a_staged_kubernetes_policy() {
    let it = example(&[object(
        "StagedKubernetesNetworkPolicy",
        "shop/k",
        "{podSelector: {matchLabels: {app: db}}, policyTypes: [Ingress]}",
    )]);
    it.dst("web -> db:80", SHOP, "0|default|sknp:shop/k|deny|-1");
}

#[test]
fn ex_46_staged_at_the_source_alone() {
    let it = example(&[snp(
        "shop/w",
        "{order: 1, selector: app == 'web', types: [Egress], egress: [{action: Deny}]}",
    )]);
    it.src("web -> db:80", SHOP, "0|default|snp:shop/w|deny|0");
    it.dst_both("web -> db:80", SHOP);
}

#[test]
fn ex_47_a_staged_allow_is_judged_from_the_other_ends_record_where_its_own_is_missing() {
    let opened =
        snp("shop/open", "{order: 1, selector: app == 'db', types: [Ingress], ingress: [{action: Allow}]}");
    let at_dest = example(&[db_in(), opened.clone()]);
    at_dest.dst("web -> db:80", "0|default|np:shop/db-in|deny|-1", "0|default|snp:shop/open|allow|0");
    // The packet never reached the destination, of which the source's record tells enough.
    let at_source =
        example(&[np("shop/egress-none", "{selector: app == 'web', types: [Egress]}"), db_in(), opened]);
    at_source.src_both("web -> db:80", "0|default|np:shop/egress-none|deny|-1");
    at_source.dst("web -> db:80", "0|default|np:shop/db-in|deny|-1", "0|default|snp:shop/open|allow|0");
}

#[test]
fn ex_48_a_profile_that_denies_and_one_that_does_not_match() {
    let with = |rule: &str| {
        let spec = format!("{{ingress: [{rule}]}}");
        example(&[object("Profile", "closed", &spec), uplink("[closed]")])
    };
    with("{action: Deny}").dst_both("web -> hep:uplink:80", "0|__PROFILE__|pro:closed|deny|0");
    with("{action: Allow, protocol: UDP}").dst_both("web -> hep:uplink:80", "");
}

#[test]
fn ex_49_50_51_where_data_plane_and_checker_part() {
    let with = |rules: &str| {
        example(&[np("shop/p", &format!("{{selector: app == 'db', types: [Ingress], ingress: [{rules}]}}"))])
    };
    let end = "0|default|np:shop/p|deny|-1";
    let icmp = with("{action: Allow, protocol: ICMP, icmp: {type: 8}}");
    icmp.dst("icmp(13) web -> db", end, "0|default|np:shop/p|allow|0");
    icmp.dst_both("icmp(8) web -> db", "0|default|np:shop/p|allow|0");
    let version = with("{action: Deny, ipVersion: 6}, {action: Allow}");
    version.dst("web -> db:80", "0|default|np:shop/p|allow|1", "0|default|np:shop/p|deny|0");
    let not_nets = with("{action: Allow, source: {notNets: ['2001:db8::/32']}}");
    let allowed = "0|default|np:shop/p|allow|0";
    not_nets.dst_both("web -> db:80", allowed);
    not_nets.when_rendered().dst("web -> db:80", end, allowed);
}

#[test]
fn ex_53_54_denied_at_the_source_and_at_the_destination() {
    let it = example(&[np("shop/egress-none", "{selector: app == 'web', types: [Egress]}"), db_in()]);
    it.src_both("web -> db:80", "0|default|np:shop/egress-none|deny|-1");
    denied(&it, "web -> db:80", "np:shop/db-in");
}

#[test]
fn ex_61_all_beside_a_namespace_selector_leaves_hosts_out() {
    let it = example(&[
        gnp("g", "{selector: all(), namespaceSelector: env == 'prod', types: [Ingress]}"),
        uplink("[projectcalico-default-allow]"),
    ]);
    denied(&it, "job -> db:80", "gnp:g");
    it.dst_both("web -> job:80", OPS);
    // Its label `env: prod` is a host's own, not that of a namespace.
    it.dst_both("web -> hep:uplink:80", "0|__PROFILE__|pro:projectcalico-default-allow|allow|0");
}

#[test]
fn ex_62_a_service_account_selector_of_a_global_policy() {
    let it = example(&[gnp("p", "{serviceAccountSelector: team == 'a', types: [Ingress]}")]);
    denied(&it, "db -> web:80", "gnp:p");
    it.dst_both("web -> db:80", SHOP).dst_both("web -> job:80", OPS);
}

#[test]
fn ex_63_a_rule_with_a_namespace_selector_alone() {
    let of_ops = object("NetworkSet", "ops/lab", "{nets: [192.0.2.0/24]}");
    let it = example(&[of_ops, db_from(np, "shop/p", "{namespaceSelector: env == 'mgmt'}")]);
    allowed(&it, "job -> db:80", "np:shop/p");
    denied(&it, "203.0.113.9 -> db:80", "np:shop/p");
    allowed(&it, "192.0.2.7 -> db:80", "np:shop/p");
}

#[test]
fn ex_64_nets_and_selector_both_hold() {
    let it = example(&[db_from(gnp, "p", "{nets: [10.0.1.0/24], selector: app == 'web'}")]);
    allowed(&it, "web -> db:80", "gnp:p");
    denied(&it, "job -> db:80", "gnp:p");
    denied(&it, "db -> db:80", "gnp:p");
}

#[test]
fn ex_65_a_network_set_that_covers_pods() {
    let wide = "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {name: wide, labels: {zone: \
                lan}}\nspec: {nets: [10.0.0.0/8]}\n";
    let it = example(&[wide.to_owned(), db_from(gnp, "p", "{selector: zone == 'lan'}")]);
    for source in ["web", "db", "job"] {
        allowed(&it, &format!("{source} -> db:80"), "gnp:p");
    }
    denied(&it, "8.8.8.8 -> db:80", "gnp:p");
}

#[test]
fn ex_66_empty_sets_of_values() {
    let never = example(&[db_from(gnp, "p", "{selector: 'app in {}'}")]);
    denied(&never, "web -> db:80", "gnp:p");
    let always = example(&[db_from(gnp, "p", "{selector: 'app not in {}'}")]);
    allowed(&always, "web -> db:80", "gnp:p");
    allowed(&always, "203.0.113.9 -> db:80", "gnp:p");
    denied(&always, "8.8.8.8 -> db:80", "gnp:p");
}

#[test]
fn ex_67_any_protocol_but_one() {
    let it = example(&[np(
        "shop/p",
        "{selector: app == 'db', types: [Ingress], ingress: [{action: Allow, notProtocol: UDP}]}",
    )]);
    allowed(&it, "web -> db:80", "np:shop/p");
    allowed(&it, "icmp(8) web -> db", "np:shop/p");
    denied(&it, "udp web -> db:80", "np:shop/p");
}

#[test]
fn ex_78_a_staged_kubernetes_policy_without_types_governs_ingress() {
    let it = example(&[object(
        "StagedKubernetesNetworkPolicy",
        "shop/k",
        "{podSelector: {matchLabels: {app: web}}, egress: [{to: [{podSelector: {}}]}]}",
    )]);
    it.src_both("web -> 8.8.8.8:80", SHOP);
    it.dst("db -> web:80", SHOP, "0|default|sknp:shop/k|deny|-1");
}

#[test]
fn ex_69_an_address_of_ipv6_in_no_set_matches_prefixes_alone() {
    let it = example(&[np(
        "shop/p",
        "{selector: app == 'web', types: [Egress], egress: [{action: Allow, destination: {nets: ['fd00::/8']}}, {action: \
         Deny, destination: {namespaceSelector: global()}}]}",
    )]);
    it.src_both("web -> fd00::8:80", "0|default|np:shop/p|allow|0");
    it.src_both("web -> 2001:db8::5:80", "0|default|np:shop/p|deny|-1");
}

/// A host endpoint for a node's way out, with some profiles.
fn uplink(profiles: &str) -> String {
    format!(
        "apiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {{name: uplink, labels: {{role: edge, env: \
         prod}}}}\nspec: {{node: node-1, interfaceName: eth0, expectedIPs: [172.18.0.2], profiles: {profiles}}}\n"
    )
}

#[test]
fn ex_71_what_goes_through_a_host_meets_the_policies_that_apply_on_forward() {
    let fwd = gnp(
        "fwd",
        "{applyOnForward: true, types: [Ingress], selector: role == 'edge', ingress: [{action: Deny, source: {nets: \
         [198.51.100.7/32]}}, {action: Allow}]}",
    );
    let it = example(&[uplink("[]"), fwd]);
    it.through("uplink", "198.51.100.7 -> db:80", "deny", "0|default|gnp:fwd|deny|0");
    it.through("uplink", "8.8.8.8 -> db:80", "allow", "0|default|gnp:fwd|allow|1");
    // The policy stands in the host's own list too; the pod knows nothing of it.
    it.dst_both("198.51.100.7 -> hep:uplink:80", "0|default|gnp:fwd|deny|0");
    it.dst_both("198.51.100.7 -> db:80", SHOP);
    let closed = gnp("closed", "{types: [Ingress, Egress], selector: role == 'edge'}");
    let without = example(&[uplink("[]"), closed]);
    without.through("uplink", "198.51.100.7 -> db:80", "allow", "");
    denied(&without, "198.51.100.7 -> hep:uplink:80", "gnp:closed");
    // Where a policy applies on forward its tier has an end, but no failsafe port: that is the pod's port.
    let ended = example(&[
        uplink("[]"),
        gnp(
            "fwd",
            "{applyOnForward: true, types: [Ingress], selector: role == 'edge', ingress: [{action: Allow, protocol: UDP}]}",
        ),
    ]);
    ended.through("uplink", "8.8.8.8 -> db:22", "deny", "0|default|gnp:fwd|deny|-1");
    let passed = gnp(
        "fwd",
        "{applyOnForward: true, types: [Ingress], selector: role == 'edge', ingress: [{action: Pass}]}",
    );
    let passed = example(&[uplink("[]"), passed]);
    passed.through("uplink", "8.8.8.8 -> db:80", "allow", "0|default|gnp:fwd|pass|0");
}

#[test]
fn ex_72_what_an_untracked_policy_leaves_goes_on_to_the_normal_tiers() {
    let untracked = gnp(
        "dns",
        "{doNotTrack: true, applyOnForward: true, types: [Ingress], selector: role == 'edge', ingress: [{action: Allow, \
         protocol: UDP, source: {selector: zone == 'corp'}, destination: {ports: [53]}}]}",
    );
    let ssh = gnp(
        "web",
        "{order: 1, types: [Ingress, Egress], selector: role == 'edge', ingress: [{action: Allow, protocol: TCP, \
         destination: {ports: [80]}}]}",
    );
    let it = example(&[uplink("[]"), untracked, ssh]);
    it.dst_both("udp 203.0.113.9 -> hep:uplink:53", "0|default|gnp:dns|allow|0");
    it.dst_both("203.0.113.9 -> hep:uplink:80", "0|default|gnp:web|allow|0");
    denied(&it, "udp 8.8.8.8 -> hep:uplink:53", "gnp:web");
    // A reply is not known as one: it is judged like any packet that goes out.
    it.src_both("udp hep:uplink -> 203.0.113.9:40000", "0|default|gnp:web|deny|-1");
    it.dst_both("udp 203.0.113.9 -> db:53", SHOP);
}

#[test]
fn ex_73_before_translation_the_node_port_counts_which_no_record_has() {
    let node_port = gnp(
        "nodeport",
        "{preDNAT: true, applyOnForward: true, types: [Ingress], selector: role == 'edge', ingress: [{action: Deny, \
         protocol: TCP, source: {nets: [8.8.8.8/32]}, destination: {ports: [30080]}}]}",
    );
    let it = example(&[uplink("[projectcalico-default-allow]"), node_port]);
    // What was called before is not known of a translated connection, but it hangs on that alone.
    let open = "undetermined for want of destination address, destination port";
    it.through("uplink", "8.8.8.8 -> db:5432", "undetermined", open);
    it.through("uplink", "203.0.113.9 -> db:5432", "allow", "");
    it.through("uplink", "udp 8.8.8.8 -> db:5432", "allow", "");
    // A policy of the pod names the pod's port.
    it.dst_both("8.8.8.8 -> db:5432", SHOP);
}

#[test]
fn ex_74_failsafe_ports_of_a_host_stay_open() {
    let it = example(&[
        uplink("[]"),
        gnp("closed", "{types: [Ingress, Egress], selector: role == 'edge'}"),
        gnp("pods", "{types: [Ingress, Egress], namespaceSelector: all()}"),
    ]);
    it.opens(Direction::Ingress, "8.8.8.8 -> hep:uplink:22")
        .opens(Direction::Egress, "udp hep:uplink -> 8.8.8.8:53");
    denied(&it, "8.8.8.8 -> hep:uplink:23", "gnp:closed");
    denied(&it, "udp 8.8.8.8 -> hep:uplink:53", "gnp:closed");
    denied(&it, "8.8.8.8 -> db:22", "gnp:pods");
}

#[test]
fn ex_75_a_host_has_no_pending_verdict_of_its_own() {
    let it = example(&[
        uplink("[projectcalico-default-allow]"),
        sgnp("stg", "{types: [Ingress], selector: role == 'edge'}"),
    ]);
    it.dst_both("8.8.8.8 -> hep:uplink:80", "0|__PROFILE__|pro:projectcalico-default-allow|allow|0");
}

#[test]
fn ex_76_a_profile_that_does_not_exist_denies() {
    let denies = "0|__PROFILE__|pro:gone|deny|0";
    // The checker skips it, and denies at the end of the profiles.
    example(&[uplink("[gone]")]).dst("web -> hep:uplink:80", denies, "");
    let opened = "0|__PROFILE__|pro:kns.shop|allow|0";
    example(&[uplink("[kns.shop, gone]")]).dst_both("web -> hep:uplink:80", opened);
}

#[test]
fn ex_58_80_both_generations_of_policy_strings_name_one_policy() {
    let owner = |text: &str| parse_hit(text).expect("a hit").owner;
    assert_eq!(owner("0|default|shop/default.staged:dd|deny|-1"), owner("0|default|snp:shop/dd|deny|-1"));
    assert_eq!(
        owner("1|default|shop/staged:knp.default.web|deny|3"),
        owner("1|default|sknp:shop/web|deny|3")
    );
    assert_eq!(owner("4|tierName|tierName.policyName|allow|-"), owner("4|tierName|gnp:policyName|allow|0"));
    assert_eq!(owner("1|__PROFILE__|__PROFILE__.kns.shop|allow|0"), owner(&SHOP.replacen('0', "1", 1)));
    // A name that still has the tier in front of it, in the newer form, is another name.
    assert_ne!(owner("0|default|np:shop/default.dd|allow|0"), owner("0|default|np:shop/dd|allow|0"));
}
