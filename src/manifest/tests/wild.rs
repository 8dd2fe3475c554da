//! What is found in the folders of real clusters.

use super::*;
use crate::policy::EntityRule;

const HEAD: &str =
    "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata:\n  name: db\n  namespace: shop\n";

#[test]
fn an_end_with_nothing_behind_it_is_anything() {
    let (policy, _) = policy(&format!(
        "{HEAD}spec:\n  types: [Ingress]\n  ingress:\n  - action: Allow\n    source:\n    destination:\n  egress:\n"
    ));
    assert_eq!(policy.ingress[0].source, EntityRule::default());
}

#[test]
fn ports_are_quoted_or_not() {
    let (policy, _) = policy(&network_policy(
        "ingress: [{action: Allow, protocol: TCP, destination: {ports: [80, '81', \"8000:8010\", 9000:9010, http]}}]",
    ));
    assert_eq!(policy.ingress[0].destination.ports.len(), 5);
}

#[test]
fn selectors_are_folded_over_lines() {
    let (folded, _) =
        policy(&format!("{HEAD}spec:\n  types: [Ingress]\n  selector: >-\n    app == 'a'||\n    app=='b'\n"));
    assert_eq!(folded.selector.unwrap().to_string(), r#"(app == "a" || app == "b")"#);
    let (clipped, _) = policy(&format!("{HEAD}spec:\n  types: [Ingress]\n  selector: >\n    app == 'a'\n"));
    assert_eq!(clipped.selector.unwrap().to_string(), r#"app == "a""#);
    refused(
        &format!("{HEAD}spec:\n  types: [Ingress]\n  selector: |\n    app == 'a' ||\n    app == 'b'\n"),
        "fold it with `>-`",
    );
}

#[test]
fn three_groups_stand_in_one_file() {
    let stored = network_policy("")
        .replace("projectcalico.org/v3", "crd.projectcalico.org/v1")
        .replace("name: db", "name: other");
    let text = format!("{}---\n{}---\n{stored}", network_policy(""), kubernetes("podSelector: {}"));
    assert_eq!(set(&text).policies().len(), 3);
    let twice = stored.replace("name: other", "name: db");
    let found = assemble(objects(&format!("{}---\n{twice}", network_policy("")))).unwrap_err();
    assert_eq!(
        found[0].to_string(),
        "test.yaml:6:1: NetworkPolicy shop/db: the object stands twice, first in test.yaml:1:1"
    );
}

#[test]
fn files_are_joined_without_dashes() {
    let joined = format!("{}{}", network_policy(""), calico("Tier", "order: 1"));
    refused(
        &joined,
        "test.yaml:5:1: the key `apiVersion` stands twice, first in line 1; is a `---` missing between two objects?",
    );
}

#[test]
fn remarks_are_typed_into_actions() {
    refused(
        &format!(
            "{HEAD}spec:\n  types: [Ingress]\n  ingress:\n  - action: Pass ----------> index number 2\n"
        ),
        "unknown action `Pass ----------> index number 2`; did you mean `Pass`?",
    );
}

#[test]
fn templates_are_recognised() {
    refused(
        "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: {{ .Values.namespace }}\n",
        "this looks like a template; render it first",
    );
    let control = &errors("{{- if .Values.enabled }}\napiVersion: v1\n{{- end }}\n")[0];
    assert!(control.contains("render it first"), "{control}");
}

#[test]
fn lists_wrap_objects() {
    let item = "  - apiVersion: projectcalico.org/v3\n    kind: Tier\n    metadata: {name: a}\n";
    let list = format!("apiVersion: v1\nkind: List\nmetadata: {{resourceVersion: ''}}\nitems:\n{item}");
    assert_eq!(objects(&list).len(), 1);
    let typed =
        list.replace("apiVersion: v1\nkind: List", "apiVersion: projectcalico.org/v3\nkind: TierList");
    assert_eq!(objects(&typed).len(), 1);
    // As the API answers a request: the items do not name their kind.
    let bare = "{\"apiVersion\":\"projectcalico.org/v3\",\"kind\":\"TierList\",\"items\":[{\"metadata\":{\"name\":\"a\"}}]}";
    assert_eq!(objects(bare).len(), 1);
    assert_eq!(objects(&format!("[{bare}]")).len(), 1);
    refused(
        "apiVersion: v1\nkind: List\nitems:\n- metadata: {name: a}\n  kind: Tier\n",
        "`apiVersion` is missing",
    );
    assert_eq!(objects("{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"List\",\n\t\"items\": []\n}\n"), []);
}

#[test]
fn objects_are_read_as_kubectl_prints_them() {
    let text = "apiVersion: networking.k8s.io/v1\n\
        kind: NetworkPolicy\n\
        metadata:\n  annotations:\n    kubectl.kubernetes.io/last-applied-configuration: |\n      {\"a\":\"b\"}\n  \
        creationTimestamp: \"2026-01-01T00:00:00Z\"\n  generation: 1\n  managedFields:\n  - apiVersion: networking.k8s.io/v1\n    \
        fieldsType: FieldsV1\n    fieldsV1:\n      f:spec: {}\n    manager: kubectl\n    operation: Update\n  \
        name: db\n  namespace: shop\n  ownerReferences: []\n  resourceVersion: \"1\"\n  uid: 2ac9ec5c-0f6c-4a5e-8b58-6f4d7a3a2c11\n\
        spec:\n  podSelector: {}\n  policyTypes:\n  - Ingress\nstatus: {}\n";
    assert_eq!(policy(text).0.id.to_string(), "knp:shop/db");
}
