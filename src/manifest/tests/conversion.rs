//! Defaults of the API, stored objects, and what becomes of Kubernetes' kinds.

use expect_test::{Expect, expect};

use super::super::write;
use super::*;
use crate::model::Direction;

/// Prints the internal form of a policy: as Calico's own kind would be written.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "as the macro makes it")]
fn check(text: &str, expect: Expect) {
    let (policy, warnings) = policy(text);
    let mut calico = policy.clone();
    calico.id.kind = crate::model::PolicyKind::GlobalNetworkPolicy;
    calico.id.namespace = None;
    let mut shown = write(&calico).unwrap();
    let head = shown.find("spec:").unwrap();
    shown.replace_range(..head, "");
    for warning in warnings {
        shown.push_str(&format!("# {warning}\n"));
    }
    expect.assert_eq(&shown);
}

#[test]
fn a_rule_becomes_one_for_each_protocol_by_name_and_each_peer() {
    check(
        &kubernetes(
            "podSelector: {matchLabels: {b: '2', a: '1'}, matchExpressions: [{key: c, operator: DoesNotExist}]}, \
             ingress: [{ports: [{protocol: UDP, port: 53}, {port: 81}, {port: web}, {port: 80}, {port: 90, endPort: 95}], \
             from: [{podSelector: {}}, {namespaceSelector: {}}, \
             {namespaceSelector: {matchLabels: {env: prod}}, podSelector: {matchLabels: {app: x}}}, \
             {ipBlock: {cidr: 10.0.0.0/8, except: [10.1.0.0/16]}}]}, {}]",
        ),
        expect![[r#"
            spec:
              tier: default
              order: 1000
              selector: (projectcalico.org/orchestrator == "k8s" && a == "1" && b == "2" && !has(c))
              types:
              - Ingress
              ingress:
              - action: Allow
                protocol: TCP
                source:
                  selector: projectcalico.org/orchestrator == "k8s"
                destination:
                  ports:
                  - web
                  - '80:81'
                  - '90:95'
              - action: Allow
                protocol: TCP
                source:
                  namespaceSelector: all()
                  selector: projectcalico.org/orchestrator == "k8s"
                destination:
                  ports:
                  - web
                  - '80:81'
                  - '90:95'
              - action: Allow
                protocol: TCP
                source:
                  namespaceSelector: env == "prod"
                  selector: (projectcalico.org/orchestrator == "k8s" && app == "x")
                destination:
                  ports:
                  - web
                  - '80:81'
                  - '90:95'
              - action: Allow
                protocol: TCP
                source:
                  nets:
                  - 10.0.0.0/8
                  notNets:
                  - 10.1.0.0/16
                destination:
                  ports:
                  - web
                  - '80:81'
                  - '90:95'
              - action: Allow
                protocol: UDP
                source:
                  selector: projectcalico.org/orchestrator == "k8s"
                destination:
                  ports:
                  - 53
              - action: Allow
                protocol: UDP
                source:
                  namespaceSelector: all()
                  selector: projectcalico.org/orchestrator == "k8s"
                destination:
                  ports:
                  - 53
              - action: Allow
                protocol: UDP
                source:
                  namespaceSelector: env == "prod"
                  selector: (projectcalico.org/orchestrator == "k8s" && app == "x")
                destination:
                  ports:
                  - 53
              - action: Allow
                protocol: UDP
                source:
                  nets:
                  - 10.0.0.0/8
                  notNets:
                  - 10.1.0.0/16
                destination:
                  ports:
                  - 53
              - action: Allow
        "#]],
    );
}

#[test]
fn missing_policy_types_mean_egress_only_where_the_api_server_saw_egress_rules() {
    let governs = |text: &str| {
        let (policy, _) = policy(text);
        [Direction::Ingress, Direction::Egress].map(|it| policy.types.governs(it))
    };
    assert_eq!(governs(&kubernetes("podSelector: {}")), [true, false]);
    assert_eq!(governs(&kubernetes("podSelector: {}, egress: [{}]")), [true, true]);
    assert_eq!(governs(&kubernetes("podSelector: {}, policyTypes: [Egress]")), [false, true]);
    assert_eq!(
        governs(&calico("StagedKubernetesNetworkPolicy", "podSelector: {}, egress: [{}]")),
        [true, false]
    );
    for kind in ["NetworkPolicy", "GlobalNetworkPolicy", "StagedNetworkPolicy", "StagedGlobalNetworkPolicy"] {
        assert_eq!(governs(&calico(kind, "")), [true, false], "{kind}");
        assert_eq!(governs(&calico(kind, "types: []")), [true, false], "{kind}");
        assert_eq!(governs(&calico(kind, "ingress: [{action: Allow}]")), [true, false], "{kind}");
        assert_eq!(governs(&calico(kind, "egress: [{action: Allow}]")), [false, true], "{kind}");
        let both = "ingress: [{action: Allow}], egress: [{action: Allow}]";
        assert_eq!(governs(&calico(kind, both)), [true, true], "{kind}");
    }
}

fn cluster_policy(spec: &str) -> String {
    format!(
        "apiVersion: policy.networking.k8s.io/v1alpha2\nkind: ClusterNetworkPolicy\nmetadata: {{name: c}}\nspec: {{{spec}}}\n"
    )
}

#[test]
fn cluster_policies_fail_closed() {
    check(
        &cluster_policy(
            "tier: Admin, priority: 7, subject: {namespaces: {matchLabels: {env: prod}}}, \
             ingress: [{name: a, action: Accept, from: [{namespaces: {}}, {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: x}}}}], \
             protocols: [{tcp: {destinationPort: {number: 80}}}, {udp: {}}, {destinationNamedPort: web}, {tcp: {destinationPort: {range: {start: 81, end: 90}}}}]}], \
             egress: [{action: Pass, to: [{nodes: {}}]}, {action: Accept, to: [{domainNames: [a.example]}]}, \
             {action: Deny, to: [{networks: [10.0.0.0/8, 'fd00::/8']}]}, {name: d, action: Deny, to: [{networks: [10.0.0.0]}]}]",
        ),
        expect![[r#"
            spec:
              tier: kube-admin
              order: 7
              namespaceSelector: env == "prod"
              selector: projectcalico.org/orchestrator == "k8s"
              types:
              - Ingress
              - Egress
              ingress:
              - action: Allow
                metadata:
                  annotations:
                    name: a
                source:
                  namespaceSelector: all()
                destination:
                  ports:
                  - web
              - action: Allow
                metadata:
                  annotations:
                    name: a
                source:
                  namespaceSelector: all()
                  selector: (projectcalico.org/orchestrator == "k8s" && app == "x")
                destination:
                  ports:
                  - web
              - action: Allow
                protocol: TCP
                metadata:
                  annotations:
                    name: a
                source:
                  namespaceSelector: all()
                destination:
                  ports:
                  - '80:90'
              - action: Allow
                protocol: TCP
                metadata:
                  annotations:
                    name: a
                source:
                  namespaceSelector: all()
                  selector: (projectcalico.org/orchestrator == "k8s" && app == "x")
                destination:
                  ports:
                  - '80:90'
              - action: Allow
                protocol: UDP
                metadata:
                  annotations:
                    name: a
                source:
                  namespaceSelector: all()
              - action: Allow
                protocol: UDP
                metadata:
                  annotations:
                    name: a
                source:
                  namespaceSelector: all()
                  selector: (projectcalico.org/orchestrator == "k8s" && app == "x")
              egress:
              - action: Deny
              - action: Deny
                destination:
                  nets:
                  - 10.0.0.0/8
                  - 'fd00::/8'
              - action: Deny
                metadata:
                  annotations:
                    name: d
            # test.yaml:4:379: ClusterNetworkPolicy c: spec.egress[0]: Calico cannot render this rule, which therefore denies everything: peers of the kind `nodes` are not supported
            # test.yaml:4:414: ClusterNetworkPolicy c: spec.egress[1]: Calico cannot render this rule, which therefore is dropped: peers of the kind `domainNames` are not supported
            # test.yaml:4:526: ClusterNetworkPolicy c: spec.egress[3]: Calico cannot render this rule, which therefore denies everything: `10.0.0.0` is no prefix
        "#]],
    );
    refused(&cluster_policy("tier: Middle, priority: 7, subject: {namespaces: {}}"), "unknown tier `Middle`");
    refused(&cluster_policy("tier: Admin, priority: 7, subject: {}"), "one of `namespaces` and `pods`");
    refused(
        &cluster_policy("tier: Admin, priority: 1001, subject: {namespaces: {}}"),
        "`1001` is not from 0 to 1000",
    );
    let (empty, _) = policy(&cluster_policy("tier: Admin, priority: 7, subject: {namespaces: {}}"));
    assert!(!empty.types.ingress && !empty.types.egress);
}

#[test]
fn older_admin_policies_bring_their_tiers() {
    let text = "apiVersion: policy.networking.k8s.io/v1alpha1\nkind: AdminNetworkPolicy\nmetadata: {name: a}\n\
                spec: {priority: 3, subject: {pods: {namespaceSelector: {}, podSelector: {matchLabels: {app: x}}}}, \
                egress: [{action: Allow, to: [{networks: [10.0.0.0/8]}], ports: [{portNumber: {protocol: UDP, port: 53}}, {namedPort: dns}, {portRange: {start: 1, end: 2}}]}]}\n\
                ---\napiVersion: policy.networking.k8s.io/v1alpha1\nkind: BaselineAdminNetworkPolicy\nmetadata: {name: default}\n\
                spec: {subject: {namespaces: {}}, ingress: [{action: Deny, from: [{namespaces: {}}]}]}\n";
    let set = set(text);
    let tiers: Vec<String> = set.tiers().iter().map(|it| it.name.to_string()).collect();
    assert_eq!(
        tiers,
        ["adminnetworkpolicy", "kube-admin", "default", "baselineadminnetworkpolicy", "kube-baseline"]
    );
    assert_eq!(
        set.policies().iter().map(|it| it.egress.len() + it.ingress.len()).collect::<Vec<_>>(),
        [3, 1]
    );
    let warnings: Vec<String> =
        assemble(objects(text)).unwrap().warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    assert!(warnings.iter().all(|it| it.contains("do not read this kind")), "{warnings:?}");
    refused(&text.replace("action: Deny", "action: Pass"), "unknown action `Pass`");
}

#[test]
fn stored_objects_get_their_names_and_labels_back() {
    let name = |annotation: &str, name: &str, spec: &str| {
        let text = format!(
            "apiVersion: crd.projectcalico.org/v1\nkind: NetworkPolicy\nmetadata:\n  name: {name}\n  namespace: shop\n  {annotation}\nspec: {{types: [Ingress], {spec}}}\n"
        );
        let (policy, _) = policy(&text);
        format!("{} {}", policy.id.name, policy.labels)
    };
    let annotation = |json: &str| format!("annotations: {{projectcalico.org/metadata: '{json}'}}");
    assert_eq!(name("", "default.a", ""), "default.a ");
    assert_eq!(name("annotations: {x: z}", "default.a", ""), "default.a ");
    assert_eq!(name(&annotation(r#"{"name":"b","labels":{"k":"v"}}"#), "default.a", ""), "b k=v");
    assert_eq!(name(&annotation("{}"), "default.a", ""), "a ");
    assert_eq!(name(&annotation("{}"), "default.a", "tier: default"), "a ");
    assert_eq!(name(&annotation("{}"), "security.a", "tier: security"), "security.a ");
    refused(
        "apiVersion: crd.projectcalico.org/v1\nkind: NetworkPolicy\nmetadata: {name: a, namespace: s, annotations: {projectcalico.org/metadata: '{'}}\nspec: {types: [Ingress]}\n",
        "is no JSON",
    );
    // The form of the user is never renamed.
    let (as_given, _) = policy(&network_policy("").replace("name: db", "name: default.db"));
    assert_eq!(as_given.id.name, "default.db");
}

#[test]
fn pods_that_policy_does_not_reach_are_left_out() {
    let pod = |rest: &str| {
        let text = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: shop, labels: {{app: x}}}}\n{rest}\n"
        );
        set(&text).cluster().workloads.clone()
    };
    let [full] = &pod(
        "spec: {nodeName: w1, serviceAccountName: web, containers: [{name: c, image: i, ports: [{name: http, containerPort: 80}, {containerPort: 81}, {name: dns, containerPort: 53, protocol: UDP}]}]}\n\
         status: {phase: Running, podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}",
    )[..] else {
        panic!()
    };
    assert_eq!((full.service_account.as_str(), full.addresses.len(), full.ports.len()), ("web", 2, 2));
    assert_eq!(pod("")[0].service_account, "default");
    assert_eq!(pod("spec: {hostNetwork: true}"), []);
    assert_eq!(pod("status: {phase: Succeeded}"), []);
    assert_eq!(pod("status: {phase: Pending}"), []);
    assert_eq!(pod("spec: {nodeName: w1}\nstatus: {phase: Pending}").len(), 1);
    let calico = "apiVersion: v1\nkind: Pod\nmetadata: {name: p, namespace: s, annotations: {cni.projectcalico.org/podIPs: '10.0.0.9/32,fd00::9/128'}}\n";
    assert_eq!(set(calico).cluster().workloads[0].addresses.len(), 2);
}

#[test]
fn slices_name_their_service() {
    let slice = |labels: &str| {
        format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: s-1, namespace: shop, labels: {{{labels}}}}}\naddressType: IPv4\nendpoints: [{{addresses: [10.0.0.1], conditions: {{ready: true}}}}]\nports: [{{name: http, port: 80, protocol: TCP}}, {{name: any, port: null}}]\n"
        )
    };
    let known = set(&slice("kubernetes.io/service-name: s"));
    let [endpoints] = &known.cluster().services[..] else { panic!() };
    assert_eq!((endpoints.service.as_str(), endpoints.addresses.len()), ("s", 1));
    assert_eq!(endpoints.ports.iter().map(|it| it.port).collect::<Vec<_>>(), [Some(80), None]);
    assert!(set(&slice("a: b")).cluster().services.is_empty());
}

#[test]
fn a_namespace_has_the_label_that_the_api_server_sets() {
    let known = set("apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n");
    assert_eq!(known.cluster().namespaces[0].labels.to_string(), "kubernetes.io/metadata.name=shop");
}

#[test]
fn a_policy_in_no_tier_is_kept_with_a_warning() {
    let assembled = assemble(objects(&network_policy("tier: gone"))).unwrap();
    assert_eq!(assembled.set.policies().len(), 1);
    let [warning] = &assembled.warnings[..] else { panic!("{:?}", assembled.warnings) };
    assert_eq!(
        warning.to_string(),
        "test.yaml:1:1: NetworkPolicy shop/db: spec.tier: the tier `gone` does not exist; the policy is evaluated last, and its tier ends in deny"
    );
}

#[test]
fn the_revision_is_of_the_content() {
    let revision = |text: &str| set(text).revision();
    let (a, b) = (network_policy(""), calico("Tier", "order: 5"));
    assert_eq!(revision(&format!("{a}---\n{b}")), revision(&format!("# A remark.\n{b}---\n{a}")));
    assert_ne!(revision(&a), revision(&b));
    assert_ne!(revision(&a), revision(&network_policy("order: 1")));
    assert_eq!(
        revision(&network_policy("selector: a=='b'")),
        revision(&network_policy("selector: (a == \"b\")"))
    );
    assert_eq!(revision("").to_string(), "e3b0c44298fc1c14");
}

#[test]
fn what_is_hardly_meant_is_warned_of() {
    let warnings = |text: &str| policy(text).1.join("\n");
    assert!(warnings(&calico("NetworkPolicy", "")).contains("the types are missing; [Ingress] is taken"));
    assert!(
        warnings(&calico("NetworkPolicy", "types: [Ingress], egress: [{action: Deny}]"))
            .contains("the types leave out Egress")
    );
    assert!(
        warnings(&network_policy("ingress: [{action: Deny, source: {notNets: ['fd00::/8']}}]"))
            .contains("Felix leaves it out for IPv4")
    );
    assert!(warnings(&network_policy("").replace(", namespace: shop", "")).contains("`default` is taken"));
    assert!(
        warnings(
            &calico("GlobalNetworkPolicy", "types: [Ingress]").replace("name: db", "name: db, namespace: a")
        )
        .contains("has no namespaces")
    );
    let stored = calico("NetworkPolicy", "").replace("projectcalico.org/v3", "crd.projectcalico.org/v1");
    assert!(warnings(&stored).contains("to govern both directions"));
    assert_eq!(warnings(&network_policy("")), "");
}
