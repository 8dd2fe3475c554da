//! What the API refuses is refused: one line for each row of its rules.

use super::*;

/// One ingress rule of a `NetworkPolicy`.
#[track_caller]
fn ingress(rule: &str, expect: &str) {
    refused(&network_policy(&format!("ingress: [{{{rule}}}]")), expect);
}

#[track_caller]
fn egress(rule: &str, expect: &str) {
    refused(&network_policy(&format!("egress: [{{{rule}}}]")), expect);
}

#[track_caller]
fn good(rule: &str) {
    objects(&network_policy(&format!("ingress: [{{{rule}}}]")));
}

#[test]
fn actions_are_four_words() {
    ingress(
        "action: Alow",
        "test.yaml:4:53: NetworkPolicy shop/db: spec.ingress[0].action: unknown action `Alow`; did you mean `Allow`?",
    );
    ingress("action: allow", "did you mean `Allow`?");
    ingress("action: Reject", "known are `Allow`, `Deny`, `Log`, `Pass`");
    ingress("source: {}", "spec.ingress[0]: `action` is missing");
    good("action: Log");
}

#[test]
fn icmp_needs_its_protocol_and_a_code_its_type() {
    ingress("action: Allow, icmp: {type: 8}", "spec.ingress[0].icmp: `icmp` needs a protocol");
    ingress("action: Allow, protocol: TCP, icmp: {type: 8}", "`icmp` needs a protocol");
    ingress("action: Allow, protocol: ICMP, icmp: {code: 0}", "a `code` needs a `type`");
    ingress("action: Allow, notICMP: {code: 0}", "a `code` needs a `type`");
    ingress("action: Allow, protocol: ICMP, icmp: {type: 255}", "icmp.type: `255` is not from 0 to 254");
    ingress("action: Allow, protocol: ICMP, icmp: {type: 0, code: 256}", "`256` is not from 0 to 255");
    good("action: Allow, notICMP: {type: 8}");
    good("action: Allow, protocol: 58, icmp: {type: 128, code: 0}");
}

#[test]
fn families_must_agree() {
    ingress("action: Allow, ipVersion: 6, protocol: ICMP", "protocol: ICMP needs `ipVersion` 4");
    ingress("action: Allow, ipVersion: 4, notProtocol: ICMPv6", "notProtocol: ICMPv6 needs `ipVersion` 6");
    ingress("action: Allow, ipVersion: 5", "the IP version is `4` or `6`");
    ingress(
        "action: Allow, source: {nets: [10.0.0.0/8]}, destination: {notNets: ['fd00::/8']}",
        "destination.notNets[0]: IPv6 in a rule that is IPv4 by `spec.ingress[0].source.nets[0]`",
    );
    ingress(
        "action: Allow, ipVersion: 6, source: {nets: [10.0.0.0/8]}",
        "IPv4 in a rule that is IPv6 by `ipVersion`",
    );
}

#[test]
fn ports_need_a_protocol_that_has_them() {
    ingress(
        "action: Allow, destination: {ports: [80]}",
        "destination.ports[0]: a port number needs a protocol",
    );
    ingress("action: Allow, notProtocol: UDP, source: {notPorts: [80]}", "a port number needs a protocol");
    ingress("action: Allow, protocol: UDPLite, destination: {ports: [80]}", "not for udplite");
    ingress("action: Allow, protocol: ICMP, destination: {ports: [http]}", "not for icmp");
    good("action: Allow, destination: {ports: [http]}");
    good("action: Allow, protocol: 132, destination: {ports: [80, '81', '82:90', \"8000:8010\", web.2_a]}");
}

#[test]
fn ports_and_protocols_have_a_grammar() {
    let port = |port: &str, expect: &str| {
        ingress(&format!("action: Allow, protocol: TCP, destination: {{ports: [{port}]}}"), expect);
    };
    port("0", "port 0 cannot be matched");
    port("65536", "`65536` is no port");
    port("-1", "`-1` is no port");
    port("'90:80'", "the range `90:80` is upside down; did you mean `80:90`?");
    port("'80:http'", "`80:http` is no port");
    port("'a b'", "`a b` is no port");
    port("[80]", "a port is due");
    ingress("action: Allow, protocol: TPC", "unknown protocol `TPC`; did you mean `TCP`?");
    ingress("action: Allow, protocol: 0", "unknown protocol `0`");
    ingress("action: Allow, protocol: 256", "unknown protocol `256`");
    ingress("action: Allow, protocol: icmp6", "did you mean `ICMP`?");
    good("action: Allow, protocol: udplite");
}

#[test]
fn prefixes_are_prefixes() {
    ingress("action: Allow, source: {nets: [10.0.0.1]}", "did you mean `10.0.0.1/32`?");
    ingress("action: Allow, source: {nets: [10.0.0.0/33]}", "is no prefix");
    ingress("action: Allow, source: {notNets: [0.0.0.0/0]}", "leaves no address to match");
    ingress("action: Allow, source: {notNets: ['::/0']}", "leaves no address to match");
    let (policy, _) = policy(&network_policy("ingress: [{action: Allow, source: {nets: [10.1.2.3/8]}}]"));
    assert_eq!(policy.ingress[0].source.nets[0].to_string(), "10.0.0.0/8");
}

#[test]
fn http_stands_where_it_can_be_enforced() {
    egress("action: Allow, http: {methods: [GET]}", "`http` may not stand in an egress rule");
    ingress("action: Deny, http: {methods: [GET]}", "`http` needs the action `Allow`");
    ingress("action: Allow, protocol: UDP, http: {methods: [GET]}", "`http` needs the protocol TCP");
    ingress("action: Allow, http: {methods: [GET, GET]}", "the method `GET` stands twice");
    ingress("action: Allow, http: {paths: [{exact: /a, prefix: /b}]}", "one of `exact` and `prefix`");
    ingress("action: Allow, http: {paths: [{exact: a}]}", "paths[0].exact: `a` is no path");
    ingress("action: Allow, http: {paths: [{prefix: '/a?b'}]}", "is no path");
    let many = vec!["{exact: /a}"; 21].join(", ");
    ingress(&format!("action: Allow, http: {{paths: [{many}]}}"), "21 paths, of which at most 20");
    good("action: Allow, protocol: TCP, http: {methods: [GET, '*'], paths: [{exact: /a}, {prefix: /b}]}");
}

#[test]
fn services_stand_alone_and_in_their_place() {
    let service = "services: {name: dns, namespace: kube-system}";
    egress(
        &format!("action: Allow, destination: {{{service}, selector: all()}}"),
        "`selector` may not stand beside `services`",
    );
    egress(
        &format!("action: Allow, destination: {{{service}, nets: [10.0.0.0/8]}}"),
        "`nets` may not stand beside",
    );
    egress(
        &format!("action: Allow, protocol: TCP, destination: {{{service}, ports: [53]}}"),
        "`ports` may not stand beside",
    );
    egress(&format!("action: Allow, source: {{{service}}}"), "under `destination` only");
    ingress(&format!("action: Allow, destination: {{{service}}}"), "under `source` only");
    ingress("action: Allow, source: {services: {namespace: x}}", "`name` is missing");
    let global = calico(
        "GlobalNetworkPolicy",
        "types: [Egress], egress: [{action: Allow, destination: {services: {name: dns}}}]",
    );
    refused(&global, "services: `namespace` is missing");
    let (_, warnings) =
        policy(&network_policy("egress: [{action: Allow, destination: {services: {name: dns}}}]"));
    assert!(warnings[0].contains("matches nothing"), "{warnings:?}");
}

#[test]
fn selectors_must_parse_and_global_has_one_place() {
    ingress(
        "action: Allow, source: {selector: \"a == 'b\"}",
        "source.selector: the selector `a == 'b` does not parse at column 6: the text that begins here is never closed",
    );
    ingress(
        "action: Allow, source: {selector: global()}",
        "`global()` is allowed only as the `namespaceSelector` of a rule",
    );
    ingress("action: Allow, source: {namespaceSelector: global() || has(a)}", "`global()` must stand alone");
    good("action: Allow, source: {namespaceSelector: ' global( ) '}");
    refused(&network_policy("selector: global()"), "spec.selector: `global()`");
    refused(&network_policy("serviceAccountSelector: 'a = b'"), "write `==`");
    refused(&calico("GlobalNetworkPolicy", "types: [Ingress], namespaceSelector: global()"), "`global()`");
    refused(
        &network_policy(&format!("selector: a == '{}'", "b".repeat(1020))),
        "longer than 1024 characters",
    );
    ingress("action: Allow, source: {serviceAccounts: {names: ['']}}", "the name is empty");
}

#[test]
fn domains_are_for_egress_that_is_allowed() {
    ingress("action: Allow, destination: {domains: [a.example]}", "domains may stand under `destination`");
    egress("action: Deny, destination: {domains: [a.example]}", "domains may stand under `destination`");
    egress("action: Allow, destination: {domains: ['*.*.example']}", "is no domain name");
    objects(&network_policy("egress: [{action: Allow, destination: {domains: ['*.a.example']}}]"));
}

#[test]
fn types_and_bounds_are_kept() {
    refused(&calico("NetworkPolicy", "types: [Ingress, Ingress]"), "types[1]: the type stands twice");
    refused(&calico("NetworkPolicy", "types: [ingress]"), "did you mean `Ingress`?");
    refused(&network_policy("performanceHints: [Fast]"), "unknown performance hint `Fast`");
    refused(&network_policy("order: first"), "spec.order: a number is due, found `first`");
    refused(&network_policy("tier: 'a b'"), "is no name of a tier");
    let nets = vec!["10.0.0.0/8"; 257].join(", ");
    ingress(&format!("action: Allow, source: {{nets: [{nets}]}}"), "257 nets, of which at most 256");
    let ports = vec!["80"; 51].join(", ");
    ingress(
        &format!("action: Allow, protocol: TCP, source: {{ports: [{ports}]}}"),
        "51 ports, of which at most 50",
    );
}

#[test]
fn host_only_policies_keep_their_rules() {
    let global = |spec: &str, expect: &str| refused(&calico("GlobalNetworkPolicy", spec), expect);
    global("types: [Ingress], preDNAT: true, doNotTrack: true, applyOnForward: true", "exclude each other");
    global("types: [Ingress, Egress], preDNAT: true, applyOnForward: true", "governs ingress only");
    global("types: [Ingress], doNotTrack: true", "need `applyOnForward`; add `applyOnForward: true`");
    refused(&network_policy("doNotTrack: true"), "spec.doNotTrack: unknown field");
}

#[test]
fn staged_actions_are_four_and_delete_stands_alone() {
    refused(&calico("StagedNetworkPolicy", "types: [Ingress], stagedAction: Sett"), "did you mean `Set`?");
    refused(&calico("StagedNetworkPolicy", "stagedAction: Delete, order: 5"), "no other field than `tier`");
    refused(
        &calico("StagedGlobalNetworkPolicy", "stagedAction: Delete, applyOnForward: true"),
        "no other field",
    );
    refused(
        &calico("StagedKubernetesNetworkPolicy", "stagedAction: Delete, policyTypes: [Egress]"),
        "no other field",
    );
    refused(&network_policy("stagedAction: Set"), "spec.stagedAction: unknown field");
    let (delete, warnings) =
        policy(&calico("StagedNetworkPolicy", "stagedAction: Delete, tier: security, types: [Egress]"));
    assert!(!delete.types.ingress && !delete.types.egress && warnings.is_empty(), "{warnings:?}");
}

#[test]
fn names_and_labels_have_their_alphabets() {
    let named = |kind: &str, name: &str| calico(kind, "").replace("name: db", &format!("name: {name}"));
    refused(&named("Tier", "a.b"), "metadata.name: `a.b` is no name for this kind");
    refused(&named("Tier", &"a".repeat(64)), "is no name");
    refused(&named("NetworkPolicy", "a.b.c"), "is no name");
    refused(&named("NetworkPolicy", "Db"), "is no name");
    refused(&named("GlobalNetworkPolicy", "knp.default.a.b"), "is no name");
    objects(&named("NetworkPolicy", "knp.default.a.b"));
    objects(&named("GlobalNetworkPolicy", "security.db"));
    let labelled =
        |label: &str| network_policy("").replace("{name: db", &format!("{{labels: {{{label}}}, name: db"));
    refused(&labelled("a b: c"), "metadata.labels[a b]: `a b` is no label key");
    refused(&labelled("a: 'b c'"), "`b c` is no label value");
    refused(&labelled("a: 1"), "a text is due, `1` is a number; did you mean `\"1\"`, in quotes?");
    refused(&labelled("a: yes"), "`yes` is a boolean");
    objects(&labelled("example.com/a: '1', b:"));
}

#[test]
fn built_in_tiers_are_what_they_are() {
    let tier = |name: &str, spec: &str| calico("Tier", spec).replace("name: db", &format!("name: {name}"));
    refused(
        &tier("default", "order: 5"),
        "the tier `default` has the order 1000000 and the default action Deny",
    );
    refused(&tier("default", "defaultAction: Pass"), "the tier `default`");
    refused(&tier("kube-admin", "order: 1000"), "the default action Pass");
    refused(&tier("kube-baseline", "defaultAction: Pass"), "the order 10000000");
    refused(&tier("mine", "defaultAction: Allow"), "unknown default action `Allow`");
    objects(&tier("kube-admin", "order: 1000, defaultAction: Pass"));
    assert_eq!(set(&tier("mine", "")).tiers()[1].order.value(), Some(1_000_000.0));
}

#[test]
fn sets_and_hosts_are_checked() {
    let set = calico("NetworkSet", "nets: [10.0.0.1, 'fd00::/8']");
    objects(&set);
    refused(&set.replace("10.0.0.1", "10.0.0"), "spec.nets[0]: `10.0.0` is no prefix");
    refused(
        &set.replace("{name: db", "{labels: {projectcalico.org/namespace: a}, name: db"),
        "is set by Calico",
    );
    let host = |spec: &str| {
        format!(
            "apiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {{name: h}}\nspec: {{{spec}}}\n"
        )
    };
    refused(&host("interfaceName: eth0"), "`node` is missing");
    refused(&host("node: w1"), "one of `interfaceName` and `expectedIPs`");
    refused(&host("node: w1, interfaceName: abcdefghijklmnop"), "longer than 15");
    refused(
        &host("node: w1, interfaceName: '*', ports: [{name: a, protocol: TCP, port: 0}]"),
        "`0` is not from 1",
    );
    objects(&host("node: w1, expectedIPs: [10.0.0.1], ports: [{name: a, protocol: TCP, port: 1}]"));
}

#[test]
fn kubernetes_policies_are_checked() {
    let ingress = |rule: &str, expect: &str| {
        refused(&kubernetes(&format!("podSelector: {{}}, ingress: [{{{rule}}}]")), expect)
    };
    ingress("from: [{}]", "from[0]: a peer is given by");
    ingress("from: [{ipBlock: {cidr: 10.0.0.0/8}, podSelector: {}}]", "may not stand beside");
    ingress("from: [{ipBlock: {cidr: 10.0.0.0}}]", "did you mean `10.0.0.0/32`?");
    ingress(
        "from: [{ipBlock: {cidr: 10.0.0.0/8, except: [11.0.0.0/9]}}]",
        "does not lie inside of the block",
    );
    ingress("ports: [{port: 0}]", "`0` is not from 1 to 65535");
    ingress("ports: [{port: '80'}]", "did you mean 80, without quotes?");
    ingress("ports: [{port: 90, endPort: 80}]", "`endPort` 80 lies before `port` 90");
    ingress("ports: [{port: web, endPort: 80}]", "`endPort` needs a `port` that is a number");
    ingress("ports: [{port: 80, protocol: tcp}]", "did you mean `TCP`?");
    ingress("from: [{podSelector: {matchExpressions: [{key: a, operator: In}]}}]", "need `values`");
    ingress(
        "from: [{podSelector: {matchExpressions: [{key: a, operator: Exists, values: [b]}]}}]",
        "take no `values`",
    );
    ingress("from: [{podSelector: {matchExpressions: [{key: a, operator: Is}]}}]", "unknown operator `Is`");
    ingress("form: []", "form: unknown field; did you mean `from`?");
}
