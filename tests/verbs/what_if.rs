//! Questions of *what if*: what recorded traces settle, and ends that no record can be of.

use expect_test::{Expect, expect};

use super::{check, folder};

/// A record of pods of which nothing is told but their namespaces, with the trace of the end that wrote it.
fn record(reporter: &str, action: &str, trace: &[&str]) -> String {
    let end = |side: &str, name: &str| {
        format!(
            r#""{side}_type":"wep","{side}_namespace":"shop","{side}_name":"-","{side}_name_aggr":"{name}-*","{side}_ip":null"#
        )
    };
    let hits: Vec<String> = trace.iter().map(|it| format!("\"{it}\"")).collect();
    format!(
        r#"{{"start_time":1,"end_time":2,"reporter":"{reporter}","action":"{action}","proto":"tcp",{},{},"dest_port":80,"dest_labels":{{"labels":["app=db"]}},"source_labels":null,"policies":{{"enforced_policies":[{}]}}}}"#,
        end("source", "job"),
        end("dest", "db"),
        hits.join(",")
    )
}

/// `db` is called by whom `known` lists, and a first policy is about to be tightened.
const POLICIES: &str = "\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: known, namespace: shop}
spec:
  order: 20
  selector: app == 'db'
  types: [Ingress]
  ingress:
  - {action: Deny, source: {selector: app == 'old'}}
  - {action: Allow, source: {selector: app == 'job'}}
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: first, namespace: shop}
spec:
  order: 10
  selector: app == 'db'
  types: [Ingress]
  ingress: [{action: Deny, protocol: TCP, destination: {ports: [22]}}]
";

/// Evaluates one record, and compares each end that was judged.
#[track_caller]
fn check_one(policies: &str, record: &str, mode: &str, expected: &Expect) {
    let folder = folder(&[("p.yaml", policies), ("flows.jsonl", record)]);
    let line = ["evaluate", "--policies", "p.yaml", "--flows", "flows.jsonl", "-o", "json", "--mode", mode];
    let output = super::flowstage(folder.path()).args(line).output().unwrap();
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    expected.assert_eq(&answer["ingress"].to_string());
}

#[test]
fn a_recorded_trace_settles_what_the_record_leaves_open() {
    let seen = record("dst", "allow", &["0|default|np:shop/known|allow|1"]);
    check_one(
        POLICIES,
        &seen,
        "what-if",
        &expect![[
            r#"{"enforced":{"trace":["0|default|np:shop/known|allow|1"],"verdict":"allow"},"pending":{"trace":["0|default|np:shop/known|allow|1"],"verdict":"allow"}}"#
        ]],
    );
    let open = expect![[
        r#"{"enforced":{"missing":["source labels"],"trace":[],"verdict":"undetermined"},"pending":{"missing":["source labels"],"trace":[],"verdict":"undetermined"}}"#
    ]];
    for (why, record, mode) in [
        ("other modes ask the policies alone", seen.clone(), "strict"),
        ("other modes ask the policies alone", seen, "conformance"),
        ("it is of the other end", record("src", "allow", &["0|default|np:shop/known|allow|1"]), "what-if"),
        ("it is of neither end", record("fwd", "allow", &["0|default|np:shop/known|allow|1"]), "what-if"),
        ("it is not what was done", record("dst", "deny", &["0|default|np:shop/known|allow|1"]), "what-if"),
        ("there is none", record("dst", "allow", &[]), "what-if"),
        ("it cannot be read", record("dst", "allow", &["0|*|*|allow|*"]), "what-if"),
        (
            "it is of several connections",
            record("dst", "allow", &["0|default|np:shop/known|allow|1", "0|default|np:shop/known|deny|0"]),
            "what-if",
        ),
    ] {
        eprintln!("{why}");
        check_one(POLICIES, &record, mode, &open);
    }
}

/// `known` is to go, which leaves `db` to a policy that the trace shows to have let nobody in.
const REMOVAL: &str = "\
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: before, namespace: shop}
spec: {order: 5, selector: app == 'db', types: [Ingress], ingress: [{action: Allow, source: {selector: app == 'new'}}]}
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: known, namespace: shop}
spec: {stagedAction: Delete}
";

#[test]
fn who_is_to_blame_is_asked_with_the_same_evidence() {
    check_one(
        &format!("{POLICIES}{REMOVAL}"),
        &record("dst", "allow", &["0|default|np:shop/known|allow|1"]),
        "what-if",
        &expect![[
            r#"{"enforced":{"trace":["0|default|np:shop/known|allow|1"],"verdict":"allow"},"pending":{"blame":["snp:shop/known"],"trace":["0|default|np:shop/before|deny|-1"],"verdict":"deny"}}"#
        ]],
    );
}

/// Nobody of `shop` may call out, but for what is to come; and `db` is closed to all but its port.
const OPENING: &str = "\
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: out, namespace: shop}
spec: {selector: all(), types: [Egress], egress: [{action: Deny}]}
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: open, namespace: shop}
spec: {order: 1, selector: all(), types: [Egress], egress: [{action: Allow}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: db, namespace: shop}
spec: {selector: app == 'db', types: [Ingress], ingress: [{action: Allow, protocol: TCP, destination: {ports: [5432]}}]}
";

#[test]
fn an_end_that_the_flow_would_reach_now_is_marked() {
    let flows = [
        record("src", "deny", &["0|default|np:shop/out|deny|0"]),
        // That this end wrote a record shows that it was reached.
        record("dst", "deny", &["0|default|np:shop/db|deny|-1"]),
        // It was let through, as before `out` existed, so the destination may have written one too.
        record("src", "allow", &["0|__PROFILE__|pro:kns.shop|allow|0"]),
    ]
    .join("\n");
    let files = [("p.yaml", OPENING), ("flows.jsonl", flows.as_str())];
    check(
        &files,
        "evaluate --policies p.yaml --flows flows.jsonl --mode what-if -o json",
        &expect![[r#"
            $ flowstage evaluate --policies p.yaml --flows flows.jsonl --mode what-if -o json
            {"flow":0,"egress":{"enforced":{"verdict":"deny","trace":["0|default|np:shop/out|deny|0"]},"pending":{"verdict":"allow","trace":["0|default|np:shop/open|allow|0"]}},"ingress":{"synthesised":true,"enforced":{"verdict":"deny","trace":["0|default|np:shop/db|deny|-1"]},"pending":{"verdict":"deny","trace":["0|default|np:shop/db|deny|-1"]}}}
            {"flow":1,"egress":{"enforced":{"verdict":"deny","trace":["0|default|np:shop/out|deny|0"]},"pending":{"verdict":"allow","trace":["0|default|np:shop/open|allow|0"]}},"ingress":{"enforced":{"verdict":"deny","trace":["0|default|np:shop/db|deny|-1"]},"pending":{"verdict":"deny","trace":["0|default|np:shop/db|deny|-1"]}}}
            {"flow":2,"egress":{"enforced":{"verdict":"deny","trace":["0|default|np:shop/out|deny|0"]},"pending":{"verdict":"allow","trace":["0|default|np:shop/open|allow|0"]}},"ingress":{"enforced":{"verdict":"deny","trace":["0|default|np:shop/db|deny|-1"]},"pending":{"verdict":"deny","trace":["0|default|np:shop/db|deny|-1"]}}}
            exit code 0
        "#]],
    );
    check(
        &files,
        "evaluate --policies p.yaml --flows flows.jsonl --mode what-if",
        &expect![[r#"
            $ flowstage evaluate --policies p.yaml --flows flows.jsonl --mode what-if
             FLOW  DIRECTION  SOURCE          DESTINATION    PORT    ENFORCED  BY                            PENDING  BY                              NOTE
             0     egress     wep shop/job-*  wep shop/db-*  tcp/80  deny      0|default|np:shop/out|deny|0  allow    0|default|np:shop/open|allow|0
             0     ingress    wep shop/job-*  wep shop/db-*  tcp/80  deny      0|default|np:shop/db|deny|-1  deny     0|default|np:shop/db|deny|-1    synthesised
             1     egress     wep shop/job-*  wep shop/db-*  tcp/80  deny      0|default|np:shop/out|deny|0  allow    0|default|np:shop/open|allow|0
             1     ingress    wep shop/job-*  wep shop/db-*  tcp/80  deny      0|default|np:shop/db|deny|-1  deny     0|default|np:shop/db|deny|-1
             2     egress     wep shop/job-*  wep shop/db-*  tcp/80  deny      0|default|np:shop/out|deny|0  allow    0|default|np:shop/open|allow|0
             2     ingress    wep shop/job-*  wep shop/db-*  tcp/80  deny      0|default|np:shop/db|deny|-1  deny     0|default|np:shop/db|deny|-1
            exit code 0
        "#]],
    );
    check(
        &files,
        "evaluate --policies p.yaml --flows flows.jsonl --mode what-if -o csv",
        &expect![[r#"
            $ flowstage evaluate --policies p.yaml --flows flows.jsonl --mode what-if -o csv
            flow,direction,source,destination,port,enforced,enforced_trace,enforced_missing,pending,pending_trace,pending_missing,blame,error,synthesised
            0,egress,wep shop/job-*,wep shop/db-*,tcp/80,deny,0|default|np:shop/out|deny|0,,allow,0|default|np:shop/open|allow|0,,,,
            0,ingress,wep shop/job-*,wep shop/db-*,tcp/80,deny,0|default|np:shop/db|deny|-1,,deny,0|default|np:shop/db|deny|-1,,,,true
            1,egress,wep shop/job-*,wep shop/db-*,tcp/80,deny,0|default|np:shop/out|deny|0,,allow,0|default|np:shop/open|allow|0,,,,
            1,ingress,wep shop/job-*,wep shop/db-*,tcp/80,deny,0|default|np:shop/db|deny|-1,,deny,0|default|np:shop/db|deny|-1,,,,
            2,egress,wep shop/job-*,wep shop/db-*,tcp/80,deny,0|default|np:shop/out|deny|0,,allow,0|default|np:shop/open|allow|0,,,,
            2,ingress,wep shop/job-*,wep shop/db-*,tcp/80,deny,0|default|np:shop/db|deny|-1,,deny,0|default|np:shop/db|deny|-1,,,,
            exit code 0
        "#]],
    );
    let files = [files[0], ("flows.jsonl", flows.lines().next().unwrap())];
    check(
        &files,
        "evaluate --policies p.yaml --flows flows.jsonl --mode what-if -o yaml",
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows.jsonl --mode what-if -o yaml
        - flow: 0
          egress:
            enforced:
              verdict: deny
              trace:
              - "0|default|np:shop/out|deny|0"
            pending:
              verdict: allow
              trace:
              - "0|default|np:shop/open|allow|0"
          ingress:
            synthesised: true
            enforced:
              verdict: deny
              trace:
              - "0|default|np:shop/db|deny|-1"
            pending:
              verdict: deny
              trace:
              - "0|default|np:shop/db|deny|-1"
        exit code 0
    "#]],
    );
    // Other modes speak of what Calico would record.
    check(
        &files,
        "evaluate --policies p.yaml --flows flows.jsonl -o json",
        &expect![[r#"
        $ flowstage evaluate --policies p.yaml --flows flows.jsonl -o json
        {"flow":0,"egress":{"enforced":{"verdict":"deny","trace":["0|default|np:shop/out|deny|0"]},"pending":{"verdict":"allow","trace":["0|default|snp:shop/open|allow|0"]}},"ingress":{"enforced":{"verdict":"deny","trace":["0|default|np:shop/db|deny|-1"]},"pending":{"verdict":"deny","trace":["0|default|np:shop/db|deny|-1"]}}}
        exit code 0
    "#]],
    );
}
