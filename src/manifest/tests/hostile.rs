//! Inputs that are wrong on purpose: one clear error each, in bounded time and memory.

use super::*;

#[test]
fn a_misspelt_action_is_mended() {
    refused(&network_policy("ingress: [{action: Alow}]"), "did you mean `Allow`?");
}

#[test]
fn an_unclosed_bracket_in_a_selector_is_pointed_at() {
    refused(
        &network_policy("selector: \"(a == 'b' && has(c)\""),
        "spec.selector: the selector `(a == 'b' && has(c)` does not parse at column 1: the parenthesis that opens here is never closed",
    );
}

#[test]
fn a_port_range_upside_down_is_turned() {
    refused(
        &network_policy("ingress: [{action: Allow, protocol: TCP, destination: {ports: [1, '8010:8000']}}]"),
        "spec.ingress[0].destination.ports[1]: the range `8010:8000` is upside down; did you mean `8000:8010`?",
    );
}

#[test]
fn a_tab_is_named() {
    let error = &errors("apiVersion: v1\nkind: Namespace\nmetadata:\n\tname: shop\n")[0];
    assert!(
        error.starts_with("test.yaml:4:") && error.contains("a tab stands where only spaces may indent"),
        "{error}"
    );
}

#[test]
fn a_namespace_of_the_wrong_type_is_quoted() {
    refused(
        &network_policy("").replace("namespace: shop", "namespace: 1234"),
        "metadata.namespace: a text is due, `1234` is a number; did you mean `\"1234\"`, in quotes?",
    );
    refused(
        &network_policy("").replace("namespace: shop", "namespace: [shop]"),
        "a text is due, found a list",
    );
}

#[test]
fn a_policy_of_5000_rules_is_one_error() {
    let rules = "{action: Allow},".repeat(5000);
    refused(
        &network_policy(&format!("ingress: [{rules}]")),
        "spec.ingress: 5000 ingress rules, of which at most 1024 are allowed",
    );
}

#[test]
fn a_file_of_10_megabytes_is_read_or_refused_by_its_size() {
    let mut many = String::new();
    let mut count = 0;
    while many.len() < 10 << 20 {
        many.push_str("---\n");
        many.push_str(
            &network_policy("ingress: [{action: Allow}]").replace("name: db", &format!("name: db-{count}")),
        );
        count += 1;
    }
    assert_eq!(objects(&many).len(), count);
    let one = network_policy(&format!("ingress: [{}]", "{action: Allow},".repeat((10 << 20) / 16)));
    refused(&one, "the document has more than 250000 values; split it");
    let wrong: String = many.chars().take(100_000).collect::<String>().replace("Allow", "Alow");
    assert_eq!(errors(&wrong).len(), 100);
    refused(&" ".repeat((16 << 20) + 1), "the text is larger than 16 MiB");
}

#[test]
fn a_hundred_errors_are_enough() {
    let fields: String = (0..20_000).map(|it| format!("selecto{it}: a, ")).collect();
    assert_eq!(errors(&network_policy(&fields)).len(), 100);
    let objects = "apiVersion: projectcalico.org/v3\nkind: Networkpolice\n---\n".repeat(5_000);
    assert_eq!(errors(&objects).len(), 100);
}

#[test]
fn bombs_are_defused() {
    for (open, close) in [("[", "]"), ("{a: ", "}")] {
        let bomb = format!("a: {}{}", open.repeat(100_000), close.repeat(100_000));
        refused(&bomb, "nests deeper than 32 levels");
    }
    let mut deep = String::new();
    for level in 0..200 {
        deep.push_str(&" ".repeat(level));
        deep.push_str("a:\n");
    }
    refused(&deep, "nests deeper than 32 levels");
    refused("a: &a [x]\nb: [*a, *a]\n", "test.yaml:1:7: anchors and aliases are not read");
    let laughs = "a: &a [l, l]\nb: &b [*a, *a]\nc: &c [*b, *b]\n";
    refused(laughs, "anchors and aliases are not read");
    refused(&calico("Tier", "<<: {order: 1}"), "spec.<<: unknown field");
    refused("a: !!python/object x\n", "tags are not read");
    refused("? [a]\n: b\n", "a list or mapping stands where a key is due");
}

#[test]
fn what_is_no_object_is_named() {
    refused("just text\n", "a mapping is due, found `just text`");
    refused("kind: Tier\nmetadata: {name: a}\n", "`apiVersion` is missing");
    refused(
        "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, namespace: b}\n",
        "Deployment b/a: kind `Deployment` of api version `apps/v1` is not supported: it is not a policy object",
    );
    refused(
        "apiVersion: projectcalico.org/v3\nkind: IPPool\nmetadata: {name: a}\n",
        "kind `IPPool` of api version `projectcalico.org/v3` is not supported",
    );
    refused(
        "apiVersion: projectcalico.org/v3\nkind: NetworkPolcy\nmetadata: {name: a}\n",
        "did you mean `NetworkPolicy`?",
    );
    refused(
        "apiVersion: networking/v1\nkind: ClusterNetworkPolicy\nmetadata: {name: a}\n",
        "did you mean the api version `policy.networking.k8s.io/v1alpha2`?",
    );
    refused(&network_policy("selectr: all()"), "spec.selectr: unknown field; did you mean `selector`?");
    refused(
        &network_policy("").replace("metadata: {name: db,", "metadata: {nam: db,"),
        "metadata.nam: unknown field; did you mean `name`?",
    );
    assert_eq!(objects("---\n---\n# Nothing.\n...\n"), []);
}

#[test]
fn all_that_is_wrong_is_said_at_once() {
    let errors = errors(
        "apiVersion: projectcalico.org/v3\n\
         kind: NetworkPolicy\n\
         metadata:\n  name: db\n  namespace: shop\n\
         spec:\n  types: [Ingress]\n  selector: app = 'db'\n  ingress:\n  - action: Alow\n    protocol: TPC\n    \
         destination:\n      ports: [0]\n  extra: 1\n",
    );
    let expect = expect_test::expect![[r#"
        test.yaml:8:13: NetworkPolicy shop/db: spec.selector: the selector `app = 'db'` does not parse at column 5: `=` is no operator, write `==`
        test.yaml:10:13: NetworkPolicy shop/db: spec.ingress[0].action: unknown action `Alow`; did you mean `Allow`?
        test.yaml:11:15: NetworkPolicy shop/db: spec.ingress[0].protocol: unknown protocol `TPC`; did you mean `TCP`?
        test.yaml:13:15: NetworkPolicy shop/db: spec.ingress[0].destination.ports[0]: port 0 cannot be matched; ports are from 1 to 65535
        test.yaml:14:3: NetworkPolicy shop/db: spec.extra: unknown field
    "#]];
    expect.assert_eq(&(errors.join("\n") + "\n"));
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "[a-z{}\\[\\]:,'\"&*!|>#%@ \n\t-]{0,200}") {
        // Nothing of this is an object; it must be said, not fall over.
        drop(read(&text, "test.yaml"));
    }
}
