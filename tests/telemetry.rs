//! What a scrape sees.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use flowstage::evaluate::Missing;
use flowstage::telemetry::{
    BuildInfo, DeniedFlows, DirectionLabel, Metrics, MissingLabel, PolicySeries, Stage, TransitionLabel,
    VerdictLabel,
};

fn metrics() -> Metrics {
    Metrics::new(&BuildInfo { version: "0.1.0", revision: "abc", rustc: "1.95.0", librdkafka: "2.12.1" })
}

fn policy(namespace: &str, name: &str) -> PolicySeries {
    PolicySeries {
        kind: "StagedNetworkPolicy".into(),
        tier: "default".into(),
        namespace: namespace.into(),
        name: name.into(),
    }
}

/// Finds the value of the sample whose name and labels are exactly `series`.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok())
}

#[track_caller]
fn check(metrics: &Metrics, series: &str, expected: Option<f64>) {
    let text = metrics.render();
    assert_eq!(value(&text, series), expected, "{series} in:\n{text}");
}

const DENIED: &str = "flowstage_staged_denied_flows_total{direction=\"ingress\",kind=\"StagedNetworkPolicy\",\
                      policy=\"default.web\",policy_namespace=\"shop\",tier=\"default\",\
                      transition=\"newly_denied\"}";

#[test]
fn a_staged_policy_has_its_series_at_zero_before_the_first_deny() {
    let metrics = metrics();
    check(&metrics, DENIED, None);
    let counters = metrics.install_policies(&[policy("shop", "default.web")]);
    check(&metrics, DENIED, Some(0.0));
    let denied = DeniedFlows { flows: 2, connections: 5, bytes: 700 };
    let slot = counters.get(0).unwrap();
    slot.add_denied(DirectionLabel::Ingress, TransitionLabel::NewlyDenied, denied, 1_700_000_000.0);
    check(&metrics, DENIED, Some(2.0));
    check(&metrics, &DENIED.replace("denied_flows", "denied_connections"), Some(5.0));
    check(&metrics, &DENIED.replace("denied_flows", "denied_bytes"), Some(700.0));
    check(&metrics, &DENIED.replace("ingress", "egress"), Some(0.0));
    let last = "flowstage_staged_policy_last_deny_timestamp_seconds{kind=\"StagedNetworkPolicy\",\
                policy=\"default.web\",policy_namespace=\"shop\",tier=\"default\"}";
    check(&metrics, last, Some(1_700_000_000.0));
    slot.add_denied(DirectionLabel::Ingress, TransitionLabel::NewlyDenied, denied, 1_600_000_000.0);
    check(&metrics, last, Some(1_700_000_000.0));
}

#[test]
fn a_policy_that_stays_keeps_its_counts_and_one_that_goes_leaves_nothing() {
    let metrics = metrics();
    let before = metrics.install_policies(&[policy("shop", "default.web"), policy("pay", "default.db")]);
    for place in 0..before.len() {
        let slot = before.get(place).unwrap();
        slot.add_denied(
            DirectionLabel::Ingress,
            TransitionLabel::NewlyDenied,
            DeniedFlows { flows: 3, connections: 3, bytes: 3 },
            1.0,
        );
    }
    let after = metrics.install_policies(&[policy("new", "default.api"), policy("shop", "default.web")]);
    assert!(!metrics.render().contains("policy_namespace=\"pay\""), "{}", metrics.render());
    check(&metrics, DENIED, Some(3.0));
    assert_eq!(after.get(1).unwrap().denied(TransitionLabel::NewlyDenied), 3);
    assert_eq!(after.get(0).unwrap().denied(TransitionLabel::NewlyDenied), 0);
    assert!(after.get(2).is_none());
    // A worker that still holds the former handles counts into the same series.
    before.get(0).unwrap().add_flows(DirectionLabel::Ingress, VerdictLabel::Deny, 4);
    assert_eq!(after.get(1).unwrap().evaluated(), 4);
}

#[test]
fn policies_beyond_the_bound_share_one_series_and_are_counted() {
    let metrics = metrics();
    let many: Vec<PolicySeries> = (0..503).map(|it| policy("shop", &format!("default.p{it}"))).collect();
    let counters = metrics.install_policies(&many);
    for place in [0, 500, 502] {
        counters.get(place).unwrap().add_flows(DirectionLabel::Egress, VerdictLabel::Allow, 1);
    }
    let other = "flowstage_staged_flows_total{direction=\"egress\",kind=\"_other\",policy=\"_other\",\
                 policy_namespace=\"_other\",tier=\"_other\",verdict=\"allow\"}";
    check(&metrics, other, Some(2.0));
    let dropped = "flowstage_metric_series_dropped_total{family=\"flowstage_staged_policy_info\"}";
    check(&metrics, dropped, Some(3.0));
    let series = metrics.render().lines().filter(|line| !line.starts_with('#')).count();
    assert!(series < 20_000, "{series} series break the budget of one process");
    // No family but the policies' own was full.
    assert_eq!(metrics.render().matches("flowstage_metric_series_dropped_total{").count(), 1);
    // A place that becomes free goes to one that had none.
    let counters = metrics.install_policies(&many[1..]);
    assert_eq!(counters.get(0).unwrap().evaluated(), 0);
    assert!(metrics.render().contains("policy=\"default.p500\""));
}

#[test]
fn a_full_family_folds_into_other() {
    let metrics = metrics();
    for topic in 0..18 {
        metrics.kafka_records_consumed.with([&format!("t{topic}")]).add(1);
    }
    check(&metrics, "flowstage_kafka_records_consumed_total{topic=\"t15\"}", Some(1.0));
    check(&metrics, "flowstage_kafka_records_consumed_total{topic=\"t16\"}", None);
    check(&metrics, "flowstage_kafka_records_consumed_total{topic=\"_other\"}", Some(2.0));
    metrics.kafka_records_consumed.remove(["t3"]);
    metrics.kafka_records_consumed.with(["t17"]).add(5);
    check(&metrics, "flowstage_kafka_records_consumed_total{topic=\"t17\"}", Some(5.0));
}

#[test]
fn label_values_are_escaped() {
    let metrics = metrics();
    metrics.kafka_errors.with(["a\"b\\c\nd"]).inc();
    check(&metrics, "flowstage_kafka_errors_total{code=\"a\\\"b\\\\c\\nd\"}", Some(1.0));
}

#[test]
fn every_attribute_that_may_be_missing_has_a_reason() {
    let all = [
        Missing::SOURCE_LABELS,
        Missing::DEST_LABELS,
        Missing::SOURCE_ADDRESS,
        Missing::DEST_ADDRESS,
        Missing::SOURCE_PORT,
        Missing::DEST_PORT,
        Missing::SOURCE_NAMESPACE,
        Missing::DEST_NAMESPACE,
        Missing::SOURCE_SERVICE_ACCOUNT,
        Missing::DEST_SERVICE_ACCOUNT,
        Missing::PORT_NAMES,
        Missing::ICMP,
        Missing::HTTP,
        Missing::DOMAINS,
        Missing::ENDPOINT,
    ];
    let missing = all.into_iter().fold(Missing::NOTHING, Missing::union);
    assert_eq!(missing.names().count(), all.len());
    for name in missing.names() {
        assert!(MissingLabel::from_attribute(name).is_some(), "{name}");
    }
    assert_eq!(MissingLabel::from_attribute("nonsense"), None);
}

#[test]
fn a_scrape_passes_promtool() {
    let Some(promtool) = std::env::var_os("FLOWSTAGE_PROMTOOL") else {
        eprintln!("left out: `promtool check metrics`, since FLOWSTAGE_PROMTOOL does not name promtool");
        return;
    };
    let metrics = metrics();
    let counters = metrics.install_policies(&[policy("shop", "default.web"), policy("", "default.all")]);
    counters.get(0).unwrap().add_denied(
        DirectionLabel::Ingress,
        TransitionLabel::AlreadyDenied,
        DeniedFlows { flows: 1, connections: 1, bytes: 1 },
        1.0,
    );
    metrics.stage_recorder().record(Stage::Decode, Duration::from_millis(3));
    metrics.http_request_duration.with(["GET", "/metrics", "2xx"]).observe(0.01);
    let mut child = Command::new(promtool)
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(metrics.render().as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
