//! Rules and dashboard: every metric and label that they name exists, and promtool takes them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::process::Command;
use std::time::Duration;

use flowstage::telemetry::{
    BuildInfo, Check, DeniedFlows, DirectionLabel, Health, Metrics, PolicySeries, Stage, TransitionLabel,
};
use serde_json::Value;

use crate::{path, read};

/// A scrape of a process in which everything that has labels of its own has happened once.
fn dump() -> String {
    let metrics = Metrics::new(&BuildInfo { version: "0", revision: "0", rustc: "0", librdkafka: "0" });
    let series = PolicySeries {
        kind: "StagedNetworkPolicy".into(),
        tier: "default".into(),
        namespace: "shop".into(),
        name: "default.web".into(),
    };
    let counters = metrics.install_policies(&[series]);
    let denied = DeniedFlows { flows: 1, connections: 1, bytes: 1 };
    let slot = counters.get(0).unwrap();
    slot.add_denied(DirectionLabel::Ingress, TransitionLabel::NewlyDenied, denied, 1.0);
    let health = Health::new(&metrics, &[Check::Kafka]);
    health.pass(Check::Kafka);
    metrics.stage_recorder().record(Stage::Poll, Duration::from_millis(1));
    metrics.http_request_duration.with(["GET", "/metrics", "2xx"]).observe(0.1);
    metrics.kafka_records_consumed.with(["flows"]).inc();
    metrics.kafka_bytes_consumed.with(["flows"]).inc();
    metrics.kafka_assigned_partitions.with(["flows"]).set(1.0);
    metrics.kafka_lag_records.with(["flows", "0"]).set(1.0);
    metrics.kafka_lag_seconds.with(["flows", "0"]).set(1.0);
    metrics.kafka_errors.with(["transport"]).inc();
    metrics.records_decoded.with(["calico"]).inc();
    metrics.records_rejected.with(["calico", "syntax"]).inc();
    metrics.records_filtered.with(["forwarded"]).inc();
    metrics.event_time_watermark.with(["flows"]).set(1.0);
    metrics.accounting_error.with(["0"]).set(0.0);
    metrics.replay_disagreements.with(["unexplained"]).inc();
    metrics.state_entries.with(["edges"]).set(1.0);
    metrics.reports_published.with(["edges"]).inc();
    metrics.output_records.with(["kafka", "dropped"]).inc();
    metrics.output_queue_depth.with(["kafka"]).set(1.0);
    let dropped = metrics.series_dropped.with(["flowstage_staged_policy_info"]);
    dropped.inc();
    metrics.render()
}

/// The metrics of a scrape, each with the labels that it has, and those that a scrape adds.
fn scraped() -> BTreeMap<String, BTreeSet<String>> {
    let mut metrics: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in dump().lines().filter(|it| !it.starts_with('#')) {
        let name_end = line.find(['{', ' ']).unwrap();
        let labels = metrics.entry(line[..name_end].to_owned()).or_default();
        labels.extend(["job".to_owned(), "instance".to_owned()]);
        labels.extend(matchers(&line[name_end..]));
    }
    metrics
}

/// The names before `=` within the braces at the beginning of `text`.
fn matchers(text: &str) -> Vec<String> {
    let Some(inner) = text.strip_prefix('{').and_then(|it| it.split('}').next()) else { return Vec::new() };
    inner
        .split(',')
        .filter_map(|it| it.split_once(['=', '!']))
        .map(|(name, _)| name.trim().to_owned())
        .collect()
}

/// The metrics in an expression, each with the labels of its matchers. Recorded ones (with a colon) are left out.
fn uses(expression: &str) -> Vec<(String, Vec<String>)> {
    let word = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == ':';
    let mut uses = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(word) {
        let tail = &rest[start..];
        let end = tail.find(|it| !word(it)).unwrap_or(tail.len());
        let name = &tail[..end];
        if (name.starts_with("flowstage_") || name.starts_with("process_")) && !name.contains(':') {
            uses.push((name.to_owned(), matchers(&tail[end..])));
        }
        rest = &tail[end..];
    }
    uses
}

#[track_caller]
fn check(place: &str, expression: &str, scraped: &BTreeMap<String, BTreeSet<String>>) -> usize {
    let uses = uses(expression);
    for (name, labels) in &uses {
        let known = scraped.get(name).unwrap_or_else(|| panic!("{place}: no process has `{name}`"));
        for label in labels {
            assert!(known.contains(label), "{place}: `{name}` has no label `{label}`, only {known:?}");
        }
    }
    uses.len()
}

fn rules() -> Vec<Value> {
    let file: Value = serde_saphyr::from_str(&read("prometheus/rules.yaml")).unwrap();
    let groups = file["groups"].as_array().unwrap();
    groups.iter().flat_map(|it| it["rules"].as_array().unwrap().clone()).collect()
}

/// Every expression of the dashboard, with the panel it is of.
fn panels() -> Vec<(String, String)> {
    let dashboard: Value = serde_json::from_str(&read("grafana/flowstage.json")).unwrap();
    let mut expressions = Vec::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let expression = target["expr"].as_str().unwrap().to_owned();
            expressions.push((panel["title"].as_str().unwrap().to_owned(), expression));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        if let Some(query) = variable["query"]["query"].as_str() {
            expressions.push((variable["name"].as_str().unwrap().to_owned(), query.to_owned()));
        }
    }
    expressions
}

#[test]
fn rules_name_only_metrics_and_labels_that_a_process_has() {
    let scraped = scraped();
    let recorded: BTreeSet<String> =
        rules().iter().filter_map(|it| it["record"].as_str().map(str::to_owned)).collect();
    let mut found = 0;
    for rule in rules() {
        let name = rule["alert"].as_str().or(rule["record"].as_str()).unwrap().to_owned();
        let expression = rule["expr"].as_str().unwrap();
        found += check(&name, expression, &scraped);
        for word in expression.split(|it: char| !(it.is_ascii_alphanumeric() || it == '_' || it == ':')) {
            // A part of a duration or a selector never has two colons in it.
            if word.matches(':').count() == 2 {
                assert!(recorded.contains(word), "{name}: nothing records `{word}`");
            }
        }
    }
    assert!(found > 20, "only {found} metrics were found in the rules");
}

#[test]
fn panels_name_only_metrics_and_labels_that_a_process_has() {
    let scraped = scraped();
    let found: usize = panels().iter().map(|(title, expression)| check(title, expression, &scraped)).sum();
    assert!(found > 40, "only {found} metrics were found in the dashboard");
}

#[test]
fn the_check_notices_a_metric_or_a_label_that_does_not_exist() {
    let scraped = scraped();
    let fails = |expression: &str| std::panic::catch_unwind(|| check("x", expression, &scraped)).is_err();
    assert!(!fails("rate(flowstage_flows_total{action=\"deny\", job=~\"$job\"}[5m])"));
    assert!(fails("rate(flowstage_flow_total[5m])"));
    assert!(fails("rate(flowstage_flows_total{verdict=\"deny\"}[5m])"));
}

#[test]
fn the_first_alert_is_the_would_be_deny_and_each_says_what_to_do() {
    let rules = rules();
    let alerts: Vec<&Value> = rules.iter().filter(|it| it["alert"].is_string()).collect();
    assert_eq!(alerts[0]["alert"], "StagedPolicyWouldDeny");
    let runbooks = read("prometheus/runbooks.md");
    let headings: BTreeSet<String> =
        runbooks.lines().filter_map(|it| it.strip_prefix("## ")).map(str::to_owned).collect();
    let mut named = BTreeSet::new();
    for alert in alerts {
        let name = alert["alert"].as_str().unwrap();
        assert!(named.insert(name.to_owned()), "{name} stands twice");
        for annotation in ["summary", "description"] {
            assert!(alert["annotations"][annotation].is_string(), "{name} has no {annotation}");
        }
        let severity = alert["labels"]["severity"].as_str().unwrap();
        assert!(["info", "warning", "critical"].contains(&severity), "{name}: {severity}");
        let runbook = format!("runbooks.md#{}", name.to_lowercase());
        assert_eq!(alert["annotations"]["runbook_url"], runbook);
    }
    assert_eq!(named, headings, "alerts and runbooks");
}

#[test]
fn the_dashboard_has_its_rows_and_no_two_panels_on_one_place() {
    let dashboard: Value = serde_json::from_str(&read("grafana/flowstage.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let rows: Vec<&str> =
        panels.iter().filter(|it| it["type"] == "row").map(|it| it["title"].as_str().unwrap()).collect();
    let expected = ["Would-be denies", "Coverage", "Lag", "Throughput", "Latency", "Errors", "Runtime"];
    assert_eq!(rows, expected);
    let mut ids = BTreeSet::new();
    let mut places = BTreeSet::new();
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()));
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(places.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
        if panel["type"] != "row" {
            assert!(panel["description"].is_string(), "{}", panel["title"]);
            assert_eq!(panel["datasource"]["uid"], "${datasource}");
        }
    }
}

fn promtool() -> Option<OsString> {
    let promtool = std::env::var_os("FLOWSTAGE_PROMTOOL");
    if promtool.is_none() {
        eprintln!("left out: checks by promtool, since FLOWSTAGE_PROMTOOL does not name it");
    }
    promtool
}

#[track_caller]
fn run(promtool: &OsString, arguments: &[&str], file: &std::path::Path) {
    let output = Command::new(promtool).args(arguments).arg(file).output().unwrap();
    let text = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned()).concat();
    assert!(output.status.success(), "{arguments:?}: {text}");
}

#[test]
fn promtool_takes_the_rules_their_tests_and_the_configuration() {
    let Some(promtool) = promtool() else { return };
    run(&promtool, &["check", "rules"], &path("prometheus/rules.yaml"));
    run(&promtool, &["test", "rules"], &path("prometheus/rules_test.yaml"));
    run(&promtool, &["check", "config"], &path("prometheus/prometheus.yaml"));
}

#[test]
fn promtool_parses_every_expression_of_the_dashboard() {
    let Some(promtool) = promtool() else { return };
    let expressions = panels().into_iter().filter(|(_, it)| !it.starts_with("label_values("));
    let rules: Vec<Value> = expressions
        .enumerate()
        .map(|(place, (_, expression))| {
            // What Grafana puts in before it asks.
            let expression = expression.replace("$__rate_interval", "5m");
            serde_json::json!({ "record": format!("panel:expression{place}:x"), "expr": expression })
        })
        .collect();
    let file = serde_json::json!({ "groups": [{ "name": "dashboard", "rules": rules }] });
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules.yaml");
    std::fs::write(&rules, file.to_string()).unwrap();
    run(&promtool, &["check", "rules"], &rules);
}
