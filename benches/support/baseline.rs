//! The same work as most people would write it first: serde_json into owned structs, `String` keys, one shared
//! `DashMap`, one message at a time, policies asked for every flow.

use std::collections::HashMap;

use dashmap::DashMap;
use serde::Deserialize;

use super::input::SimplePolicy;

/// A record, every field that the decoder reads, owned.
#[derive(Deserialize)]
#[allow(dead_code, reason = "a typical reader declares every field, read or not")]
pub(crate) struct Record {
    start_time: i64,
    end_time: i64,
    action: String,
    reporter: String,
    proto: String,
    source_ip: Option<String>,
    source_name: String,
    source_name_aggr: String,
    source_namespace: String,
    source_type: String,
    source_port: Option<u16>,
    source_labels: Option<Labels>,
    dest_ip: Option<String>,
    dest_name: String,
    dest_name_aggr: String,
    dest_namespace: String,
    dest_type: String,
    dest_port: Option<u16>,
    dest_labels: Option<Labels>,
    dest_service_namespace: Option<String>,
    dest_service_name: Option<String>,
    dest_service_port: Option<String>,
    policies: Option<Policies>,
    bytes_in: u64,
    bytes_out: u64,
    packets_in: u64,
    packets_out: u64,
    num_flows: u64,
    num_flows_started: u64,
    num_flows_completed: u64,
}

#[derive(Deserialize)]
struct Labels {
    labels: Vec<String>,
}

#[derive(Deserialize)]
#[allow(dead_code, reason = "a typical reader declares every field, read or not")]
struct Policies {
    enforced_policies: Option<Vec<String>>,
    pending_policies: Option<Vec<String>>,
}

/// Counts of one edge in one window.
#[derive(Default)]
pub(crate) struct Row {
    pub(crate) flows: u64,
    pub(crate) bytes: u64,
    pub(crate) packets: u64,
    pub(crate) denies: u64,
}

struct Policy {
    namespace: String,
    label: (String, String),
    allow: Vec<(Option<(String, String)>, u16)>,
}

/// The whole program.
pub(crate) struct Baseline {
    rows: DashMap<String, Row>,
    policies: Vec<Policy>,
    slide_secs: i64,
}

impl Baseline {
    pub(crate) fn new(policies: &[SimplePolicy], slide_secs: i64) -> Self {
        let policies = policies.iter().map(|it| Policy {
            namespace: it.namespace.clone(),
            label: it.label.clone(),
            allow: it.allow.clone(),
        });
        Self { rows: DashMap::new(), policies: policies.collect(), slide_secs }
    }

    /// Takes one message.
    pub(crate) fn observe(&self, value: &[u8]) {
        let Ok(record) = serde_json::from_slice::<Record>(value) else { return };
        let denied = record.reporter == "dst" && self.would_deny(&record);
        let pane = record.end_time.div_euclid(self.slide_secs);
        let key = format!(
            "{pane}|{}|{}/{}|{}/{}|{}|{}",
            record.reporter,
            record.source_namespace,
            record.source_name_aggr,
            record.dest_namespace,
            record.dest_name_aggr,
            record.proto,
            record.dest_port.map_or_else(|| "-".to_owned(), |port| port.to_string()),
        );
        let mut row = self.rows.entry(key).or_default();
        row.flows += 1;
        row.bytes += record.bytes_in + record.bytes_out;
        row.packets += record.packets_in + record.packets_out;
        row.denies += u64::from(denied);
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    fn would_deny(&self, record: &Record) -> bool {
        let labels_of = |labels: &Option<Labels>| -> HashMap<String, String> {
            let pairs = labels.iter().flat_map(|it| &it.labels).filter_map(|it| it.split_once('='));
            pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
        };
        let dest = labels_of(&record.dest_labels);
        let source = labels_of(&record.source_labels);
        let has = |labels: &HashMap<String, String>, (key, value): &(String, String)| {
            labels.get(key).is_some_and(|it| it == value)
        };
        let mut selected = false;
        for policy in &self.policies {
            if policy.namespace != record.dest_namespace || !has(&dest, &policy.label) {
                continue;
            }
            selected = true;
            let allows = policy.allow.iter().any(|(caller, port)| {
                record.dest_port == Some(*port)
                    && record.source_namespace == policy.namespace
                    && caller.as_ref().is_none_or(|it| has(&source, it))
            });
            if allows {
                return false;
            }
        }
        selected
    }
}
