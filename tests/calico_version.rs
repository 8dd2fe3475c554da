//! `--calico-version`: the same policies and records as an older Calico and as the newest take them, as a user sees it.

use std::fmt::Write as _;
use std::path::Path;

use assert_cmd::Command;
use expect_test::{Expect, expect};

fn run(folder: &Path, line: &str) -> std::process::Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowstage"));
    command.env_clear().current_dir(folder).args(line.split_whitespace()).output().unwrap()
}

/// Runs one line in a folder with these files, and compares all that is written, and the exit code.
#[track_caller]
fn check(files: &[(&str, &str)], line: &str, expected: &Expect) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let output = run(folder.path(), line);
    let mut transcript = format!("$ flowstage {line}\n");
    transcript.push_str(&String::from_utf8(output.stdout).unwrap());
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        writeln!(transcript, "! {line}").unwrap();
    }
    writeln!(transcript, "exit code {}", output.status.code().unwrap()).unwrap();
    expected.assert_eq(&transcript);
}

/// A policy of the tier `security`, with a name that says nothing of it.
const BARE: &str = "\
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: security}
spec: {order: 100}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata:
  name: base
spec: {tier: security, selector: app == 'db', types: [Ingress], ingress: [{action: Pass}]}
";

/// One policy of the tier `default`, by either name.
const WEB: &str = "\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: web, namespace: shop}
spec: {selector: app == 'web', types: [Ingress]}
";
const DEFAULT_WEB: &str = "\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: default.web, namespace: shop}
spec: {selector: app == 'web', types: [Ingress]}
";

#[test]
fn a_name_without_its_tier_is_refused_where_it_has_to_carry_it() {
    let files = [("p.yaml", BARE)];
    check(
        &files,
        "policies lint p.yaml",
        &expect![[r#"
        $ flowstage policies lint p.yaml
        Nothing is wrong.
        ! 1 files, 2 objects: 0 errors, 0 warnings, 0 that Calico's pending traces get wrong
        exit code 0
    "#]],
    );
    check(
        &files,
        "policies lint p.yaml --calico-version v3.31.2",
        &expect![[r#"
        $ flowstage policies lint p.yaml --calico-version v3.31.2
         PLACE       LEVEL  OBJECT                    FIELD          FINDING
         p.yaml:9:9  error  GlobalNetworkPolicy base  metadata.name  `base` does not begin with the policy's tier, as Calico 3.31 wants it; did you mean `security.base`?
        ! 1 files, 0 objects: 1 errors, 0 warnings, 0 that Calico's pending traces get wrong
        exit code 3
    "#]],
    );
    // Before 3.29 tiers were Calico Enterprise's, and no rule of names is known of them.
    check(
        &files,
        "policies lint p.yaml --calico-version 3.28",
        &expect![[r#"
        $ flowstage policies lint p.yaml --calico-version 3.28
        Nothing is wrong.
        ! 1 files, 2 objects: 0 errors, 0 warnings, 0 that Calico's pending traces get wrong
        exit code 0
    "#]],
    );
}

#[test]
fn two_names_of_one_policy_collide_where_they_are_one() {
    let files = [("web.yaml", WEB), ("default-web.yaml", DEFAULT_WEB)];
    check(
        &files,
        "policies lint web.yaml default-web.yaml --set policies.calico_version=3.30",
        &expect![[r#"
            $ flowstage policies lint web.yaml default-web.yaml --set policies.calico_version=3.30
             PLACE         LEVEL  OBJECT                  FIELD  FINDING
             web.yaml:1:1  error  NetworkPolicy shop/web         `default.web` and `web` are one policy in Calico 3.30, which stands twice, first in default-web.yaml:1:1
            ! 2 files, 2 objects: 1 errors, 0 warnings, 0 that Calico's pending traces get wrong
            exit code 3
        "#]],
    );
    check(
        &files,
        "policies lint web.yaml default-web.yaml --calico-version 3.32",
        &expect![[r#"
        $ flowstage policies lint web.yaml default-web.yaml --calico-version 3.32
        Nothing is wrong.
        ! 2 files, 2 objects: 0 errors, 0 warnings, 0 that Calico's pending traces get wrong
        exit code 0
    "#]],
    );
}

/// A cluster of Calico 3.31, its policies, and what its records say.
const CLUSTER: &str = "\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop}}
- apiVersion: v1
  kind: Pod
  metadata: {name: db, namespace: shop, labels: {app: db}}
  spec: {nodeName: n1}
  status: {phase: Running, podIP: 10.0.0.2}
- {apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: security}, spec: {order: 100}}
- apiVersion: projectcalico.org/v3
  kind: GlobalNetworkPolicy
  metadata: {name: security.base}
  spec: {tier: security, selector: app == 'db', types: [Ingress], ingress: [{action: Pass}]}
- apiVersion: crd.projectcalico.org/v1
  kind: NetworkPolicy
  metadata: {name: default.db, namespace: shop}
  spec: {selector: app == 'db', types: [Ingress], ingress: [{action: Allow, protocol: TCP, destination: {ports: [5432]}}]}
- apiVersion: projectcalico.org/v3
  kind: StagedNetworkPolicy
  metadata: {name: security.lockdown, namespace: shop}
  spec: {tier: security, order: 5, selector: app == 'db', types: [Ingress], ingress: [{action: Deny}]}
";

/// A record of a caller from outside, with traces.
fn record(enforced: &[&str], pending: &[&str]) -> String {
    serde_json::json!({
        "start_time": 1, "end_time": 2, "reporter": "dst", "action": "allow", "proto": "tcp",
        "source_type": "net", "source_namespace": "-", "source_name": "-", "source_name_aggr": "pub",
        "dest_type": "wep", "dest_namespace": "shop", "dest_name": "db", "dest_name_aggr": "db", "dest_port": 5432,
        "dest_labels": {"labels": ["app=db"]},
        "policies": {"enforced_policies": enforced, "pending_policies": pending},
    })
    .to_string()
}

#[test]
fn traces_of_an_older_calico_agree_with_its_policies() {
    let older = record(
        &["0|security|security.base|pass|0", "1|default|shop/default.db|allow|0"],
        &["0|security|shop/security.staged:lockdown|deny|0"],
    );
    let files = [("cluster.yaml", CLUSTER), ("flows", older.as_str())];
    let line = "replay --policies cluster.yaml --flows flows --log-level error -o csv";
    check(
        &files,
        &format!("{line} --calico-version 3.31"),
        &expect![[r#"
        $ flowstage replay --policies cluster.yaml --flows flows --log-level error -o csv --calico-version 3.31
        policy,rule,direction,source,destination,port,flows,connections,edge
        snp:shop/security.lockdown,security|snp:shop/security.lockdown|ingress|0,ingress,net pub,wep shop/db,tcp/5432,1,0,6df837713395813758de890ca96f1cbe
        ! 1 flows judged on 1 edges; 0 rejected, 0 filtered
        ! 1 would be denied, on 1 edges; 0 undetermined
        ! 1 agree with the traces that were recorded, 0 differ, 0 have none
        exit code 0
    "#]],
    );
    check(
        &files,
        line,
        &expect![[r#"
        $ flowstage replay --policies cluster.yaml --flows flows --log-level error -o csv
        policy,rule,direction,source,destination,port,flows,connections,edge
        snp:shop/security.lockdown,security|snp:shop/security.lockdown|ingress|0,ingress,net pub,wep shop/db,tcp/5432,1,0,6df837713395813758de890ca96f1cbe
        ! 1 flows judged on 1 edges; 0 rejected, 0 filtered
        ! 1 would be denied, on 1 edges; 0 undetermined
        ! 0 agree with the traces that were recorded, 1 differ (unexplained: 1), 0 have none
        exit code 0
    "#]],
    );
    // What 3.32 writes of the same cluster, whose policies have kept their names.
    let newer = record(
        &["0|security|gnp:security.base|pass|0", "1|default|np:shop/default.db|allow|0"],
        &["0|security|snp:shop/security.lockdown|deny|0"],
    );
    check(
        &[("cluster.yaml", CLUSTER), ("flows", newer.as_str())],
        line,
        &expect![[r#"
        $ flowstage replay --policies cluster.yaml --flows flows --log-level error -o csv
        policy,rule,direction,source,destination,port,flows,connections,edge
        snp:shop/security.lockdown,security|snp:shop/security.lockdown|ingress|0,ingress,net pub,wep shop/db,tcp/5432,1,0,6df837713395813758de890ca96f1cbe
        ! 1 flows judged on 1 edges; 0 rejected, 0 filtered
        ! 1 would be denied, on 1 edges; 0 undetermined
        ! 1 agree with the traces that were recorded, 0 differ, 0 have none
        exit code 0
    "#]],
    );
}

#[test]
fn a_policy_is_shown_by_the_name_that_tells_it_from_others() {
    let flow = record(&[], &[]);
    let files = [
        ("cluster.yaml", CLUSTER),
        ("flows", flow.as_str()),
        ("older", "policies: {calico_version: v3.31}\n"),
    ];
    let line = "evaluate --policies cluster.yaml --flows flows -o json";
    check(
        &files,
        &format!("{line} --calico-version 3.31"),
        &expect![[r#"
        $ flowstage evaluate --policies cluster.yaml --flows flows -o json --calico-version 3.31
        {"flow":0,"egress":null,"ingress":{"enforced":{"verdict":"allow","trace":["0|security|gnp:security.base|pass|0","1|default|np:shop/db|allow|0"]},"pending":{"verdict":"deny","trace":["0|security|snp:shop/security.lockdown|deny|0"],"blame":["snp:shop/security.lockdown"]}}}
        exit code 0
    "#]],
    );
    check(
        &files,
        line,
        &expect![[r#"
        $ flowstage evaluate --policies cluster.yaml --flows flows -o json
        {"flow":0,"egress":null,"ingress":{"enforced":{"verdict":"allow","trace":["0|security|gnp:security.base|pass|0","1|default|np:shop/default.db|allow|0"]},"pending":{"verdict":"deny","trace":["0|security|snp:shop/security.lockdown|deny|0"],"blame":["snp:shop/security.lockdown"]}}}
        exit code 0
    "#]],
    );
    // The flag stands above the file.
    check(
        &files,
        "explain --policies cluster.yaml --flows flows --config older",
        &expect![[r#"
        $ flowstage explain --policies cluster.yaml --flows flows --config older
        flow 0: ingress of net pub -> wep shop/db tcp/5432
        enforced: allow
        pending:  deny
        the staged policies would deny it: charged to snp:shop/security.lockdown, to blame snp:shop/security.lockdown
        tier security (ends in deny)
          snp:shop/security.lockdown (staged) selects it: `(app == "db" && projectcalico.org/namespace == "shop")`
            rule 0 deny matches: it asks for nothing
            pending: deny by rule 0
          gnp:security.base selects it: `app == "db"`
            rule 0 pass matches: it asks for nothing
            enforced: pass by rule 0
        tier default (ends in deny)
          np:shop/db selects it: `(app == "db" && projectcalico.org/namespace == "shop")`
            rule 0 allow matches: protocol tcp is tcp; destination port 5432 is in 5432
            enforced: allow by rule 0

        exit code 0
    "#]],
    );
    check(
        &files,
        "explain --policies cluster.yaml --flows flows --config older --calico-version latest",
        &expect![[r#"
            $ flowstage explain --policies cluster.yaml --flows flows --config older --calico-version latest
            flow 0: ingress of net pub -> wep shop/db tcp/5432
            enforced: allow
            pending:  deny
            the staged policies would deny it: charged to snp:shop/security.lockdown, to blame snp:shop/security.lockdown
            tier security (ends in deny)
              snp:shop/security.lockdown (staged) selects it: `(app == "db" && projectcalico.org/namespace == "shop")`
                rule 0 deny matches: it asks for nothing
                pending: deny by rule 0
              gnp:security.base selects it: `app == "db"`
                rule 0 pass matches: it asks for nothing
                enforced: pass by rule 0
            tier default (ends in deny)
              np:shop/default.db selects it: `(app == "db" && projectcalico.org/namespace == "shop")`
                rule 0 allow matches: protocol tcp is tcp; destination port 5432 is in 5432
                enforced: allow by rule 0

            exit code 0
        "#]],
    );
}

/// Whether it applies to a caller is left open by a record without labels, and the trace tells.
const OPEN: &str = "\
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: security}
spec: {order: 100}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: security.base}
spec:
  tier: security
  selector: app == 'db'
  types: [Ingress]
  ingress:
  - {action: Deny, source: {selector: app == 'old'}}
  - {action: Pass}
---
apiVersion: crd.projectcalico.org/v1
kind: NetworkPolicy
metadata: {name: default.db, namespace: shop}
spec: {selector: app == 'db', types: [Ingress], ingress: [{action: Allow, source: {selector: app == 'job'}}]}
";

#[test]
fn recorded_traces_of_an_older_calico_are_evidence_about_its_policies() {
    let flow = record(&["0|security|security.base|pass|1", "1|default|shop/default.db|allow|0"], &[])
        .replace(r#""source_type":"net""#, r#""source_type":"wep""#);
    let flow = flow.replace(r#""source_namespace":"-""#, r#""source_namespace":"shop""#);
    let flow = flow.replace(r#""source_name_aggr":"pub""#, r#""source_name_aggr":"job-*""#);
    let files = [("p.yaml", OPEN), ("flows", flow.as_str())];
    let line = "evaluate --policies p.yaml --flows flows --mode what-if -o json";
    check(
        &files,
        &format!("{line} --calico-version 3.31"),
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows --mode what-if -o json --calico-version 3.31
        {"flow":0,"egress":{"enforced":{"verdict":"allow","trace":["0|__PROFILE__|pro:kns.shop|allow|0"]},"pending":{"verdict":"allow","trace":["0|__PROFILE__|pro:kns.shop|allow|0"]}},"ingress":{"enforced":{"verdict":"allow","trace":["0|security|gnp:security.base|pass|1","1|default|np:shop/db|allow|0"]},"pending":{"verdict":"allow","trace":["0|security|gnp:security.base|pass|1","1|default|np:shop/db|allow|0"]}}}
        exit code 0
    "#]],
    );
    // The newest tells policies by names that the older form of a trace does not tell.
    check(
        &files,
        line,
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows --mode what-if -o json
        {"flow":0,"egress":{"enforced":{"verdict":"allow","trace":["0|__PROFILE__|pro:kns.shop|allow|0"]},"pending":{"verdict":"allow","trace":["0|__PROFILE__|pro:kns.shop|allow|0"]}},"ingress":{"enforced":{"verdict":"undetermined","trace":[],"missing":["source labels"]},"pending":{"verdict":"undetermined","trace":[],"missing":["source labels"]}}}
        exit code 0
    "#]],
    );
}

/// Two policies that tie. From 3.32 on the one with the dash comes first.
#[test]
fn a_tie_is_broken_as_the_release_breaks_it() {
    let policy = |name: &str, action: &str| {
        format!(
            "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {{name: {name}}}\n\
             spec: {{selector: app == 'db', types: [Ingress], ingress: [{{action: {action}}}]}}\n"
        )
    };
    let policies = format!("{}---\n{}", policy("a", "Deny"), policy("a-b", "Allow"));
    let flow = record(&[], &[]);
    let files = [("p.yaml", policies.as_str()), ("flows", flow.as_str())];
    let line = "evaluate --policies p.yaml --flows flows -o json";
    check(
        &files,
        &format!("{line} --calico-version 3.31"),
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows -o json --calico-version 3.31
        {"flow":0,"egress":null,"ingress":{"enforced":{"verdict":"deny","trace":["0|default|gnp:a|deny|0"]},"pending":{"verdict":"deny","trace":["0|default|gnp:a|deny|0"]}}}
        exit code 0
    "#]],
    );
    check(
        &files,
        line,
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows -o json
        {"flow":0,"egress":null,"ingress":{"enforced":{"verdict":"allow","trace":["0|default|gnp:a-b|allow|0"]},"pending":{"verdict":"allow","trace":["0|default|gnp:a-b|allow|0"]}}}
        exit code 0
    "#]],
    );
}

#[test]
fn what_if_follows_the_release_too() {
    let policy = |kind: &str, name: &str, spec: &str| {
        let namespace = if kind.contains("Global") { "" } else { ", namespace: shop" };
        format!(
            "apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{name: {name}{namespace}}}\nspec: {{{spec}}}\n"
        )
    };
    let closed = "selector: app == 'db', types: [Ingress]";
    // The removal of a policy that goes by its other name.
    let removal = format!(
        "{}---\n{}",
        policy("NetworkPolicy", "db", closed),
        policy("StagedNetworkPolicy", "default.db", "stagedAction: Delete")
    );
    // A candidate that ties with what is in force.
    let tie = format!(
        "{}---\n{}",
        policy("GlobalNetworkPolicy", "a", &format!("{closed}, ingress: [{{action: Deny}}]")),
        policy("StagedGlobalNetworkPolicy", "a-b", &format!("{closed}, ingress: [{{action: Allow}}]"))
    );
    let flow = record(&[], &[]);
    let line = "evaluate --policies p.yaml --flows flows --mode what-if -o csv";
    let pending = |policies: &str, version: &str| {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("p.yaml"), policies).unwrap();
        std::fs::write(folder.path().join("flows"), &flow).unwrap();
        let output = run(folder.path(), &format!("{line} --calico-version {version}"));
        let table = String::from_utf8(output.stdout).unwrap();
        let mut lines = table.lines().map(|it| it.split(',').collect::<Vec<_>>());
        let place = lines.next().unwrap().iter().position(|it| *it == "pending").unwrap();
        lines.next().unwrap()[place].to_owned()
    };
    assert_eq!([pending(&removal, "3.31"), pending(&removal, "3.32")], ["allow", "deny"]);
    assert_eq!([pending(&tie, "3.31"), pending(&tie, "3.32")], ["deny", "allow"]);
}

#[test]
fn a_release_that_is_not_known_is_refused_with_those_that_are() {
    let files = [("p.yaml", WEB), ("number.yaml", "policies:\n  calico_version: 3.30\n")];
    check(
        &files,
        "policies lint p.yaml --calico-version 2.6",
        &expect![[r#"
        $ flowstage policies lint p.yaml --calico-version 2.6
        ! error: the configuration has a problem
        !   because: --calico-version: `policies.calico_version`: `2.6` is no release of Calico that is known: write one from 3.20 to 3.33, such as `3.31` or `v3.31.2`, or `latest`
        !   try: `flowstage config print` lists every key with its default
        exit code 2
    "#]],
    );
    check(
        &files,
        "policies lint p.yaml --calico-version 3.3",
        &expect![[r#"
        $ flowstage policies lint p.yaml --calico-version 3.3
        ! error: the configuration has a problem
        !   because: --calico-version: `policies.calico_version`: `3.3` is no release of Calico that is known: write one from 3.20 to 3.33, such as `3.31` or `v3.31.2`, or `latest`; if 3.30 is meant, write `v3.30`: YAML takes 3.30 for the number 3.3
        !   try: `flowstage config print` lists every key with its default
        exit code 2
    "#]],
    );
    check(
        &files,
        "policies lint p.yaml --config number.yaml",
        &expect![[r#"
            $ flowstage policies lint p.yaml --config number.yaml
            ! error: the configuration has a problem
            !   because: number.yaml:2:3: `policies.calico_version`: `3.3` is no release of Calico that is known: write one from 3.20 to 3.33, such as `3.31` or `v3.31.2`, or `latest`; if 3.30 is meant, write `v3.30`: YAML takes 3.30 for the number 3.3
            !   try: `flowstage config print` lists every key with its default
            exit code 2
        "#]],
    );
}

/// Every subcommand that reads policies has the flag.
#[test]
fn all_that_read_policies_take_the_flag() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("p.yaml"), WEB).unwrap();
    for line in [
        "evaluate --policies p.yaml --flows p.yaml",
        "explain --policies p.yaml --flows p.yaml",
        "policies lint p.yaml",
        "replay --policies p.yaml --flows p.yaml",
        "generate --flows 1",
        "demo --seconds 1",
        "run",
    ] {
        let output = run(folder.path(), &format!("{line} --calico-version 3.99"));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(
            told.contains("--calico-version: `policies.calico_version`: `3.99` is no release"),
            "{line}: {told}"
        );
        assert_eq!(output.status.code(), Some(2), "{line}");
    }
}

/// The policies of the demonstration are good for every release, and its records agree with them.
#[test]
fn the_demonstration_is_of_every_release() {
    let folder = tempfile::tempdir().unwrap();
    for version in ["3.28", "3.29", "3.31", "latest"] {
        let output = run(folder.path(), &format!("generate --flows 200 -o flows --calico-version {version}"));
        assert!(output.status.success(), "{version}: {}", String::from_utf8_lossy(&output.stderr));
        let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo/policies");
        let line = format!("replay --flows flows --calico-version {version} --log-level error --policies");
        let output = run(folder.path(), &format!("{line} {}", policies.display()));
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(" agree with the traces that were recorded, 0 differ"), "{version}: {told}");
    }
}
