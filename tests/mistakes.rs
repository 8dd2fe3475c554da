//! Policies with mistakes in them: what their author is told, by `evaluate` and by `policies lint`.
//!
//! One message for one mistake, with file, line, column, object, field, cause and what was likely meant; hostile files
//! end in one too.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use assert_cmd::Command;
use expect_test::{Expect, expect};

/// The policy that mistakes are put into: that of Calico's tutorial about namespaced policies.
const POLICY: &str = "\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata:
  name: allow-tcp-6379
  namespace: production
spec:
  tier: default
  selector: role == 'database'
  types: [Ingress]
  ingress:
  - action: Allow
    protocol: TCP
    source:
      selector: role == 'frontend'
    destination:
      ports: [6379]
";

const TIER: &str =
    "{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: security}, spec: {order: 1}}\n";

const FLOW: &str = r#"{"start_time":1,"end_time":2,"reporter":"dst","action":"allow","proto":"tcp","source_type":"net","source_namespace":"-","source_name":"-","source_name_aggr":"pub","dest_type":"wep","dest_namespace":"production","dest_name":"db","dest_name_aggr":"db","dest_port":6379,"dest_labels":{"labels":["role=database"]}}"#;

fn run(folder: &Path, line: &str) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowstage"));
    command.env_clear().current_dir(folder).args(line.split_whitespace());
    // Killed then, it has no exit code.
    let output = command.timeout(Duration::from_secs(60)).output().unwrap();
    let mut said = format!("$ flowstage {line}\n");
    said.push_str(&String::from_utf8(output.stderr).unwrap());
    writeln!(said, "exit code {}", output.status.code().unwrap()).unwrap();
    said
}

/// Judges by a file, and compares what is said on standard error.
#[track_caller]
fn check(text: &str, expected: &Expect) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.yaml"), text).unwrap();
    std::fs::write(folder.path().join("flows"), FLOW).unwrap();
    expected.assert_eq(&run(folder.path(), "evaluate --policies p.yaml --flows flows"));
    // Lint says the same, and ends with its summary.
    let lint = run(folder.path(), "policies lint p.yaml");
    assert!(lint.contains("1 files, "), "{lint}");
}

/// Puts one mistake into the policy.
#[track_caller]
fn mistake(right: &str, wrong: &str, expected: &Expect) {
    assert_eq!(POLICY.matches(right).count(), 1, "{right}");
    check(&POLICY.replace(right, wrong), expected);
}

#[test]
fn a_misspelt_action() {
    mistake(
        "action: Allow",
        "action: Alow",
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        error: the policies are not sound
          because: p.yaml:11:13: NetworkPolicy production/allow-tcp-6379: spec.ingress[0].action: unknown action `Alow`; did you mean `Allow`?
        exit code 2
    "#]],
    );
}

#[test]
fn a_misspelt_field() {
    mistake(
        "  selector: role == 'database'",
        "  selectr: role == 'database'",
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        error: the policies are not sound
          because: p.yaml:8:3: NetworkPolicy production/allow-tcp-6379: spec.selectr: unknown field; did you mean `selector`?
        exit code 2
    "#]],
    );
}

#[test]
fn a_selector_with_an_unclosed_bracket() {
    mistake(
        "selector: role == 'frontend'",
        "selector: (role == 'frontend'",
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        error: the policies are not sound
          because: p.yaml:14:17: NetworkPolicy production/allow-tcp-6379: spec.ingress[0].source.selector: the selector `(role == 'frontend'` does not parse at column 1: the parenthesis that opens here is never closed
        exit code 2
    "#]],
    );
    mistake(
        "selector: role == 'frontend'",
        "selector: role in {'frontend'",
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        error: the policies are not sound
          because: p.yaml:14:17: NetworkPolicy production/allow-tcp-6379: spec.ingress[0].source.selector: the selector `role in {'frontend'` does not parse at column 9: the brace that opens here is never closed
        exit code 2
    "#]],
    );
}

#[test]
fn a_port_range_upside_down() {
    mistake(
        "[6379]",
        "['6380:6379']",
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        error: the policies are not sound
          because: p.yaml:16:15: NetworkPolicy production/allow-tcp-6379: spec.ingress[0].destination.ports[0]: the range `6380:6379` is upside down; did you mean `6379:6380`?
        exit code 2
    "#]],
    );
}

#[test]
fn a_tab() {
    mistake(
        "  selector: role == 'database'",
        "\tselector: role == 'database'",
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        error: the policies are not sound
          because: p.yaml:8:1: the YAML does not parse: while scanning a plain scalar, found a tab; a tab stands where only spaces may indent
        exit code 2
    "#]],
    );
}

#[test]
fn a_wrong_namespace() {
    mistake(
        "namespace: production",
        "namespace: Production_1",
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        error: the policies are not sound
          because: p.yaml:5:14: NetworkPolicy Production_1/allow-tcp-6379: metadata.namespace: `Production_1` is no name of a namespace; one is of lower-case letters, digits and `-`
        exit code 2
    "#]],
    );
    mistake(
        "  namespace: production\n",
        "",
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        warning: p.yaml:4:3: NetworkPolicy allow-tcp-6379: metadata: no namespace is given; `default` is taken
        exit code 0
    "#]],
    );
}

#[test]
fn a_tier_that_is_missing() {
    check(
        &format!("{TIER}---\n{}", POLICY.replace("tier: default", "tier: secuirty")),
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        warning: p.yaml:3:1: NetworkPolicy production/allow-tcp-6379: spec.tier: the tier `secuirty` does not exist; the policy is evaluated last, and its tier ends in deny; did you mean `security`?
        exit code 0
    "#]],
    );
}

#[test]
fn too_many_rules() {
    let head = POLICY.split_once("  - action").unwrap().0;
    check(
        &format!("{head}{}", "  - action: Deny\n".repeat(5_000)),
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        error: the policies are not sound
          because: p.yaml:11:5: NetworkPolicy production/allow-tcp-6379: spec.ingress: 5000 ingress rules, of which at most 1024 are allowed
        exit code 2
    "#]],
    );
}

#[test]
fn a_file_of_ten_megabytes() {
    let comment = format!("# {}\n", "x".repeat(78));
    check(
        &format!("{}{POLICY}", comment.repeat(10 * 1024 * 1024 / comment.len())),
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        exit code 0
    "#]],
    );
}

#[test]
fn a_policy_that_stands_many_times() {
    check(
        &format!("---\n{POLICY}").repeat(1_000),
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        error: the policies are not sound
          because: p.yaml:19:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:36:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:53:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:70:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:87:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:104:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:121:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:138:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:155:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:172:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:189:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:206:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:223:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:240:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:257:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:274:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:291:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:308:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:325:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               p.yaml:342:1: NetworkPolicy production/allow-tcp-6379: the object stands twice, first in p.yaml:2:1
               and 979 more; `flowstage policies lint` lists them all
        exit code 2
    "#]],
    );
}

#[test]
fn a_bomb_of_nesting() {
    check(
        &format!("{}{}", "[".repeat(100_000), "]".repeat(100_000)),
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        error: the policies are not sound
          because: p.yaml:1:35: the document nests deeper than 32 levels
        exit code 2
    "#]],
    );
    check(
        &"{a: ".repeat(100_000),
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        error: the policies are not sound
          because: p.yaml:1:137: the document nests deeper than 32 levels
        exit code 2
    "#]],
    );
}

#[test]
fn a_bomb_of_aliases() {
    let mut text = "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for (before, name) in ('a'..='k').zip('b'..) {
        let many = vec![format!("*{before}"); 9].join(", ");
        writeln!(text, "{name}: &{name} [{many}]").unwrap();
    }
    check(
        &text,
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows
        error: the policies are not sound
          because: p.yaml:1:7: anchors and aliases are not read; write the value out
        exit code 2
    "#]],
    );
}

#[test]
fn a_pipe_among_the_policies_is_refused_at_once_by_every_subcommand_that_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("flows"), FLOW).unwrap();
    std::fs::create_dir(folder.path().join("policies")).unwrap();
    std::fs::write(folder.path().join("policies/p.yaml"), POLICY).unwrap();
    // Nobody writes the other end: who opens it waits for ever.
    let pipe = folder.path().join("policies/pipe.yaml");
    assert!(std::process::Command::new("mkfifo").arg(pipe).status().unwrap().success());
    let said: Vec<String> = [
        "policies lint policies",
        "replay --policies policies --flows flows",
        "evaluate --policies policies/pipe.yaml --flows flows",
        "run --policies policies --brokers localhost:1",
    ]
    .map(|line| run(folder.path(), line))
    .into();
    expect![[r#"
        $ flowstage policies lint policies
        error: `policies/pipe.yaml` is no regular file but a named pipe, and is not read
          try: policies are read from regular files, and from links to such: write them to one
        exit code 1

        $ flowstage replay --policies policies --flows flows
        error: `policies/pipe.yaml` is no regular file but a named pipe, and is not read
          try: policies are read from regular files, and from links to such: write them to one
        exit code 1

        $ flowstage evaluate --policies policies/pipe.yaml --flows flows
        error: `policies/pipe.yaml` is no regular file but a named pipe, and is not read
          try: policies are read from regular files, and from links to such: write them to one
        exit code 1

        $ flowstage run --policies policies --brokers localhost:1
        error: `policies/pipe.yaml` is no regular file but a named pipe, and is not read
          try: policies are read from regular files, and from links to such: write them to one
        exit code 1
    "#]]
    .assert_eq(&said.join("\n"));
}

#[test]
fn a_folder_that_is_not_there_is_told_alike_by_every_subcommand_that_reads_policies() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("flows"), FLOW).unwrap();
    for line in [
        "policies lint nope",
        "replay --policies nope --flows flows",
        "evaluate --policies nope --flows flows",
        "explain --policies nope --flows flows",
        "generate --policies nope",
        "run --policies nope --brokers localhost:1",
    ] {
        let said = run(folder.path(), line);
        let (_, said) = said.split_once('\n').unwrap();
        let expected = "\
error: cannot read the policies `nope`
  because: No such file or directory (os error 2)
  try: check the path: a folder is expected, or a file, of policies and other manifests as `kubectl get -o yaml` prints them
exit code 1
";
        assert_eq!(said, expected, "{line}");
    }
}

#[test]
fn a_folder_without_policies_is_told_when_run_starts() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    // With these settings the client cannot be made, which ends the run at once.
    let config = "kafka: {properties: {security.protocol: ssl, ssl.ca.location: /nowhere}}";
    std::fs::write(path("config.yaml"), config).unwrap();
    for name in ["empty", "tiers", "policies"] {
        std::fs::create_dir(path(name)).unwrap();
    }
    std::fs::write(path("empty/notes.txt"), POLICY).unwrap();
    std::fs::write(path("tiers/tier.yaml"), TIER).unwrap();
    std::fs::write(path("policies/p.yaml"), POLICY).unwrap();
    let warnings = |name: &str| -> Vec<String> {
        let line =
            format!("run --config config.yaml --policies {name} --brokers localhost:1 --log-format text");
        let said = run(folder.path(), &line);
        assert!(said.contains("settings of the Kafka client"), "{said}");
        let warnings = said.lines().filter_map(|it| it.split_once(" WARN ")?.1.split_once(": "));
        warnings.map(|(_, text)| text.to_owned()).collect()
    };
    assert_eq!(
        warnings("empty"),
        [
            "no policies: `empty` holds no file that ends in .yaml, .yml or .json, so every flow is judged by profiles alone"
        ]
    );
    assert_eq!(
        warnings("tiers"),
        [
            "no policies: there is none in the manifests of `tiers`, so every flow is judged by profiles alone files=1"
        ]
    );
    assert_eq!(warnings("policies"), [""; 0]);
}
