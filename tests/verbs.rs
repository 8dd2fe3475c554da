//! What a user types who asks single questions: `evaluate`, `explain`, `policies lint`.

use std::fmt::Write as _;
use std::path::Path;

use assert_cmd::Command;
use expect_test::{Expect, expect};

#[path = "verbs/what_if.rs"]
mod what_if;
#[path = "verbs/worlds.rs"]
mod worlds;

/// A folder with files of these names and texts.
fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn flowstage(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_flowstage"));
    command.env_clear().current_dir(folder);
    command
}

/// Runs one line in a folder, with `input` on standard input, and compares all that is written, and the exit code.
#[track_caller]
fn check_in(folder: &Path, line: &str, input: &str, expected: &Expect) {
    let output =
        flowstage(folder).args(line.split_whitespace()).write_stdin(input.to_owned()).output().unwrap();
    let mut transcript = format!("$ flowstage {line}\n");
    transcript.push_str(&String::from_utf8(output.stdout).unwrap());
    for line in String::from_utf8(output.stderr).unwrap().lines() {
        writeln!(transcript, "! {line}").unwrap();
    }
    writeln!(transcript, "exit code {}", output.status.code().unwrap()).unwrap();
    expected.assert_eq(&transcript);
}

#[track_caller]
fn check(files: &[(&str, &str)], line: &str, expected: &Expect) {
    check_in(folder(files).path(), line, "", expected);
}

/// A cluster in the form in which `kubectl get -o yaml` prints one.
const CLUSTER: &str = "\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: shop, labels: {kubernetes.io/metadata.name: shop}}}
- {apiVersion: v1, kind: ServiceAccount, metadata: {name: default, namespace: shop}}
- apiVersion: v1
  kind: Pod
  metadata: {name: web, namespace: shop, labels: {app: web}}
  spec: {serviceAccountName: default, nodeName: n1, containers: []}
  status: {phase: Running, podIPs: [{ip: 10.0.0.1}]}
- apiVersion: v1
  kind: Pod
  metadata: {name: db, namespace: shop, labels: {app: db}}
  spec: {serviceAccountName: default, nodeName: n1, containers: []}
  status: {phase: Running, podIPs: [{ip: 10.0.0.2}]}
";

/// Enforced: everybody may call `db`. Staged beside it: `db` is closed to all but its port.
const POLICIES: &str = "\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  order: 20
  selector: app == 'db'
  types: [Ingress]
  ingress: [{action: Allow}]
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: lockdown, namespace: shop}
spec:
  order: 10
  selector: app == 'db'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: team == 'a' || app == 'web'}, destination: {ports: [5432]}}
  - {action: Deny}
";

/// A record of `web` calling `db` at a port; `end` replaces what is said of the source.
fn record(end: &str, port: u16) -> String {
    format!(
        r#"{{"start_time":1,"end_time":2,"reporter":"dst","action":"allow","proto":"tcp",{end},"source_port":40000,"dest_type":"wep","dest_namespace":"shop","dest_name":"db","dest_name_aggr":"db","dest_ip":"10.0.0.2","dest_port":{port},"dest_labels":{{"labels":["app=db"]}}}}"#
    )
}

const WEB: &str = r#""source_type":"wep","source_namespace":"shop","source_name":"web","source_name_aggr":"web","source_ip":"10.0.0.1","source_labels":{"labels":["app=web"]}"#;
const PUBLIC: &str = r#""source_type":"net","source_namespace":"-","source_name":"-","source_name_aggr":"pub","source_ip":"192.0.2.7""#;
/// A pod that the cluster does not have, and of which the record says nothing but its name.
const STRANGER: &str = r#""source_type":"wep","source_namespace":"shop","source_name":"-","source_name_aggr":"job-*","source_ip":null"#;

fn flows() -> String {
    [record(WEB, 5432), record(WEB, 22), "{}".to_owned(), record(PUBLIC, 22), record(STRANGER, 5432)]
        .join("\n")
}

fn files(flows: &str) -> [(&str, &str); 3] {
    [("cluster.yaml", CLUSTER), ("policies.yaml", POLICIES), ("flows.jsonl", flows)]
}

#[test]
fn every_flow_is_answered_in_order() {
    let flows = flows();
    check(
        &files(&flows),
        "evaluate --policies policies.yaml --cluster cluster.yaml --flows flows.jsonl -o json",
        &expect![[r#"
            $ flowstage evaluate --policies policies.yaml --cluster cluster.yaml --flows flows.jsonl -o json
            {"flow":0,"egress":{"enforced":{"verdict":"allow","trace":["0|__PROFILE__|pro:kns.shop|allow|0"]},"pending":{"verdict":"allow","trace":["0|__PROFILE__|pro:kns.shop|allow|0"]}},"ingress":{"enforced":{"verdict":"allow","trace":["0|default|np:shop/db|allow|0"]},"pending":{"verdict":"allow","trace":["0|default|snp:shop/lockdown|allow|0"]}}}
            {"flow":1,"egress":{"enforced":{"verdict":"allow","trace":["0|__PROFILE__|pro:kns.shop|allow|0"]},"pending":{"verdict":"allow","trace":["0|__PROFILE__|pro:kns.shop|allow|0"]}},"ingress":{"enforced":{"verdict":"allow","trace":["0|default|np:shop/db|allow|0"]},"pending":{"verdict":"deny","trace":["0|default|snp:shop/lockdown|deny|1"],"blame":["snp:shop/lockdown"]}}}
            {"flow":2,"error":"no flow record of Calico or Goldmane"}
            {"flow":3,"egress":null,"ingress":{"enforced":{"verdict":"allow","trace":["0|default|np:shop/db|allow|0"]},"pending":{"verdict":"deny","trace":["0|default|snp:shop/lockdown|deny|1"],"blame":["snp:shop/lockdown"]}}}
            {"flow":4,"egress":{"enforced":{"verdict":"allow","trace":["0|__PROFILE__|pro:kns.shop|allow|0"]},"pending":{"verdict":"allow","trace":["0|__PROFILE__|pro:kns.shop|allow|0"]}},"ingress":{"enforced":{"verdict":"allow","trace":["0|default|np:shop/db|allow|0"]},"pending":{"verdict":"undetermined","trace":[],"missing":["source labels"]}}}
            ! note: flow 2 at flows.jsonl:3 cannot be read: no flow record of Calico or Goldmane
            exit code 4
        "#]],
    );
}

#[test]
fn answers_are_a_table_for_people() {
    let flows = flows();
    check(
        &files(&flows),
        "evaluate --policies policies.yaml cluster.yaml --flows flows.jsonl",
        &expect![[r#"
            $ flowstage evaluate --policies policies.yaml cluster.yaml --flows flows.jsonl
             FLOW  DIRECTION  SOURCE                   DESTINATION             PORT      ENFORCED  BY                                  PENDING       BY                                   NOTE
             0     egress     wep shop/web (10.0.0.1)  wep shop/db (10.0.0.2)  tcp/5432  allow     0|__PROFILE__|pro:kns.shop|allow|0  allow         0|__PROFILE__|pro:kns.shop|allow|0
             0     ingress    wep shop/web (10.0.0.1)  wep shop/db (10.0.0.2)  tcp/5432  allow     0|default|np:shop/db|allow|0        allow         0|default|snp:shop/lockdown|allow|0
             1     egress     wep shop/web (10.0.0.1)  wep shop/db (10.0.0.2)  tcp/22    allow     0|__PROFILE__|pro:kns.shop|allow|0  allow         0|__PROFILE__|pro:kns.shop|allow|0
             1     ingress    wep shop/web (10.0.0.1)  wep shop/db (10.0.0.2)  tcp/22    allow     0|default|np:shop/db|allow|0        deny          0|default|snp:shop/lockdown|deny|1   blame snp:shop/lockdown
             2     -                                                                                                                                                                      error: no flow record of Calico or Goldmane
             3     ingress    net pub (192.0.2.7)      wep shop/db (10.0.0.2)  tcp/22    allow     0|default|np:shop/db|allow|0        deny          0|default|snp:shop/lockdown|deny|1   blame snp:shop/lockdown
             4     egress     wep shop/job-*           wep shop/db (10.0.0.2)  tcp/5432  allow     0|__PROFILE__|pro:kns.shop|allow|0  allow         0|__PROFILE__|pro:kns.shop|allow|0
             4     ingress    wep shop/job-*           wep shop/db (10.0.0.2)  tcp/5432  allow     0|default|np:shop/db|allow|0        undetermined  lacks source labels
            ! note: flow 2 at flows.jsonl:3 cannot be read: no flow record of Calico or Goldmane
            exit code 4
        "#]],
    );
}

#[test]
fn answers_are_yaml_and_csv_for_other_programs() {
    let flows = format!("{}\n[]\n", record(PUBLIC, 22));
    check(
        &files(&flows),
        "evaluate --policies . --flows flows.jsonl -o yaml",
        &expect![[r#"
        $ flowstage evaluate --policies . --flows flows.jsonl -o yaml
        - flow: 0
          egress: null
          ingress:
            enforced:
              verdict: allow
              trace:
              - "0|default|np:shop/db|allow|0"
            pending:
              verdict: deny
              trace:
              - "0|default|snp:shop/lockdown|deny|1"
              blame:
              - "snp:shop/lockdown"
        - flow: 1
          error: "a record is one JSON object; a list is written one record a value"
        ! note: flow 1 at flows.jsonl:2 cannot be read: a record is one JSON object; a list is written one record a value
        exit code 4
    "#]],
    );
    check(
        &files(&flows),
        "evaluate --policies . --flows flows.jsonl -o csv",
        &expect![[r#"
            $ flowstage evaluate --policies . --flows flows.jsonl -o csv
            flow,direction,source,destination,port,enforced,enforced_trace,enforced_missing,pending,pending_trace,pending_missing,blame,error,synthesised
            0,ingress,net pub (192.0.2.7),wep shop/db (10.0.0.2),tcp/22,allow,0|default|np:shop/db|allow|0,,deny,0|default|snp:shop/lockdown|deny|1,,snp:shop/lockdown,,
            1,,,,,,,,,,,,a record is one JSON object; a list is written one record a value,
            ! note: flow 1 at flows.jsonl:2 cannot be read: a record is one JSON object; a list is written one record a value
            exit code 4
        "#]],
    );
}

#[test]
fn flows_come_from_standard_input() {
    let folder = folder(&[("policies.yaml", POLICIES), ("cluster.yaml", CLUSTER)]);
    check_in(
        folder.path(),
        "evaluate --policies . --flows - -o csv --conformance",
        &record(PUBLIC, 5432),
        &expect![[r#"
            $ flowstage evaluate --policies . --flows - -o csv --conformance
            flow,direction,source,destination,port,enforced,enforced_trace,enforced_missing,pending,pending_trace,pending_missing,blame,error,synthesised
            0,ingress,net pub (192.0.2.7),wep shop/db (10.0.0.2),tcp/5432,allow,0|default|np:shop/db|allow|0,,deny,0|default|snp:shop/lockdown|deny|1,,snp:shop/lockdown,,
            exit code 0
        "#]],
    );
}

/// An edit of `db` that keeps out everybody, and a removal of the policy that opens `web`.
const EDITS: &str = "\
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: db, namespace: shop}
spec: {stagedAction: Set, order: 20, selector: app == 'db', types: [Ingress], ingress: [{action: Deny}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {order: 20, selector: app == 'db', types: [Ingress], ingress: [{action: Allow}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec: {order: 20, selector: app == 'web', types: [Egress], egress: [{action: Allow}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: closed, namespace: shop}
spec: {order: 30, selector: app == 'web', types: [Egress]}
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: out, namespace: shop}
spec: {stagedAction: Delete}
";

#[test]
fn what_if_replaces_and_removes_where_pending_adds() {
    let flows = record(WEB, 5432);
    let files = [("edits.yaml", EDITS), ("cluster.yaml", CLUSTER), ("flows.jsonl", flows.as_str())];
    check(
        &files,
        "evaluate --policies . --flows flows.jsonl -o yaml",
        &expect![[r#"
        $ flowstage evaluate --policies . --flows flows.jsonl -o yaml
        - flow: 0
          egress:
            enforced:
              verdict: allow
              trace:
              - "0|default|np:shop/out|allow|0"
            pending:
              verdict: allow
              trace:
              - "0|default|np:shop/out|allow|0"
          ingress:
            enforced:
              verdict: allow
              trace:
              - "0|default|np:shop/db|allow|0"
            pending:
              verdict: allow
              trace:
              - "0|default|np:shop/db|allow|0"
        exit code 0
    "#]],
    );
    check(
        &files,
        "evaluate --policies . --flows flows.jsonl -o yaml --mode what-if",
        &expect![[r#"
        $ flowstage evaluate --policies . --flows flows.jsonl -o yaml --mode what-if
        - flow: 0
          egress:
            enforced:
              verdict: allow
              trace:
              - "0|default|np:shop/out|allow|0"
            pending:
              verdict: deny
              trace:
              - "0|default|np:shop/closed|deny|-1"
              blame:
              - "snp:shop/out"
          ingress:
            enforced:
              verdict: allow
              trace:
              - "0|default|np:shop/db|allow|0"
            pending:
              verdict: deny
              trace:
              - "0|default|np:shop/db|deny|0"
              blame:
              - "snp:shop/db"
        exit code 0
    "#]],
    );
}

#[test]
fn what_cannot_be_asked_is_refused_with_a_way_out() {
    let files = files("");
    check(
        &files,
        "evaluate --policies policies.yaml --flows nowhere.jsonl",
        &expect![[r#"
        $ flowstage evaluate --policies policies.yaml --flows nowhere.jsonl
        ! error: the flows cannot be read
        !   because: cannot read `nowhere.jsonl`
        !   because: there is no such file: check the path, or use `-` for standard input
        !   try: `--flows` takes a file of records, one JSON object a line, or `-` for standard input
        exit code 1
    "#]],
    );
    check(
        &files,
        "evaluate --policies nowhere --flows flows.jsonl",
        &expect![[r#"
            $ flowstage evaluate --policies nowhere --flows flows.jsonl
            ! error: cannot read the policies `nowhere`
            !   because: No such file or directory (os error 2)
            !   try: check the path: a folder is expected, or a file, of policies and other manifests as `kubectl get -o yaml` prints them
            exit code 1
        "#]],
    );
    check(
        &files,
        "evaluate --policies . --flows flows.jsonl --mode strict --conformance",
        &expect![[r#"
        $ flowstage evaluate --policies . --flows flows.jsonl --mode strict --conformance
        ! error: the argument '--mode <MODE>' cannot be used with '--conformance'
        ! 
        ! Usage: flowstage evaluate --policies <PATH>... --flows <FILE> --mode <MODE>
        ! 
        ! For more information, try '--help'.
        exit code 2
    "#]],
    );
    check(
        &files,
        "explain --policies . --flows flows.jsonl --mode what-if",
        &expect![[r#"
        $ flowstage explain --policies . --flows flows.jsonl --mode what-if
        ! error: invalid value 'what-if' for '--mode <MODE>'
        !   [possible values: strict, conformance]
        ! 
        ! For more information, try '--help'.
        exit code 2
    "#]],
    );
    check(
        &files,
        "explain --policies . --flows flows.jsonl --flow 3",
        &expect![[r#"
        $ flowstage explain --policies . --flows flows.jsonl --flow 3
        ! error: there is no flow 3: the file holds 0
        !   try: flows are counted from 0
        exit code 1
    "#]],
    );
}

#[test]
fn every_mode_that_is_offered_is_taken() {
    let files = [("p.yaml", CLUSTER), ("flows.jsonl", "")];
    let folder = folder(&files);
    for (verb, modes) in
        [("evaluate", &["strict", "conformance", "what-if"][..]), ("explain", &["strict", "conformance"])]
    {
        let help = flowstage(folder.path()).args([verb, "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        let section = help.split("--mode <MODE>").nth(1).and_then(|it| it.split("[default").next()).unwrap();
        let offered: Vec<&str> = section
            .lines()
            .filter_map(|it| it.trim_start().strip_prefix("- ")?.split_once(':'))
            .map(|(mode, _)| mode)
            .collect();
        assert_eq!(offered, modes, "{verb}");
        for mode in modes {
            let mut command = flowstage(folder.path());
            command.args([verb, "--policies", ".", "--flows", "flows.jsonl", "--mode", mode]);
            assert_eq!(command.output().unwrap().status.code(), Some(0), "{verb} --mode {mode}");
        }
    }
}

#[test]
fn a_flow_is_explained_rule_by_rule() {
    let flows = flows();
    check(
        &files(&flows),
        "explain --policies . --flows flows.jsonl --flow 1",
        &expect![[r#"
        $ flowstage explain --policies . --flows flows.jsonl --flow 1
        flow 1: egress of wep shop/web (10.0.0.1) -> wep shop/db (10.0.0.2) tcp/22
        enforced: allow
        pending:  allow
        enforced: no tier decided; profile kns.shop: allow
        pending: no tier decided; profile kns.shop: allow

        flow 1: ingress of wep shop/web (10.0.0.1) -> wep shop/db (10.0.0.2) tcp/22
        enforced: allow
        pending:  deny
        the staged policies would deny it: charged to snp:shop/lockdown, to blame snp:shop/lockdown
        tier default (ends in deny)
          snp:shop/lockdown (staged) selects it: `(app == "db" && projectcalico.org/namespace == "shop")`
            rule 0 allow does not match: destination port 22 is not in 5432
            rule 1 deny matches: it asks for nothing
            pending: deny by rule 1
          np:shop/db selects it: `(app == "db" && projectcalico.org/namespace == "shop")`
            rule 0 allow matches: it asks for nothing
            enforced: allow by rule 0

        exit code 0
    "#]],
    );
    check(
        &files(&flows),
        "explain --policies . --flows flows.jsonl --flow 2",
        &expect![[r#"
        $ flowstage explain --policies . --flows flows.jsonl --flow 2
        flow 2 cannot be read: no flow record of Calico or Goldmane

        ! note: flow 2 at flows.jsonl:3 cannot be read: no flow record of Calico or Goldmane
        exit code 4
    "#]],
    );
    check(
        &files(&flows),
        "explain --policies . --flows flows.jsonl --flow 4 -o json",
        &expect![[r#"
        $ flowstage explain --policies . --flows flows.jsonl --flow 4 -o json
        {"flow":4,"egress":{"connection":"wep shop/job-* -> wep shop/db (10.0.0.2) tcp/5432","enforced":{"verdict":"allow","trace":["0|__PROFILE__|pro:kns.shop|allow|0"]},"pending":{"verdict":"allow","trace":["0|__PROFILE__|pro:kns.shop|allow|0"]},"outcome":"agrees","tiers":[],"not_selecting":[]},"ingress":{"connection":"wep shop/job-* -> wep shop/db (10.0.0.2) tcp/5432","enforced":{"verdict":"allow","trace":["0|default|np:shop/db|allow|0"]},"pending":{"verdict":"undetermined","trace":[],"missing":["source labels"]},"outcome":"undetermined","tiers":[{"tier":"default","exists":true,"default_action":"deny","policies":[{"policy":"snp:shop/lockdown","staged":true,"selects":true,"selector":"`(app == \"db\" && projectcalico.org/namespace == \"shop\")`","rules":[{"rule":0,"action":"allow","matches":{"missing":["source labels"]},"reasons":[{"holds":true,"text":"protocol tcp is tcp"},{"holds":{"missing":["source labels"]},"text":"whether source wep shop/job-* matches `(projectcalico.org/namespace == \"shop\" && (team == \"a\" || app == \"web\"))` cannot be told: the record lacks source labels"},{"holds":true,"text":"destination port 5432 is in 5432"}]},{"rule":1,"action":"deny","matches":true,"reasons":[]}],"enforced":null,"pending":null},{"policy":"np:shop/db","staged":false,"selects":true,"selector":"`(app == \"db\" && projectcalico.org/namespace == \"shop\")`","rules":[{"rule":0,"action":"allow","matches":true,"reasons":[]}],"enforced":{"action":"allow","rule":0},"pending":null}]}],"not_selecting":[]}}
        ! note: flow 2 at flows.jsonl:3 cannot be read: no flow record of Calico or Goldmane
        exit code 0
    "#]],
    );
}

#[test]
fn sound_policies_have_no_findings() {
    check(
        &files(""),
        "policies lint policies.yaml cluster.yaml",
        &expect![[r#"
        $ flowstage policies lint policies.yaml cluster.yaml
        Nothing is wrong.
        ! 2 files, 6 objects: 0 errors, 0 warnings, 0 that Calico's pending traces get wrong
        exit code 0
    "#]],
    );
}

/// A policy that can be read, with much that never does anything.
const ODD: &str = "\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: odd, namespace: shop}
spec:
  tier: nowhere
  selector: app == 'db' && app == 'web'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, destination: {ports: [http]}}
  - {action: Deny}
  - {action: Allow, protocol: UDP}
";

#[test]
fn what_is_odd_is_listed_with_its_place() {
    let files = [("odd.yaml", ODD), ("policies.yaml", POLICIES)];
    check(
        &files,
        "policies lint .",
        &expect![[r#"
        $ flowstage policies lint .
         PLACE           LEVEL    OBJECT                  FIELD                              FINDING
         ./odd.yaml:1:1  warning  NetworkPolicy shop/odd  spec.ingress[2]                    the rule is never reached: rule 1 before it matches everything
         ./odd.yaml:1:1  warning  NetworkPolicy shop/odd  spec.selector                      no endpoint can satisfy the selector, together with those of namespaces and service accounts
         ./odd.yaml:1:1  warning  NetworkPolicy shop/odd  spec.tier                          the tier `nowhere` does not exist; the policy is evaluated last, and its tier ends in deny
         ./odd.yaml:1:1  calico   NetworkPolicy shop/odd  spec.ingress[0].destination.ports  in Calico's pending traces the port `http` never matches by name
        ! 2 files, 3 objects: 0 errors, 3 warnings, 1 that Calico's pending traces get wrong
        exit code 3
    "#]],
    );
    check(
        &files,
        "policies lint . -o json",
        &expect![[r#"
        $ flowstage policies lint . -o json
        {"file":"./odd.yaml","line":1,"column":1,"level":"warning","object":"NetworkPolicy shop/odd","path":"spec.ingress[2]","finding":"unreachable-rule","text":"the rule is never reached: rule 1 before it matches everything"}
        {"file":"./odd.yaml","line":1,"column":1,"level":"warning","object":"NetworkPolicy shop/odd","path":"spec.selector","finding":"contradictory-selector","text":"no endpoint can satisfy the selector, together with those of namespaces and service accounts"}
        {"file":"./odd.yaml","line":1,"column":1,"level":"warning","object":"NetworkPolicy shop/odd","path":"spec.tier","finding":"hardly-meant","text":"the tier `nowhere` does not exist; the policy is evaluated last, and its tier ends in deny"}
        {"file":"./odd.yaml","line":1,"column":1,"level":"calico","object":"NetworkPolicy shop/odd","path":"spec.ingress[0].destination.ports","finding":"named-ports","text":"in Calico's pending traces the port `http` never matches by name"}
        ! 2 files, 3 objects: 0 errors, 3 warnings, 1 that Calico's pending traces get wrong
        exit code 3
    "#]],
    );
}

/// A staged edit that asks for a network set, and a recommendation that was turned down.
const STAGED: &str = "\
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: db, namespace: shop}
spec:
  tier: default
  order: 10
  selector: app == 'db'
  types: [Ingress]
  ingress: [{action: Allow, source: {selector: feed == 'partners'}}]
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: idea, namespace: shop}
spec: {tier: default, stagedAction: Ignore, selector: app == 'db', types: [Ingress]}
---
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {name: partners, namespace: shop, labels: {feed: partners}}
spec: {nets: [198.51.100.0/28]}
";

#[test]
fn limits_of_the_rehearsal_of_calico_are_listed_and_are_findings() {
    check(
        &[("policies.yaml", POLICIES), ("staged.yaml", STAGED)],
        "policies lint .",
        &expect![[r#"
        $ flowstage policies lint .
         PLACE               LEVEL   OBJECT                         FIELD                            FINDING
         ./staged.yaml:1:1   calico  StagedNetworkPolicy shop/db                                     Calico's pending traces evaluate it beside np:shop/db and not in its place; `flowstage evaluate --mode what-if` shows the edit
         ./staged.yaml:1:1   calico  StagedNetworkPolicy shop/db    spec.ingress[0].source.selector  the pending traces of one release of Calico (a snapshot of August 2026) never match 198.51.100.0/28 of the network set shop/partners
         ./staged.yaml:11:1  calico  StagedNetworkPolicy shop/idea  spec.stagedAction                Calico's pending traces evaluate it as though `Ignore` were `Set`; `flowstage evaluate --mode what-if` leaves it out
        ! 2 files, 5 objects: 0 errors, 0 warnings, 3 that Calico's pending traces get wrong
        exit code 3
    "#]],
    );
}

/// Lints one policy with a mistake in it.
#[track_caller]
fn check_mistake(right: &str, wrong: &str, expected: &Expect) {
    assert!(POLICIES.contains(right), "{right}");
    let text = POLICIES.replacen(right, wrong, 1);
    let folder = folder(&[("p.yaml", &text)]);
    let output = flowstage(folder.path()).args(["policies", "lint", "p.yaml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let table = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<&str> = table.lines().skip(1).map(str::trim).collect();
    // One message each.
    assert_eq!(rows.len(), 1, "{table}");
    let columns: Vec<&str> = rows[0].split("  ").map(str::trim).filter(|it| !it.is_empty()).collect();
    expected.assert_eq(&columns.join("\n"));
}

#[test]
fn each_mistake_has_one_clear_message() {
    check_mistake(
        "action: Allow}",
        "action: Alow}",
        &expect![[r#"
        p.yaml:8:22
        error
        NetworkPolicy shop/db
        spec.ingress[0].action
        unknown action `Alow`; did you mean `Allow`?"#]],
    );
    check_mistake(
        "ingress: [{action: Allow}]",
        "ingress: [{action: Allow]",
        &expect![[r#"
        p.yaml:8:13
        error
        the YAML does not parse: mismatched bracket '{' closed by ']'"#]],
    );
    check_mistake(
        "app == 'db'",
        "(app == 'db'",
        &expect![[r#"
        p.yaml:6:13
        error
        NetworkPolicy shop/db
        spec.selector
        the selector `(app == 'db'` does not parse at column 1: the parenthesis that opens here is never closed"#]],
    );
    check_mistake(
        "ports: [5432]",
        "ports: ['5432:80']",
        &expect![[r#"
        p.yaml:18:107
        error
        StagedNetworkPolicy shop/lockdown
        spec.ingress[0].destination.ports[0]
        the range `5432:80` is upside down; did you mean `80:5432`?"#]],
    );
    check_mistake(
        "  order: 20",
        "\torder: 20",
        &expect![[r#"
            p.yaml:5:1
            error
            the YAML does not parse: tabs disallowed within this context (block indentation); a tab stands where only spaces may indent"#]],
    );
    check_mistake(
        "order: 10",
        "tier: secruity",
        &expect![[r#"
        p.yaml:10:1
        warning
        StagedNetworkPolicy shop/lockdown
        spec.tier
        the tier `secruity` does not exist; the policy is evaluated last, and its tier ends in deny"#]],
    );
    check_mistake(
        "StagedNetworkPolicy",
        "StagedNetworkPolcy",
        &expect![[r#"
        p.yaml:11:7
        error
        StagedNetworkPolcy shop/lockdown
        kind `StagedNetworkPolcy` of api version `projectcalico.org/v3` is not supported; did you mean `StagedNetworkPolicy`?"#]],
    );
    check_mistake(
        "  selector",
        "  selecter",
        &expect![[r#"
        p.yaml:6:3
        error
        NetworkPolicy shop/db
        spec.selecter
        unknown field; did you mean `selector`?"#]],
    );
}

/// Every subcommand that judges asks the configuration where pods have their addresses.
#[test]
fn what_is_supposed_of_pods_is_configured() {
    let policies = "\
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: corp, labels: {zone: corp}}
spec: {nets: [203.0.113.0/24]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: not-corp}
spec:
  selector: app == 'db'
  types: [Ingress]
  ingress: [{action: Deny, source: {selector: zone == 'corp', namespaceSelector: global()}}, {action: Allow}]
";
    let flows = record(STRANGER, 5432);
    let folder =
        folder(&[("p.yaml", policies), ("flows", &flows), ("none", "policies: {pod_networks: []}\n")]);
    let said = |line: &str| {
        let output = flowstage(folder.path()).args(line.split(' ')).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    for verb in ["evaluate", "explain"] {
        let line = format!("{verb} --policies p.yaml --flows flows");
        let sure = said(&line);
        assert!(sure.contains("allow") && !sure.contains("undetermined"), "{sure}");
        for nothing in ["--set policies.pod_networks=", "--config none"] {
            let unsure = said(&format!("{line} {nothing}"));
            assert!(unsure.contains("undetermined"), "{nothing}: {unsure}");
        }
    }
    let line = "replay --policies p.yaml --flows flows";
    let summary = |line: &str| {
        let output = flowstage(folder.path()).args(line.split(' ')).output().unwrap();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(summary(line).contains(" 0 undetermined"), "{}", summary(line));
    let unsure = summary(&format!("{line} --set policies.pod_networks="));
    assert!(unsure.contains(" 1 undetermined"), "{unsure}");
}

/// Policies that take more than one MiB when they are compiled, the least that can be allowed.
fn large_policies() -> String {
    let mut text = String::new();
    for policy in 0..500 {
        let head = "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy";
        writeln!(text, "---\n{head}\nmetadata: {{name: db-{policy}, namespace: shop}}").unwrap();
        writeln!(text, "spec:\n  selector: app == 'db'\n  types: [Ingress]\n  ingress:").unwrap();
        for port in 1..=10 {
            writeln!(text, "  - {{action: Allow, protocol: TCP, destination: {{ports: [{port}]}}}}").unwrap();
        }
    }
    text
}

#[test]
fn policies_that_run_would_refuse_for_their_size_are_told_beforehand() {
    let flow = record(WEB, 5432);
    let folder = folder(&[("cluster.yaml", CLUSTER), ("policies.yaml", &large_policies()), ("flows", &flow)]);
    let bound = "--set limits.compiled_policies_mib=1";
    let lint = format!("policies lint policies.yaml cluster.yaml -o json {bound}");
    check_in(
        folder.path(),
        &lint,
        "",
        &expect![[r#"
            $ flowstage policies lint policies.yaml cluster.yaml -o json --set limits.compiled_policies_mib=1
            {"file":"policies.yaml cluster.yaml","line":1,"column":1,"level":"error","object":null,"path":"","finding":"too-large","text":"the compiled policies take 2 MiB, and `limits.compiled_policies_mib` allows 1; `flowstage run` refuses them"}
            ! 2 files, 504 objects: 1 errors, 0 warnings, 0 that Calico's pending traces get wrong
            exit code 3
        "#]],
    );
    let replay = format!("replay --policies policies.yaml --flows flows -o csv --log-level error {bound}");
    check_in(
        folder.path(),
        &replay,
        "",
        &expect![[r#"
            $ flowstage replay --policies policies.yaml --flows flows -o csv --log-level error --set limits.compiled_policies_mib=1
            policy,rule,direction,source,destination,port,flows,connections,edge
            ! warning: the compiled policies take 2 MiB, and `limits.compiled_policies_mib` allows 1; `flowstage run` refuses them
            ! 1 flows judged on 1 edges; 0 rejected, 0 filtered
            ! 0 would be denied, on 0 edges; 0 undetermined
            ! 0 agree with the traces that were recorded, 1 differ (unexplained: 1), 0 have none
            exit code 0
        "#]],
    );
    let run = format!("run --policies policies.yaml --brokers localhost:1 {bound}");
    check_in(
        folder.path(),
        &run,
        "",
        &expect![[r#"
        $ flowstage run --policies policies.yaml --brokers localhost:1 --set limits.compiled_policies_mib=1
        ! error: the policies cannot be used
        !   because: the compiled policies take 2 MiB, and `limits.compiled_policies_mib` allows 1
        !   try: raise `limits.compiled_policies_mib`, or leave out what is not of this cluster
        exit code 1
    "#]],
    );
    // The default allows them.
    check_in(
        folder.path(),
        "policies lint policies.yaml cluster.yaml",
        "",
        &expect![[r#"
            $ flowstage policies lint policies.yaml cluster.yaml
            Nothing is wrong.
            ! 2 files, 504 objects: 0 errors, 0 warnings, 0 that Calico's pending traces get wrong
            exit code 0
        "#]],
    );
}

#[test]
fn lint_is_found_where_others_have_it_too() {
    let odd = POLICIES.replace("order: 20", "tier: nowhere");
    let folder = folder(&[("policies.yaml", odd.as_str()), ("cluster.yaml", CLUSTER)]);
    let lint = |line: &str| {
        let output = flowstage(folder.path()).args(line.split_whitespace()).output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), output.stderr)
    };
    let expected = lint("policies lint policies.yaml cluster.yaml");
    assert!(expected.1.contains("policies.yaml:"), "{expected:?}");
    for line in [
        "lint policies.yaml cluster.yaml",
        "policies lint --policies policies.yaml cluster.yaml",
        "policies lint policies.yaml --policies cluster.yaml",
    ] {
        assert_eq!(lint(line), expected, "{line}");
    }
    let help = lint("--help").1 + &lint("policies lint --help").1;
    assert!(!help.contains("\n  lint ") && !help.contains("--policies"), "one form is shown: {help}");
    let usage = "Usage: flowstage policies lint [OPTIONS] <PATH>...";
    assert!(help.contains(usage) && String::from_utf8(lint("lint").2).unwrap().contains(usage), "{help}");
}
