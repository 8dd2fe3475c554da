//! The table of metric families, and the registry that renders them.
//!
//! The names follow the Prometheus naming page: one prefix, base units, `_total` on counters alone. The label of a
//! policy's namespace is `policy_namespace`, since a scrape adds `namespace` of its own.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::{IntCounterVec, Opts, Registry, TextEncoder};

use super::family::{Counter, Counters, Create, Definition, Gauge, Gauges, Histogram, Histograms, Workshop};
use super::latency::{Latencies, StageRecorder};
use super::staged::{Installed, PolicyCounters, PolicySeries};

/// Declares the families: field, type, name, labels, the most label sets, help.
macro_rules! families {
    ($($field:ident: $kind:ty = $name:literal $labels:tt <= $max:literal, $help:literal;)*) => {
        /// Every family but the custom ones, each under its own name.
        #[derive(Debug)]
        pub struct Families {
            $(#[doc = $help] pub $field: $kind,)*
            /// Series that were not made because their family was full.
            pub series_dropped: Counters<1>,
        }

        impl Families {
            fn create(workshop: &Workshop, series_dropped: Counters<1>) -> Self {
                Self {
                    $($field: <$kind>::create(
                        workshop,
                        Definition { name: $name, help: $help, labels: $labels, series_max: $max },
                    ),)*
                    series_dropped,
                }
            }
        }
    };
}

families! {
    build_info: Gauges<4> = "flowstage_build_info" ["version", "revision", "rustc", "librdkafka"] <= 1,
        "Always 1; the labels name the build.";
    ready: Gauges<1> = "flowstage_ready" ["check"] <= 8,
        "Whether a readiness check passes.";
    config_reload_ok: Gauge = "flowstage_config_last_reload_successful" [] <= 1,
        "Whether the configuration was accepted when it was last read.";
    config_reload_timestamp: Gauge = "flowstage_config_last_reload_success_timestamp_seconds" [] <= 1,
        "When the configuration was last accepted, as Unix time.";
    policies_reload_ok: Gauge = "flowstage_policies_last_reload_successful" [] <= 1,
        "Whether the policies were accepted when they were last read.";
    policies_reload_timestamp: Gauge = "flowstage_policies_last_reload_success_timestamp_seconds" [] <= 1,
        "When the policies were last accepted, as Unix time.";
    policies_compiled: Gauge = "flowstage_policies_compiled_bytes" [] <= 1,
        "Estimated memory of the compiled policies in force, with the form that Calico's traces are compared with.";

    kafka_records_consumed: Counters<1> = "flowstage_kafka_records_consumed_total" ["topic"] <= 16,
        "Records read from Kafka, before decoding.";
    kafka_bytes_consumed: Counters<1> = "flowstage_kafka_bytes_consumed_total" ["topic"] <= 16,
        "Bytes of the values of records read from Kafka.";
    kafka_assigned_partitions: Gauges<1> = "flowstage_kafka_assigned_partitions" ["topic"] <= 16,
        "Partitions that this process reads.";
    kafka_lag_records: Gauges<2> = "flowstage_kafka_consumer_lag_records" ["topic", "partition"] <= 1024,
        "Records between the next one to process and the end of the partition.";
    kafka_lag_seconds: Gauges<2> = "flowstage_kafka_consumer_lag_seconds" ["topic", "partition"] <= 1024,
        "Age of the record that was processed last by its broker timestamp; 0 at the end of the partition.";
    kafka_position: Gauges<2> = "flowstage_kafka_position_offset" ["topic", "partition"] <= 1024,
        "Next offset to process.";
    kafka_committed_offset: Gauges<2> = "flowstage_kafka_committed_offset" ["topic", "partition"] <= 1024,
        "Offset that was committed last.";
    kafka_rebalances: Counters<1> = "flowstage_kafka_rebalances_total" ["kind"] <= 4,
        "Rebalances of the consumer group, by what happened to our partitions.";
    kafka_commits: Counters<1> = "flowstage_kafka_commits_total" ["outcome"] <= 4,
        "Offset commits, by outcome.";
    kafka_errors: Counters<1> = "flowstage_kafka_errors_total" ["code"] <= 24,
        "Errors of the Kafka client, by code.";

    records_decoded: Counters<1> = "flowstage_records_decoded_total" ["format"] <= 12,
        "Records that were read into flows, by format.";
    records_rejected: Counters<2> = "flowstage_records_rejected_total" ["format", "reason"] <= 168,
        "Records that could not be read, by format and reason.";
    records_filtered: Counters<1> = "flowstage_records_filtered_total" ["reason"] <= 8,
        "Flows that were read and are not ours to judge, by reason.";
    envelopes_unwrapped: Counters<1> = "flowstage_envelopes_unwrapped_total" ["envelope"] <= 10,
        "Envelopes of log shippers that were taken off, by kind.";
    decode_path: Counters<1> = "flowstage_decode_path_total" ["path"] <= 2,
        "Records by what read them: the scanner for usual records, or the strict reader that it falls back to.";
    flows: Counters<2> = "flowstage_flows_total" ["action", "reporter"] <= 16,
        "Flows, by recorded action and by the end that reported them.";
    connections: Counters<2> = "flowstage_connections_total" ["action", "reporter"] <= 16,
        "Connections that the flows speak of, by recorded action and by the end that reported them.";
    event_time_watermark: Gauges<1> = "flowstage_event_time_watermark_seconds" ["topic"] <= 16,
        "Event time before which nothing more is expected, as Unix time; the lowest over our partitions.";
    late_flows: Counters<1> = "flowstage_late_flows_total" ["disposition"] <= 2,
        "Flows behind the watermark: still accepted, or dropped because their pane was shut.";
    skewed_flows: Counter = "flowstage_skewed_flows_total" [] <= 1,
        "Flows whose event time lies too far ahead of their broker timestamp.";
    accounting_error: Gauges<1> = "flowstage_accounting_error_records" ["partition"] <= 1024,
        "Records read, less those counted, late, skewed, rejected, filtered, skipped or lost. Must be 0.";

    staged_policies: Gauges<1> = "flowstage_staged_policies" ["state"] <= 3,
        "Staged policies, by whether they could be compiled.";
    staged_policy_info: Gauges<4> = "flowstage_staged_policy_info" ["kind", "tier", "policy_namespace", "policy"] <= 501,
        "Always 1; the labels name a staged policy that is loaded.";
    staged_flows: Counters<6> = "flowstage_staged_flows_total"
        ["kind", "tier", "policy_namespace", "policy", "direction", "verdict"] <= 5010,
        "Flows that a staged policy selects, by what it did with them.";
    staged_denied_flows: Counters<6> = "flowstage_staged_denied_flows_total"
        ["kind", "tier", "policy_namespace", "policy", "direction", "transition"] <= 2004,
        "Flows that a staged policy denies, by whether they are denied today.";
    staged_denied_connections: Counters<6> = "flowstage_staged_denied_connections_total"
        ["kind", "tier", "policy_namespace", "policy", "direction", "transition"] <= 2004,
        "Connections that a staged policy denies, by whether they are denied today.";
    staged_denied_bytes: Counters<6> = "flowstage_staged_denied_bytes_total"
        ["kind", "tier", "policy_namespace", "policy", "direction", "transition"] <= 2004,
        "Bytes of flows that a staged policy denies, by whether they are denied today.";
    staged_newly_allowed_flows: Counters<5> = "flowstage_staged_newly_allowed_flows_total"
        ["kind", "tier", "policy_namespace", "policy", "direction"] <= 1002,
        "Flows that are denied today and that a staged policy would let through.";
    staged_indeterminate_flows: Counters<5> = "flowstage_staged_indeterminate_flows_total"
        ["kind", "tier", "policy_namespace", "policy", "reason"] <= 4008,
        "Flows that a staged policy cannot be judged on, by what the record lacks.";
    staged_policy_last_deny_timestamp: Gauges<4> = "flowstage_staged_policy_last_deny_timestamp_seconds"
        ["kind", "tier", "policy_namespace", "policy"] <= 501,
        "Event time of the latest flow that a staged policy denies, as Unix time.";
    replay_disagreements: Counters<1> = "flowstage_replay_disagreements_total" ["cause"] <= 8,
        "Flows of which a recorded trace is another than ours, by cause; one that is unexplained is an error somewhere.";
    replay_compared: Counters<1> = "flowstage_replay_compared_flows_total" ["result"] <= 4,
        "Flows whose recorded traces were compared with ours, by result.";
    judge_resets: Counter = "flowstage_judge_resets_total" [] <= 1,
        "Times that a worker forgot the classes of the ends it had judged, because they took too much memory.";
    policy_loads: Counters<2> = "flowstage_policy_loads_total" ["source", "outcome"] <= 12,
        "Times that policies were read, by source and outcome.";

    recommendations: Gauges<1> = "flowstage_recommendations" ["state"] <= 4,
        "Namespaces with a recommended policy, by how settled it is.";
    recommendation_runs: Counters<1> = "flowstage_recommendation_runs_total" ["outcome"] <= 8,
        "Windows that recommendations were made from, by outcome.";

    observed_edges: Gauge = "flowstage_observed_edges" [] <= 1,
        "Edges in the store.";
    state_entries: Gauges<1> = "flowstage_state_entries" ["store"] <= 8,
        "Entries of a store in memory.";
    partials: Counters<1> = "flowstage_partials_total" ["disposition"] <= 8,
        "Partials that were sent, absorbed, or found to be superseded.";
    reports_published: Counters<1> = "flowstage_reports_published_total" ["topic"] <= 16,
        "Edge reports handed to Kafka, by topic.";
    output_records: Counters<2> = "flowstage_output_records_total" ["sink", "outcome"] <= 24,
        "Records that a sink was given, by outcome.";
    output_queue_depth: Gauges<1> = "flowstage_output_queue_depth" ["sink"] <= 8,
        "Records that wait for a sink.";
    dead_letters: Counters<1> = "flowstage_dead_letters_total" ["reason"] <= 16,
        "Records that were sent to the dead-letter topic, by reason.";

    http_request_duration: Histograms<3> = "flowstage_http_request_duration_seconds" ["method", "route", "status"] <= 160,
        "Time to answer an HTTP request, by method, route template and status class.";
    http_in_flight: Gauge = "flowstage_http_in_flight_requests" [] <= 1,
        "HTTP requests that are being answered.";
    rebalance_duration: Histogram = "flowstage_kafka_rebalance_duration_seconds" [] <= 1,
        "Time between the loss of partitions and the next assignment.";
}

impl Families {
    /// Creates at 0 what has a fixed set of label values.
    fn preset(&self) {
        self.kafka_rebalances.preset([["assigned"], ["revoked"], ["lost"]]);
        self.kafka_commits.preset([["ok"], ["error"], ["fenced"]]);
        self.decode_path.preset([["scanner"], ["fallback"]]);
        self.late_flows.preset([["accepted"], ["dropped"]]);
        self.staged_policies.preset([["active"], ["invalid"], ["unsupported"]]);
        self.recommendations.preset([["learning"], ["stabilizing"], ["stable"]]);
        self.partials.preset([
            ["sent"],
            ["absorbed"],
            ["stale"],
            ["expired"],
            ["foreign_settings"],
            ["malformed"],
        ]);
        self.kafka_errors.preset([["other"]]);
        self.output_records.preset([
            ["recommendations", "ok"],
            ["dead_letters", "ok"],
            ["dead_letters", "dropped"],
        ]);
        self.replay_disagreements.preset([
            ["address"],
            ["icmp_message"],
            ["attribute"],
            ["aggregated_ends"],
            ["spans_change"],
            ["older_connection"],
            ["checker"],
            ["unexplained"],
        ]);
        self.replay_compared.preset([["agrees"], ["differs"], ["not_recorded"], ["skipped"]]);
        self.series_dropped.preset([["flowstage_staged_policy_info"]]);
        for reporter in ["src", "dst", "fwd"] {
            for action in ["allow", "deny", "unknown"] {
                self.flows.preset([[action, reporter]]);
                self.connections.preset([[action, reporter]]);
            }
        }
    }
}

/// What the binary was built from.
#[derive(Clone, Copy, Debug)]
pub struct BuildInfo<'a> {
    /// The package's version.
    pub version: &'a str,
    /// The source revision, or `unknown`.
    pub revision: &'a str,
    /// The compiler, or `unknown`.
    pub rustc: &'a str,
    /// The version of the Kafka client library.
    pub librdkafka: &'a str,
}

/// Every metric of the process. Clones share the same numbers; the families are reached by dereference.
#[derive(Clone, Debug)]
pub struct Metrics(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    registry: Registry,
    families: Families,
    // Taken when a policy set is loaded, never while flows are counted.
    installed: Mutex<Installed>,
    latencies: LatenciesHandle,
}

/// Keeps the collector printable.
struct LatenciesHandle(Latencies);

impl std::fmt::Debug for LatenciesHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Latencies")
    }
}

impl Deref for Metrics {
    type Target = Families;

    fn deref(&self) -> &Families {
        &self.0.families
    }
}

impl Metrics {
    /// Makes a registry of its own with every family in it.
    #[must_use]
    pub fn new(build: &BuildInfo<'_>) -> Self {
        let registry = Registry::new();
        let dropped = IntCounterVec::new(
            Opts::new(
                "flowstage_metric_series_dropped_total",
                "Times that a series was not made because its family was full, by family.",
            ),
            &["family"],
        )
        .expect("name and label are well formed");
        let workshop = Workshop { registry: registry.clone(), dropped };
        let families = Families::create(&workshop, workshop.series_dropped());
        families.preset();
        let BuildInfo { version, revision, rustc, librdkafka } = *build;
        families.build_info.with([version, revision, rustc, librdkafka]).set(1.0);
        let latencies = Latencies::new();
        let fresh = "the registry is new";
        registry.register(Box::new(latencies.clone())).expect(fresh);
        #[cfg(target_os = "linux")]
        registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect(fresh);
        Self(Arc::new(Inner {
            registry,
            families,
            installed: Mutex::default(),
            latencies: LatenciesHandle(latencies),
        }))
    }

    /// Makes the counters of every staged policy, at 0 where the policy is new, and removes those of policies that
    /// are gone. The places in the answer are those in `policies`.
    ///
    /// A policy that stays keeps its counts, so workers may go on with the former answer for a while. At most 500
    /// policies get series of their own; the others share one, named `_other`.
    #[must_use]
    pub fn install_policies(&self, policies: &[PolicySeries]) -> PolicyCounters {
        let mut installed = self.0.installed.lock().unwrap_or_else(PoisonError::into_inner);
        installed.install(&self.0.families, policies)
    }

    /// Makes a recorder of stage durations for one worker.
    #[must_use]
    pub fn stage_recorder(&self) -> StageRecorder {
        self.0.latencies.0.recorder()
    }

    /// Renders everything in the Prometheus text format 0.0.4.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::with_capacity(64 * 1024);
        TextEncoder::new()
            .encode_utf8(&self.0.registry.gather(), &mut text)
            .expect("a family without series is left out by the registry, and text takes the rest");
        text
    }
}
