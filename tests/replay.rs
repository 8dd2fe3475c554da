//! `replay` and `demo` as a user runs them: scenarios in `tests/golden/replay`, one folder each, with policies, flows and
//! what is to be printed.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

fn flowstage() -> Command {
    Command::new(env!("CARGO_BIN_EXE_flowstage"))
}

fn scenario(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/replay").join(name)
}

/// Replays a scenario, and compares what is printed. `UPDATE_EXPECT=1` writes it instead.
#[track_caller]
fn check(name: &str, exit: i32) {
    let home = scenario(name);
    let output = flowstage()
        .args(["replay", "--fail-on", "would-deny", "-o", "json", "--log-level", "error", "--policies"])
        .arg(home.join("policies.yaml"))
        .arg("--flows")
        .arg(home.join("flows.json"))
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    let got = format!("{out}---\n{err}");
    let expected = home.join("expected.txt");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&expected, &got).unwrap();
    }
    assert_eq!(got, std::fs::read_to_string(&expected).unwrap(), "{name}");
    assert_eq!(output.status.code(), Some(exit), "{name}");
}

#[test]
fn a_staged_policy_with_the_service_port_would_break_its_caller() {
    check("service-port", 3);
}

#[test]
fn a_tier_of_staged_policies_alone_denies_only_what_is_pending() {
    check("staged-only-tier", 3);
}

#[test]
fn what_a_record_does_not_say_is_undetermined_and_no_finding() {
    check("unknown-labels", 0);
}

#[test]
fn what_was_recorded_otherwise_is_told_by_cause() {
    check("recorded-otherwise", 0);
}

#[test]
fn generated_records_carry_the_traces_of_the_policies_that_they_were_made_for() {
    let home = tempfile::tempdir().unwrap();
    let flows = home.path().join("flows.json");
    let made = flowstage().args(["generate", "--flows", "3000", "-o"]).arg(&flows).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo/policies");
    let output = flowstage()
        .args(["replay", "--log-level", "error", "--policies"])
        .arg(policies)
        .arg("--flows")
        .arg(&flows)
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    let expect = "3000 agree with the traces that were recorded, 0 differ, 0 have none";
    assert_eq!(err.lines().last(), Some(expect), "{err}");
}

#[test]
fn records_that_cannot_be_read_end_the_rehearsal_with_a_code_of_their_own() {
    let folder = tempfile::tempdir().unwrap();
    let flows = folder.path().join("flows.json");
    std::fs::write(&flows, "no record\n").unwrap();
    let output = flowstage()
        .args([
            "replay",
            "--fail-on",
            "would-deny",
            "--log-level",
            "error",
            "--policies",
            "config/demo/policies",
        ])
        .arg("--flows")
        .arg(&flows)
        .output()
        .unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert!(err.contains("0 flows judged on 0 edges; 1 rejected"), "{err}");
    assert_eq!(output.status.code(), Some(4), "a gate must not pass on what it could not read");
}

/// Replays records of which some cannot be read, and returns what is told.
#[track_caller]
fn told_of(folder: &Path, flows: &[&str], input: &str) -> String {
    let mut child = flowstage()
        .current_dir(folder)
        .args(["replay", "--log-level", "warn", "--log-format", "text", "--policies"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("config/demo/policies"))
        .arg("--flows")
        .args(flows)
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(4));
    String::from_utf8(output.stderr).unwrap()
}

/// Returns the warnings without their times and targets.
fn warnings(told: &str) -> Vec<&str> {
    let warnings = told.lines().filter_map(|it| it.split_once(" WARN "));
    warnings.map(|(_, it)| it.split_once(": ").map_or(it, |(_, told)| told)).collect()
}

#[test]
fn a_record_that_cannot_be_read_is_told_by_its_file_and_line() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let flow = std::fs::read_to_string(scenario("service-port").join("flows.json")).unwrap();
    let flow = flow.lines().next().unwrap();
    write("flows.jsonl", format!("{flow}\n\nno record\n{flow}\n").as_bytes());
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(format!("{flow}\n{{}}\n").as_bytes()).unwrap();
    write("later.jsonl.gz", &gzip.finish().unwrap());
    write("last.jsonl.zst", &zstd::stream::encode_all(&b"2\n"[..], 1).unwrap());
    let text = "a record is one JSON object on one line, and begins with `{`, found";
    let other = "no flow record of Calico or Goldmane";
    let told = told_of(folder.path(), &["flows.jsonl", "later.jsonl.gz", "last.jsonl.zst"], "");
    assert_eq!(
        warnings(&told),
        [
            format!("flows.jsonl:3: {text} `no record` reason=\"syntax\" value=no record"),
            format!("later.jsonl.gz:2: {other} reason=\"not_a_flow\" value={{}}"),
            format!("last.jsonl.zst:1: {text} `2` reason=\"syntax\" value=2"),
        ]
    );
    let input = format!("{flow}\nno record\n");
    assert_eq!(
        warnings(&told_of(folder.path(), &["-"], &input)),
        [format!("standard input:2: {text} `no record` reason=\"syntax\" value=no record")]
    );
}

#[test]
fn warnings_of_records_stay_few_and_all_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let told = told_of(folder.path(), &["-"], &"no record\n".repeat(100));
    let places: Vec<&str> = warnings(&told).into_iter().filter_map(|it| it.split(": ").next()).collect();
    assert_eq!(places, (1..=5).map(|line| format!("standard input:{line}")).collect::<Vec<_>>());
    assert!(told.contains("0 flows judged on 0 edges; 100 rejected"), "{told}");
}

/// Flows of one workload to another, on five edges: they differ in the labels of the caller, in the port, in the Service.
fn write_flows_that_look_alike(folder: &Path) {
    let flow = std::fs::read_to_string(scenario("service-port").join("flows.json")).unwrap();
    let flow = flow.lines().next().unwrap();
    let version = |it: &str| flow.replace("[\"app=cart\"]", &format!("[\"app=cart\", \"version={it}\"]"));
    let other_port = flow.replace("\"dest_port\": 8080", "\"dest_port\": 8081");
    let other_service = other_port.replace("\"dest_service_name\": \"-\"", "\"dest_service_name\": \"mail\"");
    let other_service =
        other_service.replace("\"dest_service_namespace\": \"-\"", "\"dest_service_namespace\": \"shop\"");
    let lines = [flow, &version("v1"), &version("v2"), &version("v2"), &other_port, &other_service];
    assert_eq!(lines.iter().collect::<std::collections::BTreeSet<_>>().len(), 5, "the scenario was changed");
    std::fs::write(folder.join("flows.json"), lines.join("\n")).unwrap();
}

fn replayed(folder: &Path, format: &str) -> String {
    let output = flowstage()
        .args(["replay", "--log-level", "error", "-o", format, "--policies"])
        .arg(scenario("service-port").join("policies.yaml"))
        .arg("--flows")
        .arg(folder.join("flows.json"))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn rows_that_would_look_the_same_tell_in_what_they_differ_and_others_stay() {
    let folder = tempfile::tempdir().unwrap();
    write_flows_that_look_alike(folder.path());
    let table = replayed(folder.path(), "table");
    let table: Vec<&str> = table.lines().map(str::trim).collect();
    expect_test::expect![[r#"
        POLICY          RULE                               DIRECTION  SOURCE                            DESTINATION          PORT                    FLOWS  CONNECTIONS
        snp:shop/email  default|snp:shop/email|ingress|-1  ingress    wep shop/cart-7d4f* {no version}  wep shop/email-5c9*  tcp/8080                1      2
        snp:shop/email  default|snp:shop/email|ingress|-1  ingress    wep shop/cart-7d4f*               wep shop/email-5c9*  tcp/8081 by no service  1      2
        snp:shop/email  default|snp:shop/email|ingress|-1  ingress    wep shop/cart-7d4f*               wep shop/email-5c9*  tcp/8081 by shop/mail   1      2
        snp:shop/email  default|snp:shop/email|ingress|-1  ingress    wep shop/cart-7d4f* {version=v1}  wep shop/email-5c9*  tcp/8080                1      2
        snp:shop/email  default|snp:shop/email|ingress|-1  ingress    wep shop/cart-7d4f* {version=v2}  wep shop/email-5c9*  tcp/8080                2      4"#]].assert_eq(&table.join("\n"));
}

#[test]
fn every_edge_has_a_name_and_whole_ends_for_programs() {
    let folder = tempfile::tempdir().unwrap();
    write_flows_that_look_alike(folder.path());
    let json = replayed(folder.path(), "json");
    let rows: Vec<serde_json::Value> = json.lines().map(|it| serde_json::from_str(it).unwrap()).collect();
    let labels: Vec<String> = rows.iter().map(|it| it["peer"]["labels"].to_string()).collect();
    let (v1, v2) = ("{\"app\":\"cart\",\"version\":\"v1\"}", "{\"app\":\"cart\",\"version\":\"v2\"}");
    let cart = "{\"app\":\"cart\"}";
    assert_eq!(labels, [cart, cart, cart, v1, v2]);
    let services: Vec<_> = rows.iter().map(|it| it["service"]["name"].as_str()).collect();
    assert_eq!(services, [None, None, Some("mail"), None, None]);
    let names = |mut names: Vec<String>| {
        names.sort();
        names.dedup();
        names
    };
    let in_json = names(rows.iter().map(|it| it["edge"].as_str().unwrap().to_owned()).collect());
    assert_eq!(in_json.len(), 5, "{json}");
    let csv = replayed(folder.path(), "csv");
    let (head, rows) = csv.split_once('\n').unwrap();
    assert!(head.ends_with(",edge"), "{head}");
    assert_eq!(names(rows.lines().map(|it| it.rsplit(',').next().unwrap().to_owned()).collect()), in_json);
}

#[test]
fn who_reads_no_further_still_learns_that_there_are_findings() {
    let home = scenario("service-port");
    for format in ["table", "json", "csv"] {
        let mut child = flowstage()
            .args(["replay", "--fail-on", "would-deny", "-o", format, "--policies"])
            .arg(home.join("policies.yaml"))
            .arg("--flows")
            .arg(home.join("flows.json"))
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let err = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(3), "{format}: {err}");
        assert!(err.contains("would be denied") && !err.contains("error:"), "{format}: {err}");
    }
}

#[test]
fn a_broken_policy_is_named_with_its_place() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("broken.yaml");
    std::fs::write(
        &path,
        "apiVersion: projectcalico.org/v3\nkind: NetworkPolicy\nmetadata:\n  name: web\n  namespace: shop\nspec:\n  selector: app == 'web\n",
    )
    .unwrap();
    let flows = scenario("service-port").join("flows.json");
    let output =
        flowstage().args(["replay", "--policies"]).arg(&path).arg("--flows").arg(flows).output().unwrap();
    let err = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert!(err.contains("broken.yaml:7:"), "{err}");
    assert!(err.contains("selector"), "{err}");
}

#[test]
fn the_demonstration_names_the_wrong_policy_and_recommends_for_every_application() {
    let mut command = flowstage();
    command.args(["demo", "--seconds", "24", "--rate", "400"]);
    command.env("FLOWSTAGE_HTTP__ADMIN", "127.0.0.1:0").env("FLOWSTAGE_HTTP__API", "127.0.0.1:0");
    let output = command.output().unwrap();
    let (out, err) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{out}\n{err}");
    let wrong: Vec<_> = out.lines().filter(|it| it.trim_start().starts_with("WRONG")).collect();
    assert_eq!(wrong.len(), 1, "{out}");
    assert!(wrong[0].contains("snp:online-boutique/application.emailservice"), "{out}");
    let applications = [
        "bookinfo",
        "client",
        "management-ui",
        "online-boutique",
        "stars",
        "storefront",
        "vote",
        "wordpress",
        "yaobank",
    ];
    for namespace in applications {
        assert!(
            out.contains(&format!("namespace: {namespace}\n")),
            "nothing is recommended for {namespace}:\n{out}"
        );
    }
}
